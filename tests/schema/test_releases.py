"""schema.graphql breaks no client of the last release, unless a list names the change, and deprecations have dates."""

import re
import tomllib
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema
from graphql.utilities import find_breaking_changes

RELEASES = Path(__file__).parents[2] / "schema" / "releases"
ACCEPTED = RELEASES / "accepted_breaking_changes.toml"
#: A reason says what to use instead, since when, and until when the element exists at least.
DEPRECATION = re.compile(
    r".+\. Deprecated since \d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\), exists until at least \d{4}-\d\d-\d\d\."
)
OLD = """
type Query { user(id: ID): User }
type User { name: String }
enum Kind { A B }
input By { id: ID }
"""


def version_of(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.stem.split("."))


def last_release() -> Path:
    return max(RELEASES.glob("*.graphql"), key=version_of)


def present() -> GraphQLSchema:
    return build_schema((RELEASES.parent / "schema.graphql").read_text(encoding="utf-8"))


def breaking_changes(old: str, new: GraphQLSchema) -> list[str]:
    return sorted(change.description for change in find_breaking_changes(build_schema(old), new))


def deprecations(schema: GraphQLSchema) -> dict[str, str]:
    """The reason of each deprecated field, argument, input field and value."""
    found = {}
    for name, type_ in schema.type_map.items():
        parts = {**getattr(type_, "fields", {}), **getattr(type_, "values", {})}
        for key, part in parts.items():
            arguments = getattr(part, "args", {})
            for path, one in [(f"{name}.{key}", part), *((f"{name}.{key}({arg}:)", v) for arg, v in arguments.items())]:
                if one.deprecation_reason is not None:
                    found[path] = one.deprecation_reason
    return found


def test_every_breaking_change_since_the_last_release_is_listed_with_a_reason() -> None:
    accepted = tomllib.loads(ACCEPTED.read_text(encoding="utf-8")).get("change", [])
    changes = breaking_changes(last_release().read_text(encoding="utf-8"), present())

    assert changes == sorted(change["what"] for change in accepted), (
        f"Avoid the change, or name it with its reason in {ACCEPTED.name}, and in the changelog under Breaking."
    )
    assert [change for change in accepted if not change["reason"].strip()] == []


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("name: String", "title: String", "User.name was removed."),
        ("enum Kind { A B }", "enum Kind { A }", "Enum value Kind.B was removed."),
        ("user(id: ID)", "user(id: ID!)", "Argument Query.user(id:) has changed type from ID to ID!."),
        ("input By { id: ID }", "input By { id: ID, key: ID! }", "A required field By.key was added."),
    ],
)
def test_a_change_that_breaks_clients_is_found(before: str, after: str, what: str) -> None:
    assert before in OLD

    assert any(what.rstrip(".") in change for change in breaking_changes(OLD, build_schema(OLD.replace(before, after))))


def test_an_addition_breaks_no_client() -> None:
    new = OLD.replace("name: String", "name: String\n  title: String").replace("user(id: ID)", "user(id: ID, by: By)")

    assert breaking_changes(OLD, build_schema(new)) == []


def test_every_deprecation_says_what_to_use_instead_and_has_dates() -> None:
    assert {path: reason for path, reason in deprecations(present()).items() if not DEPRECATION.fullmatch(reason)} == {}


def test_deprecations_are_found_wherever_they_are() -> None:
    schema = build_schema("""
        type Query { a(x: Int @deprecated(reason: "1")): Int @deprecated(reason: "2") }
        enum E { V @deprecated(reason: "3") }
        input I { f: Int @deprecated(reason: "4") }
    """)

    assert deprecations(schema) == {"Query.a(x:)": "1", "Query.a": "2", "E.V": "3", "I.f": "4"}
    assert DEPRECATION.fullmatch("Use `b`. Deprecated since 0.3.0 (2027-01-15), exists until at least 2027-07-15.")
    assert not DEPRECATION.fullmatch("Use `b`.")
