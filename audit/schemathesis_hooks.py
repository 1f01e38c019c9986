"""The hooks of schemathesis: values of Switchboard's scalars, and the check of every response."""

import json
import os
from collections import Counter
from pathlib import Path

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

#: Ids, names and cursors that exist. Without them, almost every operation would be refused.
KNOWN = json.loads(os.environ.get("KNOWN", '{"ids": [""], "names": [""], "cursors": [""]}'))
#: The file with the number of responses by error code.
TALLY = Path(os.environ.get("TALLY", "tally.json"))
tally: Counter[str] = Counter()

texts = st.text(max_size=30)
whole = st.integers(-(2**60), 2**60)
leaves = st.none().map(lambda _: nodes.Null) | texts.map(nodes.String) | whole.map(nodes.Int)
SCALARS = {
    "ID": (st.sampled_from(KNOWN["ids"]) | texts).map(nodes.String),
    "String": (st.sampled_from(KNOWN["names"]) | texts).map(nodes.String),
    "DateTime": st.datetimes().map(lambda one: f"{one.isoformat()}Z").map(nodes.String),
    "Cursor": (st.sampled_from(KNOWN["cursors"]) | texts).map(nodes.String),
    "Long": whole.map(nodes.Int),
    "FieldValue": st.one_of(
        texts.map(nodes.String),
        whole.map(nodes.Int),
        st.booleans().map(nodes.Boolean),
        st.lists(texts.map(nodes.String), max_size=3).map(nodes.List),
    ),
    "JSON": st.recursive(leaves, lambda some: st.lists(some, max_size=3).map(nodes.List), max_leaves=5),
}
for name, strategy in SCALARS.items():
    schemathesis.graphql.scalar(name, strategy)


@schemathesis.check
def no_internal_error(ctx, response, case) -> None:
    """No 5xx, JSON in the shape of GraphQL, and no INTERNAL."""
    assert response.status_code < 500, f"status {response.status_code}"
    body = response.json()
    assert body.keys() <= {"data", "errors"}, body
    codes = [error["extensions"]["code"] for error in body.get("errors", ())]
    tally.update(["ANSWERED", *(codes or ["OK"])])
    TALLY.write_text(json.dumps(tally))
    assert "INTERNAL" not in codes, body["errors"]
