"""The queries `node` and `nodes`: objects of any type, found by their ids."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, cast

import strawberry

from resolvers import agents, apps, departments, events, messages, roles, rooms, users, visitors, webhooks
from resolvers.auth import access
from resolvers.context import Context
from resolvers.custom_fields import definitions
from schema.agents import Agent
from schema.apps import App
from schema.base import ids
from schema.base.fields import api_type, query_field
from schema.base.ids import IdKind, InvalidId
from schema.base.node import Node
from schema.custom_fields import CustomFieldDefinition
from schema.departments import Department
from schema.events.conversion import event_from_fact
from schema.execution.context import Info
from schema.messages import Message
from schema.roles import Role
from schema.rooms import Room
from schema.users import User
from schema.visitors import Visitor
from schema.webhooks import Webhook
from storage.errors import Invalid

MAX_NODES = 100


class NodeReader(NamedTuple):
    """Reads the objects of one kind by their stored ids."""

    read: Callable[[Context, Sequence[str]], Awaitable[Mapping[str, Any]]]
    to_node: Callable[[Any], Any]


READERS: Mapping[IdKind, NodeReader] = MappingProxyType(
    {
        ids.USER: NodeReader(users.find_many, User.from_record),
        ids.AGENT: NodeReader(agents.find_many, Agent.from_record),
        ids.ROLE: NodeReader(roles.find_many, Role.from_record),
        ids.DEPARTMENT: NodeReader(departments.find_many, Department.from_record),
        ids.VISITOR: NodeReader(visitors.find_many, Visitor.from_record),
        ids.ROOM: NodeReader(rooms.find_many, Room.from_record),
        ids.MESSAGE: NodeReader(messages.find_many, Message.from_record),
        ids.FIELD: NodeReader(definitions.find_many, CustomFieldDefinition.from_record),
        ids.APP: NodeReader(apps.find_many, App.from_record),
        ids.EVENT: NodeReader(events.find_many, event_from_fact),
        ids.WEBHOOK: NodeReader(webhooks.find_many, Webhook.from_record),
    }
)


@api_type
class NodeQueries:
    """Queries of objects of any type."""

    @query_field(access.viewer, visitors=True)
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id of an object of any type.")],
    ) -> Node | None:
        """The object with this id. Null if there is none, or if you may not read it.

        Needs the scope for reading objects of the type, such as `rooms:read` for a room; `FORBIDDEN` without it.
        `INVALID_INPUT` for a text that is not an id.

        A visitor may read its own rooms, their messages and events, and itself.
        """
        context = info.context.resolver_context
        access.require(context.caller, (), visitors=True)
        kind, stored = ids.split(id, "id")
        found = await READERS[kind].read(context, [stored])
        return READERS[kind].to_node(found[stored]) if stored in found else None

    @query_field(access.viewer)
    async def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="Up to 100 ids of objects of any types. `INVALID_INPUT` for more."),
        ],
    ) -> list[Node | None] | None:
        """The objects with these ids, in the order of the ids. Null in the place of an object that does not exist or
        that you may not read.

        An id that `node` refuses results in null in its place, and in the same error as `node`.
        """
        context = info.context.resolver_context
        access.require(context.caller, ())
        if len(ids) > MAX_NODES:
            raise Invalid(f"ids takes up to {MAX_NODES} ids, not {len(ids)}.", key="ids")
        return cast(list[Node | None], await _nodes(context, ids))


async def _nodes(context: Context, texts: Sequence[str]) -> list[Any]:
    """For each id, its node, None or an error. Each kind is read once."""
    requested = [_split(text, f"ids.{index}") for index, text in enumerate(texts)]
    by_kind: dict[IdKind, list[str]] = {}
    for one in requested:
        if not isinstance(one, InvalidId):
            by_kind.setdefault(one[0], []).append(one[1])
    read = (READERS[kind].read(context, list(dict.fromkeys(stored))) for kind, stored in by_kind.items())
    answers = dict(zip(by_kind, await asyncio.gather(*read, return_exceptions=True), strict=True))
    return [one if isinstance(one, InvalidId) else _node(one[0], one[1], answers[one[0]]) for one in requested]


def _split(text: str, key: str) -> tuple[IdKind, str] | InvalidId:
    try:
        return ids.split(text, key)
    except InvalidId as error:
        return error


def _node(kind: IdKind, stored: str, answer: Mapping[str, Any] | BaseException) -> Any:
    if isinstance(answer, BaseException):
        return answer
    return READERS[kind].to_node(answer[stored]) if stored in answer else None
