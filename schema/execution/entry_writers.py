"""Writes the nodes of lists, and keeps them encoded: the same stored bytes and the same selection are the same JSON.

A node is kept if its selection is pure (selection_compiler.py): all of its fields depend on nothing but the record, and
on the roles and departments in memory. It is kept with the entity (storage/entity_cache.py), so it is no older than the
bytes that the read returned. The caller's scopes do not matter: no field with a scope of its own is pure.
"""

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from schema.execution.field_writers import FieldWriter
from schema.execution.value_serializers import Serializer
from storage.entity_cache import Rendering

if TYPE_CHECKING:
    from schema.execution.selection_execution import Execution

#: The numbers of pure selections in this process.
_numbers = itertools.count(1)


class EntryWriter(FieldWriter):
    """Writes the node of an entry, or the nodes of a list of entries."""

    def __init__(self, name: str, attribute: str, node: Serializer, *, many: bool, pure: bool) -> None:
        super().__init__(name, node, nullable=False)
        self._attribute = attribute
        self._many = many
        self._number = next(_numbers) if pure else None

    @override
    def code(self, v: str, o: str) -> Iterable[str]:
        return [f"{v} = {o}.write(source.{self._attribute}, execution)"]

    def write(self, value: Any, execution: "Execution") -> Any:
        """The row of an entry, or the list of the rows of entries."""
        return execution.serialize_list(value, self._write) if self._many else self._write(value, execution)

    def _write(self, entry: Any, execution: "Execution") -> Any:
        cached, number, revision = entry.cached, self._number, execution.reference_revision
        if cached is None or number is None or revision is None:
            return self.serializer.serialize(entry.node(), execution)
        rendering = cached.rendered.get(number)
        if rendering is not None and rendering.revision == revision:
            return rendering.encoded
        before = execution.unfinished
        row = self.serializer.serialize(entry.node(), execution)
        if execution.unfinished != before:  # a role or a department has to be read
            return row
        encoded = msgspec.json.encode(row)
        raw = msgspec.Raw(encoded)
        cached.render(number, Rendering(revision, raw, len(encoded)))
        return raw
