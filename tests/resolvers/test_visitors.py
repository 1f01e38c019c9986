from typing import Any

import pytest

from resolvers import visitors
from resolvers.custom_fields.definitions import FieldRef, define_custom_field
from storage.errors import (
    Duplicate,
    FieldRequired,
    Forbidden,
    Invalid,
    InvalidFieldValue,
    SwitchboardError,
    UnknownField,
)
from storage.facts import VisitorSaved
from storage.records import FieldTarget, FieldType
from tests.resolvers.refusals import kinds, refused, scoped, values
from tests.resolvers.world import World


async def define(world: World, key: str, type: FieldType = FieldType.TEXT, **given: Any) -> None:
    await define_custom_field(world.context, target=FieldTarget.VISITOR, key=key, type=type, **given)


async def test_a_visitor_has_the_saved_values(world: World) -> None:
    await define(world, "plan", FieldType.SELECT, options=["free", "paid"])
    head = await world.head()

    visitor = await visitors.save_visitor(
        world.context,
        token="t-1",
        name="Vera",
        email="Vera@Example.org",
        phone="+41 31",
        custom_fields=values(plan="paid"),
    )

    assert (visitor.token, visitor.name, visitor.email, visitor.phone) == ("t-1", "Vera", "Vera@Example.org", "+41 31")
    assert visitor.custom_fields == {"plan": "paid"}
    assert await visitors.find_visitor(world.context, id=visitor.id) == visitor
    (fact,) = await world.facts(head)
    assert isinstance(fact, VisitorSaved)
    assert fact.visitor == visitor


async def test_a_visitor_is_changed_by_its_token(world: World) -> None:
    await define(world, "plan")
    await define(world, "site")
    before = await visitors.save_visitor(
        world.context, token="t-1", name="Vera", email="v@example.org", custom_fields=values(plan="paid", site="Bern")
    )
    head = await world.head()

    after = await visitors.save_visitor(world.context, token="t-1", name=None, custom_fields=values(plan=None))
    same = await visitors.save_visitor(world.context, token="t-1")

    assert (after.id, after.name, after.email, after.custom_fields) == (
        before.id,
        None,
        "v@example.org",
        {"site": "Bern"},
    )
    assert same == after
    assert kinds(await world.facts(head)) == ["VISITOR_SAVED"]


async def test_a_visitor_is_found_by_each_unique_value(world: World) -> None:
    await define(world, "customer", FieldType.NUMBER, unique=True)
    visitor = await visitors.save_visitor(
        world.context, token="t-1", email="V@example.org", custom_fields=values(customer=12)
    )

    context = world.context
    assert await visitors.find_visitor(context, token="t-1") == visitor
    assert await visitors.find_visitor(context, token="T-1") is None
    assert await visitors.find_visitor(context, email="v@EXAMPLE.org") == visitor
    assert await visitors.find_visitor(context, custom_field=FieldRef("customer", 12)) == visitor
    assert await visitors.find_visitor(context, custom_field=FieldRef("customer", 13)) is None


async def test_email_of_several_objects_identifies_none(world: World) -> None:
    await visitors.save_visitor(world.context, token="t-1", email="desk@example.org")
    await visitors.save_visitor(world.context, token="t-2", email="desk@example.org")

    async with refused(
        world,
        Invalid,
        "Several visitors have this email; identify the visitor by id, token or customField.",
        key="by.email",
    ):
        await visitors.find_visitor(world.context, email="desk@example.org")


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    ("given", "kind", "message", "data"),
    [
        (
            {"name": "x" * 129},
            Invalid,
            "name must have 1 to 128 characters; this one has 129.",
            {"key": "name"},
        ),
        (
            {"email": ""},
            Invalid,
            "email must have 1 to 254 characters; this one is empty.",
            {"key": "email"},
        ),
        (
            {"email": "vera"},
            Invalid,
            'email must look like name@example.org; "vera" does not.',
            {"key": "email"},
        ),
        ({"phone": "1" * 65}, Invalid, "phone must have 1 to 64 characters; this one has 65.", {"key": "phone"}),
        (
            {"custom_fields": values(level=1)},
            UnknownField,
            'There is no custom field "level" here; defined are "customer".',
            {"key": "level"},
        ),
        (
            {"custom_fields": values(customer=True)},
            InvalidFieldValue,
            'Custom field "customer": expected NUMBER, got true (Boolean).',
            {"key": "customer", "expected": "NUMBER"},
        ),
        (
            {"custom_fields": values(customer=2**53)},
            InvalidFieldValue,
            (
                'Custom field "customer": expected NUMBER from -9007199254740991 to 9007199254740991, '
                "got 9007199254740992 (Int)."
            ),
            {"key": "customer", "expected": "NUMBER from -9007199254740991 to 9007199254740991"},
        ),
        (
            {"custom_fields": values(customer=None)},
            FieldRequired,
            'Custom field "customer" is required.',
            {"key": "customer"},
        ),
        (
            {"custom_fields": values(customer=1)},
            Duplicate,
            'Another visitor holds customer "1" already; it is unique.',
            {"key": "customer"},
        ),
    ],
)
async def test_a_refused_save_changes_nothing(
    world: World,
    exists: bool,
    given: dict[str, Any],
    kind: type[SwitchboardError],
    message: str,
    data: dict[str, Any],
) -> None:
    await world.services.storage.database["visitors"].delete_many({})
    await define(world, "customer", FieldType.NUMBER, unique=True, required=True)
    await visitors.save_visitor(world.context, token="other", custom_fields=values(customer=1))
    if exists:
        await visitors.save_visitor(world.context, token="t-1", custom_fields=values(customer=2))

    async with refused(world, kind, message, **data):
        await visitors.save_visitor(
            world.context, token="t-1", **{"custom_fields": values(customer=3), "phone": "1", **given}
        )


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "token must have 1 to 128 characters; this one is empty."),
        (" ", "token must not be blank."),
        ("x" * 129, "token must have 1 to 128 characters; this one has 129."),
        ("\udc00", "token contains half of a surrogate pair, which is not a character."),
    ],
)
async def test_a_token_is_a_short_text(world: World, token: str, message: str) -> None:
    async with refused(world, Invalid, message, key="token"):
        await visitors.save_visitor(world.context, token=token)


async def test_operations_on_visitors_need_their_scopes(world: World) -> None:
    message = "This needs the scope {}, which this token does not have."
    async with refused(world, Forbidden, message.format("visitors:write"), scope="visitors:write"):
        await visitors.save_visitor(scoped(world, "visitors:read"), token="t-1")
    async with refused(world, Forbidden, message.format("visitors:read"), scope="visitors:read"):
        await visitors.find_visitor(scoped(world, "visitors:write"), token="t-1")
    async with refused(world, Forbidden, message.format("visitors:read"), scope="visitors:read"):
        await visitors.list_visitors(scoped(world, "visitors:write"))
