"""The execution of compiled selections (selection_compiler.py) for one operation: pending values and deferred lists."""

import asyncio
from collections.abc import Awaitable, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from graphql.execution.values import VariableValues

from schema.execution.value_serializers import Serialize

if TYPE_CHECKING:
    from schema.execution.field_writers import FieldWriter

Row: TypeAlias = dict[str, Any]

#: The number of list entries that an execution serializes before it yields to the event loop, and the number between
#: further yields in a long list. Each takes some milliseconds.
ENTRIES_BEFORE_YIELD = 250
ENTRIES_BETWEEN_YIELDS = 50


class PendingValue(NamedTuple):
    """An awaitable field value, and the row and the field it belongs to."""

    value: Awaitable[Any]
    row: Row
    writer: "FieldWriter"


class DeferredList(NamedTuple):
    """A list that is serialized later, and the list that receives the results."""

    values: Sequence[Any]
    serialized: list[Any]
    serialize: Serialize


class Execution:
    """One execution of compiled selections, for one operation.

    Long lists are serialized in parts, with a yield to the event loop between them.
    """

    def __init__(self, context: Any, variables: VariableValues, *, reference_revision: int | None = None) -> None:
        self.context = context
        #: The revision of the roles and departments in memory, if rows may be encoded (msgspec.Raw). None otherwise.
        self.reference_revision = reference_revision
        self.variables = variables
        self.pending: list[PendingValue] = []
        self._entries_before_yield = ENTRIES_BEFORE_YIELD
        self._deferred: list[DeferredList] = []
        self._arguments: dict[FieldWriter, dict[str, Any]] = {}

    def arguments_for(self, writer: "FieldWriter") -> dict[str, Any]:
        """The keyword arguments of a field's method. They are the same for all objects."""
        arguments = self._arguments.get(writer)
        if arguments is None:
            arguments = self._arguments[writer] = writer.arguments(self)
        return arguments

    @property
    def is_complete(self) -> bool:
        """Whether nothing is pending or deferred."""
        return not self.pending and not self._deferred

    @property
    def unfinished(self) -> int:
        """The number of values and lists that are not complete yet."""
        return len(self.pending) + len(self._deferred)

    def serialize_list(self, values: Sequence[Any], serialize: Serialize) -> list[Any]:
        """Serialize the entries of a list; those of a long list later, in `await_pending`."""
        if len(values) <= self._entries_before_yield:
            self._entries_before_yield -= len(values)
            return [serialize(value, self) for value in values]
        serialized: list[Any] = [None] * len(values)
        self._deferred.append(DeferredList(values, serialized, serialize))
        return serialized

    async def await_pending(self) -> None:
        """Serialize deferred lists and await pending values, until nothing is left. Pending values are awaited
        concurrently."""
        try:
            while not self.is_complete:
                while self._deferred:
                    await self._serialize_deferred(self._deferred.pop())
                pending, self.pending = self.pending, []
                values = await asyncio.gather(*(one.value for one in pending), return_exceptions=True)
                for one, value in zip(pending, values, strict=True):
                    if isinstance(value, BaseException):
                        raise value
                    one.row[one.writer.name] = one.writer.serialize(value, self)
        except BaseException:
            self.cancel()
            raise

    async def _serialize_deferred(self, deferred: "DeferredList") -> None:
        for start in range(0, len(deferred.values), ENTRIES_BETWEEN_YIELDS):
            await asyncio.sleep(0)
            self._entries_before_yield = ENTRIES_BEFORE_YIELD
            for index, value in enumerate(deferred.values[start : start + ENTRIES_BETWEEN_YIELDS], start):
                deferred.serialized[index] = deferred.serialize(value, self)

    def cancel(self) -> None:
        """Close all pending coroutines."""
        for one in self.pending:
            if isinstance(one.value, CoroutineType):
                one.value.close()
        self.pending = []
