"""Visitors. An app identifies a visitor by a token that it chooses."""

from collections.abc import Iterable
from functools import partial

from pymongo.errors import DuplicateKeyError

from storage import entities
from storage.changes import Change, changes_between
from storage.custom_fields import definitions
from storage.entities import Kind
from storage.erased import erased_visitor
from storage.facts import VisitorSaved
from storage.filters.expressions import Expression
from storage.filters.mongo_query import to_query
from storage.mongo.connection import Document
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.mongo.sort_orders import SortOrder
from storage.records import FieldDefinition, FieldTarget, Visitor
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction


def _derive(visitor: Visitor, document: Document) -> None:
    texts = {"token": visitor.token, "name": visitor.name, "email": visitor.email, "phone": visitor.phone}
    document |= {f"{name}Key": value.casefold() for name, value in texts.items() if value is not None}


KIND = Kind("visitors", Visitor, noun="visitor", target=FieldTarget.VISITOR, derive=_derive)
BY_CREATION = SortOrder("visitors")


async def find(reader: Reader, visitor_id: str) -> Visitor | None:
    return await entities.find_by(reader, KIND, "_id", visitor_id)


async def get(reader: Reader, visitor_id: str, *, key: str = "visitorId") -> Visitor:
    """Return the visitor with that id. Raises NotFound."""
    return await entities.get(reader, KIND, visitor_id, key=key)


async def find_by_token(reader: Reader, token: str) -> Visitor | None:
    return await entities.find_by(reader, KIND, "token", token)


async def find_recent_by_token(tx: Transaction, token: str) -> Visitor | None:
    """Return what `find_by_token` returns, from the memory of this process if possible.

    The commit requires its version then.
    """
    recent: Visitor | None = tx.recent(KIND.collection, token)
    if recent is not None:
        tx.require_version(KIND.collection, recent)
        return recent
    visitor = await find_by_token(tx, token)
    if visitor is not None:
        tx.put_recent(KIND.collection, token, visitor, version=visitor.version)
    return visitor


async def list_by_email(reader: Reader, spellings: Iterable[str]) -> list[Visitor]:
    """Return up to two visitors with one of these email addresses, compared without case."""
    keys = [spelling.casefold() for spelling in spellings]
    return await entities.list_all(reader, KIND, {"emailKey": {"$in": keys}}, limit=2)


async def find_by_field(reader: Reader, definition: FieldDefinition, value: object) -> Visitor | None:
    """Return the visitor with that value of a unique field."""
    return await entities.find_by(reader, KIND, definitions.path(definition), value)


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, Visitor]:
    return await entities.get_many(reader, KIND, ids)


async def read_page(reader: Reader, where: Expression, *, page: PageRequest) -> Page[Visitor]:
    query = to_query(where, FieldTarget.VISITOR)
    return await entities.read_page(reader, KIND, query, order=BY_CREATION, page=page)


async def insert(tx: Transaction, visitor: Visitor) -> Visitor:
    """Insert a visitor. Raises Duplicate for a unique field, and Conflict if the token is taken."""
    visitor = await entities.insert(tx, KIND, visitor, refusal=partial(_refusal, tx, visitor))
    tx.record_fact(VisitorSaved, visitor, visitor=visitor)
    tx.remember(KIND.collection, visitor.token, visitor, version=visitor.version)
    return visitor


async def update(tx: Transaction, before: Visitor, after: Visitor) -> Visitor:
    after = await entities.replace(tx, KIND, before, after, refusal=partial(_refusal, tx, after))
    tx.record_fact(VisitorSaved, after, visitor=after, changes=changes_between(before, after, VisitorSaved.fields))
    tx.remember(KIND.collection, after.token, after, version=after.version)
    return after


async def erase(tx: Transaction, before: Visitor) -> Visitor:
    """Remove what is known of the person. The fact names the fields that had values, without the values."""
    after = erased_visitor(before, tx.now)
    after = await entities.replace(tx, KIND, before, after, entirely=True)
    changed = changes_between(before, after, VisitorSaved.fields)
    tx.record_fact(VisitorSaved, after, visitor=after, changes=tuple(Change(change.field) for change in changed))
    return after


async def touch(tx: Transaction, visitor: Visitor) -> None:
    """Write the visitor without a change. Of concurrent transactions that do so, one is committed; others conflict."""
    after = await entities.replace(tx, KIND, visitor, visitor, facts=0)
    tx.remember(KIND.collection, after.token, after, version=after.version)


def _refusal(tx: Transaction, visitor: Visitor, error: DuplicateKeyError) -> Exception:
    if "token" in (error.details or {}).get("keyPattern", {}):
        return Conflict()
    return definitions.unique_violation(tx, "visitor", visitor.custom_fields, error)
