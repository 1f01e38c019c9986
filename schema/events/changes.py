"""Changes of fields, as events show them."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from schema.base import ids
from schema.base.fields import api_type
from schema.base.scalars import JSON
from storage import changes, records

#: The fields whose values are lists of ids, with the kind of the ids.
_ID_LISTS: Mapping[str, Callable[[str], Any]] = MappingProxyType({"agent.departmentIds": ids.DEPARTMENT.format})
#: The field whose value is a JSON text.
_JSON_TEXT = "agentFilter"


@api_type
class Change:
    """One field that changed."""

    field: str
    """The name of the field, such as `priority`, `customFields.KEY` or `agent.maxRooms`."""
    before: JSON | None
    """The value before the event; null if the field had none."""
    after: JSON | None
    """The value after the event; null if the field has none."""


def to_changes(recorded: Iterable[changes.Change], after: records.Record) -> list[Change]:
    """The changes of an entity, which is `after` now."""
    return [
        Change(
            field=change.field,
            before=_shown(change.field, change.before),
            after=_shown(change.field, changes.value_of(after, change.field)),
        )
        for change in recorded
    ]


def _shown(field: str, value: Any) -> Any:
    if field == _JSON_TEXT and value is not None:
        return msgspec.json.decode(value)
    add = _ID_LISTS.get(field)
    return value if add is None or value is None else [add(stored) for stored in value]
