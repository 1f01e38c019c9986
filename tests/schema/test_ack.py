"""`ack` in inputs of mutations: an invalid one is refused before all other rules of the mutation are checked."""

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

from graphql import GraphQLInputObjectType, GraphQLNonNull, parse
from graphql.language import InputObjectTypeDefinitionNode
from strawberry.types import ExecutionResult

from resolvers import events, visitors
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.consumers import consumers
from resolvers.context import Context, Services
from schema.execution.context import RequestContext
from schema.schema import schema
from storage.mongo.cursors import event_cursor
from storage.records import Actor, ActorType
from tests.schema.test_contract import CONTRACT
from tests.schema.test_scopes import selection, value

#: Mutations that return a secret, acknowledge events themselves, or store nothing.
WITHOUT_ACK = {
    "ackEvents",
    "createApp",
    "createVisitorSession",
    "createWebhook",
    "login",
    "logout",
    "removeConsumer",
    "rotateAppToken",
    "rotateWebhookSecret",
    "sendSignal",
}
APP = Actor(type=ActorType.APP, id="app", name="App")
OTHER = Actor(type=ActorType.APP, id="other", name="Other")
#: A text that is not an id. The ids of an input are checked after its `ack`.
INVALID_ID = "nothing"


def inputs() -> Iterator[tuple[str, GraphQLInputObjectType]]:
    """Every mutation that takes `ack`, and its input."""
    mutation = schema._schema.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        input_type = cast(GraphQLNonNull[Any], field.args["input"].type).of_type
        if "ack" in input_type.fields:
            yield name, input_type


def call(name: str, input_type: GraphQLInputObjectType, consumer: str, cursor: str) -> str:
    """The mutation with this ack and the required fields of its input."""
    mutation = schema._schema.mutation_type
    assert mutation is not None
    required = value(GraphQLNonNull(input_type)).removesuffix("}").replace('"x"', f'"{INVALID_ID}"')
    ack = f'ack: {{consumer: "{consumer}", cursor: "{cursor}"}}'
    return f"mutation {{ {name}(input: {required} {ack}}}){selection(mutation.fields[name].type)} }}"


async def refusals(context: Context, consumer: str, cursor: str) -> dict[str, tuple[Any, Any]]:
    """The code and the key of the error of each mutation for this ack."""
    found = {}
    for name, input_type in inputs():
        text = call(name, input_type, consumer, cursor)
        result = cast(ExecutionResult, await schema.execute(text, context_value=RequestContext(context)))
        assert result.errors, name
        (error,) = result.errors
        extensions = error.extensions or {}
        found[name] = extensions.get("code"), extensions.get("key", extensions.get("scope"))
    return found


async def state(context: Context) -> tuple[int, int, list[Any]]:
    """The state that a refused mutation must not change."""
    database = context.storage.database
    return (
        await context.storage.log.head(),
        await database["acknowledgements"].count_documents({}),
        await database["consumers"].find({}, {"acked": 1}).to_list(None),
    )


def test_inputs_with_an_ack_are_those_of_the_contract() -> None:
    in_contract = {
        node.name.value
        for node in parse(CONTRACT).definitions
        if isinstance(node, InputObjectTypeDefinitionNode)
        and any(field.name.value == "ack" for field in node.fields or ())
    }
    mutation = schema._schema.mutation_type
    assert mutation is not None

    assert {input_type.name for _, input_type in inputs()} >= in_contract
    assert set(mutation.fields) - {name for name, _ in inputs()} <= WITHOUT_ACK


async def test_every_mutation_checks_its_ack_before_anything_else_and_changes_nothing(services: Services) -> None:
    admin = frozenset({access.ADMIN})
    context, other = Context(services, Caller(APP, admin)), Context(services, Caller(OTHER, admin))
    async with (
        aclosing(await events.subscribe(context, consumer="mine")),
        aclosing(await events.subscribe(other, consumer="theirs")),
    ):
        pass
    for number in range(3):
        await visitors.save_visitor(context, token=f"v{number}")
    head = await services.storage.log.head()
    await consumers.ack_events(context, consumer="mine", cursor=event_cursor(head - 2))
    await consumers.ack_events(context, consumer="mine", cursor=event_cursor(head), only=True)
    before = await state(context)

    def by_every_mutation(error: tuple[Any, Any]) -> dict[str, tuple[Any, Any]]:
        # Permissions are checked first, and an app cannot take rooms.
        return {**{name: error for name, _ in inputs()}, "takeRoom": ("FORBIDDEN", None)}

    async def refused(consumer: str, cursor: str, *, scopes: frozenset[str] = admin) -> dict[str, tuple[Any, Any]]:
        return await refusals(replace(context, caller=Caller(APP, scopes)), consumer, cursor)

    pending = event_cursor(head - 1)
    assert await refused("mine", event_cursor(head)) == by_every_mutation(("ALREADY_ACKNOWLEDGED", None))
    assert await refused("mine", event_cursor(head - 2)) == by_every_mutation(("ALREADY_ACKNOWLEDGED", None))
    assert await refused("nobody", pending) == by_every_mutation(("NOT_FOUND", "ack.consumer"))
    assert await refused("theirs", pending) == by_every_mutation(("NOT_FOUND", "ack.consumer"))
    assert await refused("mine", "*") == by_every_mutation(("INVALID_CURSOR", "ack.cursor"))
    assert await refused("mine", event_cursor(0)) == by_every_mutation(("INVALID_CURSOR", "ack.cursor"))
    assert await refused("mine", event_cursor(head + 1)) == by_every_mutation(("INVALID_CURSOR", "ack.cursor"))
    without_events_read = frozenset(access.SCOPES) - {"events:read", access.ADMIN}
    assert await refused("mine", pending, scopes=without_events_read) == by_every_mutation(("FORBIDDEN", "events:read"))
    assert await state(context) == before
