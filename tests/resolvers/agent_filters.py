"""Filters of agents, as tests give them to rooms."""

from resolvers.agent_filters import GivenFilter
from storage.filters.expressions import And, AttributeCondition, Operator


def named(*usernames: str) -> GivenFilter:
    """The filter of these usernames."""
    expression = AttributeCondition("username", Operator.IN, usernames)
    return GivenFilter({"username": {"in": list(usernames)}}, And((expression,)))
