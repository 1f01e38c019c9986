"""Invalid filters are errors with the path of the condition, not empty results."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from resolvers.custom_fields.filter_binding import MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES, OPERATORS, bind
from storage.errors import Invalid, InvalidFieldValue, UnknownField
from storage.filters.expressions import (
    EVERYTHING,
    And,
    AttributeCondition,
    BoundCondition,
    Expression,
    FieldCondition,
    Not,
    Operator,
    Or,
)
from storage.records import FieldDefinition, FieldTarget, FieldType

DEFINITIONS = {
    kind.value.lower(): FieldDefinition(
        id=f"F-{kind.value}",
        target=FieldTarget.ROOM,
        key=kind.value.lower(),
        type=kind,
        label="",
        options=("a", "b") if kind in (FieldType.SELECT, FieldType.MULTI_SELECT) else (),
        pattern=r"\d+" if kind is FieldType.TEXT else None,
    )
    for kind in FieldType
}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def bound(expression: Expression) -> Expression:
    return bind(expression, DEFINITIONS, FieldTarget.ROOM)


@pytest.mark.parametrize(
    ("key", "operator", "value", "held"),
    [
        ("text", Operator.EQ, "no number, but text", "no number, but text"),
        ("text", Operator.IN, ["a", ""], ("a", "")),
        ("text", Operator.CONTAINS, "$.*", "$.*"),
        ("number", Operator.GT, 1, 1),
        ("number", Operator.LTE, -0.5, -0.5),
        ("number", Operator.NOT_IN, [], ()),
        ("boolean", Operator.NE, False, False),
        ("datetime", Operator.LT, "2026-01-31T13:00:00.0009+01:00", NOON),
        ("select", Operator.EQ, "a", "a"),
        ("multi_select", Operator.EQ, ["b", "a", "b"], ("a", "b")),
        ("multi_select", Operator.IN, [["b", "a"], []], (("a", "b"), ())),
        ("multi_select", Operator.CONTAINS, "a", "a"),
        ("multi_select", Operator.EXISTS, False, False),
    ],
)
def test_a_condition_is_bound_to_its_definition(key: str, operator: Operator, value: object, held: object) -> None:
    condition = Not(Or((And((FieldCondition(key, operator, value),)),)))

    assert bound(condition) == Not(Or((And((BoundCondition(DEFINITIONS[key], operator, held),)),)))


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(UnknownField) as refused:
        bound(And((FieldCondition("a.$b", Operator.EQ, 1),)))

    assert refused.value.data == {"key": "a.$b"}
    assert refused.value.message == (
        'Filter on custom field "a.$b", operator eq: There is no custom field "a.$b" here; '
        'defined are "boolean", "datetime", "multi_select", "number", "select" and 1 more.'
    )


def test_a_key_without_an_operator_must_exist_and_matches_everything() -> None:
    assert bound(FieldCondition("text", None, None)) == EVERYTHING
    with pytest.raises(UnknownField) as refused:
        bound(FieldCondition("zzz", None, None))
    assert refused.value.message.startswith('Filter on custom field "zzz": There is no custom field "zzz" here; ')


@pytest.mark.parametrize(
    ("key", "operator", "value", "expected", "got"),
    [
        ("text", Operator.EQ, 5, "TEXT", "5 (Int)"),
        ("text", Operator.CONTAINS, True, "TEXT", "true (Boolean)"),
        ("text", Operator.STARTS_WITH, "x" * 4097, "TEXT of at most 4096 characters", '"' + "x" * 79 + '…" (String)'),
        ("text", Operator.EQ, "\ud800", "TEXT without unpaired surrogates", '"\\ud800" (String)'),
        ("text", Operator.EQ, {"$ne": 1}, "TEXT", "an object"),
        ("number", Operator.GTE, "5", "NUMBER", '"5" (String)'),
        ("number", Operator.IN, [1, True], "NUMBER", "true (Boolean)"),
        ("number", Operator.IN, 1, "a list of NUMBER", "1 (Int)"),
        ("number", Operator.NOT_IN, None, "a list of NUMBER", "null"),
        ("number", Operator.IN, [1] * (MAX_VALUES + 1), "a list of at most 500", "a list of 501"),
        ("boolean", Operator.EQ, "true", "BOOLEAN", '"true" (String)'),
        ("select", Operator.EQ, "c", 'SELECT of "a", "b"', '"c" (String)'),
        ("multi_select", Operator.CONTAINS, "c", 'MULTI_SELECT of "a", "b"', '"c" (String)'),
        ("multi_select", Operator.CONTAINS, ["a"], "an option of the MULTI_SELECT", "a list of 1"),
        ("number", Operator.EXISTS, "yes", "BOOLEAN", '"yes" (String)'),
        ("number", Operator.EXISTS, None, "BOOLEAN", "null"),
    ],
)
def test_a_refusal_names_key_operator_type_and_value(
    key: str, operator: Operator, value: object, expected: str, got: str
) -> None:
    with pytest.raises(InvalidFieldValue) as refused:
        bound(FieldCondition(key, operator, value))

    assert refused.value.data == {"key": key, "expected": expected}
    assert refused.value.message == (
        f'Filter on custom field "{key}", operator {operator.value}: expected {expected}, got {got}.'
    )


@pytest.mark.parametrize(
    ("operator", "value"), [(Operator.EQ, None), (Operator.NE, None), (Operator.GT, None), (Operator.IN, [1, None])]
)
def test_null_cannot_be_compared(operator: Operator, value: object) -> None:
    with pytest.raises(InvalidFieldValue) as refused:
        bound(FieldCondition("number", operator, value))

    assert refused.value.data == {"key": "number", "expected": "NUMBER"}
    assert refused.value.message == (
        f'Filter on custom field "number", operator {operator.value}: '
        "expected NUMBER (null is no value: use the operator exists), got null."
    )


@pytest.mark.parametrize(
    ("kind", "operator"),
    [(kind, operator) for kind in FieldType for operator in Operator if operator not in OPERATORS[kind]],
)
def test_an_operator_that_does_not_fit_the_type_is_refused(kind: FieldType, operator: Operator) -> None:
    with pytest.raises(InvalidFieldValue, match=f"a {kind.value} has the operators") as refused:
        bound(FieldCondition(kind.value.lower(), operator, "x"))

    assert refused.value.data["key"] == kind.value.lower()
    assert refused.value.data["expected"] == f"one of the operators {', '.join(sorted(OPERATORS[kind]))}"


# ---------------------------------------------------------------- bounds


def nested(levels: int, kind: type[And] | type[Or] | type[Not]) -> Expression:
    """Nested filters as clients write them, `levels` deep."""
    inner: Expression = And((AttributeCondition("source", Operator.EQ, "api"),))
    for _ in range(levels):
        group: Expression = Not(inner) if kind is Not else Or((inner,)) if kind is Or else And((inner,))
        inner = And((group,))
    return inner


@pytest.mark.parametrize("kind", [And, Or, Not])
def test_depth_is_bounded(kind: type[And] | type[Or] | type[Not]) -> None:
    assert bound(nested(MAX_DEPTH, kind)) == nested(MAX_DEPTH, kind)

    for levels in (MAX_DEPTH + 1, 200):
        with pytest.raises(Invalid, match="nested at most 10 deep") as refused:
            bound(nested(levels, kind))
        assert refused.value.data == {"key": "where"}


def test_size_is_bounded() -> None:
    condition = FieldCondition("number", Operator.EQ, 1)
    bound(And((And((condition,) * MAX_CONDITIONS),)))

    with pytest.raises(Invalid, match="at most 200 conditions, not 201") as refused:
        bound(And((Or((And((condition,)),) * 200), condition)))
    assert refused.value.data == {"key": "where"}


# ---------------------------------------------------------------- attributes


def test_valid_conditions_on_attributes_are_not_changed() -> None:
    condition = And(
        (
            AttributeCondition("source", Operator.IN, ["a", "b"]),
            AttributeCondition("startedAt", Operator.GT, NOON.replace(microsecond=1_999)),
        )
    )

    assert bound(condition) == And(
        (
            AttributeCondition("source", Operator.IN, ("a", "b")),
            AttributeCondition("startedAt", Operator.GT, NOON.replace(microsecond=1_000)),
        )
    )


@pytest.mark.parametrize(
    ("name", "operator", "value", "key", "message"),
    [
        ("source", Operator.EQ, "x" * 4097, "where.source.eq", "where.source.eq: at most 4096 characters, not 4097."),
        ("source", Operator.EQ, None, "where.source.eq", "where.source.eq: null is no value; leave the condition out."),
        ("id", Operator.IN, ["x"] * 501, "where.ids", "where.ids: at most 500 values, not 501."),
        ("id", Operator.IN, None, "where.ids", "where.ids: expected a list, got null."),
        ("username", Operator.EQ, "x", "where.username.eq", "A filter of rooms has no username eq."),
        ("status", Operator.CONTAINS, "x", "where.status", "A filter of rooms has no status contains."),
        (
            "tag",
            Operator.EQ,
            "\udc00",
            "where.hasTags",
            'where.hasTags: expected text without unpaired surrogates, got "\\udc00" (String).',
        ),
    ],
)
def test_invalid_values_of_attributes_are_refused(
    name: str, operator: Operator, value: object, key: str, message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        bound(AttributeCondition(name, operator, value))

    assert refused.value.data == {"key": key}
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("group", "key"),
    [
        (lambda inner: And((And((EVERYTHING, inner)),)), "where.and.1.hasTags"),
        (lambda inner: And((Or((inner,)),)), "where.or.0.hasTags"),
        (lambda inner: And((Not(And((Not(inner),))),)), "where.not.not.hasTags"),
        (lambda inner: And((And((And((Or((inner,)),)),)),)), "where.and.0.or.0.hasTags"),
    ],
)
def test_the_key_is_the_path_of_the_argument(group: Callable[[Expression], Expression], key: str) -> None:
    with pytest.raises(Invalid) as refused:
        bound(group(And((AttributeCondition("tag", Operator.EQ, "x" * 4097),))))

    assert refused.value.data == {"key": key}
