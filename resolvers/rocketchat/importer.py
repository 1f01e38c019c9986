"""Imports what a Rocket.Chat database has, record by record, by the operations of this server.

Each record is one mutation at the time of the record. Its transaction also stores what the record became, so that
an import that is interrupted continues where it was, and a repeated one creates nothing twice. Rooms are imported
several at a time, the messages of one room in order. A dry run checks every record, and writes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from resolvers import agents, departments, messages, roles, rooms, users, visitors
from resolvers.auth.access import ADMIN, Caller
from resolvers.context import Context
from resolvers.custom_fields.definitions import define_custom_field, list_definitions
from resolvers.custom_fields.values import FieldAssignment
from resolvers.rocketchat import mapping
from resolvers.rocketchat.mapping import Source, text
from resolvers.rocketchat.report import ImportReport
from storage import imports
from storage import rooms as stored_rooms
from storage.errors import SwitchboardError, Unavailable
from storage.message_records import Audience
from storage.records import Actor, ActorType, FieldTarget, FieldType, RoomStatus, RoutingMethod
from storage.rocketchat import RocketChatDatabase
from storage.transactions.transaction import Transaction

#: Rooms that are imported at the same time.
AT_ONCE = 4
#: The queries of the collections that are read as a whole, in the order of the import.
QUERIES: Mapping[str, Mapping[str, Any]] = {
    "roles": {},
    "custom_fields": {},
    "departments": {},
    "users": {},
    "visitors": {},
    "rooms": {"t": "l"},
}
#: How far the import is: the kind, and how many of how many records.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ImportHook:
    """A mutation takes place at the time of the record, and stores what the record became."""

    source_id: str
    time: datetime

    def begin(self, tx: Transaction) -> None:
        tx.now = min(self.time, tx.now)

    def end(self, tx: Transaction) -> None:
        imports.record(tx, self.source_id)


class RocketChatImport:
    """One run of the import."""

    def __init__(self, context: Context, source: RocketChatDatabase, *, progress: Progress, dry_run: bool) -> None:
        self._context = context
        self._source = source
        self._progress = progress
        self._dry_run = dry_run
        self._now = context.storage.database.now()
        self.report = ImportReport()
        #: The ids of entities by kind and source id, and the names of the actors.
        self._ids: dict[tuple[str, str], str] = {}
        #: The records that this run has read and mapped, by kind and source id.
        self._mapped: set[tuple[str, str]] = set()
        self._names: dict[str, str | None] = {}
        self._fields: set[tuple[FieldTarget, str]] = set()
        self._roles: set[str] = set()
        self._method = RoutingMethod.LEAST_LOADED

    async def run(self) -> ImportReport:
        """Import everything that is not imported yet."""
        context = self._context
        self._fields = {(one.target, one.key) for one in await list_definitions(context)}
        self._roles = {role.name for role in await roles.list_roles(context)}
        method = str(await self._source.setting("Livechat_Routing_Method"))
        self._method = mapping.ROUTING.get(method, RoutingMethod.LEAST_LOADED)
        steps: Mapping[str, Callable[[Source], Awaitable[None]]] = {
            "roles": self._role,
            "custom_fields": self._custom_field,
            "departments": self._department,
            "users": self._user,
            "visitors": self._visitor,
            "rooms": self._room,
        }
        for kind, step in steps.items():
            await self._each(kind, step)
        return self.report

    async def _each(self, kind: str, step: Callable[[Source], Awaitable[None]]) -> None:
        total, done = await self._source.count(kind, dict(QUERIES[kind])), 0
        self._progress(kind, 0, total)
        async for batch in self._source.batches(kind, dict(QUERIES[kind])):
            await self._load(kind, [str(one["_id"]) for one in batch])
            size = AT_ONCE if kind == "rooms" else 1
            for start in range(0, len(batch), size):
                part = batch[start : start + size]
                await asyncio.gather(*(self._try(kind, one, step) for one in part))
                done += len(part)
                self._progress(kind, done, total)

    async def _load(self, kind: str, source_ids: Sequence[str]) -> None:
        """Load what these records became in earlier runs."""
        found = await imports.get_many(self._context.reader, [f"{kind}:{one}" for one in source_ids])
        self._ids |= {(kind, key.removeprefix(f"{kind}:")): entity_id for key, entity_id in found.items()}

    async def _try(self, kind: str, record: Source, step: Callable[[Source], Awaitable[None]]) -> None:
        try:
            await step(record)
        except Unavailable:
            raise
        except SwitchboardError as error:
            self.report.add_problem(kind, str(record["_id"]), error.message)

    async def _create(
        self, kind: str, record: Source, time: datetime | None, create: Callable[[Context], Awaitable[str]]
    ) -> str | None:
        """What the record became, or becomes now. None in a dry run."""
        source_id = str(record["_id"])
        self._mapped.add((kind, source_id))
        if (present := self._ids.get((kind, source_id))) is not None:
            self.report.present[kind] += 1
            return present
        if not self._dry_run:
            hook = ImportHook(f"{kind}:{source_id}", time or self._now)
            self._ids[kind, source_id] = await create(replace(self._context, hook=hook))
        self.report.imported[kind] += 1
        return self._ids.get((kind, source_id))

    # ------------------------------------------------------------ configuration

    async def _role(self, record: Source) -> None:
        name = text(record.get("name"), most=64) or str(record["_id"])
        if name in self._roles:
            self.report.present["roles"] += 1
            return

        async def create(context: Context) -> str:
            description = text(record.get("description"), most=1_000)
            return (await roles.create_role(context, name=name, description=description, scopes=[])).id

        await self._create("roles", record, mapping.time(record.get("_updatedAt")), create)
        self._roles.add(name)

    async def _custom_field(self, record: Source) -> None:
        definition = mapping.field_definition(record)
        if definition is None:
            self.report.add_problem("custom_fields", str(record["_id"]), "the key is not one of Switchboard's")
            return
        if definition.pop("unmapped") or record.get("regexp"):
            problem = "options and regular expressions are not checked; the field takes any text"
            self.report.add_problem("custom_fields", str(record["_id"]), problem)
        await self._define(definition, record)

    async def _define(self, definition: dict[str, Any], record: Source) -> None:
        if (definition["target"], definition["key"]) in self._fields:
            self.report.present["custom_fields"] += 1
            return

        async def create(context: Context) -> str:
            return (await define_custom_field(context, **definition)).id

        await self._create("custom_fields", record, mapping.time(record.get("_updatedAt")), create)
        self._fields.add((definition["target"], definition["key"]))

    async def _values(self, target: FieldTarget, kind: str, record: Source, *names: str) -> list[FieldAssignment]:
        """The custom fields of a record. Those without a definition are defined as texts."""
        values = []
        for key, value in mapping.field_values(record, *names).items():
            if not mapping.is_key(key):
                self.report.add_problem(
                    kind, str(record["_id"]), f"the custom field {key!r} has no key of Switchboard's"
                )
                continue
            if (target, key) not in self._fields:
                undefined = {"_id": f"{target.lower()}.{key}"}
                await self._load("custom_fields", [undefined["_id"]])
                await self._define({"target": target, "key": key, "type": FieldType.TEXT}, undefined)
            values.append(FieldAssignment(key, value))
        return values

    async def _department(self, record: Source) -> None:
        async def create(context: Context) -> str:
            name = text(record.get("name"), most=128) or str(record["_id"])
            return (await departments.create_department(context, name=name, routing=self._method)).id

        await self._create("departments", record, mapping.time(record.get("_updatedAt")), create)
        disabled = record.get("enabled") is False or record.get("archived") is True
        if disabled:
            # Rooms of the past are imported into it, so it is disabled by hand.
            problem = "is disabled or archived in Rocket.Chat, and is enabled here; disable it after the import"
            self.report.add_problem("departments", str(record["_id"]), problem)

    # ------------------------------------------------------------ people

    async def _user(self, record: Source) -> None:
        username = text(record.get("username"), most=64)
        if username is None:
            self.report.add_problem("users", str(record["_id"]), "has no username")
            return
        held = [name for name in mapping.strings(record.get("roles")) if name in self._roles]
        values = await self._values(FieldTarget.USER, "users", record, "customFields")
        present = await users.find_user(self._context, username=username)
        if present is not None and ("users", str(record["_id"])) not in self._ids:
            self._ids["users", str(record["_id"])] = present.id

        async def create(context: Context) -> str:
            user = await users.create_user(
                context,
                username=username,
                name=text(record.get("name"), most=128),
                emails=mapping.addresses(record, "emails", "address")[:10],
                type=mapping.user_type(record),
                roles=[name for name in held if name != mapping.AGENT_ROLE],
                custom_fields=values,
            )
            return user.id

        user_id = await self._create("users", record, mapping.first_time(record, "createdAt", "_updatedAt"), create)
        self._names[str(record["_id"])] = username
        if user_id is not None and mapping.AGENT_ROLE in mapping.strings(record.get("roles")):
            await self._make_agent(record, user_id)
        if user_id is not None and record.get("active") is False:
            await users.set_user_active(self._context, user_id=user_id, active=False)

    async def _make_agent(self, record: Source, user_id: str) -> None:
        """Make the user an agent of its departments. A user that is an agent does not change."""
        served: list[str] = []
        async for batch in self._source.batches("department_agents", {"agentId": record["_id"]}):
            served += [
                self._ids[key] for one in batch if (key := ("departments", str(one.get("departmentId")))) in self._ids
            ]
        livechat = record.get("livechat")
        most = livechat.get("maxNumberSimultaneousChat") if isinstance(livechat, Mapping) else None
        limit = int(most) if isinstance(most, int | float | str) and str(most).isdigit() and int(most) > 0 else None
        await agents.add_agent(
            self._context, user_id=user_id, max_rooms=limit, department_ids=list(dict.fromkeys(served))
        )

    async def _visitor(self, record: Source) -> None:
        token = text(record.get("token"), most=128)
        if token is None:
            self.report.add_problem("visitors", str(record["_id"]), "has no token")
            return
        values = await self._values(FieldTarget.VISITOR, "visitors", record, "livechatData")
        name = text(record.get("name"), most=128) or text(record.get("username"), most=128)

        async def create(context: Context) -> str:
            saved = await visitors.save_visitor(
                context,
                token=token,
                name=name,
                email=next(iter(mapping.addresses(record, "visitorEmails", "address")), None),
                phone=next(iter(mapping.addresses(record, "phone", "phoneNumber")), None),
                custom_fields=values,
            )
            return saved.id

        await self._create("visitors", record, mapping.first_time(record, "ts", "_updatedAt"), create)

    # ------------------------------------------------------------ conversations

    async def _room(self, record: Source) -> None:
        visitor = record.get("v")
        token = text(visitor.get("token"), most=128) if isinstance(visitor, Mapping) else None
        if token is None:
            self.report.add_problem("rooms", str(record["_id"]), "has no visitor with a token")
            return
        department_id = self._ids.get(("departments", str(record.get("departmentId"))))
        if record.get("departmentId") and ("departments", str(record["departmentId"])) not in self._mapped:
            self.report.add_problem("rooms", str(record["_id"]), "is of a department that is gone")
        values = await self._values(FieldTarget.ROOM, "rooms", record, "livechatData", "customFields")
        if record.get("onHold") is True:
            self.report.add_problem("rooms", str(record["_id"]), "is on hold in Rocket.Chat, and waits here")
        started = mapping.first_time(record, "ts", "_updatedAt") or self._now

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

        room_id = await self._create("rooms", record, started, create)
        await self._messages(record, room_id, started)
        if room_id is not None and record.get("open") is not True:
            await self._close(record, room_id, started)

    async def _close(self, record: Source, room_id: str, started: datetime) -> None:
        if (await stored_rooms.get(self._context.reader, room_id)).status is RoomStatus.CLOSED:
            return
        closed = mapping.first_time(record, "closedAt", "lm", "_updatedAt") or started
        hook = ImportHook(f"closed:{record['_id']}", closed)
        await rooms.close_room(replace(self._context, hook=hook), room_id=room_id)

    async def _messages(self, room: Source, room_id: str | None, started: datetime) -> None:
        async for batch in self._source.batches("messages", {"rid": room["_id"]}, sort=("ts", "_id")):
            await self._load("messages", [str(one["_id"]) for one in batch])
            for record in batch:
                await self._try("messages", record, lambda one: self._message(room, room_id, one, started))

    async def _message(self, room: Source, room_id: str | None, record: Source, started: datetime) -> None:
        source_id = str(record["_id"])
        if record.get("t"):
            return  # tells what happened to the room
        body = text(record.get("msg"), most=10_000)
        if record.get("attachments") or record.get("file") or record.get("files"):
            self.report.add_problem("messages", source_id, "has files, which stay in Rocket.Chat")
        if body is None:
            if not (record.get("attachments") or record.get("file") or record.get("files")):
                self.report.add_problem("messages", source_id, "has no text")
            return
        sender = record.get("u")
        if not isinstance(sender, Mapping):
            self.report.add_problem("messages", source_id, "has no sender")
            return
        if not _is_of_visitor(room, record, sender) and ("users", str(sender.get("_id"))) not in self._mapped:
            self.report.add_problem("messages", source_id, "is of a user who is gone")
            return

        async def create(context: Context) -> str:
            assert room_id is not None
            actor = await self._actor(room, record, sender, room_id)
            acting = replace(context, caller=Caller(actor, frozenset({ADMIN})))
            sent = await messages.send_message(acting, room_id=room_id, text=body, audience=Audience.EVERYONE)
            return sent.id

        await self._create("messages", record, mapping.first_time(record, "ts", "_updatedAt") or started, create)

    async def _actor(self, room: Source, record: Source, sender: Source, room_id: str) -> Actor:
        """Who sent the message: the visitor of the room, or a user."""
        if _is_of_visitor(room, record, sender):
            visitor_id = (await stored_rooms.get(self._context.reader, room_id)).visitor_id
            return Actor(type=ActorType.VISITOR, id=visitor_id, name=text(sender.get("name"), most=128))
        key = str(sender.get("_id"))
        return Actor(type=ActorType.USER, id=self._ids["users", key], name=self._names.get(key))


def _is_of_visitor(room: Source, record: Source, sender: Source) -> bool:
    return bool(record.get("token")) or sender.get("_id") == room["v"].get("_id")
