"""What is asked about the schema itself: found beside the event loop, and kept for the next who asks the same.

Everything else that an operation reads is waited for, or written a part at a time. Introspection is neither:
graphql-core finds it in one go, which takes a tenth of a second for all that GraphiQL asks.
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
#: One at a time, so that many who ask leave the better part of the processor to everybody else.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="introspection")


def is_root(kind: GraphQLObjectType, path: Path) -> bool:
    """Whether a value of this type and place is all that one root field asks about the schema."""
    return path.prev is None and is_introspection_type(kind)


async def cached_answer(
    execute: Callable[[], Any], path: Path, selections: CompiledSelections, operation: str | None, *, cacheable: bool
) -> Any:
    """What `find` finds, or found when the same document asked for it before. `keep`: nothing else decides about it."""
    key = (operation, str(path.key))
    known = selections.answers.get(key) if cacheable else None
    if known is None:
        known = await asyncio.get_running_loop().run_in_executor(_THREAD, execute)
        if cacheable:
            selections.keep_answer(key, known)
    return known


def publish_no_drafts(schema: GraphQLSchema) -> None:
    """Leave out of introspection the directive locations of graphql-core that no published specification has.

    Clients that read a schema refuse a location that they do not know.
    """
    schema.directives = tuple(map(_published, schema.directives))
    locations = introspection_types["__DirectiveLocation"]
    assert isinstance(locations, GraphQLEnumType)
    locations.values = {name: value for name, value in locations.values.items() if name in PUBLISHED_LOCATIONS}


def _published(directive: GraphQLDirective) -> GraphQLDirective:
    """The directive without other locations: a copy, since those of the specification belong to every schema."""
    locations = tuple(one for one in directive.locations if one.name in PUBLISHED_LOCATIONS)
    if locations == directive.locations:
        return directive
    declared: dict[str, Any] = {**directive.to_kwargs(), "locations": locations}
    return GraphQLDirective(**declared)
