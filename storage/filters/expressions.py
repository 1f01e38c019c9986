"""Filter expressions: conditions on users, visitors and rooms, for queries, subscriptions and routing.

mongo_query.py translates an expression to a MongoDB query. predicates.py evaluates it for a record, with the same
result. Before both, resolvers/custom_fields/filter_binding.py replaces each FieldCondition by a BoundCondition: it
finds the definition of the key, and checks and converts the value.
"""

from enum import StrEnum
from typing import Any, TypeAlias

from storage.records import FieldDefinition, Record


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "notIn"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    CONTAINS = "contains"
    STARTS_WITH = "startsWith"
    EXISTS = "exists"


class And(Record, frozen=True, kw_only=False, tag=True):
    """True if all parts are true, and so without parts."""

    parts: tuple["Expression", ...] = ()


class Or(Record, frozen=True, kw_only=False, tag=True):
    """True if at least one part is true; false without parts."""

    parts: tuple["Expression", ...] = ()


class Not(Record, frozen=True, kw_only=False, tag=True):
    part: "Expression"


class AttributeCondition(Record, frozen=True, kw_only=False, tag=True):
    """A condition on a built-in attribute. ATTRIBUTES of attributes.py has the names and operators of each target."""

    name: str
    operator: Operator
    value: Any


class FieldCondition(Record, frozen=True, kw_only=False, tag=True):
    """A condition on a custom field, as a client sent it: neither key nor value was checked.

    Without an operator, the only condition is that the field is defined.
    """

    key: str
    operator: Operator | None
    value: Any


class BoundCondition(Record, frozen=True, kw_only=False, tag=True):
    """A condition on a custom field whose value was checked, and has the type of values in records."""

    definition: FieldDefinition
    operator: Operator
    value: Any


Expression: TypeAlias = And | Or | Not | AttributeCondition | FieldCondition | BoundCondition

EVERYTHING = And()
