"""Predicates in cases that queries cannot have. test_query_and_predicate_agree.py compares both."""

from datetime import UTC, datetime

import pytest

from storage.filters.expressions import BoundCondition, FieldCondition, Operator
from storage.filters.predicates import matches
from storage.records import FieldDefinition, FieldTarget, FieldType, FieldValue, Visitor


def visitor(**custom_fields: FieldValue) -> Visitor:
    return Visitor(id="V", token="t", custom_fields=custom_fields, created_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("kind", "operator", "value", "held"),
    [
        (FieldType.TEXT, Operator.GT, "a", 5),
        (FieldType.NUMBER, Operator.GT, 4, "5"),
        (FieldType.NUMBER, Operator.EQ, 1, True),
        (FieldType.BOOLEAN, Operator.EQ, True, 1),
        (FieldType.DATETIME, Operator.LT, datetime(2026, 1, 1, tzinfo=UTC), "2025-01-01T00:00:00Z"),
        (FieldType.MULTI_SELECT, Operator.CONTAINS, "a", "abc"),
    ],
)
def test_the_value_of_a_removed_field_of_another_type_counts_as_missing(
    kind: FieldType, operator: Operator, value: object, held: FieldValue
) -> None:
    definition = FieldDefinition(id="F", target=FieldTarget.VISITOR, key="k", type=kind, label="")

    assert not matches(BoundCondition(definition, operator, value), visitor(k=held))
    assert not matches(BoundCondition(definition, Operator.EXISTS, True), visitor(k=held))
    assert matches(BoundCondition(definition, Operator.EXISTS, False), visitor(k=held))


def test_an_unbound_condition_is_refused() -> None:
    with pytest.raises(TypeError, match="not bound"):
        matches(FieldCondition("k", Operator.EQ, "a"), visitor(k="a"))
