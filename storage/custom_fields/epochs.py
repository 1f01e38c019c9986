"""The epoch of all definitions, and the pending definitions, which tighter rules are until they are committed.

The epoch is a number that grows with every change of a definition or of a pending definition. One document has the
epoch and the definition leases (docs/decisions/0011-definitions-change-in-two-steps.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.mongo.connection import Database, Document, from_builtins
from storage.mongo.undecodable import ERRORS
from storage.records import FieldDefinition

#: The only document of the collection `rules`.
DOCUMENT_ID = "custom_fields"
#: The collection, the document and the field of the epoch.
PLACE = ("rules", DOCUMENT_ID, "epoch")


@dataclass(frozen=True, slots=True)
class EpochState:
    """The content of the document at one time."""

    epoch: int = 0
    #: By definition id. Values must fit the pending definition as well as the definition.
    pending: Mapping[str, FieldDefinition] = field(default_factory=dict)
    #: Ids of the definitions whose pending definition this process cannot decode.
    undecodable: frozenset[str] = frozenset()


async def read(database: Database) -> EpochState:
    document = await database["rules"].find_one({"_id": DOCUMENT_ID}) or {}
    leases: Mapping[str, Document] = document.get("claims", {})
    pending: dict[str, FieldDefinition] = {}
    undecodable: set[str] = set()
    for definition_id, lease in leases.items():
        if "coming" in lease:
            try:
                pending[definition_id] = from_builtins(lease["coming"], FieldDefinition)
            except ERRORS as error:
                database.undecodable.report("rules", definition_id, error)
                undecodable.add(definition_id)
    return EpochState(_epoch(document), pending, frozenset(undecodable))


async def read_epoch(database: Database) -> int:
    return _epoch(await database["rules"].find_one({"_id": DOCUMENT_ID}, {"epoch": 1}))


def _epoch(document: Document | None) -> int:
    return int((document or {}).get("epoch", 0))
