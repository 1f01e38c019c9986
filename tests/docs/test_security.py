"""The tables of security.md match the code."""

from collections.abc import Iterator
from pathlib import Path

from graphql import GraphQLObjectType

from resolvers.auth.access import ADMIN, SCOPES
from schema.execution.answer_requirements import required_scopes
from schema.schema import schema
from storage import roles
from tests.schema.test_scopes import declared, fields

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
ROLES = (roles.ADMIN, roles.MANAGER, roles.AGENT)
ROOTS = {"Query", "Mutation", "Subscription"}


def nested(scope: str) -> Iterator[str]:
    """Nested fields that need this scope."""
    for type_ in schema._schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and type_.name not in ROOTS:
            for name, field in type_.fields.items():
                if scope in required_scopes(field):
                    yield f"{type_.name}.{name}"
    if scope == "roles:write":
        yield "`roles` in createUser and ensureAgent"
    if scope == "messages:moderate":
        yield "redactMessage of messages of others"


def table() -> list[str]:
    """The operations and fields that need each scope, and the roles with it."""
    lines = []
    for scope, opens in SCOPES.items():
        needing = [name for _, name, field in fields() if scope in (declared(field) or ())]
        needed = ", ".join([*dict.fromkeys(needing), *nested(scope)])
        held = ["yes" if {scope, ADMIN} & roles.BUILT_IN_SCOPES[role] else "" for role in ROLES]
        lines.append(f"| `{scope}` | {opens} | {needed} | {' | '.join(held)} |")
    return lines


def test_table_of_scopes_and_roles_is_right() -> None:
    assert [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")] == table()


def test_table_has_every_built_in_role_with_scopes() -> None:
    assert {name for name, scopes in roles.BUILT_IN_SCOPES.items() if scopes} == set(ROLES)
