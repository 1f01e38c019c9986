"""Removes the sample data: what was listed when it was created, and nothing else.

It begins with ordinary operations, so that every process and every subscription receives what it means: open rooms are
closed, agents are removed, apps are revoked. Then the documents are deleted. What other data use stays, and is listed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from resolvers import agents, apps, departments, rooms
from resolvers.context import Context
from resolvers.custom_fields import definitions
from resolvers.samples.creation import Report
from storage import samples
from storage.custom_fields import definitions as stored_definitions
from storage.errors import NotAnAgent, NotFound, RoomClosed
from storage.records import AgentStatus
from storage.samples import SampleKind
from storage.transactions.transaction import Transaction

#: Rooms that one transaction deletes, with their messages.
ROOM_BATCH = 20
#: How often a user is looked at whose rooms return to the queue in the background.
LEAVE_ATTEMPTS, LEAVE_SECONDS = 20, 0.25

Delete = Callable[[Transaction, str], Awaitable[bool]]


async def remove_entities(context: Context, report: Report) -> dict[SampleKind, list[str]]:
    """Remove what is listed. Returns the names of what stays because other data use it."""
    reader = context.reader
    await report("open conversations")
    for agent_id in await samples.list_ids(reader, SampleKind.USER):
        with suppress(NotFound, NotAnAgent):
            await agents.set_agent_status(context, agent_id=agent_id, status=AgentStatus.NOT_AVAILABLE)
    for department_id in await samples.list_ids(reader, SampleKind.DEPARTMENT):
        with suppress(NotFound):
            await departments.update_department(context, department_id=department_id, enabled=False)
    room_ids = await samples.list_ids(reader, SampleKind.ROOM)
    for room_id in room_ids:
        with suppress(NotFound, RoomClosed):
            await rooms.close_room(context, room_id=room_id)
    await report("conversations")
    for start in range(0, len(room_ids), ROOM_BATCH):
        await _delete_rooms(context, room_ids[start : start + ROOM_BATCH])
    await report("agents, apps and visitors")
    await _remove_agents(context)
    for app_id in await samples.list_ids(reader, SampleKind.APP):
        with suppress(NotFound):
            await apps.revoke_app(context, app_id=app_id)
        await _run(context, samples.delete_app, app_id)
    await _delete_each(context, SampleKind.VISITOR, samples.delete_visitor)
    await report("departments, custom fields and roles")
    await _delete_each(context, SampleKind.DEPARTMENT, samples.delete_department)
    await _remove_fields(context)
    await _delete_each(context, SampleKind.ROLE, samples.delete_role)
    left = {kind: await samples.list_names(reader, kind) for kind in SampleKind}
    return {kind: names for kind, names in left.items() if names}


async def _delete_rooms(context: Context, room_ids: Sequence[str]) -> None:
    async def delete(tx: Transaction) -> None:
        await samples.delete_rooms(tx, room_ids)

    await context.storage.transactions.run(delete)


async def _remove_agents(context: Context) -> None:
    """Remove the agents, whose rooms of other data return to the queue, and delete the users."""
    for user_id in await samples.list_ids(context.reader, SampleKind.USER):
        with suppress(NotFound, NotAnAgent):
            await agents.remove_agent(context, user_id=user_id)
        for _ in range(LEAVE_ATTEMPTS):
            if await _run(context, samples.delete_user, user_id):
                break
            await asyncio.sleep(LEAVE_SECONDS)


async def _remove_fields(context: Context) -> None:
    """Remove the custom fields of which no other entity has a value."""
    for field_id in await samples.list_ids(context.reader, SampleKind.FIELD):
        definition = (await stored_definitions.get_many(context.reader, [field_id])).get(field_id)
        if definition is not None:
            if await samples.has_values(context.reader, definition):
                continue
            with suppress(NotFound):
                await definitions.remove_custom_field(context, id=field_id)
        await _run(context, _forget, field_id)


async def _forget(tx: Transaction, entity_id: str) -> bool:
    samples.forget(tx, entity_id)
    return True


async def _delete_each(context: Context, kind: SampleKind, delete: Delete) -> None:
    for entity_id in await samples.list_ids(context.reader, kind):
        await _run(context, delete, entity_id)


async def _run(
    context: Context, delete: Delete | Callable[[Transaction, str], Awaitable[None]], entity_id: str
) -> bool:
    async def body(tx: Transaction) -> bool:
        return await delete(tx, entity_id) is not False

    deleted, _ = await context.storage.transactions.run(body)
    return deleted
