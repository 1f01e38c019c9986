"""What is asked about the schema itself: found beside the event loop, and kept for the next who asks the same.

Everything else that an operation reads is waited for, or written a part at a time. Introspection is neither:
graphql-core finds it in one go, which takes a tenth of a second for all that GraphiQL asks.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from graphql import GraphQLObjectType, is_introspection_type
from graphql.pyutils import Path

from schema.plans import Plans

#: Answers that are kept; each can have some megabytes.
KEPT = 8
#: One at a time, so that many who ask leave the better part of the processor to everybody else.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="introspection")
_answers: OrderedDict[tuple[Plans, str | None, str], Any] = OrderedDict()


def is_root(kind: GraphQLObjectType, path: Path) -> bool:
    """Whether a value of this type and place is all that one root field asks about the schema."""
    return path.prev is None and is_introspection_type(kind)


async def answer(find: Callable[[], Any], path: Path, plans: Plans, operation: str | None, *, keep: bool) -> Any:
    """What `find` finds, or found when the same document asked for it before. `keep`: nothing else decides about it."""
    key = (plans, operation, str(path.key))
    known = _answers.get(key) if keep else None
    if known is None:
        known = await asyncio.get_running_loop().run_in_executor(_THREAD, find)
        if keep:
            _answers[key] = known
            while len(_answers) > KEPT:
                _answers.popitem(last=False)
    return known
