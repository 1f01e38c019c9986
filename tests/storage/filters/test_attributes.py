"""Which agents are routable."""

from datetime import UTC, datetime

import msgspec
import pytest

from storage.filters.attributes import is_routable
from storage.records import AgentProfile, AgentStatus, Presence, User

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READY = User(
    id="U",
    username="u",
    presence=Presence.ONLINE,
    agent=AgentProfile(max_rooms=2, open_room_count=1),
    created_at=NOW,
    updated_at=NOW,
)
FULL = AgentProfile(max_rooms=2, open_room_count=2)
AWAY = AgentProfile(status=AgentStatus.NOT_AVAILABLE)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"agent": AgentProfile(max_rooms=None, open_room_count=99)}, True),
        ({"presence": Presence.BUSY}, True),
        ({"presence": Presence.OFFLINE, "roles": ("bot",)}, True),
        ({"presence": Presence.OFFLINE}, False),
        ({"active": False}, False),
        ({"agent": FULL}, False),
        ({"agent": FULL, "roles": ("bot",)}, False),
        ({"agent": AWAY}, False),
        ({"agent": AWAY, "roles": ("bot",)}, False),
        ({"agent": None}, False),
    ],
)
def test_an_agent_is_routable_unless_a_reason_prevents_it(changes: dict[str, object], expected: bool) -> None:
    assert is_routable(msgspec.structs.replace(READY, **changes)) is expected
