"""Agent filters: the filters of users that rooms have for routing, as they are stored, and whether they are in force.

A room stores a bound filter as JSON text, in which a custom field is named by id, key and type. Its definition may be
removed later. The filter is no longer in force then.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from storage.filters.expressions import And, AttributeCondition, BoundCondition, Expression, Not, Operator, Or
from storage.mongo.reader import Reader
from storage.records import FieldDefinition, FieldTarget, FieldType, Record, Room, WaitingRoom

#: The number of filters that one process keeps decoded.
DECODED_FILTERS = 256


class AgentFilter(Record, frozen=True, kw_only=True):
    """A decoded filter."""

    expression: Expression
    #: The ids of the definitions of the custom fields in it.
    definition_ids: frozenset[str]


def encode(expression: Expression) -> str:
    """The text of a bound filter."""
    return msgspec.json.encode(_to_builtins(expression)).decode()


@lru_cache(maxsize=DECODED_FILTERS)
def decode(text: str) -> AgentFilter:
    """The inverse of `encode`. The definitions in it have only id, target, key and type."""
    definition_ids: set[str] = set()
    expression = _from_builtins(msgspec.json.decode(text), definition_ids)
    return AgentFilter(expression=expression, definition_ids=frozenset(definition_ids))


def definition_ids(text: str) -> frozenset[str]:
    """The ids of the definitions that a filter names, without decoding the rest of it."""
    return frozenset(_definition_ids(msgspec.json.decode(text)))


async def in_force(reader: Reader, room: Room | WaitingRoom, *, now: datetime) -> Expression | None:
    """The filter of the room, or None: it has none, its time is over, or a custom field in it was removed."""
    until = room.agent_filter_until
    if room.agent_filter_expression is None or (until is not None and until <= now):
        return None
    found = decode(room.agent_filter_expression)
    return found.expression if await are_defined(reader, found.definition_ids) else None


async def are_defined(reader: Reader, definition_ids: frozenset[str]) -> bool:
    """Whether all definitions exist. This process may not be able to decode them."""
    cache = reader.definition_cache
    await cache.ensure_loaded(definition_ids)
    return all(one in cache.by_id or one in cache.undecodable for one in definition_ids)


def _to_builtins(expression: Expression) -> dict[str, Any]:
    match expression:
        case And(parts=parts):
            return {"and": [_to_builtins(part) for part in parts]}
        case Or(parts=parts):
            return {"or": [_to_builtins(part) for part in parts]}
        case Not(part=part):
            return {"not": _to_builtins(part)}
        case AttributeCondition(name=name, operator=operator, value=value):
            return {"attribute": name, "operator": operator, "value": value}
        case BoundCondition(definition=definition, operator=operator, value=value):
            field = {"id": definition.id, "key": definition.key, "type": definition.type}
            return {"field": field, "operator": operator, "value": value}
    raise TypeError(f"The condition on {expression.key!r} is not bound to a definition.")


def _definition_ids(value: dict[str, Any]) -> Iterator[str]:
    if "field" in value:
        yield value["field"]["id"]
    for part in (*value.get("and", ()), *value.get("or", ()), *([value["not"]] if "not" in value else ())):
        yield from _definition_ids(part)


def _from_builtins(value: dict[str, Any], definition_ids: set[str]) -> Expression:
    # A match statement with patterns of mappings takes five times as long.
    if "attribute" in value:
        return AttributeCondition(value["attribute"], Operator(value["operator"]), _frozen(value["value"]))
    if "and" in value:
        return And(tuple([_from_builtins(part, definition_ids) for part in value["and"]]))
    if "or" in value:
        return Or(tuple([_from_builtins(part, definition_ids) for part in value["or"]]))
    if "not" in value:
        return Not(_from_builtins(value["not"], definition_ids))
    field, operator = value["field"], Operator(value["operator"])
    definition_ids.add(field["id"])
    definition = FieldDefinition(
        id=field["id"], target=FieldTarget.USER, key=field["key"], type=FieldType(field["type"]), label=field["key"]
    )
    is_time = definition.type is FieldType.DATETIME and operator is not Operator.EXISTS
    return BoundCondition(definition, operator, _frozen(value["value"], is_time=is_time))


def _frozen(value: Any, *, is_time: bool = False) -> Any:
    """A value of a condition: JSON has lists for tuples, and text for times."""
    if isinstance(value, list):
        return tuple(_frozen(one, is_time=is_time) for one in value)
    return msgspec.convert(value, datetime) if is_time else value
