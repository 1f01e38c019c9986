"""Agent filters as rooms store them."""

from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage import agent_filters
from storage.filters.expressions import (
    And,
    AttributeCondition,
    BoundCondition,
    Expression,
    Not,
    Operator,
    Or,
)
from storage.records import FieldDefinition, FieldTarget, FieldType

FIELDS = {
    kind: FieldDefinition(id=f"d-{kind}", target=FieldTarget.USER, key=kind.lower(), type=kind, label=kind.lower())
    for kind in FieldType
}


def conditions(kind: FieldType, operator: Operator, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Expression]:
    return values.map(lambda value: BoundCondition(FIELDS[kind], operator, value))


CONDITIONS: st.SearchStrategy[Expression] = st.one_of(
    st.lists(st.text()).map(lambda names: AttributeCondition("username", Operator.IN, tuple(names))),
    st.booleans().map(lambda value: AttributeCondition("active", Operator.EQ, value)),
    conditions(FieldType.NUMBER, Operator.GT, st.floats(allow_nan=False, allow_infinity=False)),
    conditions(FieldType.DATETIME, Operator.LT, st.datetimes(timezones=st.just(UTC))),
    conditions(FieldType.DATETIME, Operator.EXISTS, st.booleans()),
    conditions(FieldType.MULTI_SELECT, Operator.IN, st.lists(st.lists(st.text()).map(tuple)).map(tuple)),
)
EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    CONDITIONS,
    lambda part: st.one_of(
        st.builds(And, st.lists(part, max_size=3).map(tuple)),
        st.builds(Or, st.lists(part, max_size=3).map(tuple)),
        st.builds(Not, part),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_a_filter_is_stored_without_loss(expression: Expression) -> None:
    assert agent_filters.decode(agent_filters.encode(expression)).expression == expression


@given(EXPRESSIONS)
def test_the_definitions_of_a_filter_are_found_without_decoding_it(expression: Expression) -> None:
    text = agent_filters.encode(expression)

    assert agent_filters.definition_ids(text) == agent_filters.decode(text).definition_ids
