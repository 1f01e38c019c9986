"""Roles, custom fields, departments, users, agents and visitors of a Rocket.Chat database."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from resolvers import agents, departments, roles, users, visitors
from resolvers.context import Context
from resolvers.custom_fields.definitions import define_custom_field, list_definitions
from resolvers.custom_fields.values import FieldAssignment
from resolvers.rocketchat import mapping
from resolvers.rocketchat.mapping import Source, text
from resolvers.rocketchat.run import ImportHook, ImportRun
from storage.records import FieldTarget, FieldType, RoutingMethod


class People:
    """What conversations refer to."""

    def __init__(self, run: ImportRun) -> None:
        self._run = run
        self._fields: set[tuple[FieldTarget, str]] = set()
        self._roles: set[str] = set()
        #: The names of the roles of the source, by id. Users have the ids of roles, or the names on old servers.
        self._role_names: dict[str, str] = {}
        self._method = RoutingMethod.LEAST_LOADED
        #: The users to deactivate at the end: rooms of the past are assigned to them before.
        self._inactive: list[str] = []
        #: The agents that the import has made, by the source id, and that routing may offer rooms at the end.
        self._unrouted: dict[str, str] = {}

    async def open(self) -> None:
        """Read what there is already."""
        run = self._run
        self._fields = {(one.target, one.key) for one in await list_definitions(run.context)}
        self._roles = {role.name for role in await roles.list_roles(run.context)}
        method = str(await run.source.setting("Livechat_Routing_Method"))
        self._method = mapping.ROUTING.get(method, RoutingMethod.LEAST_LOADED)

    async def close(self) -> None:
        """Let routing offer rooms to the agents, and deactivate the users who are not active in Rocket.Chat."""
        for source_id, agent_id in self._unrouted.items():
            context = replace(self._run.context, hook=ImportHook(f"accepts:{source_id}", self._run.now))
            await agents.update_agent(context, agent_id=agent_id, accepts_routing=True)
        for user_id in self._inactive:
            await users.set_user_active(self._run.context, user_id=user_id, active=False)

    async def role(self, record: Source) -> None:
        name = text(record.get("name"), most=64) or str(record["_id"])
        self._role_names[str(record["_id"])] = name
        if name in self._roles:
            self._run.report.present["roles"] += 1
            return

        async def create(context: Context) -> str:
            description = text(record.get("description"), most=1_000)
            return (await roles.create_role(context, name=name, description=description, scopes=[])).id

        await self._run.create("roles", record, mapping.time(record.get("_updatedAt")), create)
        self._roles.add(name)

    async def custom_field(self, record: Source) -> None:
        definition = mapping.field_definition(record)
        if definition is None:
            self._run.report.add_problem("custom_fields", str(record["_id"]), "the key is not one of Switchboard's")
            return
        if definition.pop("unmapped") or record.get("regexp"):
            problem = "options and regular expressions are not checked; the field takes any text"
            self._run.report.add_problem("custom_fields", str(record["_id"]), problem)
        await self._define(definition, record)

    async def _define(self, definition: dict[str, Any], record: Source) -> None:
        if (definition["target"], definition["key"]) in self._fields:
            self._run.report.present["custom_fields"] += 1
            return

        async def create(context: Context) -> str:
            return (await define_custom_field(context, **definition)).id

        await self._run.create("custom_fields", record, mapping.time(record.get("_updatedAt")), create)
        self._fields.add((definition["target"], definition["key"]))

    async def values(self, target: FieldTarget, kind: str, record: Source, *names: str) -> list[FieldAssignment]:
        """The custom fields of a record. Those without a definition are defined as texts."""
        values = []
        for key, value in mapping.field_values(record, *names).items():
            if not mapping.is_key(key):
                self._run.report.add_problem(
                    kind, str(record["_id"]), f"the custom field {key!r} has no key of Switchboard's"
                )
                continue
            if (target, key) not in self._fields:
                undefined = {"_id": f"{target.lower()}.{key}"}
                await self._run.load("custom_fields", [undefined["_id"]])
                await self._define({"target": target, "key": key, "type": FieldType.TEXT}, undefined)
            values.append(FieldAssignment(key, value))
        return values

    async def department(self, record: Source) -> None:
        async def create(context: Context) -> str:
            name = text(record.get("name"), most=128) or str(record["_id"])
            return (await departments.create_department(context, name=name, routing=self._method)).id

        await self._run.create("departments", record, mapping.time(record.get("_updatedAt")), create)
        disabled = record.get("enabled") is False or record.get("archived") is True
        if disabled:
            # Rooms of the past are imported into it, so it is disabled by hand.
            problem = "is disabled or archived in Rocket.Chat, and is enabled here; disable it after the import"
            self._run.report.add_problem("departments", str(record["_id"]), problem)

    async def user(self, record: Source) -> None:
        username = text(record.get("username"), most=64)
        if username is None:
            self._run.report.add_problem("users", str(record["_id"]), "has no username")
            return
        held = self._roles_of(record)
        values = await self.values(FieldTarget.USER, "users", record, "customFields")
        present = await users.find_user(self._run.context, username=username)
        if present is not None and ("users", str(record["_id"])) not in self._run.ids:
            self._run.ids["users", str(record["_id"])] = present.id

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

        user_id = await self._run.create("users", record, mapping.first_time(record, "createdAt", "_updatedAt"), create)
        self._run.names[str(record["_id"])] = username
        if mapping.AGENT_ROLE in held:
            if user_id is not None:
                await self._make_agent(record, user_id)
            self._run.agents.add(str(record["_id"]))
        if user_id is not None and record.get("active") is False:
            self._inactive.append(user_id)

    def _roles_of(self, record: Source) -> list[str]:
        """The names of the user's roles. Those that are not here are reported."""
        names = [self._role_names.get(one, one) for one in mapping.strings(record.get("roles"))]
        for name in names:
            if name not in self._roles:
                self._run.report.add_problem("users", str(record["_id"]), f"has the role {name!r}, which is not here")
        return list(dict.fromkeys(name for name in names if name in self._roles))

    async def _make_agent(self, record: Source, user_id: str) -> None:
        """Make the user an agent of its departments. A user that is an agent does not change.

        Routing offers it no rooms before the end of the import: bots are routable at once, and would be assigned the
        rooms of the past while they are imported.
        """
        source_id = str(record["_id"])
        served: list[str] = []
        async for batch in self._run.source.batches("department_agents", {"agentId": record["_id"]}):
            keys = [("departments", str(one.get("departmentId"))) for one in batch]
            served += [self._run.ids[key] for key in keys if key in self._run.ids]
        livechat = record.get("livechat")
        most = livechat.get("maxNumberSimultaneousChat") if isinstance(livechat, Mapping) else None
        limit = int(most) if isinstance(most, int | float | str) and str(most).isdigit() and int(most) > 0 else None
        hook = ImportHook(f"agents:{source_id}", self._run.now)
        await agents.add_agent(
            replace(self._run.context, hook=hook),
            user_id=user_id,
            accepts_routing=False,
            max_rooms=limit,
            department_ids=list(dict.fromkeys(served)),
        )
        await self._run.load("agents", [source_id])
        await self._run.load("accepts", [source_id])
        if ("agents", source_id) in self._run.ids and ("accepts", source_id) not in self._run.ids:
            self._unrouted[source_id] = user_id

    async def visitor(self, record: Source) -> None:
        token = text(record.get("token"), most=128)
        if token is None:
            self._run.report.add_problem("visitors", str(record["_id"]), "has no token")
            return
        values = await self.values(FieldTarget.VISITOR, "visitors", record, "livechatData")
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

        await self._run.create("visitors", record, mapping.first_time(record, "ts", "_updatedAt"), create)
