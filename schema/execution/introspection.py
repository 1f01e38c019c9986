"""Introspection: executed on a thread, and cached for the next operation with the same document.

graphql-core executes introspection without interruption, which takes 0.1 seconds for the query of GraphiQL. On a
thread, it does not block the event loop.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from graphql import (
    GraphQLDirective,
    GraphQLEnumType,
    GraphQLObjectType,
    GraphQLSchema,
    introspection_types,
    is_introspection_type,
)
from graphql.pyutils import Path

from schema.execution.selection_compiler import CompiledSelections

#: The directive locations of the GraphQL specification of September 2025.
PUBLISHED_LOCATIONS = frozenset(
    {
        *("QUERY", "MUTATION", "SUBSCRIPTION", "FIELD", "FRAGMENT_DEFINITION", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"),
        *("VARIABLE_DEFINITION", "SCHEMA", "SCALAR", "OBJECT", "FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INTERFACE"),
        *("UNION", "ENUM", "ENUM_VALUE", "INPUT_OBJECT", "INPUT_FIELD_DEFINITION"),
    }
)
#: One thread, so that many introspection queries leave CPU time for other operations.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="introspection")


def is_root(kind: GraphQLObjectType, path: Path) -> bool:
    """Whether an object of this type, at this path, is the value of a root field of introspection."""
    return path.prev is None and is_introspection_type(kind)


async def cached_answer(
    execute: Callable[[], Any], path: Path, selections: CompiledSelections, operation: str | None, *, cacheable: bool
) -> Any:
    """The result of `execute`, cached if `cacheable`: if the document and the operation name alone determine it."""
    key = (operation, str(path.key))
    answer = selections.introspection_answers.get(key) if cacheable else None
    if answer is None:
        answer = await asyncio.get_running_loop().run_in_executor(_THREAD, execute)
        if cacheable:
            selections.cache_introspection_answer(key, answer)
    return answer


def remove_draft_locations(schema: GraphQLSchema) -> None:
    """Remove the directive locations that graphql-core has and no published specification has.

    Clients refuse a schema with a location that they do not support.
    """
    schema.directives = tuple(map(_without_draft_locations, schema.directives))
    locations = introspection_types["__DirectiveLocation"]
    assert isinstance(locations, GraphQLEnumType)
    locations.values = {name: value for name, value in locations.values.items() if name in PUBLISHED_LOCATIONS}


def _without_draft_locations(directive: GraphQLDirective) -> GraphQLDirective:
    """A copy of the directive if locations are removed: directives of the specification are shared by all schemas."""
    locations = tuple(location for location in directive.locations if location.name in PUBLISHED_LOCATIONS)
    if locations == directive.locations:
        return directive
    declared: dict[str, Any] = {**directive.to_kwargs(), "locations": locations}
    return GraphQLDirective(**declared)
