"""Roles with scopes: what they open to the users who hold them, and that nobody raises themselves by them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import pytest

from resolvers import agents, apps, departments, roles, rooms, users
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.context import Context
from resolvers.custom_fields import definitions
from resolvers.custom_fields.definitions import FieldRef
from resolvers.visitor_sessions import create_visitor_session
from storage.changes import Change
from storage.errors import Forbidden, Invalid, NotFound, UnknownRole
from storage.facts import RoleCreated, RoleUpdated
from storage.records import Actor, ActorType, Department, FieldTarget, FieldType, Presence, RoutingMethod, User
from tests.resolvers.refusals import refused, scoped
from tests.resolvers.world import World

#: The scopes of livechat-manager: the most that a user without the scope admin has by a built-in role.
MANAGER = ("agents:write", "departments:write", "messages:moderate")
AGENT = (
    "events:read",
    "messages:read",
    "messages:write",
    "rooms:assign",
    "rooms:read",
    "rooms:write",
    "users:read",
    "visitors:read",
    "visitors:write",
)
PASSWORD = "correct horse battery"


async def logged_in(world: World, user: User, *, only: Sequence[str] | None = None) -> Context:
    """The context of this user after a login, with the given roles only."""
    user = await world.user(user)
    user = user if only is None else msgspec.structs.replace(user, roles=tuple(only))
    actor = Actor(type=ActorType.USER, id=user.id, name=user.username)
    scopes = await access.scopes_of(world.context.reader, user.roles)
    return replace(world.context, caller=Caller(actor, scopes, user))


async def holder(world: World, *scopes: str, username: str = "anna") -> User:
    """A user with a role of its own with these scopes."""
    await roles.create_role(world.context, name=f"role of {username}", scopes=scopes)
    return await users.create_user(world.context, username=username, roles=[f"role of {username}"])


async def role_id(world: World, name: str) -> str:
    return next(role.id for role in await roles.list_roles(world.context) if role.name == name)


@asynccontextmanager
async def forbidden(world: World, message: str, scope: str) -> AsyncIterator[None]:
    async with refused(world, Forbidden, message, scope=scope):
        yield


# ---------------------------------------------------------------- roles


async def test_a_role_has_its_scopes_in_order_and_once(world: World) -> None:
    head = await world.head()

    role = await roles.create_role(world.context, name="pilot", scopes=["rooms:read", "events:read", "rooms:read"])

    assert role.scopes == ("events:read", "rooms:read")
    (fact,) = await world.facts(head)
    assert isinstance(fact, RoleCreated)
    assert fact.role == role
    assert (await roles.find_many(world.context, [role.id]))[role.id] == role


async def test_the_built_in_roles_show_their_scopes(world: World) -> None:
    listed = {role.name: role.scopes for role in await roles.list_roles(world.context)}

    assert listed["admin"] == ("admin",)
    assert listed["livechat-agent"] == AGENT
    assert listed["livechat-manager"] == tuple(sorted({*AGENT, *MANAGER}))
    assert listed["bot"] == ()


async def test_a_change_of_a_role_is_recorded_with_the_values_before_it(world: World) -> None:
    role = await roles.create_role(world.context, name="pilot", description="P", scopes=["rooms:read"])
    head = await world.head()

    changed = await roles.update_role(world.context, role_id=role.id, description=None, scopes=["users:read"])
    same = await roles.update_role(world.context, role_id=role.id, scopes=["users:read", "users:read"])
    cleared = await roles.update_role(world.context, role_id=role.id, scopes=None)

    assert (changed.description, changed.scopes) == (None, ("users:read",))
    assert same == changed
    assert cleared.scopes == ()
    first, second = await world.facts(head)
    assert isinstance(first, RoleUpdated)
    assert (first.role, first.changes) == (changed, (Change("description", "P"), Change("scopes", ["rooms:read"])))
    assert isinstance(second, RoleUpdated)
    assert second.changes == (Change("scopes", ["users:read"]),)


@pytest.mark.parametrize("name", ["admin", "livechat-manager", "livechat-agent", "bot"])
async def test_a_built_in_role_cannot_be_changed(world: World, name: str) -> None:
    role = next(role for role in await roles.list_roles(world.context) if role.name == name)

    message = f'The role "{name}" is built in and cannot be changed; create another role.'
    async with refused(world, Invalid, message, key="roleId"):
        await roles.update_role(world.context, role_id=role.id, description="mine", scopes=["admin"])


async def test_an_unknown_role_or_scope_is_refused(world: World) -> None:
    role = await roles.create_role(world.context, name="pilot")
    known = ", ".join(sorted(access.SCOPES))

    async with refused(world, NotFound, 'There is no role "nothing".', key="roleId"):
        await roles.update_role(world.context, role_id="nothing", scopes=[])
    for scopes in (["rooms:fly"], ["rooms:read", "rooms:fly"]):
        async with refused(world, Invalid, f'Unknown scope "rooms:fly"; the scopes are {known}.', key="scopes"):
            await roles.create_role(world.context, name="other", scopes=scopes)
        async with refused(world, Invalid, f'Unknown scope "rooms:fly"; the scopes are {known}.', key="scopes"):
            await roles.update_role(world.context, role_id=role.id, scopes=scopes)


# ---------------------------------------------------------------- what a role opens


async def test_a_user_has_the_scopes_of_all_of_its_roles(world: World) -> None:
    anna = await holder(world, "rooms:read", "apps:write")
    await users.create_user(world.context, username="bert", roles=["livechat-agent"])

    assert await access.scopes_of(world.context.reader, anna.roles) == {"rooms:read", "apps:write"}
    assert await access.scopes_of(world.context.reader, (*anna.roles, "livechat-agent")) == {*AGENT, "apps:write"}
    assert await access.scopes_of(world.context.reader, ("bot", "gone")) == frozenset()


async def test_a_user_sees_by_its_own_role_the_rooms_that_an_agent_sees(world: World) -> None:
    sales = await world.department("Sales", RoutingMethod.MANUAL)
    user = await holder(world, "rooms:read", "rooms:write")
    await users.set_presence(world.context, user_id=user.id, presence=Presence.ONLINE)
    mine = await agents.add_agent(world.context, user_id=user.id, department_ids=[sales.id])
    other = await world.agent("other")
    of_department, without = await world.start(sales), await world.waiting()
    served = await rooms.assign_agent(world.context, room_id=without.id, agent_id=user.id)
    hidden = await world.assigned(other)
    await world.waiting()  # in a department of others

    seen = await rooms.list_rooms(await logged_in(world, mine.user, only=user.roles))
    as_agent = await rooms.list_rooms(await logged_in(world, mine.user, only=("livechat-agent",)))

    assert [room.id for room in seen.items] == [of_department.id, served.id]
    assert [room.id for room in as_agent.items] == [of_department.id, served.id]
    async with refused(world, NotFound, f'There is no room "{hidden.id}".', key="roomId"):
        await rooms.update_room(await logged_in(world, mine.user, only=user.roles), room_id=hidden.id, subject="S")


# ---------------------------------------------------------------- ways up, each closed


async def test_a_role_cannot_get_a_scope_that_its_creator_lacks(world: World) -> None:
    context = await logged_in(world, await holder(world, "roles:write", "rooms:read"))

    message = "A role with these scopes needs scopes that this token does not have: users:write."
    async with forbidden(world, message, "users:write"):
        await roles.create_role(context, name="mine", scopes=["rooms:read", "users:write"])
    for scope in ("admin", "apps:write"):
        message = f"A role with these scopes needs scopes that this token does not have: {scope}."
        async with forbidden(world, message, scope):
            await roles.create_role(scoped(world, "roles:write"), name="mine", scopes=[scope])
    assert (await roles.create_role(context, name="mine", scopes=["rooms:read"])).scopes == ("rooms:read",)


async def test_a_user_cannot_add_a_scope_that_it_lacks_to_its_own_role(world: World) -> None:
    anna = await holder(world, "roles:write", "rooms:read")

    message = "A role with these scopes needs scopes that this token does not have: users:write."
    async with forbidden(world, message, "users:write"):
        await roles.update_role(
            await logged_in(world, anna),
            role_id=await role_id(world, anna.roles[0]),
            scopes=["roles:write", "rooms:read", "users:write"],
        )


@pytest.mark.parametrize("scopes", [[], ["rooms:read"], None])
async def test_a_role_with_scopes_that_the_caller_lacks_cannot_be_changed(
    world: World, scopes: Sequence[str] | None
) -> None:
    above = await roles.create_role(world.context, name="above", scopes=["rooms:read", "users:write"])
    context = await logged_in(world, await holder(world, "roles:write", "rooms:read"))

    message = "Changing this role needs scopes that this token does not have: users:write."
    async with forbidden(world, message, "users:write"):
        await roles.update_role(context, role_id=above.id, scopes=scopes)
    async with forbidden(world, message, "users:write"):
        await roles.update_role(context, role_id=above.id, description="harmless")


async def test_granting_a_role_needs_its_scopes(world: World) -> None:
    await roles.create_role(world.context, name="above", scopes=["rooms:read", "users:write"])
    anna = await holder(world, "roles:write", "rooms:read", "users:write")
    bert = await holder(world, "roles:write", "users:write", username="bert")

    assert "above" in (await roles.add_roles(await logged_in(world, anna), user_id=bert.id, roles=["above"])).roles
    message = "Giving these roles needs scopes that this token does not have: rooms:read."
    context = scoped(world, "roles:write", "users:write", "agents:write")
    carla = await users.create_user(world.context, username="carla")
    async with forbidden(world, message, "rooms:read"):
        await roles.add_roles(context, user_id=carla.id, roles=["above"])
    async with forbidden(world, message, "rooms:read"):
        await users.create_user(context, username="dora", password=PASSWORD, roles=["above"])
    await definitions.define_custom_field(
        world.context, target=FieldTarget.USER, key="ext", type=FieldType.TEXT, unique=True
    )
    async with forbidden(world, message, "rooms:read"):
        await agents.ensure_agent(context, by=FieldRef("ext", "1"), username="dora", roles=["above"])


async def test_adding_the_agent_role_needs_its_scopes(world: World) -> None:
    anna = await users.create_user(world.context, username="anna")

    lacking = "messages:read, messages:write, rooms:assign, rooms:read, rooms:write, users:read, visitors:read"
    message = f"Giving these roles needs scopes that this token does not have: events:read, {lacking}, visitors:write."
    async with forbidden(world, message, "events:read"):
        await roles.add_roles(scoped(world, "roles:write", "agents:write"), user_id=anna.id, roles=["livechat-agent"])


async def test_changing_a_user_needs_the_scopes_of_its_roles(world: World) -> None:
    above = await holder(world, "apps:write", username="above")
    context = await logged_in(world, await holder(world, "roles:write", "users:write"))
    needs = "needs scopes that this token does not have: apps:write."

    async with forbidden(world, f"Changing this user's password {needs}", "apps:write"):
        await users.update_user(context, user_id=above.id, password=PASSWORD)
    for active in (False, True):
        async with forbidden(world, f"Changing this user's activity {needs}", "apps:write"):
            await users.set_user_active(context, user_id=above.id, active=active)
    async with forbidden(world, f"Changing this user's roles {needs}", "apps:write"):
        await roles.remove_roles(context, user_id=above.id, roles=above.roles)
    async with forbidden(world, f"Changing this user's roles {needs}", "apps:write"):
        await roles.add_roles(context, user_id=above.id, roles=["bot"])


async def test_nobody_takes_over_an_agent_of_another_department(world: World) -> None:
    mine, other = [await world.department(name, RoutingMethod.MANUAL) for name in ("Mine", "Other")]
    anna, bert = await world.agent("anna", departments=[mine]), await world.agent("bert", departments=[mine, other])
    await roles.create_role(world.context, name="passwords", scopes=["users:write"])
    carla = await world.agent("carla", departments=[mine], roles=["passwords"])
    context = await logged_in(world, carla)

    message = "This changes a department to which you do not belong; you can change only your own departments."
    for password in (PASSWORD, None):
        async with refused(world, Forbidden, message):
            await users.update_user(context, user_id=bert.id, password=password)
    for agent in (anna, carla):
        await users.update_user(context, user_id=agent.id, password=PASSWORD)


async def test_a_logged_in_user_creates_no_session_of_a_visitor(world: World) -> None:
    context = await logged_in(world, await world.agent("anna"))
    session = await create_visitor_session(world.context, visitor_token="v")

    message = "A logged-in user needs the scope admin to create a visitor's session: it opens all rooms of the visitor."
    async with forbidden(world, message, "admin"):
        await create_visitor_session(context, visitor_token="v")
    root = await users.create_user(world.context, username="root", roles=["admin"])
    assert (await create_visitor_session(await logged_in(world, root), visitor_token="v")).visitor == session.visitor
    await create_visitor_session(context, visitor_token="v", seconds=0)
    assert (await access.authenticate(world.services.storage, session.token)).actor is None


async def test_the_activity_of_an_agent_needs_its_scopes(world: World) -> None:
    anna = await world.agent("anna")

    with pytest.raises(Forbidden, match="Changing this user's activity needs scopes"):
        await users.set_user_active(scoped(world, "users:write", "agents:write"), user_id=anna.id, active=False)
    assert (await world.user(anna)).active


async def test_a_user_without_the_scopes_of_agents_cannot_make_a_user_an_agent(world: World) -> None:
    await definitions.define_custom_field(
        world.context, target=FieldTarget.USER, key="ext", type=FieldType.TEXT, unique=True
    )
    anna = await holder(world, "agents:write", "users:write")
    context = await logged_in(world, anna)
    accomplice = await users.create_user(context, username="accomplice", password=PASSWORD)

    message = "Making this user an agent needs scopes that this token does not have: " + ", ".join(AGENT) + "."
    for user in (anna, accomplice):
        async with forbidden(world, message, "events:read"):
            await agents.add_agent(context, user_id=user.id)
    async with forbidden(world, message, "events:read"):
        await agents.ensure_agent(context, by=FieldRef("ext", "1"), username="another")


async def test_the_role_of_managers_is_granted_only_by_managers_and_admins(world: World) -> None:
    anna = await holder(world, "roles:write", "users:write", *AGENT, *MANAGER)
    context = await logged_in(world, anna)
    manager = await users.create_user(world.context, username="manager", roles=["livechat-manager"])
    needs = "needs the role livechat-manager, which you do not have: it shows all rooms of its departments."

    async with forbidden(world, f"Giving these roles {needs}", "admin"):
        await roles.add_roles(context, user_id=anna.id, roles=["livechat-manager"])
    async with forbidden(world, f"Giving these roles {needs}", "admin"):
        await users.create_user(context, username="dora", password=PASSWORD, roles=["livechat-manager"])
    async with forbidden(world, f"Changing this user's password {needs}", "admin"):
        await users.update_user(context, user_id=manager.id, password=PASSWORD)

    await roles.add_roles(world.context, user_id=manager.id, roles=anna.roles)
    given = await roles.add_roles(await logged_in(world, manager), user_id=anna.id, roles=["livechat-manager"])
    assert "livechat-manager" in given.roles


async def test_creating_an_app_that_is_not_limited_to_departments_needs_admin(world: World) -> None:
    limited = ("rooms:read", "agents:write", "users:write", "visitors:write")
    anna = await holder(world, "apps:write", "users:read", *limited)
    context = await logged_in(world, anna)
    other = (await apps.create_app(world.context, name="Other", scopes=["rooms:read"])).app

    limit = "an app is not limited to your rooms and departments."
    for scope in limited:
        message = f"Creating this app needs the scope admin: with {scope}, {limit}"
        async with forbidden(world, message, "admin"):
            await apps.create_app(context, name="Mine", scopes=[scope, "users:read"])
    message = f"Changing this app needs the scope admin: with rooms:read, {limit}"
    async with forbidden(world, message, "admin"):
        await apps.rotate_app_token(context, app_id=other.id)
    async with forbidden(world, message, "admin"):
        await apps.revoke_app(context, app_id=other.id)
    assert (await apps.create_app(context, name="Mine", scopes=["users:read"])).app.scopes == ("users:read",)


async def test_a_custom_role_does_not_permit_changes_of_other_departments(world: World) -> None:
    sales = await world.department("Sales", RoutingMethod.MANUAL)
    anna = await holder(world, "departments:write", *AGENT, "agents:write")
    await agents.add_agent(world.context, user_id=anna.id)
    context = await logged_in(world, anna)
    message = "This changes a department to which you do not belong; you can change only your own departments."

    for change in (
        lambda: departments.set_department_agents(context, department_id=sales.id, add=[anna.id]),
        lambda: departments.update_department(context, department_id=sales.id, enabled=False),
        lambda: agents.update_agent(context, agent_id=anna.id, department_ids=[sales.id]),
    ):
        async with refused(world, Forbidden, message):
            await change()


async def test_a_role_named_like_a_built_in_one_does_not_exist(world: World) -> None:
    anna = await holder(world, "roles:write")

    async with refused(world, UnknownRole, 'There is no role "Admin"; create it first.', key="Admin"):
        await roles.add_roles(await logged_in(world, anna), user_id=anna.id, roles=["Admin"])


async def test_an_admin_by_a_role_of_its_own_may_do_everything(world: World) -> None:
    sales: Department = await world.department("Sales", RoutingMethod.MANUAL)
    room = await world.start(sales)
    context = await logged_in(world, await holder(world, "admin"))

    assert [found.id for found in (await rooms.list_rooms(context)).items] == [room.id]
    created = await users.create_user(context, username="bert", roles=["admin"])
    assert created.roles == ("admin",)
