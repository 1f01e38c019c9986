"""Creates the departments, agents, custom fields, roles, apps and visitors of the sample data."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from random import Random
from typing import Any, TypeVar

from resolvers import agents, apps, departments, roles, users, visitors
from resolvers.context import Context
from resolvers.custom_fields import definitions
from resolvers.custom_fields.values import FieldAssignment
from resolvers.samples import staff
from resolvers.samples.cast import Cast, SampleHook
from resolvers.samples.staff import Member
from storage import consumers
from storage.errors import FieldRequired
from storage.records import Actor, ActorType, AgentStatus, App, Department, Presence, User, Visitor
from storage.samples import SampleRun

T = TypeVar("T")

#: Mutations that run at the same time. More are not faster on two cores.
AT_ONCE = 8

#: Awaited with a sentence about what is created next.
Report = Callable[[str], Awaitable[None]]


async def require_no_required_fields(context: Context) -> None:
    """Raise FieldRequired if a custom field of the deployment is required, for which sample data have no value."""
    for definition in await definitions.list_definitions(context):
        if definition.required:
            raise FieldRequired(
                f"The custom field {definition.key} of {definition.target.lower()}s is required, and sample data have "
                "no value for it. Make it optional, or create the sample data in another database.",
                key=definition.key,
            )


async def create_cast(
    context: Context, run: SampleRun, time: datetime, report: Report, *, accepts_routing: bool
) -> Cast:
    """Everything but the rooms, at that time. Names that are taken get a number."""
    context = replace(context, hook=SampleHook(run, time))
    await report("custom fields and roles")
    fields = await _create_fields(context)
    await _create_roles(context)
    await report("departments and agents")
    created = {key: await departments.create_department(context, **values) for key, values in staff.DEPARTMENTS.items()}
    await departments.update_department(context, department_id=created[staff.DISABLED].id, enabled=False)
    members = await run_together(
        [
            partial(_create_agent, context, member, created, fields, accepts_routing=accepts_routing)
            for member in staff.MEMBERS
        ]
    )
    await report("apps and visitors")
    return Cast(
        context=context,
        run=run,
        time=time,
        departments=created,
        fields=fields,
        agents=dict(zip((member.name for member in staff.MEMBERS), members, strict=True)),
        visitors=await run_together(
            [partial(_create_visitor, context, name, fields, number) for number, name in enumerate(staff.VISITORS, 1)]
        ),
        apps=await _create_apps(context),
    )


async def run_together(work: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """The results, in order. At most AT_ONCE run at the same time."""
    results: list[T] = []
    for start in range(0, len(work), AT_ONCE):
        results += await asyncio.gather(*(begin() for begin in work[start : start + AT_ONCE]))
    return results


def free_name(name: str, taken: Collection[str], separator: str = "-") -> str:
    """The name, with a number if it is taken."""
    return next(
        one
        for one in (name, *(f"{name}{separator}{number}" for number in range(2, len(taken) + 3)))
        if one not in taken
    )


async def _create_fields(context: Context) -> dict[str, str]:
    """The keys in this deployment, by the keys of staff.py."""
    keys = {}
    taken = {(one.target, one.key) for one in await definitions.list_definitions(context)}
    for key, values in staff.FIELDS.items():
        keys[key] = free_name(key, {other for target, other in taken if target is values["target"]})
        await definitions.define_custom_field(context, key=keys[key], **values)
    return keys


async def _create_roles(context: Context) -> None:
    taken = {role.name for role in await roles.list_roles(context)}
    for values in staff.ROLES:
        arguments: dict[str, Any] = {**values, "name": free_name(str(values["name"]), taken)}
        await roles.create_role(context, **arguments)


async def _create_agent(
    context: Context,
    member: Member,
    created: dict[str, Department],
    fields: dict[str, str],
    *,
    accepts_routing: bool,
) -> User:
    number = 1
    while await users.find_user(context, username=(name := member.username + (f"-{number}" if number > 1 else ""))):
        number += 1
    values: dict[str, object] = {"level": member.level, "languages": list(member.languages)}
    if member.extension is not None:
        values["extension"] = member.extension
    user = await users.create_user(
        context,
        username=name,
        name=member.name,
        type=member.type,
        roles=member.roles,
        custom_fields=assignments(fields, values),
    )
    if member.presence is not Presence.OFFLINE:
        await users.set_presence(context, user_id=user.id, presence=member.presence)
    added = await agents.add_agent(
        context,
        user_id=user.id,
        status=AgentStatus.AVAILABLE,
        accepts_routing=accepts_routing and member.accepts_routing,
        max_rooms=member.max_rooms,
        department_ids=[created[key].id for key in member.departments],
    )
    return added.user


async def _create_visitor(context: Context, name: str, fields: dict[str, str], number: int) -> Visitor:
    token = f"sample-{context.storage.database.now():%Y%m%d%H%M%S%f}-{number}"
    values: dict[str, object] = {"newsletter": number % 3 == 0}
    if number % 4:
        values["customerNumber"] = f"C-{20_000 + 37 * number}"
    return await visitors.save_visitor(
        context,
        token=token,
        name=name,
        email=f"{name.lower()}@example.com" if number % 2 else None,
        phone=f"+1 555 01{number:02}" if number % 5 == 0 else None,
        custom_fields=assignments(fields, values),
    )


async def _create_apps(context: Context) -> dict[str, App]:
    created = {}
    for name, scopes in staff.APPS.items():
        created[name] = (await apps.create_app(context, name=name, scopes=scopes)).app
    router = created[staff.ROUTER]
    owner = Actor(type=ActorType.APP, id=router.id, name=router.name)
    # Nothing reads for it, so that its lag grows.
    await consumers.create(context.reader, owner, staff.CONSUMER, start=context.storage.feed.head)
    return created


def assignments(fields: Mapping[str, str], values: dict[str, object]) -> list[FieldAssignment]:
    """The values of custom fields by the keys of this deployment."""
    return [FieldAssignment(fields[key], value) for key, value in values.items()]


def dice() -> Random:
    """Every creation makes the same choices."""
    return Random(7)  # noqa: S311 - nothing secret
