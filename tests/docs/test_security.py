"""The page on security says what the code does."""

from pathlib import Path

from resolvers.access import ADMIN, PERMISSIONS, SCOPES
from storage import roles
from tests.schema.test_scopes import declared, fields

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
ROLES = (roles.ADMIN, roles.MANAGER, roles.AGENT)
#: Fields of types that need a scope beside that of the way there.
NESTED = {
    "messages:read": ["Room.messages"],
    "events:read": ["Room.events"],
    "rooms:read": ["Agent.rooms"],
    "users:read": ["Department.agents"],
    "roles:write": ["`roles` in createUser and ensureAgent"],
}


def table() -> list[str]:
    """What needs each scope, and which roles have it."""
    lines = []
    for scope, opens in SCOPES.items():
        needing = [name for _, name, field in fields() if scope in (declared(field) or ())]
        needed = ", ".join([*dict.fromkeys(needing), *NESTED.get(scope, [])])
        held = ["yes" if {scope, ADMIN} & PERMISSIONS[role] else "" for role in ROLES]
        lines.append(f"| `{scope}` | {opens} | {needed} | {' | '.join(held)} |")
    return lines


def test_table_of_scopes_and_roles_is_right() -> None:
    assert [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")] == table()


def test_roles_that_open_something_are_all_in_the_table() -> None:
    assert set(PERMISSIONS) == set(ROLES)
