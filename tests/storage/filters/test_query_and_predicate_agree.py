"""Queries and predicates find the same records, for random definitions, records and filters.

`make soak` tries as many examples as SOAK_EXAMPLES says.
"""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolvers import event_filters
from storage import entities, rooms, users, visitors
from storage.custom_fields.definition_cache import DefinitionCache
from storage.entities import Kind
from storage.facts import CustomFieldDefined, RoomBefore, RoomFact, RoomHeld
from storage.filters.attributes import ATTRIBUTES, Attribute
from storage.filters.expressions import And, AttributeCondition, BoundCondition, Expression, Not, Operator, Or
from storage.filters.fact_query import fact_query, is_translatable
from storage.filters.mongo_query import to_query
from storage.filters.predicates import matches
from storage.mongo.connection import Database, to_document
from storage.mongo.reader import Reader
from storage.records import (
    SYSTEM,
    AgentProfile,
    AgentStatus,
    FieldDefinition,
    FieldTarget,
    FieldType,
    Presence,
    Room,
    RoomSnapshot,
    RoomStatus,
    User,
    Visitor,
)

BATCHES = int(os.environ.get("SOAK_EXAMPLES", "20"))
RECORDS = 12
FILTERS = 15

KINDS: dict[FieldTarget, Kind[Any]] = {
    FieldTarget.USER: users.KIND,
    FieldTarget.VISITOR: visitors.KIND,
    FieldTarget.ROOM: rooms.KIND,
}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

# ---------------------------------------------------------------- values

PLAIN_TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "abc",
    "a.b",
    ".",
    "ß",
    "SS",
    "ss",
    "é",
    "e\u0301",
    "İ",
    "i\u0307",
    "𝒳",
    "a𝒳",
    "null",
]
HOSTILE_TEXTS = ["$", "$ne", "$_id", "\0", "a\0b", "a.*", "^a", "[", "\\", "(a+)+$", "{}", "a\U0010ffff"]
texts = st.sampled_from(PLAIN_TEXTS + HOSTILE_TEXTS) | st.text("aA$.\0é𝒳\ud7ff\ue000\U0010ffff", max_size=3)
options = st.sampled_from(["a", "b", "A", "a.b", "$in", "é", "𝒳", "a#", " "])
numbers = st.sampled_from(
    [0, -0.0, 0.0, 1, 1.0, 1.5, -1, 2, 2**31, 2**53 - 1, 1 - 2**53, float(2**53), 1e300, 5e-324, 0.1, 0.1 + 0.2, 0.3]
)
BEFORE_1970 = datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
instants = st.sampled_from([NOON, NOON + timedelta(milliseconds=1), BEFORE_1970, FIRST, LAST])
VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.TEXT: texts,
    FieldType.NUMBER: numbers,
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATETIME: instants,
    FieldType.SELECT: options,
    FieldType.MULTI_SELECT: st.sets(options, max_size=3).map(sorted),
}
roles = st.sampled_from(["bot", "livechat-agent", "admin", "$or"])
departments = st.sampled_from(["d1", "d2", "d3"])
people = st.sampled_from(["p1", "p2"])
priorities = st.sampled_from([-1, 0, 1, 2**31 - 1])


@st.composite
def field_definitions(draw: st.DrawFn, target: FieldTarget) -> list[FieldDefinition]:
    """At least one field of every type, with keys in any order."""
    types = [*FieldType, *draw(st.lists(st.sampled_from(list(FieldType)), max_size=3))]
    keys = draw(st.permutations([f"{letter}-{number}" for number, letter in enumerate("kK_0zZa-b"[: len(types)])]))
    return [
        FieldDefinition(id=f"F{number}", version=1, target=target, key=key, type=kind, label=key)
        for number, (key, kind) in enumerate(zip(keys, types, strict=True))
    ]


# ---------------------------------------------------------------- records


@st.composite
def records(draw: st.DrawFn, definitions: Sequence[FieldDefinition], target: FieldTarget, number: int) -> Any:
    common: dict[str, Any] = {
        "id": f"R{number}",
        "custom_fields": {one.key: draw(VALUES[one.type]) for one in definitions if draw(st.integers(0, 3))},
    }
    match target:
        case FieldTarget.USER:
            return User(
                **common,
                username=draw(texts),
                name=draw(st.none() | texts),
                emails=tuple(draw(st.lists(texts, max_size=2))),
                active=draw(st.booleans()),
                presence=draw(st.sampled_from(Presence)),
                roles=tuple(sorted(draw(st.sets(roles, max_size=3)))),
                agent=draw(st.none() | agents),
                created_at=NOON,
                updated_at=NOON,
            )
        case FieldTarget.VISITOR:
            nullable = st.none() | texts
            return Visitor(
                **common,
                token=draw(texts),
                name=draw(nullable),
                email=draw(nullable),
                phone=draw(nullable),
                created_at=NOON,
            )
        case FieldTarget.ROOM:
            return Room(
                **common,
                status=draw(st.sampled_from(RoomStatus)),
                revision=1,
                visitor_id=draw(people),
                department_id=draw(st.none() | departments),
                served_by_id=draw(st.none() | people),
                last_served_by_id=draw(st.none() | people),
                source=draw(texts),
                subject=draw(st.none() | texts),
                tags=tuple(draw(st.lists(texts, max_size=2, unique=True))),
                priority=draw(priorities),
                started_at=draw(instants),
                queued_at=draw(st.none() | instants),
                closed_at=draw(st.none() | instants),
            )


agents = st.builds(
    AgentProfile,
    status=st.sampled_from(AgentStatus),
    max_rooms=st.none() | st.integers(0, 2),
    open_room_count=st.integers(0, 2),
    department_ids=st.lists(departments, max_size=2, unique=True).map(tuple),
    last_assigned_at=st.none(),
)

# ---------------------------------------------------------------- filters

EQUALITY = [Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN, Operator.EXISTS]
ORDER = [Operator.GT, Operator.GTE, Operator.LT, Operator.LTE]
OPERATORS: dict[FieldType, list[Operator]] = {
    FieldType.TEXT: [*EQUALITY, *ORDER, Operator.CONTAINS, Operator.STARTS_WITH],
    FieldType.NUMBER: [*EQUALITY, *ORDER],
    FieldType.BOOLEAN: EQUALITY,
    FieldType.DATETIME: [*EQUALITY, *ORDER],
    FieldType.SELECT: EQUALITY,
    FieldType.MULTI_SELECT: [*EQUALITY, Operator.CONTAINS],
}
Condition: TypeAlias = BoundCondition | AttributeCondition


def field_conditions(definition: FieldDefinition, held: Sequence[Any]) -> st.SearchStrategy[Condition]:
    """Conditions on a field, with values of records and other values."""
    present = [one.custom_fields[definition.key] for one in held if definition.key in one.custom_fields]
    values = sampled(present) | VALUES[definition.type]
    parts = sliced(values)
    if definition.type is FieldType.MULTI_SELECT:
        parts = sampled([option for value in present for option in value]) | options
        values = values.map(tuple)
    return st.sampled_from(OPERATORS[definition.type]).flatmap(
        lambda operator: st.builds(
            BoundCondition, st.just(definition), st.just(operator), operands(operator, values, parts)
        )
    )


def attribute_conditions(name: str, attribute: Attribute, held: Sequence[Any]) -> st.SearchStrategy[Condition]:
    """Conditions on an attribute, with values of records and other values."""
    had = [attribute.read(one) for one in held]
    flat = [value for one in had for value in (one if attribute.many else [one]) if value is not None]
    values = sampled(flat) | ATTRIBUTE_VALUES.get(name, sampled(attribute.choices) if attribute.choices else texts)
    if attribute.folded:
        values |= values.map(str.upper)
    return st.sampled_from(sorted(attribute.operators)).flatmap(
        lambda operator: st.builds(
            AttributeCondition, st.just(name), st.just(operator), operands(operator, values, sliced(values))
        )
    )


ATTRIBUTE_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": st.sampled_from([f"R{number}" for number in range(RECORDS)]),
    "active": st.booleans(),
    "isAgent": st.booleans(),
    "routable": st.booleans(),
    "role": roles,
    "department": departments,
    "servedBy": people,
    "visitor": people,
    "lastServedBy": people,
    "priority": priorities,
    "startedAt": instants,
    "queuedAt": instants,
    "closedAt": instants,
}


def operands(
    operator: Operator, values: st.SearchStrategy[Any], parts: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    match operator:
        case Operator.EXISTS:
            return st.booleans()
        case Operator.IN | Operator.NOT_IN:
            return st.lists(values, max_size=3).map(tuple)
        case Operator.CONTAINS | Operator.STARTS_WITH:
            return parts
    return values


def sampled(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values) if values else st.nothing()


def sliced(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Prefixes and other parts of texts."""
    return st.builds(
        lambda text, start, length: text[start : start + length], values, st.sampled_from([0, 0, 1]), sizes
    )


sizes = st.sampled_from([0, 1, 2, 99])


@st.composite
def filters(
    draw: st.DrawFn, definitions: Sequence[FieldDefinition], target: FieldTarget, held: Sequence[Any]
) -> list[Expression]:
    """Filters about few things, so that several conditions of one filter are about the same.

    Half of the time one of them is an attribute that moves into the context of a field.
    """
    attributes = ATTRIBUTES[target]
    contexts = sorted(name for name, attribute in attributes.items() if attribute.context)
    fields = draw(st.lists(st.sampled_from(definitions), min_size=1, max_size=2, unique_by=id))
    names = draw(st.lists(st.sampled_from(contexts), max_size=1)) if contexts else []
    names += draw(st.lists(st.sampled_from(sorted(attributes)), max_size=1))
    conditions = [field_conditions(one, held) for one in fields]
    conditions += [attribute_conditions(name, attributes[name], held) for name in names]
    return draw(st.lists(nested(st.one_of(conditions)), min_size=FILTERS, max_size=FILTERS))


def nested(conditions: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.recursive(
        conditions | st.lists(conditions, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(lambda parts: And(tuple(parts))),
            st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
            inner.map(Not),
        ),
        max_leaves=5,
    )


# ---------------------------------------------------------------- the rule


@pytest.fixture
async def database(mongodb_uri: str, database_name: str) -> AsyncIterator[Database]:
    async with Database(mongodb_uri, database_name) as database:
        for kind in KINDS.values():
            await database[kind.collection].create_index([("attrs.k", 1), ("attrs.c", 1), ("attrs.v", 1), ("_id", 1)])
        yield database


@pytest.mark.parametrize("target", list(FieldTarget))
@settings(
    max_examples=BATCHES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
async def test_a_query_finds_what_matches_in_memory(
    database: Database, target: FieldTarget, data: st.DataObject
) -> None:
    definitions = data.draw(field_definitions(target))
    held = [data.draw(records(definitions, target, number)) for number in range(RECORDS)]
    expressions = data.draw(filters(definitions, target, held))

    collection = database[KINDS[target].collection]
    await collection.delete_many({})
    reader = Reader(database, definition_cache(database, definitions))
    await collection.insert_many([entities.encode(reader, KINDS[target], record) for record in held])

    for expression in expressions:
        documents = await collection.find(to_query(expression, target), {"_id": 1}).sort("_id", 1).to_list(None)
        found = [document["_id"] for document in documents]
        assert found == sorted(record.id for record in held if matches(expression, record)), expression


@settings(
    max_examples=BATCHES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
async def test_a_query_on_the_log_finds_the_facts_whose_rooms_match_before_or_after(
    database: Database, data: st.DataObject
) -> None:
    definitions = data.draw(field_definitions(FieldTarget.ROOM))
    held = [data.draw(records(definitions, FieldTarget.ROOM, number)) for number in range(RECORDS)]
    expressions = [one for one in data.draw(filters(definitions, FieldTarget.ROOM, held)) if is_translatable(one)]
    facts = [data.draw(facts_about(room, held, number)) for number, room in enumerate(held)]

    log = database["log"]
    await log.delete_many({})
    await log.insert_many([{"_id": n, "fact": to_document(fact, id_key="id")} for n, fact in enumerate(facts)])

    for expression in expressions:
        documents = await log.find(fact_query(expression), {"_id": 1}).sort("_id", 1).to_list(None)
        found = [document["_id"] for document in documents]
        test = event_filters.before_or_after(expression)
        assert found == [n for n, fact in enumerate(facts) if test(fact)], expression


@st.composite
def facts_about(draw: st.DrawFn, room: Room, others: Sequence[Room], number: int) -> RoomFact:
    """A fact about the room, whose state before is that of another room, or none."""
    former = draw(st.none() | st.sampled_from(others))
    before = (
        None
        if former is None
        else RoomBefore(
            status=former.status,
            department_id=former.department_id,
            served_by_id=former.served_by_id,
            tags=former.tags,
            custom_fields=former.custom_fields,
            last_served_by_id=former.last_served_by_id,
            subject=former.subject,
            priority=draw(st.none() | st.just(former.priority)),
            queued_at=former.queued_at,
            last_message_at=former.last_message_at,
        )
    )
    visitor = Visitor(id="V", token="V", created_at=NOON)
    return RoomHeld(
        id=f"{room.id}-{number}",
        occurred_at=NOON,
        actor=SYSTEM,
        room=RoomSnapshot(room=room, visitor=visitor),
        before=before,
    )


def definition_cache(database: Database, definitions: Sequence[FieldDefinition]) -> DefinitionCache:
    cache = DefinitionCache(database)
    for one in definitions:
        cache.apply(CustomFieldDefined(id=f"{one.id}-1", occurred_at=NOON, actor=SYSTEM, definition=one))
    return cache
