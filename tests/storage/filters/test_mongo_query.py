"""Queries of filters: one $elemMatch per field, with the most selective context, and literal values."""

import pytest

from storage.filters.expressions import (
    And,
    AttributeCondition,
    BoundCondition,
    Expression,
    FieldCondition,
    Not,
    Operator,
    Or,
)
from storage.filters.mongo_query import to_query
from storage.records import FieldDefinition, FieldTarget, FieldType

NOTHING: dict[str, object] = {"_id": {"$in": []}}


def field(kind: FieldType = FieldType.TEXT, id: str = "F1") -> FieldDefinition:
    return FieldDefinition(id=id, target=FieldTarget.ROOM, key=f"key-of-{id}", type=kind, label="")


def on(operator: Operator, value: object, definition: FieldDefinition | None = None) -> BoundCondition:
    return BoundCondition(definition or field(), operator, value)


def attribute(name: str, operator: Operator, value: object) -> AttributeCondition:
    return AttributeCondition(name, operator, value)


def entry(**parts: object) -> dict[str, object]:
    return {"attrs": {"$elemMatch": parts}}


A, B = on(Operator.EQ, "a"), on(Operator.EQ, "b", field(id="F2"))
QUEUED = attribute("status", Operator.IN, ("QUEUED",))


def test_constant_expressions_become_constant_queries() -> None:
    for everything in (And(), Not(Or()), Or((A, And())), And((And(), And())), on(Operator.NOT_IN, ())):
        assert to_query(everything, FieldTarget.ROOM) == {}
    for nothing in (Or(), Not(And()), And((A, Or())), Or((Or(), Or())), on(Operator.IN, ())):
        assert to_query(nothing, FieldTarget.ROOM) == NOTHING


def test_conditions_on_one_field_are_combined_in_one_element_match() -> None:
    query = to_query(
        And((on(Operator.GT, 1, field(FieldType.NUMBER)), on(Operator.LTE, 2, field(FieldType.NUMBER)))),
        FieldTarget.ROOM,
    )

    assert query == entry(k="F1", c="", v={"$gt": 1, "$lte": 2})


def test_two_conditions_with_the_same_operator_are_both_kept() -> None:
    query = to_query(And((on(Operator.GTE, "b"), on(Operator.STARTS_WITH, "ba"))), FieldTarget.ROOM)

    assert query == entry(k="F1", c="", **{"$and": [{"v": {"$gte": "b"}}, {"v": {"$gte": "ba", "$lt": "bb"}}]})


@pytest.mark.parametrize(
    "twice",
    [
        Not(Not(A)),
        Not(And((Not(And((A,))),))),
        Not(on(Operator.NE, "a")),
        Not(Not(Not(on(Operator.NE, "a")))),
        And((And((Not(Not(And((A,)))),)),)),
    ],
)
def test_a_double_negation_is_removed(twice: Expression) -> None:
    assert to_query(twice, FieldTarget.ROOM) == entry(k="F1", c="", v={"$eq": "a"})
    assert to_query(And((QUEUED, twice)), FieldTarget.ROOM) == entry(k="F1", c="s:QUEUED", v={"$eq": "a"})


def test_a_triple_negation_is_a_negation() -> None:
    assert to_query(Not(Not(Not(A))), FieldTarget.ROOM) == {"$nor": [entry(k="F1", c="", v={"$eq": "a"})]}
    several = Not(Not(Or((A, B))))
    assert to_query(several, FieldTarget.ROOM) == to_query(Or((A, B)), FieldTarget.ROOM)


def test_a_status_next_to_a_field_becomes_its_context() -> None:
    assert to_query(And((QUEUED, A)), FieldTarget.ROOM) == entry(k="F1", c="s:QUEUED", v={"$eq": "a"})


def test_several_statuses_become_several_contexts() -> None:
    query = to_query(And((attribute("status", Operator.IN, ("QUEUED", "ASSIGNED")), A)), FieldTarget.ROOM)

    assert query == entry(k="F1", c={"$in": ["s:QUEUED", "s:ASSIGNED"]}, v={"$eq": "a"})


def test_filter_on_all_statuses_has_no_context() -> None:
    query = to_query(
        And((attribute("status", Operator.IN, ("QUEUED", "ASSIGNED", "ON_HOLD", "CLOSED")), A)), FieldTarget.ROOM
    )

    assert query["$and"][0] == entry(k="F1", c="", v={"$eq": "a"})


@pytest.mark.parametrize(
    ("attributes", "context"),
    [
        ([("status", "QUEUED"), ("department", "D")], "s:QUEUED"),
        ([("status", "CLOSED"), ("department", "D")], "d:D"),
    ],
)
def test_the_more_selective_context_of_a_room_is_used(attributes: list[tuple[str, str]], context: str) -> None:
    conditions = [attribute(name, Operator.EQ, value) for name, value in attributes]

    query = to_query(And((*conditions, A)), FieldTarget.ROOM)

    assert query["$and"][0] == entry(k="F1", c=context, v={"$eq": "a"})
    assert len(query["$and"]) == 2


@pytest.mark.parametrize(
    ("attributes", "context"),
    [
        ([("isAgent", True), ("role", "bot")], "r:bot"),
        ([("role", "livechat-agent"), ("role", "expert")], "r:expert"),
        ([("role", "livechat-agent"), ("department", "D")], "d:D"),
        ([("role", "livechat-agent"), ("agentStatus", "AVAILABLE")], "s:AVAILABLE"),
    ],
)
def test_the_more_selective_context_of_a_user_is_used(attributes: list[tuple[str, object]], context: str) -> None:
    conditions = [attribute(name, Operator.EQ, value) for name, value in attributes]

    query = to_query(And((*conditions, A)), FieldTarget.USER)

    assert query["$and"][0] == entry(k="F1", c=context, v={"$eq": "a"})
    assert len(query["$and"]) == 2


def test_is_agent_next_to_a_field_becomes_its_context() -> None:
    query = to_query(And((attribute("isAgent", Operator.EQ, True), A)), FieldTarget.USER)

    assert query == entry(k="F1", c={"$in": ["s:AVAILABLE", "s:NOT_AVAILABLE"]}, v={"$eq": "a"})


def test_a_context_applies_inside_or_and_not_inside_not() -> None:
    query = to_query(And((QUEUED, Or((A, B)), Not(A))), FieldTarget.ROOM)

    assert query == {
        "$and": [
            {"status": {"$in": ["QUEUED"]}},
            {"$or": [entry(k="F1", c="s:QUEUED", v={"$eq": "a"}), entry(k="F2", c="s:QUEUED", v={"$eq": "b"})]},
            {"$nor": [entry(k="F1", c="", v={"$eq": "a"})]},
        ]
    }


def test_negative_operators_also_find_documents_without_the_field() -> None:
    assert to_query(on(Operator.NE, "a"), FieldTarget.ROOM) == {"$nor": [entry(k="F1", c="", v={"$eq": "a"})]}
    assert to_query(on(Operator.NOT_IN, ("a",)), FieldTarget.ROOM) == {"$nor": [entry(k="F1", c="", v={"$in": ["a"]})]}
    assert to_query(on(Operator.EXISTS, False), FieldTarget.ROOM) == {"$nor": [entry(k="F1", c="")]}


def test_a_multi_select_is_found_as_a_whole_and_by_its_options() -> None:
    tags = field(FieldType.MULTI_SELECT)

    assert to_query(on(Operator.EQ, ("a", "b"), tags), FieldTarget.ROOM) == entry(k="F1", c="", v={"$eq": "a\0b"})
    assert to_query(on(Operator.EQ, (), tags), FieldTarget.ROOM) == entry(k="F1", c="", v={"$eq": ""})
    both = And((on(Operator.CONTAINS, "a", tags), on(Operator.CONTAINS, "b", tags)))
    assert to_query(both, FieldTarget.ROOM) == {
        "$and": [entry(k="F1#", c="", v={"$eq": "a"}), entry(k="F1#", c="", v={"$eq": "b"})]
    }


def test_contains_matches_literal_text_among_the_documents_of_an_index() -> None:
    query = to_query(And((QUEUED, on(Operator.CONTAINS, "$.*"))), FieldTarget.ROOM)

    assert query == {
        "$and": [
            entry(k="F1", c="s:QUEUED"),
            {"$expr": {"$gte": [{"$indexOfBytes": ["$fields.F1", {"$literal": "$.*"}]}, 0]}},
        ]
    }


@pytest.mark.parametrize(
    ("prefix", "beyond"),
    [
        ("ab", "ac"),
        ("a\ud7ff", "a\ue000"),  # the next code point that is no surrogate
        ("a\U0010ffff\U0010ffff", "b"),  # after the last code point comes the next one before it
    ],
)
def test_starts_with_is_a_range_of_code_points(prefix: str, beyond: str) -> None:
    assert to_query(on(Operator.STARTS_WITH, prefix), FieldTarget.ROOM) == entry(
        k="F1", c="", v={"$gte": prefix, "$lt": beyond}
    )


@pytest.mark.parametrize("prefix", ["", "\U0010ffff"])
def test_starts_with_the_last_code_point_has_no_upper_bound(prefix: str) -> None:
    assert to_query(on(Operator.STARTS_WITH, prefix), FieldTarget.ROOM) == entry(k="F1", c="", v={"$gte": prefix})


def test_the_bounds_of_starts_with_apply_to_one_email() -> None:
    query = to_query(attribute("email", Operator.STARTS_WITH, "AB"), FieldTarget.USER)

    assert query == {"emailKeys": {"$elemMatch": {"$gte": "ab", "$lt": "ac"}}}


def test_usernames_are_matched_by_their_folded_form() -> None:
    query = to_query(attribute("username", Operator.IN, ("STRASSE", "Straße")), FieldTarget.USER)

    assert query == {"usernameKey": {"$in": ["strasse", "strasse"]}}


def test_hostile_values_stay_literals() -> None:
    hostile = "$where"

    assert to_query(on(Operator.EQ, hostile), FieldTarget.ROOM) == entry(k="F1", c="", v={"$eq": hostile})
    assert to_query(attribute("source", Operator.EQ, hostile), FieldTarget.ROOM) == {"source": {"$eq": hostile}}


def test_an_unbound_condition_is_refused() -> None:
    unbound: Expression = FieldCondition("key", Operator.EQ, {"$gt": ""})

    with pytest.raises(TypeError, match="not bound"):
        to_query(unbound, FieldTarget.ROOM)
