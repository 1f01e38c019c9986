"""Definition leases: each lets one mutation change the rules, or the unique index, of a definition.

A lease belongs to a process and ends with its mutation. The leases of dead processes are released by the processes that
reap them. A lease may carry a pending definition, which every process enforces in addition to the definition.
"""

import asyncio
from collections.abc import Mapping

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from storage.custom_fields import epochs
from storage.custom_fields.definition_cache import DefinitionCache
from storage.custom_fields.epochs import DOCUMENT_ID
from storage.errors import Unavailable
from storage.mongo.connection import Database, Document, to_builtins
from storage.records import FieldDefinition
from storage.transactions.heartbeats import ProcessHeartbeat

EPOCH_POLL_SECONDS = 0.02


async def acquire(
    process: ProcessHeartbeat, definition_id: str, *, owner: str, pending: FieldDefinition | None = None
) -> int | None:
    """Acquire the lease for the owner, which may have it already. Returns None while another owner has it.

    Otherwise returns the epoch. Every process that reads the definitions at this epoch or later enforces `pending`.
    """
    database = process.database
    await process.send_heartbeat()  # others release the leases of processes without a heartbeat
    await release_dead(database, definition_id)
    lease: Document = {"holder": owner, "process": process.id}
    if pending is not None:
        lease["coming"] = to_builtins(pending)
    path = f"claims.{definition_id}"
    try:
        # Not findAndModify: the driver cannot decode its answer during a failover with this project's codec.
        await database["rules"].update_one(
            {"_id": DOCUMENT_ID, "$or": [{path: {"$exists": False}}, {f"{path}.holder": owner}]},
            {"$set": {path: lease}, "$inc": {"epoch": 0 if pending is None else 1}},
            upsert=True,
        )
    except DuplicateKeyError:  # the document exists, with the lease of another owner
        return None
    return await epochs.read_epoch(database)


async def is_held(database: Database, definition_id: str, *, owner: str) -> bool:
    """Whether the owner has the lease. Waits for the end of a transaction that releases the lease."""
    # A write waits for a transaction that writes to the same document, and a read does not.
    path = f"claims.{definition_id}"
    result = await database["rules"].update_one(
        {"_id": DOCUMENT_ID, f"{path}.holder": owner}, {"$set": {f"{path}.ending": True}}
    )
    return result.matched_count == 1


async def release(database: Database, definition_id: str, *, owner: str) -> None:
    """Release the lease and withdraw its pending definition."""
    path = f"claims.{definition_id}"
    await database["rules"].update_one(
        {"_id": DOCUMENT_ID, f"{path}.holder": owner}, {"$unset": {path: ""}, "$inc": {"epoch": 1}}
    )


async def release_dead(database: Database, definition_id: str | None = None) -> None:
    """Release the leases of dead processes, of one definition or of all."""
    document = await database["rules"].find_one({"_id": DOCUMENT_ID}) or {}
    leases: Mapping[str, Document] = document.get("claims", {})
    if definition_id is not None:
        leases = {definition_id: leases[definition_id]} if definition_id in leases else {}
    if not leases:
        return
    processes = database["processes"].with_options(read_concern=ReadConcern("local"))
    living = {process["_id"] async for process in processes.find({}, {"_id": 1})}
    for leased_id, lease in leases.items():
        if lease["process"] not in living:
            await release(database, leased_id, owner=lease["holder"])


async def commit_and_release(
    database: Database, session: AsyncIOMotorClientSession, definition_id: str, *, owner: str | None
) -> bool:
    """Increment the epoch in a transaction that changes a definition, and release the owner's lease, if there is one.

    Returns False if the owner has lost the lease. The transaction must not commit then.
    """
    if owner is None:
        await database["rules"].update_one({"_id": DOCUMENT_ID}, {"$inc": {"epoch": 1}}, upsert=True, session=session)
        return True
    path = f"claims.{definition_id}"
    result = await database["rules"].update_one(
        {"_id": DOCUMENT_ID, f"{path}.holder": owner}, {"$unset": {path: ""}, "$inc": {"epoch": 1}}, session=session
    )
    return result.matched_count == 1


async def wait_for_epoch(process: ProcessHeartbeat, definition_cache: DefinitionCache, epoch: int) -> None:
    """Return when no transaction of any process uses definitions of an earlier epoch. Raises Unavailable."""
    processes = process.database["processes"].with_options(read_concern=ReadConcern("local"))
    behind: Document = {"_id": {"$ne": process.id}, "epoch": {"$not": {"$gte": epoch}}}
    deadline = asyncio.get_running_loop().time() + definition_cache.epoch_timeout_seconds
    await definition_cache.catch_up()
    while definition_cache.lowest_epoch_in_use < epoch or await processes.find_one(behind, {"_id": 1}) is not None:
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable("Not all processes keep to the new rule yet; try again.", retryable=True)
        await asyncio.sleep(EPOCH_POLL_SECONDS)
