"""A visitor with a text of its own in everything that is stored about it, and a search for that text."""

import uuid
from dataclasses import dataclass, replace
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.read_concern import ReadConcern

from resolvers import app_data, messages, rooms, timers, visitors
from resolvers.auth.access import Caller
from resolvers.custom_fields.definitions import FieldRef, define_custom_field
from resolvers.custom_fields.values import FieldAssignment
from resolvers.room_starts import ensure_room
from resolvers.visitor_sessions import create_visitor_session
from resolvers.visitors import VisitorValues
from storage.app_data import DataOwner
from storage.records import Actor, ActorType, FieldTarget, FieldType, Room, User, Visitor
from tests.resolvers.world import APP, World

#: Also what no majority has yet.
NOW = ReadConcern("local")


@dataclass
class Known:
    """A visitor with this text in everything that is stored about it."""

    text: str
    visitor: Visitor
    room: Room
    agent: User
    session: str


async def known_visitor(world: World) -> Known:
    """A visitor with an open room, a closed room, messages, timers, app data and a session."""
    text = f"s3cret{uuid.uuid4().hex}"
    for target, key in ((FieldTarget.VISITOR, "customer"), (FieldTarget.ROOM, "case")):
        await define_custom_field(world.context, target=target, key=key, type=FieldType.TEXT, unique=True)
    agent = await world.agent("anna")
    mutation = iter(range(100))

    def context() -> Any:
        return world.context.mutation(f"m{next(mutation)}")

    values: dict[str, Any] = {"name": text, "email": f"{text}@example.org", "phone": text[:60]}
    visitor = await visitors.save_visitor(
        context(), token=text, **values, custom_fields=[FieldAssignment("customer", text)]
    )
    await visitors.save_visitor(context(), token=text, name=f"{text} too")
    closed = await rooms.start_room(context(), visitor_token=text, subject=text, tags=[text])
    await rooms.close_room(context(), room_id=closed.id, comment=text)
    ensured = await ensure_room(
        context(),
        by=FieldRef("case", text),
        visitor=VisitorValues(token=text, phone=f"0 {text[:50]}"),
        subject=text,
        tags=[text],
        preferred_agent_id=agent.id,
    )
    room = ensured.room
    await rooms.hold_room(context(), room_id=room.id, comment=text)
    await rooms.resume_room(context(), room_id=room.id)
    await timers.set_timer(context(), room_id=room.id, name="t", seconds=3600, data={"text": text})
    session = await create_visitor_session(world.context, visitor_token=text)
    actor = Actor(type=ActorType.VISITOR, id=visitor.id, name=text)
    own = replace(world.context, caller=Caller(actor, visitor=session.visitor))
    await messages.send_message(own.mutation("own"), room_id=room.id, text=text)
    message = await messages.send_message(context(), room_id=room.id, text=text, data={text: text})
    await messages.edit_message(context(), message_id=message.id, text=f"{text} {text}")
    for owner, owner_id in ((DataOwner.ROOM, room.id), (DataOwner.VISITOR, visitor.id)):
        await app_data.set_app_data(context(), owner=owner, owner_id=owner_id, key="k", value=text)
    database = world.services.storage.database
    stored = {"name": "App", "scopes": [], "active": True, "createdAt": database.now()}
    await database["apps"].update_one({"_id": APP.id}, {"$set": stored}, upsert=True)
    return Known(text, visitor, await world.room(room), agent, session.token)


async def found_in(world: World, text: str) -> list[str]:
    """The collections whose documents contain the text, in any form."""
    database = world.services.storage.database
    found = []
    for name in sorted(await database.raw.list_collection_names()):
        raw: Any = database.raw.get_collection(name, codec_options=CodecOptions(RawBSONDocument), read_concern=NOW)
        if any(text.encode() in document.raw for document in await raw.find().to_list(None)):
            found.append(name)
    return found
