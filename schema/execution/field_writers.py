"""The parts of compiled selections (selection_compiler.py): one writer for each field, compiled into one function."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from types import CoroutineType
from typing import Any

from typing_extensions import override

from schema.execution.selection_execution import Execution, PendingValue
from schema.execution.value_serializers import CannotSerialize, Serialize, Serializer

AWAITABLE = (CoroutineType, asyncio.Future)


class FieldWriter(ABC):
    """Writes one field of an object into the row of the object, which is a dictionary with its result."""

    def __init__(self, name: str, serializer: Serializer, *, nullable: bool) -> None:
        self.name = name
        self.serializer = serializer
        self._nullable = nullable

    def serialize(self, value: Any, execution: Execution) -> Any:
        """The serialized value of the field."""
        if value is None:
            if self._nullable:
                return None
            raise CannotSerialize
        return self.serializer.serialize(value, execution)

    def arguments(self, execution: Execution) -> dict[str, Any]:
        return {}

    @abstractmethod
    def code(self, v: str, o: str) -> Iterable[str]:
        """The source lines that read the field of `source` and set a variable to its serialized value.

        `v` is the name of this variable. `o` is the name of the variable with the result of `object()`.
        """

    def object(self) -> Any:
        """The value of the variable `o` in `code`: by default this writer."""
        return self

    def _serialize_code(self, v: str, o: str) -> Iterable[str]:
        lines = [line.format(v=v, o=o) for line in self.serializer.code]
        if self._nullable:
            return [f"if {v} is not None:", *(f" {line}" for line in lines)]
        return [f"if {v} is None: raise CannotSerialize", *lines]


class TypeNameWriter(FieldWriter):
    """Writes `__typename`."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(name, Serializer.calling(lambda value, _: value), nullable=False)
        self._kind = kind

    @override
    def code(self, v: str, o: str) -> Iterable[str]:
        return [f"{v} = {o}"]

    @override
    def object(self) -> Any:
        return self._kind


class AttributeWriter(FieldWriter):
    """Writes a field whose value is an attribute of the object."""

    def __init__(self, name: str, attribute: str, serializer: Serializer, *, nullable: bool) -> None:
        super().__init__(name, serializer, nullable=nullable)
        self._attribute = attribute

    @override
    def code(self, v: str, o: str) -> Iterable[str]:
        return [f"{v} = source.{self._attribute}", *self._serialize_code(v, o)]

    @override
    def object(self) -> Any:
        return self.serializer.object


class MethodWriter(FieldWriter):
    """Writes a field whose value is returned by a method of the object."""

    def __init__(
        self,
        name: str,
        method: Callable[..., Any],
        arguments: Callable[[Execution], dict[str, Any]] | None,
        serializer: Serializer,
        *,
        nullable: bool,
    ) -> None:
        super().__init__(name, serializer, nullable=nullable)
        self.method = method
        self._arguments = arguments

    @override
    def arguments(self, execution: Execution) -> dict[str, Any]:
        return {} if self._arguments is None else self._arguments(execution)

    @override
    def code(self, v: str, o: str) -> Iterable[str]:
        arguments = "" if self._arguments is None else f", **execution.arguments_for({o})"
        return [
            f"{v} = {o}.method(source{arguments})",
            f"if isinstance({v}, AWAITABLE):",
            f" execution.pending.append(PendingValue({v}, row, {o}))",
            f" {v} = None",
            "else:",
            f" {v} = {o}.serialize({v}, execution)",
        ]


def compile_writers(writers: Sequence[FieldWriter]) -> Serialize:
    """Compile writers into one function, which writes the fields in their order in the document, as GraphQL requires.

    The function is compiled from source, which saves a call for each field. The names and attributes in the source come
    from the schema; values that a client sent are in variables that the source refers to.
    """
    scope: dict[str, Any] = {"AWAITABLE": AWAITABLE, "CannotSerialize": CannotSerialize, "PendingValue": PendingValue}
    source = ["def serialize(source, execution):", " if source is None: raise CannotSerialize", " row = {}"]
    for number, writer in enumerate(writers):
        v, o, name = f"v{number}", f"o{number}", f"n{number}"
        scope |= {o: writer.object(), name: writer.name}
        source += [f" {line}" for line in writer.code(v, o)]
        source.append(f" row[{name}] = {v}")
    source.append(" return row")
    exec("\n".join(source), scope)  # noqa: S102 - see above
    serialize: Serialize = scope.pop("serialize")  # no cycle: the function refers to its scope
    return serialize
