"""The one filter language, as data: what queries, subscriptions and routing say of users, visitors and rooms.

mongo_query.py turns an expression into a MongoDB query, predicates.py evaluates it against a record; the two agree.
Before
either, resolvers/custom_fields/filter_binding.py binds it: every FieldCondition's key is looked up and its value
checked and converted.
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
    """All parts hold; without parts, everything matches."""

    parts: tuple["Expression", ...] = ()


class Or(Record, frozen=True, kw_only=False, tag=True):
    """Some part holds; without parts, nothing matches."""

    parts: tuple["Expression", ...] = ()


class Not(Record, frozen=True, kw_only=False, tag=True):
    part: "Expression"


class AttributeCondition(Record, frozen=True, kw_only=False, tag=True):
    """What a built-in attribute must be. Names and operators per target stand in ATTRIBUTES of attributes.py."""

    name: str
    operator: Operator
    value: Any


class FieldCondition(Record, frozen=True, kw_only=False, tag=True):
    """What a custom field must be, as a client said it: neither key nor value has been checked.

    Without an operator nothing is asked of it but that it is defined.
    """

    key: str
    operator: Operator | None
    value: Any


class BoundCondition(Record, frozen=True, kw_only=False, tag=True):
    """What a custom field must be: the value fits the definition and is in the form in which records hold it."""

    definition: FieldDefinition
    operator: Operator
    value: Any


Expression: TypeAlias = And | Or | Not | AttributeCondition | FieldCondition | BoundCondition

EVERYTHING = And()
