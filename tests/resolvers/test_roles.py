from collections.abc import Sequence

import pytest

from resolvers import agents, roles, users
from storage.errors import Duplicate, Forbidden, Invalid, NotFound, UnknownRole
from storage.facts import RoleCreated, UserRolesChanged
from storage.records import User, UserType
from tests.resolvers.refusals import refused, scoped
from tests.resolvers.world import World


async def user_with(world: World, *names: str) -> User:
    return await users.create_user(world.context, username="anna", type=UserType.USER, roles=names)


async def test_the_built_in_roles_come_first(world: World) -> None:
    await roles.create_role(world.context, name="zz-list", description="Last.")

    listed = await roles.list_roles(world.context)

    assert [(role.name, role.built_in) for role in listed[:4]] == [
        ("admin", True),
        ("livechat-manager", True),
        ("livechat-agent", True),
        ("bot", True),
    ]
    assert (listed[-1].name, listed[-1].description, listed[-1].built_in) == ("zz-list", "Last.", False)


async def test_new_role_is_recorded_and_can_be_added(world: World) -> None:
    head = await world.head()

    role = await roles.create_role(world.context, name="pilot")
    user = await user_with(world, "pilot")

    first, *_ = await world.facts(head)
    assert isinstance(first, RoleCreated)
    assert first.role == role
    assert user.roles == ("pilot",)


@pytest.mark.parametrize("name", ["admin", "livechat-manager", "livechat-agent", "bot"])
async def test_role_name_is_unique(world: World, name: str) -> None:
    async with refused(world, Duplicate, f'There is a role "{name}" already.', key="name"):
        await roles.create_role(world.context, name=name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "name must have 1 to 64 characters; this one is empty."),
        ("   ", "name must not be blank."),
        ("x" * 65, "name must have 1 to 64 characters; this one has 65."),
        ("\ud800", "name contains half of a surrogate pair, which is not a character."),
    ],
)
async def test_a_name_is_a_short_text(world: World, name: str, message: str) -> None:
    async with refused(world, Invalid, message, key="name"):
        await roles.create_role(world.context, name=name)


async def test_a_long_description_is_refused(world: World) -> None:
    message = "description must have 1 to 1000 characters; this one has 1001."
    async with refused(world, Invalid, message, key="description"):
        await roles.create_role(world.context, name="novelist", description="x" * 1001)


async def test_roles_are_added_in_order_without_repetition(world: World) -> None:
    user = await user_with(world, "bot")
    head = await world.head()

    after = await roles.add_roles(world.context, user_id=user.id, roles=["livechat-manager", "bot", "admin"])

    assert after.roles == ("admin", "bot", "livechat-manager")
    assert await world.user(user) == after
    (fact,) = await world.facts(head)
    assert isinstance(fact, UserRolesChanged)
    assert fact.user == after


@pytest.mark.parametrize("names", [[], ["bot"], ["bot", "bot"]])
async def test_adding_roles_that_a_user_has_records_no_fact(world: World, names: Sequence[str]) -> None:
    user = await user_with(world, "bot")
    head = await world.head()

    assert await roles.add_roles(world.context, user_id=user.id, roles=names) == user
    assert await world.facts(head) == []


async def test_roles_are_removed(world: World) -> None:
    user = await user_with(world, "bot", "admin")
    head = await world.head()

    after = await roles.remove_roles(world.context, user_id=user.id, roles=["bot", "livechat-manager"])
    same = await roles.remove_roles(world.context, user_id=user.id, roles=["bot"])

    assert after.roles == same.roles == ("admin",)
    assert len(await world.facts(head)) == 1


async def test_unknown_role_can_be_neither_added_nor_removed(world: World) -> None:
    user = await user_with(world, "bot")

    async with refused(world, UnknownRole, 'There is no role "Bot"; create it first.', key="Bot"):
        await roles.add_roles(world.context, user_id=user.id, roles=["admin", "Bot"])
    async with refused(world, UnknownRole, 'There is no role "$in"; create it first.', key="$in"):
        await roles.remove_roles(world.context, user_id=user.id, roles=["bot", "$in"])


async def test_an_unknown_user_is_not_found(world: World) -> None:
    async with refused(world, NotFound, 'There is no user "nobody".', key="userId"):
        await roles.add_roles(world.context, user_id="nobody", roles=["bot"])
    async with refused(world, NotFound, 'There is no user "nobody".', key="userId"):
        await roles.remove_roles(world.context, user_id="nobody", roles=["bot"])


async def test_the_role_of_agents_cannot_be_removed_from_an_agent(world: World) -> None:
    anna = await world.agent("anna")

    message = "An agent keeps the role livechat-agent; call removeAgent instead."
    async with refused(world, Invalid, message, key="roles"):
        await roles.remove_roles(world.context, user_id=anna.id, roles=["livechat-agent"])
    await agents.remove_agent(world.context, user_id=anna.id)
    assert (await world.user(anna)).roles == ()


async def test_caller_cannot_add_or_remove_roles_with_more_scopes(world: World) -> None:
    admin = await user_with(world, "admin")
    plain = await users.create_user(world.context, username="bert", type=UserType.USER)
    context = scoped(world, "roles:write")

    message = "Changing this user's roles needs scopes that this token does not have: admin."
    async with refused(world, Forbidden, message, scope="admin"):
        await roles.remove_roles(context, user_id=admin.id, roles=["admin"])
    async with refused(world, Forbidden, message, scope="admin"):
        await roles.add_roles(context, user_id=admin.id, roles=["bot"])
    message = "Giving these roles needs scopes that this token does not have: admin."
    async with refused(world, Forbidden, message, scope="admin"):
        await roles.add_roles(context, user_id=plain.id, roles=["admin"])
