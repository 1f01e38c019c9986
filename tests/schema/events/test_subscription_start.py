"""Subscriptions start and fail as graphql-core starts them, and without it if all goes well."""

from typing import Any

import pytest

from resolvers.auth.access import ADMIN, ANONYMOUS, Caller
from resolvers.context import Context, Services
from schema.events import subscription_start
from schema.execution.context import RequestContext
from schema.execution.preparation import prepare
from schema.schema import schema
from tests.resolvers.world import APP

#: Callers by name.
CALLERS = {"admin": Caller(APP, frozenset({ADMIN})), "no scopes": Caller(APP), "anonymous": ANONYMOUS}
ROOM_CLOSED = "subscription ($where: RoomFilter, $after: Cursor) { roomClosed(where: $where, after: $after) { id } }"


async def start(services: Services, caller: str, text: str, variables: dict[str, Any] | None) -> Any:
    """The name of the root field in results, or the errors."""
    context = RequestContext(Context(services, CALLERS[caller]))
    started = await subscription_start.start(prepare(text, schema._schema, context), context, variables, None)
    if isinstance(started, list):
        return [(error.formatted, repr(error.original_error)) for error in started]
    await started.source.aclose()
    return started.root.name


@pytest.mark.parametrize(
    ("caller", "text", "variables"),
    [
        ("admin", "subscription { roomClosed { id } }", None),
        ("admin", "subscription Named { closed: roomClosed { ...fields } } fragment fields on RoomClosed { id }", {}),
        ("admin", ROOM_CLOSED, {"where": {"ids": ["room_a", "room_b"]}}),
        ("admin", ROOM_CLOSED, {"where": {"ids": ["no id"]}}),
        ("admin", ROOM_CLOSED, {"where": {"ids": ["room_a"], "customFields": [{"key": "unknown", "eq": "x"}]}}),
        ("admin", ROOM_CLOSED, {"where": {"ids": 5.5}}),
        ("admin", ROOM_CLOSED, {"where": {"unknown": 5}}),
        ("admin", ROOM_CLOSED, {"after": "no cursor"}),
        ("admin", "subscription ($a: ID!) { roomClosed(where: {ids: [$a]}) { id } }", {}),
        ("no scopes", "subscription { roomClosed { id } }", None),
        ("anonymous", "subscription { closed: roomClosed { id } }", None),
        ("anonymous", ROOM_CLOSED, {"after": "no cursor"}),
        ("admin", "subscription ($on: Boolean!) { roomClosed { id } roomStarted @skip(if: $on) { id } }", {"on": True}),
    ],
)
async def test_subscription_starts_or_fails_as_by_graphql_core(
    services: Services, monkeypatch: pytest.MonkeyPatch, caller: str, text: str, variables: dict[str, Any] | None
) -> None:
    directly = await start(services, caller, text, variables)

    monkeypatch.setattr(subscription_start, "compiled_root", lambda *_: None)
    assert directly == await start(services, caller, text, variables)


async def test_graphql_core_is_not_needed(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_start, "create_source_event_stream", None)

    assert await start(services, "admin", ROOM_CLOSED, {"where": {"ids": ["room_a"]}}) == "roomClosed"
