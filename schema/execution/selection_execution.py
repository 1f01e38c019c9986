"""Runs of plans (selection_compiler.py): what has to be waited for, and what is written later, so that others have
their turn."""

import asyncio
from collections.abc import Awaitable, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from graphql.execution.values import VariableValues

from schema.execution.value_serializers import Serialize

if TYPE_CHECKING:
    from schema.execution.field_writers import FieldWriter

Row: TypeAlias = dict[str, Any]

#: How many entries of lists are written without letting others have their turn, and so many at a time of longer lists:
#: some milliseconds' worth.
ENTRIES_BEFORE_YIELD = 250
ENTRIES_BETWEEN_YIELDS = 50


class PendingValue(NamedTuple):
    """A value that has to be waited for, and where it belongs."""

    value: Awaitable[Any]
    row: Row
    writer: "FieldWriter"


class DeferredList(NamedTuple):
    """A list that is written later, and where."""

    values: Sequence[Any]
    written: list[Any]
    write: Serialize


class Execution:
    """One run of a plan, for one operation.

    Long lists are written a part at a time, so that others have their turn in between.
    """

    def __init__(self, context: Any, variables: VariableValues) -> None:
        self.context = context
        self.variables = variables
        self.pending: list[PendingValue] = []
        self._entries_before_yield = ENTRIES_BEFORE_YIELD
        self._deferred: list[DeferredList] = []
        self._arguments: dict[FieldWriter, dict[str, Any]] = {}

    def arguments_for(self, step: "FieldWriter") -> dict[str, Any]:
        """What the method of a step is called with beside its object, the same for all objects."""
        known = self._arguments.get(step)
        if known is None:
            known = self._arguments[step] = step.arguments(self)
        return known

    @property
    def is_complete(self) -> bool:
        """Whether everything is written."""
        return not self.pending and not self._deferred

    def write_all(self, values: Sequence[Any], write: Serialize) -> list[Any]:
        """What is written of the entries of a list, some of them later (settle)."""
        if len(values) <= self._entries_before_yield:
            self._entries_before_yield -= len(values)
            return [write(value, self) for value in values]
        written: list[Any] = [None] * len(values)
        self._deferred.append(DeferredList(values, written, write))
        return written

    async def await_pending(self) -> None:
        """Write what was postponed, and what had to be waited for: all of it at once, and then what that brought."""
        try:
            while not self.is_complete:
                while self._deferred:
                    await self._write_deferred(self._deferred.pop())
                waited, self.pending = self.pending, []
                values = await asyncio.gather(*(one.value for one in waited), return_exceptions=True)
                for one, value in zip(waited, values, strict=True):
                    if isinstance(value, BaseException):
                        raise value
                    one.row[one.writer.name] = one.writer.serialize(value, self)
        except BaseException:
            self.cancel()
            raise

    async def _write_deferred(self, one: "DeferredList") -> None:
        for start in range(0, len(one.values), ENTRIES_BETWEEN_YIELDS):
            await asyncio.sleep(0)
            self._entries_before_yield = ENTRIES_BEFORE_YIELD
            for index, value in enumerate(one.values[start : start + ENTRIES_BETWEEN_YIELDS], start):
                one.written[index] = one.write(value, self)

    def cancel(self) -> None:
        """Wait for nothing."""
        for one in self.pending:
            if isinstance(one.value, CoroutineType):
                one.value.close()
        self.pending = []
