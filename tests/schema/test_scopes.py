"""Every root field declares its scopes, or that it is open, and refuses callers that lack them."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    get_named_type,
    is_required_argument,
    is_required_input_field,
)
from strawberry.types import ExecutionResult

from resolvers.auth import access
from resolvers.auth.access import ANONYMOUS, INVALID_TOKEN_CALLER, Caller
from resolvers.context import Context
from schema.base.fields import NeedsScopes
from schema.execution.context import RequestContext
from schema.schema import schema
from storage.records import Actor, ActorType, Visitor

APP = Actor(type=ActorType.APP, id="app", name="app")

#: The root fields that need no token.
OPEN = {"Mutation.login", "Query.errorCodes"}
#: The root fields that need a valid token and no scope.
ANY_TOKEN = {
    *("Query.viewer", "Query.customFieldDefinitions"),
    *("Mutation.takeRoom", "Mutation.logout", "Mutation.setAppData"),
}
#: The root fields that a visitor's token opens, in addition to OPEN.
OPEN_TO_VISITORS = {
    *("Query.viewer", "Query.node", "Query.room", "Query.rooms", "Query.eventCursor"),
    *("Mutation.startRoom", "Mutation.closeRoom", "Mutation.sendMessage", "Mutation.editMessage"),
    *("Mutation.redactMessage", "Mutation.sendSignal"),
    *("Subscription.events", "Subscription.roomClosed", "Subscription.agentAssigned", "Subscription.agentUnassigned"),
    *("Subscription.messageSent", "Subscription.signals"),
}
FOR_USERS_ONLY = {"Mutation.takeRoom", "Mutation.logout"}
SCOPES: Mapping[str, str] = {
    "users:read": "Query: user users agent agents roles departments explainRouting",
    "users:write": "Mutation: createUser updateUser setUserActive setPresence ensureAgent",
    "roles:write": "Mutation: createRole updateRole addRoles removeRoles",
    "agents:write": "Mutation: addAgent removeAgent setAgentStatus updateAgent ensureAgent",
    "departments:write": "Mutation: createDepartment updateDepartment setDepartmentAgents",
    "fields:write": "Mutation: defineCustomField updateCustomField removeCustomField",
    "visitors:read": "Query: visitor visitors",
    "visitors:write": "Mutation: saveVisitor createVisitorSession ensureRoom",
    "visitors:export": "Query: visitorExport",
    "visitors:erase": "Mutation: eraseVisitor",
    "rooms:read": "Query: room rooms timers explainRouting",
    "rooms:write": "Mutation: startRoom ensureRoom updateRoom closeRoom holdRoom resumeRoom setTimer cancelTimer",
    "rooms:assign": "Mutation: assignAgent unassignAgent transferRoom declineRouting",
    "messages:read": "Subscription: messageSent signals",
    "messages:write": "Mutation: sendMessage sendSignal editMessage redactMessage",
    "messages:moderate": "Mutation:",  # redactMessage needs it if another actor sent the message
    "events:read": "Query: events eventCursor consumers; Mutation: ackEvents removeConsumer; "
    "Subscription: roomStarted routingRequested agentAssigned agentUnassigned roomClosed messageSent events",
    "apps:write": "Query: apps; Mutation: createApp rotateAppToken revokeApp",
    "webhooks:write": "Query: webhook webhooks; "
    "Mutation: createWebhook updateWebhook replayWebhook rotateWebhookSecret removeWebhook",
}


def fields() -> Iterator[tuple[str, str, GraphQLField]]:
    """Every root field, with the name of its root."""
    api = schema._schema
    for root in (api.query_type, api.mutation_type, api.subscription_type):
        assert root is not None
        for name, field in root.fields.items():
            yield root.name, name, field


def declared(field: GraphQLField) -> tuple[str, ...] | None:
    """The scopes in the SDL. None if the field is open to all."""
    directives = field.extensions["strawberry-definition"].directives
    found = [directive for directive in directives if isinstance(directive, NeedsScopes)]
    return tuple(found[0].scopes) if found else None


FIELDS = [(root, name) for root, name, _ in fields()]
SCOPED = [(root, name, scope) for root, name, field in fields() for scope in declared(field) or ()]


def test_every_field_declares_what_the_contract_says() -> None:
    found: dict[str, set[str]] = {scope: set() for scope in SCOPES}
    for root, name, field in fields():
        for scope in declared(field) or ():
            found[scope].add(f"{root}.{name}")

    expected = {
        scope: {
            f"{root.strip()}.{name}"
            for part in text.split(";")
            for root, names in [part.split(":")]
            for name in names.split()
        }
        for scope, text in SCOPES.items()
    }
    assert {scope: names & expected[scope] for scope, names in found.items()} == expected
    assert {f"{root}.{name}" for root, name, field in fields() if declared(field) is None} == OPEN
    assert {f"{root}.{name}" for root, name, field in fields() if declared(field) == ()} >= ANY_TOKEN


def test_the_scopes_are_those_of_the_contract() -> None:
    assert set(access.SCOPES) == {*SCOPES, access.ADMIN}


@pytest.mark.parametrize(("root", "name"), FIELDS)
async def test_without_a_token_only_open_root_fields_are_executed(root: str, name: str) -> None:
    # The login fails, because there are no services.
    expected = {"Mutation.login": ["INTERNAL"], "Query.errorCodes": []}.get(f"{root}.{name}", ["UNAUTHENTICATED"])

    for caller in (ANONYMOUS, INVALID_TOKEN_CALLER):
        assert [error["extensions"]["code"] for error in await refusals(root, name, caller)] == expected


@pytest.mark.parametrize(("root", "name", "scope"), SCOPED)
async def test_a_root_field_without_its_scope_is_forbidden(root: str, name: str, scope: str) -> None:
    others = frozenset(access.SCOPES) - {scope, access.ADMIN}

    (error,) = await refusals(root, name, Caller(APP, others))

    assert error["extensions"] == {"code": "FORBIDDEN", "scope": scope}


@pytest.mark.parametrize(("root", "name"), [one for one in FIELDS if ".".join(one) not in OPEN | OPEN_TO_VISITORS])
async def test_other_root_fields_are_forbidden_to_visitors(root: str, name: str) -> None:
    visitor = Visitor(id="visitor", token="v", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    caller = Caller(Actor(type=ActorType.VISITOR, id=visitor.id, name=None), visitor=visitor)

    (error,) = await refusals(root, name, caller)

    assert (error["message"], error["extensions"]) == ("This is not open to a visitor's token.", {"code": "FORBIDDEN"})


@pytest.mark.parametrize(("root", "name"), [name.split(".") for name in sorted(FOR_USERS_ONLY)])
async def test_root_fields_for_logged_in_users_are_forbidden_to_apps(services: Any, root: str, name: str) -> None:
    context = RequestContext(Context(services, Caller(APP, frozenset({access.ADMIN}))))

    (error,) = await refusals(root, name, context=context)

    assert error["extensions"] == {"code": "FORBIDDEN"}


# ---------------------------------------------------------------- operations


async def refusals(
    root: str, name: str, caller: Caller = ANONYMOUS, *, context: RequestContext | None = None
) -> list[dict[str, Any]]:
    """The errors of an operation that selects this root field. There are no services by default."""
    root_type = cast(GraphQLObjectType, schema._schema.type_map[root])
    text = f"{root.lower()} {{ {call(name, root_type.fields[name])} }}"
    context = context or RequestContext(Context(services=None, caller=caller))  # type: ignore[arg-type]
    if root == "Subscription":
        result = await anext(
            aiter(cast(AsyncIterator[ExecutionResult], await schema.subscribe(text, context_value=context)))
        )
    else:
        result = cast(ExecutionResult, await schema.execute(text, context_value=context))
    return [cast(dict[str, Any], error.formatted) for error in result.errors or []]


def call(name: str, field: GraphQLField) -> str:
    required = {key: argument.type for key, argument in field.args.items() if is_required_argument(argument)}
    arguments = ", ".join(f"{key}: {value(type_)}" for key, type_ in required.items())
    return f"{name}{f'({arguments})' if arguments else ''}{selection(field.type)}"


def selection(type_: GraphQLOutputType) -> str:
    composite = isinstance(get_named_type(type_), GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType)
    return " { __typename }" if composite else ""


def value(type_: GraphQLInputType) -> str:
    """The smallest value of this type."""
    match type_:
        case GraphQLNonNull(of_type=inner):
            return value(inner)
        case GraphQLList():
            return "[]"
        case GraphQLEnumType():
            return str(next(iter(type_.values)))
        case GraphQLInputObjectType(is_one_of=True):
            key, one = next(iter(type_.fields.items()))
            return f"{{{key}: {value(one.type)}}}"
        case GraphQLInputObjectType():
            required = {key: one.type for key, one in type_.fields.items() if is_required_input_field(one)}
            return "{" + ", ".join(f"{key}: {value(inner)}" for key, inner in required.items()) + "}"
    texts = {"Int": "1", "Long": "1", "Float": "1.5", "Boolean": "true"}
    return texts.get(get_named_type(type_).name, '"x"')
