"""Names: allowed characters, the stored form, and names that look alike."""

import unicodedata
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import pytest

from resolvers import agents, apps, departments, events, names, roles, rooms, users, visitors
from resolvers.consumers import consumers
from resolvers.custom_fields import definitions
from storage.errors import Invalid, UnknownRole, UsernameTaken
from storage.filters.expressions import AttributeCondition, Operator
from storage.records import FieldTarget, FieldType, User
from tests.resolvers.world import World

COMPOSED, DECOMPOSED = "jos\u00e9", "jose\u0301"
REFUSED = {
    "a\u200bb": "U+200B (ZERO WIDTH SPACE)",
    "\u3164": "U+3164 (HANGUL FILLER)",
    "a\u202eb": "U+202E (RIGHT-TO-LEFT OVERRIDE)",
    "a\u0081b": "U+0081 (a control character)",
    "a\0b": "U+0000 (a control character)",
    "a\nb": "U+000A (a control character)",
    "a\ufeffb": "U+FEFF (ZERO WIDTH NO-BREAK SPACE)",
    "a\u200db": "U+200D (ZERO WIDTH JOINER)",
    "a\U000e0041b": "U+E0041 (TAG LATIN CAPITAL LETTER A)",
    "1\ufe0fb": "U+FE0F (VARIATION SELECTOR-16)",
}


@pytest.mark.parametrize(("name", "called"), REFUSED.items(), ids=ascii)
async def test_invisible_bidirectional_and_control_characters_are_refused_in_every_name(
    world: World, name: str, called: str
) -> None:
    context = world.context
    department = await departments.create_department(context, name="Sales")
    head = await context.storage.log.head()
    known = [consumer.name for consumer in await consumers.list_consumers(context)]
    attempts: dict[str, Callable[[], Awaitable[object]]] = {
        "username": partial(users.create_user, context, username=name),
        "name": partial(users.create_user, context, username="anna", name=name),
        "emails": partial(users.create_user, context, username="anna", emails=[f"{name}@example.org"]),
        "token": partial(visitors.save_visitor, context, token=name),
        "email": partial(visitors.save_visitor, context, token="v", email=f"{name}@example.org"),
        "phone": partial(visitors.save_visitor, context, token="v", phone=name),
        "source": partial(rooms.start_room, context, visitor_token="v", source=name),
        "tags": partial(rooms.start_room, context, visitor_token="v", tags=["fine", name]),
        "label": partial(
            definitions.define_custom_field,
            context,
            target=FieldTarget.USER,
            key="key",
            type=FieldType.TEXT,
            label=name,
        ),
        "options": partial(
            definitions.define_custom_field,
            context,
            target=FieldTarget.USER,
            key="key",
            type=FieldType.SELECT,
            options=["fine", name],
        ),
        "consumer": partial(events.subscribe, context, consumer=name),
    }
    named: list[Callable[[], Awaitable[object]]] = [
        partial(roles.create_role, context, name=name),
        partial(apps.create_app, context, name=name, scopes=["users:read"]),
        partial(departments.create_department, context, name=name),
        partial(departments.update_department, context, department_id=department.id, name=name),
    ]

    for key, attempt in [*attempts.items(), *(("name", one) for one in named)]:
        with pytest.raises(Invalid) as refusal:
            await attempt()
        assert refusal.value.data["key"] == key
        assert f"{key} must not contain {called}, which is character" in refusal.value.message

    assert await context.storage.log.head() == head
    assert [consumer.name for consumer in await consumers.list_consumers(context)] == known


@pytest.mark.parametrize(
    "name",
    [
        "می\u200cخواهم",
        "क्\u200dष",
        "\U0001f469\u200d\U0001f4bb",
        "\u2764\ufe0f",
        "山田　太郎",
        "O'Neill-Müller",
        "1\ufe0f\u20e3",
    ],
)
def test_joiners_that_shape_letters_and_emoji_are_accepted(name: str) -> None:
    names.check(name, "name")


async def test_decomposed_name_is_stored_composed_and_found_in_either_form(world: World) -> None:
    context = world.context
    user = await users.create_user(context, username=DECOMPOSED, name=DECOMPOSED, emails=[f"{DECOMPOSED}@example.org"])
    visitor = await visitors.save_visitor(context, token=DECOMPOSED, email=f"{DECOMPOSED}@example.org")
    await roles.create_role(context, name=DECOMPOSED)

    assert (user.username, user.name, user.emails) == (COMPOSED, COMPOSED, (f"{COMPOSED}@example.org",))
    assert visitor.token == COMPOSED
    for form in (COMPOSED, DECOMPOSED, COMPOSED.upper(), DECOMPOSED.upper()):
        assert await users.find_user(context, username=form) == user
        assert await users.find_user(context, email=f"{form}@example.org") == user
        assert await visitors.find_visitor(context, email=f"{form}@example.org") == visitor
        for operator in (Operator.EQ, Operator.CONTAINS, Operator.STARTS_WITH):
            found = await users.list_users(context, where=AttributeCondition("username", operator, form))
            assert found.items == [user]
    for form in (COMPOSED, DECOMPOSED):
        assert await visitors.find_visitor(context, token=form) == visitor
        assert await visitors.save_visitor(context, token=form) == visitor
        assert (await rooms.start_room(context, visitor_token=form)).visitor_id == visitor.id
        assert (await roles.add_roles(context, user_id=user.id, roles=[form])).roles == (COMPOSED,)
    with pytest.raises(UnknownRole):
        await roles.add_roles(context, user_id=user.id, roles=["jose"])


@pytest.mark.parametrize(
    ("taken", "given"),
    [
        (COMPOSED, DECOMPOSED),
        ("paypal", "p\u0430yp\u0430l"),  # two letters are Cyrillic
        ("cape", "\u0441\u0430\u0440\u0435"),  # all letters are Cyrillic
        ("\u0441\u0430\u0440\u0435", "cape"),
        ("Admin", "\u0391dmin"),  # one letter is Greek
        ("anna", "\uff41nna"),  # one letter is full-width
        ("ivan", "\u0406van"),
        (COMPOSED, "jos\u0435\u0301"),  # a Cyrillic letter with the accent behind it
    ],
    ids=ascii,
)
async def test_username_that_looks_like_another_is_taken(world: World, taken: str, given: str) -> None:
    context = world.context
    holder = await users.create_user(context, username=taken)
    other = await users.create_user(context, username="other")
    head = await context.storage.log.head()

    with pytest.raises(UsernameTaken):
        await users.create_user(context, username=given)
    with pytest.raises(UsernameTaken):
        await users.update_user(context, user_id=other.id, username=given)

    assert await context.storage.log.head() == head
    assert (await users.list_users(context)).items == [holder, other]


async def test_usernames_that_differ_in_ascii_letters_or_accents_are_different(world: World) -> None:
    for username in ("paul1", "paull", "paulI1", "bam", "barn", "zoe", "zoë", "марина", "мария"):
        await users.create_user(world.context, username=username)

    assert len((await users.list_users(world.context)).items) == 9


async def test_user_may_change_its_username_to_one_that_looks_the_same(world: World) -> None:
    user = await users.create_user(world.context, username="cape")

    renamed = await users.update_user(world.context, user_id=user.id, username="\u0441\u0430\u0440\u0435")

    assert renamed.username == "\u0441\u0430\u0440\u0435"


async def test_names_older_than_the_rules_are_found_kept_and_unique(world: World) -> None:
    context = world.context

    async def make(username: str) -> User:
        """A name as an older version stored it."""
        user = await users.create_user(context, username="x")
        fields = {"username": username, "usernameKey": username.casefold(), "emails": ["a\u200b@b"], "emailKeys": []}
        await context.storage.database["users"].update_one(
            {"_id": user.id}, {"$set": fields, "$unset": {"usernameLook": 1}}
        )
        return msgspec.structs.replace(user, username=username, username_look=None, emails=("a\u200b@b",))

    old = await make(DECOMPOSED)
    plain = await make("cape")

    for form in (COMPOSED, DECOMPOSED):
        assert await users.find_user(context, username=form) == old
        found = await users.list_users(context, where=AttributeCondition("username", Operator.IN, (form,)))
        assert found.items == [old]
    for taken in (COMPOSED, DECOMPOSED, "\u0441\u0430\u0440\u0435", "cape"):
        with pytest.raises(UsernameTaken):
            await users.create_user(context, username=taken)
    changed = await users.update_user(context, user_id=old.id, username=DECOMPOSED, emails=["a\u200b@b"], name="José")
    assert (changed.username, changed.name) == (DECOMPOSED, "José")
    assert (await agents.add_agent(context, user_id=plain.id)).user.username == "cape"


async def test_old_visitor_can_be_saved_with_a_token_that_is_now_invalid(world: World) -> None:
    context = world.context
    visitor = await visitors.save_visitor(context, token="x")
    await context.storage.database["visitors"].update_one({"_id": visitor.id}, {"$set": {"token": "a\u200bb"}})

    saved = await visitors.save_visitor(context, token="a\u200bb", name="Ann")

    assert (saved.id, saved.token, saved.name) == (visitor.id, "a\u200bb", "Ann")


def test_every_spelling_is_a_form_of_the_name() -> None:
    assert names.forms("ann") == ("ann",)
    assert names.forms(DECOMPOSED) == (COMPOSED, DECOMPOSED)
    assert names.forms(COMPOSED) == (COMPOSED, unicodedata.normalize("NFD", COMPOSED))
