"""Creates and removes the sample data. One process at a time does, under a lease."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from resolvers import agents
from resolvers.auth import access
from resolvers.context import Context
from resolvers.samples import conversations, creation, staff
from resolvers.samples.cast import Cast
from resolvers.samples.creation import Report
from resolvers.samples.removal import remove_entities
from storage import samples
from storage.errors import Unavailable
from storage.mongo.connection import new_id
from storage.records import AgentStatus, Record
from storage.samples import SampleKind, SampleRun, SampleState
from storage.supervisor import end, spawn
from storage.transactions import leases
from storage.transactions.leases import LEASE_SECONDS, Lease

LEASE = "samples"
BUSY = "The sample data are being created or removed already; wait until that has ended."


class SampleStatus(Record, frozen=True, kw_only=True):
    """Whether there are sample data, and how far their creation is."""

    #: None if there are none.
    state: SampleState | None = None
    created: int = 0
    expected: int = 0
    #: Whether a process is creating or removing them. If not, CREATING and REMOVING were interrupted.
    busy: bool = False
    #: Whether the deployment has no agent and no room.
    empty: bool = True


class Removal(Record, frozen=True, kw_only=True):
    """What a removal did. `left` are names of what stays because other data use it."""

    removed: int
    left: Mapping[SampleKind, list[str]]


async def ignore(sentence: str) -> None:
    """A report that nobody reads."""


async def get_status(context: Context) -> SampleStatus:
    """The state of the sample data. Needs the scope admin."""
    access.require(context.caller, (access.ADMIN,))
    run = await samples.find_run(context.reader)
    busy = await leases.is_held(context.storage.database, LEASE)
    empty = await samples.is_empty(context.reader)
    if run is None:
        return SampleStatus(busy=busy, empty=empty)
    return SampleStatus(state=run.state, created=run.created, expected=run.expected, busy=busy, empty=empty)


async def create(
    context: Context, report: Report = ignore, *, closed_each: int = conversations.CLOSED_EACH
) -> Cast | None:
    """Create the sample data. Returns None if they are there already.

    What an interrupted creation or removal left is removed first. Beside other agents or open rooms, the agents of the
    sample data accept no routing, so that no other room is assigned to them. Needs the scope admin. Raises Unavailable
    while another process creates or removes them, and FieldRequired if the deployment has a required field.
    """
    access.require(context.caller, (access.ADMIN,))
    async with _lease(context):
        run = await samples.find_run(context.reader)
        if run is not None and run.state is SampleState.READY:
            return None
        if run is not None:
            await report("nothing new yet: it removes what an interrupted run left")
            await _remove(context, run, report)
        await creation.require_no_required_fields(context)
        now = context.storage.database.now()
        run = SampleRun(id=new_id(now), state=SampleState.CREATING, expected=count_entities(closed_each=closed_each))
        await samples.begin(context.reader, run)
        cast = await creation.create_cast(
            context,
            run,
            now - conversations.HISTORY,
            report,
            accepts_routing=not await samples.has_others(context.reader),
        )
        await conversations.play_past(cast, report, closed_each=closed_each)
        cast = cast.in_present()
        for member in staff.MEMBERS:
            if member.status is not AgentStatus.AVAILABLE:
                agent_id = cast.agents[member.name].id
                await agents.set_agent_status(cast.context, agent_id=agent_id, status=member.status)
        await samples.set_state(context.reader, run, SampleState.READY)
        return cast


async def remove(context: Context, report: Report = ignore) -> Removal:
    """Remove the sample data, also those of an interrupted creation. Other data stay as they are.

    Departments, roles, visitors and custom fields that other data use stay, too, and another removal removes them when
    nothing uses them. Needs the scope admin. Raises Unavailable while another process creates or removes them.
    """
    access.require(context.caller, (access.ADMIN,))
    async with _lease(context):
        run = await samples.find_run(context.reader)
        return Removal(removed=0, left={}) if run is None else await _remove(context, run, report)


async def _remove(context: Context, run: SampleRun, report: Report) -> Removal:
    await samples.set_state(context.reader, run, SampleState.REMOVING)
    before = await samples.count(context.reader)
    left = await remove_entities(context, report)
    remaining = await samples.count(context.reader)
    if not remaining:
        await samples.end(context.reader, run)
    return Removal(removed=before - remaining, left=left)


def count_entities(*, closed_each: int = conversations.CLOSED_EACH) -> int:
    """How many entities the sample data have."""
    parts = (staff.FIELDS, staff.ROLES, staff.DEPARTMENTS, staff.MEMBERS, staff.VISITORS, staff.APPS)
    return sum(map(len, parts)) + conversations.count_rooms(closed_each=closed_each)


@asynccontextmanager
async def _lease(context: Context) -> AsyncIterator[None]:
    """The lease, which is renewed until the block ends. Raises Unavailable if another process has it."""
    lease = Lease(context.storage.database, LEASE)
    if not await lease.acquire():
        raise Unavailable(BUSY, retryable=True)
    renewal = spawn(_renew(lease), name="renew the lease of the sample data")
    try:
        yield
    finally:
        await end([renewal])
        await lease.release()


async def _renew(lease: Lease) -> None:
    # Work that goes on without the lease creates nothing after another process has begun: samples.record.
    while await lease.acquire():  # noqa: ASYNC110 - nothing tells when it expires
        await asyncio.sleep(LEASE_SECONDS / 4)
