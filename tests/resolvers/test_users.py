from typing import Any

import pytest

from resolvers import agents, roles, users
from resolvers.custom_fields.definitions import FieldRef, define_custom_field
from storage.errors import (
    Duplicate,
    FieldRequired,
    Forbidden,
    Invalid,
    InvalidFieldValue,
    NotFound,
    SwitchboardError,
    UnknownField,
    UnknownRole,
    UsernameTaken,
)
from storage.facts import UserCreated, UserUpdated
from storage.records import FieldDefinition, FieldTarget, FieldType, Presence, User, UserType
from tests.resolvers.refusals import refused, scoped, values
from tests.resolvers.world import APP, World


async def create(world: World, username: str, **given: Any) -> User:
    given.setdefault("type", UserType.USER)
    return await users.create_user(world.context, username=username, **given)


async def define(world: World, key: str, type: FieldType = FieldType.TEXT, **given: Any) -> FieldDefinition:
    return await define_custom_field(world.context, target=FieldTarget.USER, key=key, type=type, **given)


# ---------------------------------------------------------------- create


async def test_a_user_has_the_values_of_its_creation(world: World) -> None:
    await define(world, "level", FieldType.NUMBER)
    head = await world.head()

    user = await create(
        world,
        "Anna",
        name="Anna B.",
        emails=["a@example.org", "B@example.org"],
        type=UserType.BOT,
        roles=["bot", "livechat-manager", "bot"],
        custom_fields=values(level=3),
    )

    assert (user.username, user.name, user.emails) == ("Anna", "Anna B.", ("a@example.org", "B@example.org"))
    assert (user.type, user.active, user.presence) == (UserType.BOT, True, Presence.OFFLINE)
    assert (user.roles, user.custom_fields, user.agent) == (("bot", "livechat-manager"), {"level": 3}, None)
    assert user.created_at == user.updated_at
    assert await world.user(user) == user
    (fact,) = await world.facts(head)
    assert isinstance(fact, UserCreated)
    assert (fact.user, fact.actor, fact.occurred_at) == (user, APP, user.created_at)


async def test_a_user_needs_nothing_but_a_username(world: World) -> None:
    user = await create(world, "anna")

    assert (user.name, user.emails, user.type, user.roles, user.custom_fields) == (None, (), UserType.USER, (), {})


@pytest.mark.parametrize(
    ("given", "message", "key"),
    [
        ({"username": ""}, "username must have 1 to 64 characters; this one is empty.", "username"),
        ({"username": "x" * 65}, "username must have 1 to 64 characters; this one has 65.", "username"),
        (
            {"username": "a b"},
            'username must not contain white space: "a b".',
            "username",
        ),
        (
            {"username": "a\ud800"},
            "username contains half of a surrogate pair, which is not a character.",
            "username",
        ),
        ({"name": "x" * 129}, "name must have 1 to 128 characters; this one has 129.", "name"),
        ({"name": ""}, "name must have 1 to 128 characters; this one is empty.", "name"),
        ({"name": "\udfff"}, "name contains half of a surrogate pair, which is not a character.", "name"),
        (
            {"emails": ["anna"]},
            'emails must look like name@example.org; "anna" does not.',
            "emails",
        ),
        ({"emails": [""]}, "emails must have 1 to 254 characters; this one is empty.", "emails"),
        ({"emails": ["a@b", "A@B"]}, "emails contains an address twice.", "emails"),
        ({"emails": [f"{n}@b" for n in range(11)]}, "emails takes up to 10 addresses; these are 11.", "emails"),
        ({"password": "1234567"}, "password must have 8 to 256 characters.", "password"),
        ({"password": "x" * 257}, "password must have 8 to 256 characters.", "password"),
        ({"roles": [""]}, "roles must have 1 to 64 characters; this one is empty.", "roles"),
        ({"roles": ["bot"] * 101}, "roles takes up to 100 values; these are 101.", "roles"),
    ],
)
async def test_invalid_arguments_are_refused_with_their_key(
    world: World, given: dict[str, Any], message: str, key: str
) -> None:
    async with refused(world, Invalid, message, key=key):
        await create(world, **{"username": "anna", **given})


async def test_an_unknown_role_is_refused(world: World) -> None:
    async with refused(world, UnknownRole, 'There is no role "pilot"; create it first.', key="pilot"):
        await create(world, "anna", roles=["bot", "pilot"])


async def test_an_unknown_field_is_refused_with_the_defined_fields(world: World) -> None:
    await define(world, "level", FieldType.NUMBER)

    message = 'There is no custom field "lever" here; defined are "level".'
    async with refused(world, UnknownField, message, key="lever"):
        await create(world, "anna", custom_fields=values(lever=3))


async def test_a_value_of_another_type_is_refused(world: World) -> None:
    await define(world, "level", FieldType.NUMBER)

    message = 'Custom field "level": expected NUMBER, got "3" (String).'
    async with refused(world, InvalidFieldValue, message, key="level", expected="NUMBER"):
        await create(world, "anna", custom_fields=values(level="3"))


async def test_a_missing_required_field_is_refused(world: World) -> None:
    await define(world, "level", FieldType.NUMBER, required=True)

    async with refused(world, FieldRequired, 'Required custom fields are missing: "level".', key="level"):
        await create(world, "anna")
    async with refused(world, FieldRequired, 'Custom field "level" is required.', key="level"):
        await create(world, "anna", custom_fields=values(level=None))


async def test_a_unique_value_cannot_be_used_twice(world: World) -> None:
    await define(world, "externalId", unique=True)
    await create(world, "anna", custom_fields=values(externalId="x-1"))

    message = 'Another user holds externalId "x-1" already; it is unique.'
    async with refused(world, Duplicate, message, key="externalId"):
        await create(world, "bert", custom_fields=values(externalId="x-1"))


async def test_a_username_is_taken_without_case(world: World) -> None:
    await create(world, "Straße")

    message = 'The username "STRASSE" is taken (usernames are compared without case, and by their look).'
    async with refused(world, UsernameTaken, message):
        await create(world, "STRASSE")


async def test_setting_roles_needs_its_own_scope(world: World) -> None:
    message = "This needs the scope roles:write, which this token does not have."
    async with refused(world, Forbidden, message, scope="roles:write"):
        await users.create_user(scoped(world, "users:write"), username="anna", type=UserType.USER, roles=["bot"])


async def test_user_with_more_scopes_than_the_caller_cannot_be_created(world: World) -> None:
    message = "Giving these roles needs scopes that this token does not have: admin."
    async with refused(world, Forbidden, message, scope="admin"):
        await users.create_user(
            scoped(world, "users:write", "roles:write"), username="anna", type=UserType.USER, roles=["admin"]
        )


# ---------------------------------------------------------------- update


async def test_an_update_changes_its_arguments_alone(world: World) -> None:
    await define(world, "level", FieldType.NUMBER)
    await define(world, "site")
    before = await create(
        world, "anna", name="Anna", emails=["a@example.org"], custom_fields=values(level=1, site="Bern")
    )
    head = await world.head()

    after = await users.update_user(
        world.context, user_id=before.id, username="Bea", custom_fields=values(level=2), emails=None
    )

    assert (after.username, after.name, after.emails) == ("Bea", "Anna", ())
    assert after.custom_fields == {"level": 2, "site": "Bern"}
    assert after.updated_at >= before.updated_at
    assert await world.user(before) == after
    (fact,) = await world.facts(head)
    assert isinstance(fact, UserUpdated)
    assert fact.user == after


async def test_null_clears_a_name_and_a_field(world: World) -> None:
    await define(world, "level", FieldType.NUMBER)
    user = await create(world, "anna", name="Anna", custom_fields=values(level=1))

    after = await users.update_user(world.context, user_id=user.id, name=None, custom_fields=values(level=None))

    assert (after.name, after.custom_fields) == (None, {})


async def test_an_update_without_a_change_records_no_fact(world: World) -> None:
    user = await create(world, "anna", name="Anna", emails=["a@b"])
    head = await world.head()

    same = await users.update_user(world.context, user_id=user.id, username="anna", name="Anna", emails=["a@b"])
    presence = await users.set_presence(world.context, user_id=user.id, presence=Presence.OFFLINE)
    active = await users.set_user_active(world.context, user_id=user.id, active=True)

    assert same == presence == active == user
    assert await world.facts(head) == []


async def test_a_username_can_change_its_case(world: World) -> None:
    user = await create(world, "anna")

    assert (await users.update_user(world.context, user_id=user.id, username="ANNA")).username == "ANNA"


async def test_a_freed_username_can_be_taken(world: World) -> None:
    anna = await create(world, "anna")
    await users.update_user(world.context, user_id=anna.id, username="bea")

    assert (await create(world, "anna")).id != anna.id


@pytest.mark.parametrize(
    ("given", "kind", "message", "data"),
    [
        (
            {"username": None},
            Invalid,
            "username cannot be null; leave it out to keep it as it is.",
            {"key": "username"},
        ),
        (
            {"username": "BERT"},
            UsernameTaken,
            'The username "BERT" is taken (usernames are compared without case, and by their look).',
            {},
        ),
        (
            {"custom_fields": values(externalId="b")},
            Duplicate,
            'Another user holds externalId "b" already; it is unique.',
            {"key": "externalId"},
        ),
        (
            {"custom_fields": values(externalId=None)},
            FieldRequired,
            'Custom field "externalId" is required.',
            {"key": "externalId"},
        ),
        (
            {"custom_fields": [*values(externalId="c"), *values(externalId="d")]},
            Invalid,
            'Custom field "externalId" is given twice.',
            {"key": "externalId"},
        ),
        (
            {"custom_fields": values(**{"$where": "c"})},
            UnknownField,
            'There is no custom field "$where" here; defined are "externalId".',
            {"key": "$where"},
        ),
    ],
)
async def test_a_refused_update_changes_nothing(
    world: World, given: dict[str, Any], kind: type[SwitchboardError], message: str, data: dict[str, Any]
) -> None:
    await define(world, "externalId", unique=True, required=True)
    anna = await create(world, "anna", custom_fields=values(externalId="a"))
    await create(world, "bert", custom_fields=values(externalId="b"))

    async with refused(world, kind, message, **data):
        await users.update_user(world.context, user_id=anna.id, **{"name": "never written", **given})


@pytest.mark.parametrize("user_id", ["", "nobody", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "\0", "$ne", "x" * 10_000])
async def test_unknown_and_malformed_ids_are_not_found(world: World, user_id: str) -> None:
    shown = user_id.replace("\0", "\\u0000")
    message = f'There is no user "{shown if len(shown) <= 80 else shown[:79] + "…"}".'

    async with refused(world, NotFound, message, key="userId"):
        await users.update_user(world.context, user_id=user_id, name="x")
    async with refused(world, NotFound, message, key="userId"):
        await users.set_user_active(world.context, user_id=user_id, active=False)
    async with refused(world, NotFound, message, key="userId"):
        await users.set_presence(world.context, user_id=user_id, presence=Presence.ONLINE)
    assert await users.find_user(world.context, id=user_id) is None


# ---------------------------------------------------------------- finding


async def test_a_user_is_found_by_each_unique_value(world: World) -> None:
    await define(world, "externalId", unique=True)
    user = await create(world, "Anna", emails=["Anna@Example.org"], custom_fields=values(externalId="x-1"))

    context = world.context
    assert await users.find_user(context, id=user.id) == user
    assert await users.find_user(context, username="aNNA") == user
    assert await users.find_user(context, email="anna@EXAMPLE.org") == user
    assert await users.find_user(context, custom_field=FieldRef("externalId", "x-1")) == user
    assert await users.find_user(context, username="bert") is None
    assert await users.find_user(context, email="bert@example.org") is None
    assert await users.find_user(context, custom_field=FieldRef("externalId", "x-2")) is None


async def test_email_of_several_objects_identifies_none(world: World) -> None:
    await create(world, "anna", emails=["desk@example.org"])
    await create(world, "bert", emails=["Desk@example.org"])

    message = "Several users have this email; identify the user by id, username or customField."
    async with refused(world, Invalid, message, key="by.email"):
        await users.find_user(world.context, email="desk@example.org")


async def test_a_reference_needs_a_unique_field_and_a_value_of_its_type(world: World) -> None:
    await define(world, "site")
    await define(world, "number", FieldType.NUMBER, unique=True)

    context = world.context
    message = 'Custom field "site" is not unique, so its value can belong to several entities; use a filter.'
    async with refused(world, Invalid, message, key="site"):
        await users.find_user(context, custom_field=FieldRef("site", "Bern"))
    message = 'There is no custom field "other" here; defined are "number", "site".'
    async with refused(world, UnknownField, message, key="other"):
        await users.find_user(context, custom_field=FieldRef("other", "Bern"))
    message = 'Custom field "number": expected NUMBER, got "1" (String).'
    async with refused(world, InvalidFieldValue, message, key="number", expected="NUMBER"):
        await users.find_user(context, custom_field=FieldRef("number", "1"))


async def test_whole_numbers_and_fractions_are_one_unique_value(world: World) -> None:
    await define(world, "number", FieldType.NUMBER, unique=True)
    user = await create(world, "anna", custom_fields=values(number=1))

    assert await users.find_user(world.context, custom_field=FieldRef("number", 1.0)) == user
    async with refused(world, Duplicate, 'Another user holds number "1.0" already; it is unique.', key="number"):
        await create(world, "bert", custom_fields=values(number=1.0))


async def test_operations_on_users_need_their_scopes(world: World) -> None:
    message = "This needs the scope users:{}, which this token does not have."
    async with refused(world, Forbidden, message.format("read"), scope="users:read"):
        await users.list_users(scoped(world, "users:write"))
    async with refused(world, Forbidden, message.format("read"), scope="users:read"):
        await agents.list_agents_by_department(scoped(world, "rooms:read"), ["somewhere"])
    async with refused(world, Forbidden, message.format("write"), scope="users:write"):
        await users.create_user(scoped(world, "users:read"), username="anna", type=UserType.USER)
    async with refused(world, Forbidden, message.format("read"), scope="users:read"):
        await roles.list_roles(scoped(world, "roles:write"))
