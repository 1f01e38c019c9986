"""The rules of all custom fields as one: a number that grows with every change of them, and what is to become of them.

One document holds it all (docs/decisions/0011-definitions-change-in-two-steps.md). Whoever changes a definition's rules
in steps claims it first; of a rule that is to come, the claim says so, and all writers keep to it from then on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from storage.mongo.connection import Database, Document, from_builtins, to_builtins
from storage.mongo.undecodable import ERRORS
from storage.records import FieldDefinition

_ID = "custom_fields"


@dataclass(frozen=True, slots=True)
class EpochState:
    """What holds beside the definitions themselves."""

    #: Grows whenever a definition, or what is to become of one, changes.
    epoch: int = 0
    #: The definitions that are to be, by id: whoever writes values keeps to them as well.
    pending: Mapping[str, FieldDefinition] = field(default_factory=dict)
    #: The definitions of which this process cannot decode what they are to be.
    undecodable: frozenset[str] = frozenset()


async def read(database: Database) -> EpochState:
    document = await database["rules"].find_one({"_id": _ID}) or {}
    claims: Mapping[str, Document] = document.get("claims", {})
    pending: dict[str, FieldDefinition] = {}
    undecodable: set[str] = set()
    for one, claim in claims.items():
        if "coming" in claim:
            try:
                pending[one] = from_builtins(claim["coming"], FieldDefinition)
            except ERRORS as error:
                database.undecodable.note("rules", one, error)
                undecodable.add(one)
    return EpochState(_epoch(document), pending, frozenset(undecodable))


async def read_epoch(database: Database) -> int:
    return _epoch(await database["rules"].find_one({"_id": _ID}, {"epoch": 1}))


def read_epoch_in_session(database: Database, session: ClientSession) -> int:
    """The epoch that the session's transaction sees. Blocks."""
    return _epoch(database["rules"].delegate.find_one({"_id": _ID}, {"epoch": 1}, session=session))


def _epoch(document: Document | None) -> int:
    return int((document or {}).get("epoch", 0))


# ---------------------------------------------------------------- claims


async def acquire_lease(
    database: Database, definition_id: str, *, owner: str, process_id: str, pending: FieldDefinition | None = None
) -> int | None:
    """Claim the definition for a change, and the epoch from which on all know what is to come; None if another has it.

    The same holder may claim it again. What a dead process held is taken from it.
    """
    path = f"claims.{definition_id}"
    held: Document = {"holder": owner, "process": process_id}
    if pending is not None:
        held["coming"] = to_builtins(pending)
    await release_dead_leases(database, definition_id)
    try:
        # Not by findAndModify: what that answers in the midst of a failover, the driver cannot read with our codec.
        await database["rules"].update_one(
            {"_id": _ID, "$or": [{path: {"$exists": False}}, {f"{path}.holder": owner}]},
            {"$set": {path: held}, "$inc": {"epoch": 0 if pending is None else 1}},
            upsert=True,
        )
    except DuplicateKeyError:  # the document is there, with the claim of another
        return None
    return await read_epoch(database)


async def is_lease_held(database: Database, definition_id: str, *, owner: str) -> bool:
    """Whether the holder still has its claim; once the commit is decided that would have ended it."""
    # A write, so that it waits for a transaction that ends the claim.
    path = f"claims.{definition_id}"
    ending = await database["rules"].update_one(
        {"_id": _ID, f"{path}.holder": owner}, {"$set": {f"{path}.ending": True}}
    )
    return ending.matched_count == 1


async def release_lease(database: Database, definition_id: str, *, owner: str) -> None:
    """End the claim, and take back what was to come."""
    path = f"claims.{definition_id}"
    await database["rules"].update_one(
        {"_id": _ID, f"{path}.holder": owner}, {"$unset": {path: ""}, "$inc": {"epoch": 1}}
    )


async def release_dead_leases(database: Database, definition_id: str | None = None) -> None:
    """End the claims of processes that are dead, or the one on that definition."""
    document = await database["rules"].find_one({"_id": _ID}) or {}
    claims: Mapping[str, Document] = document.get("claims", {})
    if definition_id is not None:
        claims = {one: claim for one, claim in claims.items() if one == definition_id}
    if not claims:
        return
    processes = database["processes"].with_options(read_concern=ReadConcern("local"))
    living = {process["_id"] async for process in processes.find({}, {"_id": 1})}
    for one, claim in claims.items():
        if claim["process"] not in living:
            await release_lease(database, one, owner=claim["holder"])


async def commit_and_release(
    database: Database, session: AsyncIOMotorClientSession, definition_id: str, *, owner: str | None
) -> bool:
    """Count the epoch up within a transaction that changes a definition, and end the holder's claim on it.

    False when the holder has lost its claim meanwhile, and must not go on.
    """
    if owner is None:
        await database["rules"].update_one({"_id": _ID}, {"$inc": {"epoch": 1}}, upsert=True, session=session)
        return True
    path = f"claims.{definition_id}"
    result = await database["rules"].update_one(
        {"_id": _ID, f"{path}.holder": owner}, {"$unset": {path: ""}, "$inc": {"epoch": 1}}, session=session
    )
    return result.matched_count == 1
