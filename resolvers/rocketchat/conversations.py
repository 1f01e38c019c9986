"""Rooms and messages of a Rocket.Chat database, and who served the rooms."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from resolvers import messages, rooms
from resolvers.auth.access import ADMIN, Caller
from resolvers.context import Context
from resolvers.rocketchat import mapping
from resolvers.rocketchat.mapping import Join, Source, text
from resolvers.rocketchat.past_assignments import serve_in_the_past
from resolvers.rocketchat.people import People
from resolvers.rocketchat.run import ImportHook, ImportRun
from storage import rooms as stored_rooms
from storage.errors import NotAnAgent
from storage.message_records import Audience
from storage.records import Actor, ActorType, FieldTarget, RoomStatus

CLOSED = RoomStatus.CLOSED
SERVED_BY_OTHERS = "was served by a user who is no agent here"


class Conversations:
    """Rooms, each with its messages in their order."""

    def __init__(self, run: ImportRun, people: People) -> None:
        self._run = run
        self._people = people

    async def room(self, record: Source) -> None:
        visitor = record.get("v")
        token = text(visitor.get("token"), most=128) if isinstance(visitor, Mapping) else None
        if token is None:
            self._run.report.add_problem("rooms", str(record["_id"]), "has no visitor with a token")
            return
        department_id = self._run.ids.get(("departments", str(record.get("departmentId"))))
        if record.get("departmentId") and ("departments", str(record["departmentId"])) not in self._run.mapped:
            self._run.report.add_problem("rooms", str(record["_id"]), "is of a department that is gone")
        values = await self._people.values(FieldTarget.ROOM, "rooms", record, "livechatData", "customFields")
        if record.get("onHold") is True:
            self._run.report.add_problem("rooms", str(record["_id"]), "is on hold in Rocket.Chat, and waits here")
        started = mapping.first_time(record, "ts", "_updatedAt") or self._run.now

        async def create(context: Context) -> str:
            room = await rooms.start_room(
                context,
                visitor_token=token,
                department_id=department_id,
                source="rocketchat",
                subject=text(record.get("topic"), most=1_000),
                tags=[tag[:128] for tag in mapping.strings(record.get("tags")) if tag.strip()][:100],
                custom_fields=values,
            )
            return room.id

        joins = await self._joins(record, started)
        room_id = await self._run.create("rooms", record, started, create)
        if room_id is not None and (await stored_rooms.get(self._run.context.reader, room_id)).status is CLOSED:
            joins = deque()
        await self._messages(record, room_id, started, joins)
        if room_id is not None and record.get("open") is not True:
            await self._serve(record, room_id, joins)
            await self._close(record, room_id, started)

    async def _joins(self, room: Source, started: datetime) -> deque[tuple[int, Join]]:
        """The numbered assignments of a closed room to users who are agents here."""
        if room.get("open") is True:
            if isinstance(room.get("servedBy"), Mapping):
                self._run.report.add_problem("rooms", str(room["_id"]), "is served in Rocket.Chat, and waits here")
            return deque()
        batches = self._run.source.batches("messages", {"rid": room["_id"], "t": "uj"}, sort=("ts", "_id"))
        joined = [message async for batch in batches for message in batch]
        found = list(enumerate(mapping.joins(room, joined, started)))
        agents = [one for one in found if one[1].user_id in self._run.agents]
        if len(agents) < len(found):
            self._run.report.add_problem("rooms", str(room["_id"]), SERVED_BY_OTHERS)
        await self._run.load("served", [f"{room['_id']}:{number}" for number, _ in agents])
        return deque(agents)

    async def _serve(
        self, room: Source, room_id: str, joins: deque[tuple[int, Join]], until: datetime | None = None
    ) -> None:
        """Assign the room to those who began to serve it until then, each at its time."""
        while joins and (until is None or joins[0][1].time <= until):
            number, join = joins.popleft()
            key = f"{room['_id']}:{number}"
            if ("served", key) in self._run.ids:
                continue
            context = replace(self._run.context, hook=ImportHook(f"served:{key}", join.time))
            try:
                await serve_in_the_past(context, room_id=room_id, agent_id=self._run.ids["users", join.user_id])
            except NotAnAgent:
                self._run.report.add_problem("rooms", str(room["_id"]), SERVED_BY_OTHERS)

    async def _close(self, record: Source, room_id: str, started: datetime) -> None:
        if (await stored_rooms.get(self._run.context.reader, room_id)).status is CLOSED:
            return
        closed = mapping.first_time(record, "closedAt", "lm", "_updatedAt") or started
        hook = ImportHook(f"closed:{record['_id']}", closed)
        await rooms.close_room(replace(self._run.context, hook=hook), room_id=room_id)

    async def _messages(
        self, room: Source, room_id: str | None, started: datetime, joins: deque[tuple[int, Join]]
    ) -> None:
        async for batch in self._run.source.batches("messages", {"rid": room["_id"]}, sort=("ts", "_id")):
            await self._run.load("messages", [str(one["_id"]) for one in batch])
            for record in batch:
                if room_id is not None:
                    await self._serve(room, room_id, joins, mapping.first_time(record, "ts", "_updatedAt") or started)
                await self._run.attempt("messages", record, lambda one: self._message(room, room_id, one, started))

    async def _message(self, room: Source, room_id: str | None, record: Source, started: datetime) -> None:
        source_id = str(record["_id"])
        if record.get("t"):
            return  # tells what happened to the room
        body = text(record.get("msg"), most=10_000)
        if record.get("attachments") or record.get("file") or record.get("files"):
            self._run.report.add_problem("messages", source_id, "has files, which stay in Rocket.Chat")
        if body is None:
            if not (record.get("attachments") or record.get("file") or record.get("files")):
                self._run.report.add_problem("messages", source_id, "has no text")
            return
        sender = record.get("u")
        if not isinstance(sender, Mapping):
            self._run.report.add_problem("messages", source_id, "has no sender")
            return
        if not _is_of_visitor(room, record, sender) and ("users", str(sender.get("_id"))) not in self._run.mapped:
            self._run.report.add_problem("messages", source_id, "is of a user who is gone")
            return

        async def create(context: Context) -> str:
            assert room_id is not None
            actor = await self._actor(room, record, sender, room_id)
            acting = replace(context, caller=Caller(actor, frozenset({ADMIN})))
            sent = await messages.send_message(acting, room_id=room_id, text=body, audience=Audience.EVERYONE)
            return sent.id

        await self._run.create("messages", record, mapping.first_time(record, "ts", "_updatedAt") or started, create)

    async def _actor(self, room: Source, record: Source, sender: Source, room_id: str) -> Actor:
        """Who sent the message: the visitor of the room, or a user."""
        if _is_of_visitor(room, record, sender):
            visitor_id = (await stored_rooms.get(self._run.context.reader, room_id)).visitor_id
            return Actor(type=ActorType.VISITOR, id=visitor_id, name=text(sender.get("name"), most=128))
        key = str(sender.get("_id"))
        return Actor(type=ActorType.USER, id=self._run.ids["users", key], name=self._run.names.get(key))


def _is_of_visitor(room: Source, record: Source, sender: Source) -> bool:
    return bool(record.get("token")) or sender.get("_id") == room["v"].get("_id")
