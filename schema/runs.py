"""Runs of plans (plans.py): what has to be waited for, and what is written later, so that others have their turn."""

import asyncio
from collections.abc import Awaitable, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from graphql.execution.values import VariableValues

from schema.writers import Write

if TYPE_CHECKING:
    from schema.steps import Step

Row: TypeAlias = dict[str, Any]

#: How many entries of lists are written without letting others have their turn, and so many at a time of longer lists:
#: some milliseconds' worth.
TURN = 250
PART = 50


class Pending(NamedTuple):
    """A value that has to be waited for, and where it belongs."""

    value: Awaitable[Any]
    row: Row
    step: "Step"


class Postponed(NamedTuple):
    """A list that is written later, and where."""

    values: Sequence[Any]
    written: list[Any]
    write: Write


class Run:
    """One run of a plan, for one operation.

    Long lists are written a part at a time, so that others have their turn in between.
    """

    def __init__(self, context: Any, variables: VariableValues) -> None:
        self.context = context
        self.variables = variables
        self.pending: list[Pending] = []
        self._left = TURN
        self._postponed: list[Postponed] = []
        self._given: dict[Step, dict[str, Any]] = {}

    def given(self, step: "Step") -> dict[str, Any]:
        """What the method of a step is called with beside its object, the same for all objects."""
        known = self._given.get(step)
        if known is None:
            known = self._given[step] = step.arguments(self)
        return known

    @property
    def settled(self) -> bool:
        """Whether everything is written."""
        return not self.pending and not self._postponed

    def write_all(self, values: Sequence[Any], write: Write) -> list[Any]:
        """What is written of the entries of a list, some of them later (settle)."""
        if len(values) <= self._left:
            self._left -= len(values)
            return [write(value, self) for value in values]
        written: list[Any] = [None] * len(values)
        self._postponed.append(Postponed(values, written, write))
        return written

    async def settle(self) -> None:
        """Write what was postponed, and what had to be waited for: all of it at once, and then what that brought."""
        try:
            while not self.settled:
                while self._postponed:
                    await self._write_postponed(self._postponed.pop())
                waited, self.pending = self.pending, []
                values = await asyncio.gather(*(one.value for one in waited), return_exceptions=True)
                for one, value in zip(waited, values, strict=True):
                    if isinstance(value, BaseException):
                        raise value
                    one.row[one.step.name] = one.step.finish(value, self)
        except BaseException:
            self.abandon()
            raise

    async def _write_postponed(self, one: "Postponed") -> None:
        for start in range(0, len(one.values), PART):
            await asyncio.sleep(0)
            self._left = TURN
            for index, value in enumerate(one.values[start : start + PART], start):
                one.written[index] = one.write(value, self)

    def abandon(self) -> None:
        """Wait for nothing."""
        for one in self.pending:
            if isinstance(one.value, CoroutineType):
                one.value.close()
        self.pending = []
