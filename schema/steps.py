"""What plans are made of (plans.py): one step for each field, put together into one function."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from types import CoroutineType
from typing import Any

from typing_extensions import override

from schema.runs import Pending, Run
from schema.writers import Mismatch, Write, Writer

AWAITABLE = (CoroutineType, asyncio.Future)


class Step(ABC):
    """One field of a plan."""

    def __init__(self, name: str, writer: Writer, *, nullable: bool) -> None:
        self.name = name
        self._writer = writer
        self._nullable = nullable

    def finish(self, value: Any, run: Run) -> Any:
        """What is written of the field's value."""
        if value is None:
            if self._nullable:
                return None
            raise Mismatch
        return self._writer.write(value, run)

    def arguments(self, run: Run) -> dict[str, Any]:
        return {}

    @abstractmethod
    def lines(self, v: str, o: str) -> Iterable[str]:
        """The lines that find the value of the field of `source`, and set the variable `v` to what is written of it.

        `o` is the name of what object() returns.
        """

    def object(self) -> Any:
        return self

    def _written(self, v: str, o: str) -> Iterable[str]:
        lines = [line.format(v=v, o=o) for line in self._writer.lines]
        if self._nullable:
            return [f"if {v} is not None:", *(f" {line}" for line in lines)]
        return [f"if {v} is None: raise Mismatch", *lines]


class TypeName(Step):
    """What kind of object it is."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(name, Writer.calling(lambda value, _: value), nullable=False)
        self._kind = kind

    @override
    def lines(self, v: str, o: str) -> Iterable[str]:
        return [f"{v} = {o}"]

    @override
    def object(self) -> Any:
        return self._kind


class Attribute(Step):
    """An attribute of the object."""

    def __init__(self, name: str, attribute: str, writer: Writer, *, nullable: bool) -> None:
        super().__init__(name, writer, nullable=nullable)
        self._attribute = attribute

    @override
    def lines(self, v: str, o: str) -> Iterable[str]:
        return [f"{v} = source.{self._attribute}", *self._written(v, o)]

    @override
    def object(self) -> Any:
        return self._writer.object


class Method(Step):
    """What a method of the object answers."""

    def __init__(
        self,
        name: str,
        method: Callable[..., Any],
        arguments: Callable[[Run], dict[str, Any]] | None,
        writer: Writer,
        *,
        nullable: bool,
    ) -> None:
        super().__init__(name, writer, nullable=nullable)
        self.method = method
        self._arguments = arguments

    @override
    def arguments(self, run: Run) -> dict[str, Any]:
        return {} if self._arguments is None else self._arguments(run)

    @override
    def lines(self, v: str, o: str) -> Iterable[str]:
        given = "" if self._arguments is None else f", **run.given({o})"
        return [
            f"{v} = {o}.method(source{given})",
            f"if isinstance({v}, AWAITABLE):",
            f" run.pending.append(Pending({v}, row, {o}))",
            f" {v} = None",
            "else:",
            f" {v} = {o}.finish({v}, run)",
        ]


def compiled(steps: Sequence[Step]) -> Write:
    """The function that takes all steps, in the order in which their fields were asked for, which GraphQL promises.

    Put together as source: what a plan does for every object is then free of calls that only look up what comes next.
    Names and attributes in it come from the schema; what a client sent is in objects that it refers to.
    """
    known: dict[str, Any] = {"AWAITABLE": AWAITABLE, "Mismatch": Mismatch, "Pending": Pending}
    source = ["def write(source, run):", " if source is None: raise Mismatch", " row = {}"]
    for number, step in enumerate(steps):
        v, o, name = f"v{number}", f"o{number}", f"n{number}"
        known |= {o: step.object(), name: step.name}
        source += [f" {line}" for line in step.lines(v, o)]
        source.append(f" row[{name}] = {v}")
    source.append(" return row")
    exec("\n".join(source), known)  # noqa: S102 - see above
    write: Write = known.pop("write")  # which refers to what it knows
    return write
