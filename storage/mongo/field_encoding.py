"""How documents hold custom field values: by definition id in `fields`, and again in `attrs`, which is indexed.

An entry of `attrs` is {"k": definition id, "c": contexts, "v": value}. Contexts repeat what a filter often asks beside
a field (a role, a status, a department), so that one compound index finds both at once. What values may be is not said
here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from storage.mongo.connection import Document
from storage.records import Entity, FieldDefinition, FieldValue, Room, User

#: The context that every entry has.
ANY = ""
#: Between the options of a MULTI_SELECT; no option holds it.
SEPARATOR = "\0"


class Definitions(Protocol):
    """What knows definitions by their id: a catalog, or a mapping."""

    def get(self, definition_id: str, /) -> FieldDefinition | None: ...


def encode(
    custom_fields: Mapping[str, FieldValue], definitions: Mapping[str, FieldDefinition], contexts: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a document holds of a record's custom fields: its `fields` and its `attrs`. Definitions are given by key.

    Values whose definition is gone are left out.
    """
    fields: dict[str, Any] = {}
    attrs: list[dict[str, Any]] = []
    for key, value in custom_fields.items():
        definition = definitions.get(key)
        if definition is None:
            continue
        fields[definition.id] = value
        if isinstance(value, list):
            attrs.append({"k": definition.id, "c": list(contexts), "v": join_options(value)})
            attrs.extend({"k": option_key(definition.id), "c": list(contexts), "v": option} for option in value)
        else:
            attrs.append({"k": definition.id, "c": list(contexts), "v": value})
    return fields, attrs


def decode(fields: Mapping[str, Any], definitions: Definitions) -> dict[str, FieldValue]:
    """A record's custom fields by key, from a document's `fields`. Values whose definition is gone are left out."""
    known = ((definitions.get(definition_id), value) for definition_id, value in fields.items())
    return {definition.key: value for definition, value in known if definition is not None}


def kept(definition_ids: Iterable[str], contexts: Sequence[str]) -> tuple[Document, Document]:
    """Expressions for what a document holds of these definitions: its `fields`, and its `attrs` in new contexts."""
    ids = sorted(definition_ids)
    keys = [*ids, *map(option_key, ids)]
    held = {"$filter": {"input": {"$objectToArray": "$fields"}, "cond": {"$in": ["$$this.k", ids]}}}
    entries = {"$filter": {"input": "$attrs", "cond": {"$in": ["$$this.k", keys]}}}
    moved = {"$mergeObjects": ["$$this", {"c": {"$literal": list(contexts)}}]}
    return {"$arrayToObject": held}, {"$map": {"input": entries, "in": moved}}


def contexts_of(record: Entity) -> tuple[str, ...]:
    """What the entries of a record's `attrs` say of it: its roles (r:), its status (s:), its departments (d:)."""
    match record:
        case User(roles=roles, agent=agent):
            told = [f"r:{role}" for role in roles]
            if agent is not None:
                told += [f"s:{agent.status}", *(f"d:{department_id}" for department_id in agent.department_ids)]
        case Room(status=status, department_id=department_id):
            told = [f"s:{status}"] if department_id is None else [f"s:{status}", f"d:{department_id}"]
        case _:
            told = []
    return (ANY, *told)


def join_options(options: Sequence[str]) -> str:
    """A MULTI_SELECT as one value, by which it is found as a whole. The options are sorted already."""
    return SEPARATOR.join(options)


def option_key(definition_id: str) -> str:
    """The `k` of the entries that hold the options of a MULTI_SELECT one by one."""
    return f"{definition_id}#"
