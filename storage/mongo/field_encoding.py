"""The encoding of custom field values in documents: by definition id in `fields`, and again in `attrs`, for the index.

An entry of `attrs` is {"k": definition id, "c": contexts, "v": value}. Contexts copy what filters often combine with a
field (a role, a status, a department), so that one compound index answers both conditions. The validation of values is
in resolvers/custom_fields/values.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from storage.mongo.connection import Document
from storage.records import Entity, FieldDefinition, FieldValue, Room, User

#: The context of every entry.
ANY = ""
#: Separates the options of a MULTI_SELECT. No option contains it.
SEPARATOR = "\0"


class Definitions(Protocol):
    """A mapping of definitions by id."""

    def get(self, definition_id: str, /) -> FieldDefinition | None: ...


def encode(
    custom_fields: Mapping[str, FieldValue], definitions: Mapping[str, FieldDefinition], contexts: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Encode a record's custom fields as the `fields` and the `attrs` of its document. `definitions` are by key.

    Leaves out values without a definition.
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
    """Decode a document's `fields` into a record's custom fields by key. Leaves out values without a definition."""
    pairs = ((definitions.get(definition_id), value) for definition_id, value in fields.items())
    return {definition.key: value for definition, value in pairs if definition is not None}


def stored_value_expressions(definition_ids: Iterable[str], contexts: Sequence[str]) -> tuple[Document, Document]:
    """Aggregation expressions for the stored `fields` and `attrs` of definitions, with new contexts in `attrs`."""
    ids = sorted(definition_ids)
    keys = [*ids, *map(option_key, ids)]
    fields = {"$filter": {"input": {"$objectToArray": "$fields"}, "cond": {"$in": ["$$this.k", ids]}}}
    entries = {"$filter": {"input": "$attrs", "cond": {"$in": ["$$this.k", keys]}}}
    entry = {"$mergeObjects": ["$$this", {"c": {"$literal": list(contexts)}}]}
    return {"$arrayToObject": fields}, {"$map": {"input": entries, "in": entry}}


def contexts_of(record: Entity) -> tuple[str, ...]:
    """The contexts of a record's `attrs`: its roles (r:), its status (s:) and its departments (d:)."""
    match record:
        case User(roles=roles, agent=agent):
            contexts = [f"r:{role}" for role in roles]
            if agent is not None:
                contexts += [f"s:{agent.status}", *(f"d:{department_id}" for department_id in agent.department_ids)]
        case Room(status=status, department_id=department_id):
            contexts = [f"s:{status}"] if department_id is None else [f"s:{status}", f"d:{department_id}"]
        case _:
            contexts = []
    return (ANY, *contexts)


def join_options(options: Sequence[str]) -> str:
    """The value of a MULTI_SELECT as one string, for equality. The options must be sorted."""
    return SEPARATOR.join(options)


def option_key(definition_id: str) -> str:
    """The `k` of an entry with one option of a MULTI_SELECT."""
    return f"{definition_id}#"
