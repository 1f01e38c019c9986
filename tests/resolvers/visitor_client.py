"""What a visitor's page does: operations of the API with the visitor as the caller, without a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from strawberry.types import ExecutionResult

from resolvers.auth.access import Caller
from resolvers.context import Context
from resolvers.messages import send_message
from schema.base import ids
from schema.execution.cohorts import Cohorts
from schema.execution.context import RequestContext
from schema.execution.cost_limits import Limits
from schema.schema import schema
from storage.message_records import Audience, Message
from storage.records import Actor, ActorType, Room, RoutingMethod, Visitor
from tests.resolvers.world import World

#: For documents that select all that there is.
WIDE = Limits(
    characters=1_000_000, tokens=100_000, repetitions=10_000, aliases=10_000, spreads=1_000, complexity=10_000_000
)


class Page:
    """The page of one visitor."""

    def __init__(self, world: World, visitor: Visitor, cohorts: Cohorts | None = None) -> None:
        self.visitor = visitor
        self.cohorts = cohorts
        actor = Actor(type=ActorType.VISITOR, id=visitor.id, name=visitor.name)
        self.context: Context = replace(world.context, caller=Caller(actor, visitor=visitor))

    async def answer(self, document: str, **variables: Any) -> ExecutionResult:
        context = RequestContext(self.context, WIDE, self.cohorts)
        return cast(ExecutionResult, await schema.execute(document, context_value=context, variable_values=variables))

    async def ask(self, document: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        answer = await self.answer(document, **variables)
        assert not answer.errors, answer.errors
        return answer.data

    async def refusal(self, document: str, **variables: Any) -> dict[str, Any]:
        """The one error of an answer without data: its message and its extensions."""
        answer = await self.answer(document, **variables)
        assert not any((answer.data or {}).values()), answer.data
        (error,) = answer.errors or []
        return {"message": error.message, **(error.extensions or {})}

    async def change(self, name: str, selection: str, **given: Any) -> Any:
        return (await self.ask(mutation(name, selection), input=given))[name]

    @asynccontextmanager
    async def following(self, document: str, **variables: Any) -> AsyncIterator["AsyncIterator[ExecutionResult]"]:
        context = RequestContext(self.context, WIDE, self.cohorts)
        results = await schema.subscribe(document, context_value=context, variable_values=variables)
        try:
            yield cast("AsyncIterator[ExecutionResult]", results)
        finally:
            await cast(Any, results).aclose()


def mutation(name: str, selection: str) -> str:
    kind = f"{name[0].upper()}{name[1:]}Input"
    return f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} }} }}"


def room_id(room: Room) -> str:
    return str(ids.ROOM.format(room.id))


def message_id(message: Message) -> str:
    return str(ids.MESSAGE.format(message.id))


async def said(world: World, room: Room, text: str, **given: Any) -> Message:
    """A message that an app sends in the room."""
    return await send_message(world.context, room_id=room.id, text=text, **given)


async def note(world: World, room: Room, text: str, **given: Any) -> Message:
    """A message for STAFF."""
    return await said(world, room, text, audience=Audience.STAFF, **given)


async def page_of(world: World, token: str = "v") -> Page:
    return Page(world, await world.visitor(token))


async def room_of(world: World, token: str) -> Room:
    await world.visitor(token)
    return await world.start(await world.department(f"For {token}", RoutingMethod.MANUAL), visitor_token=token)


async def next_data(results: AsyncIterator[ExecutionResult]) -> Any:
    async with asyncio.timeout(60):
        result = await anext(results)
    assert not result.errors, result.errors
    return result.data
