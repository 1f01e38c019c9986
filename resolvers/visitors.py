"""Visitors: operations that find, list and save them."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, UnsetType
from typing_extensions import Unpack

from resolvers import names, validation
from resolvers.context import Context
from resolvers.custom_fields.definitions import FieldRef, assign, bind, resolve
from resolvers.custom_fields.values import FieldAssignment
from resolvers.operations import MutationContext, mutation, query
from storage import visitors
from storage.erased import TOKEN_PREFIX
from storage.errors import Invalid, NotFound, quoted
from storage.filters.expressions import Expression
from storage.mongo.connection import new_id
from storage.mongo.pagination import Page, PageArguments
from storage.mongo.reader import Reader
from storage.records import FieldTarget, Record, Visitor
from storage.transactions.transaction import Transaction


@query("visitors:read")
async def find_visitor(
    context: Context,
    *,
    id: str | None = None,
    token: str | None = None,
    email: str | None = None,
    custom_field: FieldRef | None = None,
) -> Visitor | None:
    """Find a visitor by one of the arguments. Raises Invalid if several visitors have the email."""
    reader = context.reader
    if id is not None:
        return await visitors.find(reader, id)
    if token is not None:
        return await find_by_token(reader, token)
    if email is not None:
        found = await visitors.list_by_email(reader, names.forms(email))
        if len(found) > 1:
            raise Invalid(
                "Several visitors have this email; identify the visitor by id, token or customField.", key="by.email"
            )
        return found[0] if found else None
    if custom_field is not None:
        definition, value = await resolve(reader, FieldTarget.VISITOR, custom_field)
        return await visitors.find_by_field(reader, definition, value)
    raise Invalid("Identify the visitor by id, token, email or customField.", key="by")


async def find_by_token(reader: Reader, token: str) -> Visitor | None:
    """Find a visitor by token, in every Unicode normalization form of it."""
    for form in names.forms(token):
        if (visitor := await visitors.find_by_token(reader, form)) is not None:
            return visitor
    return None


async def require_by_token(tx: Transaction, token: str) -> Visitor:
    """Find a visitor by token. Raises NotFound if there is none, or if it is erased."""
    visitor = None
    for form in names.forms(token):
        visitor = visitor or await visitors.find_recent_by_token(tx, form)
    if visitor is None or visitor.erased_at is not None:
        raise NotFound("visitor with the token", token, key="visitorToken")
    return visitor


@query("visitors:read")
async def list_visitors(
    context: Context, *, where: Expression | None = None, **page: Unpack[PageArguments]
) -> Page[Visitor]:
    """A page of the visitors that match `where`, in the order of their creation."""
    request = validation.page(**page)
    expression = await bind(context.reader, FieldTarget.VISITOR, where)
    return await visitors.read_page(context.reader, expression, page=request)


@query("visitors:read", visitors=True)
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, Visitor]:
    """Visitors by id; those that do not exist are absent, and for a visitor all others."""
    found = await visitors.get_many(context.reader, ids)
    caller = context.caller.visitor
    return {one: visitor for one, visitor in found.items() if caller is None or one == caller.id}


async def get_many(context: Context, ids: Iterable[str]) -> dict[str, Visitor]:
    """Visitors by id, for fields of objects that the caller may read. Checks no scope."""
    return await visitors.get_many(context.reader, ids)


class VisitorValues(Record, frozen=True):
    """What saveVisitor and ensureRoom set of a visitor. UNSET: left out."""

    token: str
    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    custom_fields: Sequence[FieldAssignment] | UnsetType | None = UNSET


@mutation("visitors:write", lock=("visitor", "token"))
async def save_visitor(
    change: MutationContext,
    *,
    token: str,
    name: str | UnsetType | None = UNSET,
    email: str | UnsetType | None = UNSET,
    phone: str | UnsetType | None = UNSET,
    custom_fields: Sequence[FieldAssignment] | UnsetType | None = UNSET,
) -> Visitor:
    """Create the visitor with this token, or change its given attributes. Custom fields merge key by key."""
    return await save(
        change.tx, VisitorValues(token=token, name=name, email=email, phone=phone, custom_fields=custom_fields)
    )


def check_token(token: str, prefix: str = "") -> str:
    """The token of a visitor. Raises Invalid for one that no visitor has. `prefix`: the path of its input object."""
    validation.text(token, f"{prefix}token", max_characters=validation.MAX_NAME_CHARACTERS)
    if token.startswith(TOKEN_PREFIX):
        raise Invalid(
            f"Tokens that begin with {quoted(TOKEN_PREFIX)} are those of erased visitors; use another one.",
            key=f"{prefix}token",
        )
    return token


async def save(tx: Transaction, values: VisitorValues, *, prefix: str = "") -> Visitor:
    """Create the visitor with this token, or change its given attributes, in the transaction.

    `prefix`: the path of the input object in the keys of errors.
    """
    token, name, email, phone = check_token(values.token, prefix), values.name, values.email, values.phone
    before = await find_by_token(tx, token)
    # A value that does not change is not checked: it may be older than the rule that it breaks.
    after = before or Visitor(id=new_id(tx.now), token=validation.name(token, f"{prefix}token"), created_at=tx.now)
    if name is not UNSET and name != after.name:
        after = msgspec.structs.replace(after, name=validation.optional_name(name, f"{prefix}name"))
    if email is not UNSET and email != after.email:
        checked = None if email is None else validation.email(email, f"{prefix}email")
        after = msgspec.structs.replace(after, email=checked)
    if phone is not UNSET and phone != after.phone:
        phone = validation.optional_name(phone, f"{prefix}phone", max_characters=64)
        after = msgspec.structs.replace(after, phone=phone)
    given = values.custom_fields or ()
    fields = await assign(tx, FieldTarget.VISITOR, after.custom_fields, given, creating=before is None)
    after = msgspec.structs.replace(after, custom_fields=fields)
    if before is None:
        return await visitors.insert(tx, after)
    return before if after == before else await visitors.update(tx, before, after)
