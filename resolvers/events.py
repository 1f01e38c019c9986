"""Events: operations that read pages of the log, its head, and that subscribe to it."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import cast

from typing_extensions import Unpack

from resolvers import validation
from resolvers.auth import access
from resolvers.consumers.connection import ConsumerConnection
from resolvers.consumers.leases import DEFAULT_IN_FLIGHT, acquire
from resolvers.context import Context
from resolvers.custom_fields.definitions import bind
from resolvers.event_filters import FactFilter, Follower, Predicate, compile_filter, readable_types
from resolvers.log_positions import existing_position, require_kept, starting_position
from resolvers.operations import query
from storage import room_history
from storage.consumer_records import ConsumerFilter
from storage.errors import CursorExpired
from storage.facts import FACTS, AnyFact, RoomFact
from storage.filters.expressions import EVERYTHING, And, AttributeCondition, Expression, Operator
from storage.filters.fact_query import fact_query, is_translatable
from storage.log.feed import Feed
from storage.log.subscription_index import Key, Waiter, subscription_keys
from storage.mongo.child_pagination import ChildCounts
from storage.mongo.cursors import event_cursor
from storage.mongo.pagination import PAGE_BYTES, Page, PageArguments, PageRequest
from storage.mongo.read_budget import charge
from storage.records import FieldTarget
from storage.sizes import size_of

#: The limits of facts in one read of the log: for a page, and for a subscription, which buffers no more than this.
BATCH = 256
FIRST_BATCH = 64
#: The limit of facts that one page scans for matches. The next page continues after them.
MAX_SCANNED_FACTS = 10_000


def cursor_of(sequence: int) -> str:
    """The cursor of the fact with this sequence."""
    return event_cursor(sequence)


@query("events:read", visitors=True)
async def head_cursor(context: Context) -> str:
    """The cursor of the newest fact."""
    return event_cursor(await context.storage.log.head())


@query("events:read", visitors=True)
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, AnyFact]:
    """Facts by id; those that are no longer kept, or that the caller may not read, are absent."""
    passes = compile_filter(context.caller, readable_types(context.caller, None), None)
    found = await context.storage.log.read_by_id(ids, size=PAGE_BYTES)
    charge(sum(map(size_of, found)))
    return {fact.id: fact for fact in found if passes(fact)}


# ---------------------------------------------------------------- pages


@query("events:read")
async def list_events(
    context: Context,
    *,
    types: Iterable[str] | None = None,
    where: Expression | None = None,
    **page: Unpack[PageArguments],
) -> Page[AnyFact]:
    """Facts that the caller may read, oldest first.

    A page reads at most MAX_SCANNED_FACTS. If it is not full then, its outer cursor is the position of the last fact
    that was read, not that of its last item. The next page continues from it.
    """
    request = validation.page(**page)
    at = await _position(context, request)
    wanted = readable_types(context.caller, types)
    expression = None if where is None else await bind(context.reader, FieldTarget.ROOM, where)
    return await _scan(context, wanted, expression, request, at)


@query("events:read", visitors=True)
async def list_events_by_room(
    context: Context, room_ids: Sequence[str], **page: Unpack[PageArguments]
) -> dict[str, Page[AnyFact]]:
    """For each room, a page of its facts that the caller may read, oldest first.

    One query reads all rooms. A room most of whose facts the caller may not read needs further queries.
    """
    request = validation.page(**page)
    at = await _position(context, request)
    wanted = readable_types(context.caller, None)
    types = None if wanted >= FACTS.keys() else sorted(wanted)
    passes = compile_filter(context.caller, wanted, None)
    unseen = access.visible_rooms(context.caller) != EVERYTHING
    needed = request.size + 1 + (at is not None)
    limit = max(needed, BATCH) if unseen else needed
    found = await room_history.read(
        context.reader,
        room_ids,
        redactions=context.storage.log.redactions,
        types=types,
        position=at,
        limit=limit,
        backwards=request.backwards,
    )
    if at is not None:
        await require_kept(context.storage, at)  # after the read: the log may be trimmed before it
    totals = ChildCounts(lambda: room_history.count(context.reader, room_ids, types=types))
    runs = {room_id: _run_beyond(at, list(filter(passes, facts))) for room_id, facts in found.items()}
    scanned = {one for one, run in runs.items() if len(run.facts) <= request.size and len(found[one]) == limit}
    others = [one for one, run in runs.items() if at is not None and not run.facts_behind and one not in scanned]
    if others:
        probed = await room_history.read(
            context.reader,
            others,
            redactions=context.storage.log.redactions,
            types=types,
            position=at,
            limit=BATCH if unseen else 1,
            backwards=not request.backwards,
        )
        for room_id, facts in probed.items():
            runs[room_id].facts_behind = any(map(passes, facts)) or (unseen and len(facts) == BATCH)
    pages: dict[str, Page[AnyFact]] = {}
    for room_id, run in runs.items():
        of_room = AttributeCondition("id", Operator.EQ, room_id)
        if room_id in scanned:
            pages[room_id] = await _scan(context, wanted, of_room, request, at)
        else:
            total = _total(context, wanted, of_room) if unseen else totals.get(room_id)
            pages[room_id] = _page(request, run, total)
    return pages


async def _position(context: Context, request: PageRequest) -> int | None:
    """The sequence in the page's cursor. Raises InvalidCursor."""
    if request.cursor is None:
        return None
    return await existing_position(context.storage, request.cursor, key=request.cursor_argument)


@dataclass(slots=True)
class _Run:
    """Facts in the direction of reading: one more than the page has, if that many exist."""

    facts: list[AnyFact]
    #: Whether facts exist on the other side of the position.
    facts_behind: bool
    #: Whether facts that were not read may match.
    is_partial: bool = False
    #: The position from which the next page continues if the run is partial.
    position: int = 0


def _run_beyond(at: int | None, facts: list[AnyFact]) -> _Run:
    """The facts beyond the position. `facts` include the fact at the position if it passes."""
    behind = at is not None and bool(facts) and facts[0].sequence == at
    return _Run(facts[1:] if behind else facts, behind)


def _page(request: PageRequest, run: _Run, total: Callable[[], Awaitable[int | None]]) -> Page[AnyFact]:
    items, ahead = run.facts[: request.size], len(run.facts) > request.size or run.is_partial
    outer = event_cursor(run.position) if run.is_partial and len(run.facts) <= request.size else None
    backwards = request.backwards
    if backwards:
        items.reverse()
    return Page(
        items=items,
        cursors=[event_cursor(fact.sequence) for fact in items],
        has_next=run.facts_behind if backwards else ahead,
        has_previous=ahead if backwards else run.facts_behind,
        total=total,
        start_cursor=outer if backwards else None,
        end_cursor=None if backwards else outer,
    )


async def _scan(
    context: Context, wanted: frozenset[str], where: Expression | None, request: PageRequest, at: int | None
) -> Page[AnyFact]:
    passes = compile_filter(context.caller, wanted, where)
    mongo = context.storage.log.query(None if wanted >= FACTS.keys() else sorted(wanted), _room_ids(where))
    needed = request.size + 1 + (at is not None)
    found = await _search(context, passes, mongo, at, needed, backwards=request.backwards)
    run = _run_beyond(at, found.facts)
    run.is_partial, run.position = found.is_partial, found.position
    if at is not None and not run.facts_behind:
        other = await _search(context, passes, mongo, at, 1, backwards=not request.backwards)
        run.facts_behind = bool(other.facts) or other.is_partial
    return _page(request, run, _total(context, wanted, where))


async def _search(
    context: Context, passes: Predicate, mongo: dict[str, object], at: int | None, count: int, *, backwards: bool
) -> _Run:
    """Up to `count` facts that pass, beginning with the fact at the position, or with an end of the log without one.

    Raises CursorExpired if facts after the position were trimmed.
    """
    log = context.storage.log
    position = (sys.maxsize if backwards else 0) if at is None else at + 1 if backwards else at - 1
    start = at
    found: list[AnyFact] = []
    scanned, more, free = 0, True, PAGE_BYTES
    while more and len(found) < count and scanned < MAX_SCANNED_FACTS and free > 0:
        facts, more = await log.read_within(position, BATCH, size=free, query=mongo, backwards=backwards)
        scanned += len(facts)
        matching = [fact for fact in facts if passes(fact)]
        size = sum(map(size_of, matching))
        charge(size)
        free -= size
        found.extend(matching)
        if facts:
            start = facts[0].sequence - 1 if start is None and not backwards else start
            position = facts[-1].sequence
    if start is not None:
        await require_kept(context.storage, start)  # after the reads: the log may be trimmed between them
    return _Run(found[:count], facts_behind=False, is_partial=more or len(found) > count, position=position)


def _total(context: Context, wanted: frozenset[str], where: Expression | None) -> Callable[[], Awaitable[int | None]]:
    """A function that counts the facts that `compile_filter` accepts."""
    visible = access.visible_rooms(context.caller)
    of_rooms = frozenset(tag for tag in wanted if issubclass(FACTS[tag], RoomFact))
    log = context.storage.log
    if where is not None and not is_translatable(where):
        passes = compile_filter(context.caller, wanted, where)
        return lambda: log.count_passing(passes, log.query(sorted(of_rooms), _room_ids(where)))
    of_types = log.query(None if wanted >= FACTS.keys() else sorted(wanted), _room_ids(where))
    asked: list[dict[str, object]] = [of_types] if of_types else []
    if not access.sees_notes(context.caller):
        asked.append(log.query_without_notes())
    if where is not None:
        asked += [log.query(sorted(of_rooms), None), *filter(None, (fact_query(visible), fact_query(where)))]
    elif seen := fact_query(visible):
        others = log.query(sorted(wanted - of_rooms), None)
        asked.append({"$or": [others, {"$and": [log.query(sorted(of_rooms), None), seen]}]})
    query = asked[0] if len(asked) == 1 else {"$and": asked} if asked else {}
    return lambda: log.total(query)


def _room_ids(where: Expression | None) -> list[str] | None:
    """The ids of the only rooms that can match. None if the filter does not name ids."""
    match where:
        case AttributeCondition(name="id", operator=Operator.EQ, value=value):
            return [value]
        case AttributeCondition(name="id", operator=Operator.IN, value=values):
            return list(values)
        case And(parts=parts):
            return next((ids for ids in map(_room_ids, parts) if ids is not None), None)
    return None


# ---------------------------------------------------------------- subscriptions


@query("events:read", visitors=True)
async def subscribe(
    context: Context,
    *,
    types: Iterable[str] | None = None,
    where: Expression | None = None,
    after: str | None = None,
    consumer: str | None = None,
    not_by_me: bool = False,
    max_in_flight: int = DEFAULT_IN_FLIGHT,
    follower: Follower | None = None,
) -> AsyncGenerator[AnyFact, None]:
    """Every matching fact after a position, once and in order, until the caller closes the generator.

    With `follower`, the facts are left to it, and none is yielded, unless there is a consumer.

    The position is that of `after`, that which `consumer` acknowledged, or the head, and is determined before this
    returns. Raises CursorExpired, also later, if facts after the position were trimmed.
    """
    storage = context.storage
    wanted = readable_types(context.caller, types)
    expression = None if where is None else await bind(context.reader, FieldTarget.ROOM, where)
    visible = access.visible_rooms(context.caller)
    passes = compile_filter(context.caller, wanted, expression, not_by_caller=not_by_me)
    async with AsyncExitStack() as stack:
        connection = None
        if consumer is not None:
            subscription = ConsumerFilter(
                types=None if wanted >= FACTS.keys() else tuple(sorted(wanted)),
                where=where,
                visible=None if visible == EVERYTHING else visible,
                not_by_owner=not_by_me,
            )
            connection = await stack.enter_async_context(
                acquire(context, consumer, after, subscription=subscription, max_in_flight=max_in_flight)
            )
        position = await starting_position(storage, after) if connection is None else connection.position
        keys = subscription_keys(wanted, where=expression, visible=visible)
        of = FactFilter(
            keys=keys,
            types=wanted,
            where=expression,
            visible=visible,
            sees_notes=access.sees_notes(context.caller),
            not_by=context.caller.id if not_by_me else None,
            passes=passes,
        )
        if follower is not None and connection is None:
            follower.begin(storage.feed, position, of)
            return _none()
        facts = _follow(storage.feed, position, of, connection, stack.pop_all())
    # Closing a generator that was never started does not run its cleanup. So this starts it.
    await anext(facts)
    return cast(AsyncGenerator[AnyFact, None], facts)


@query("events:read", "messages:read", visitors=True)
async def subscribe_messages(
    context: Context, *, where: Expression | None = None, after: str | None = None, follower: Follower | None = None
) -> AsyncGenerator[AnyFact, None]:
    """`subscribe` for MessageSent facts."""
    return await subscribe(context, types=("MESSAGE_SENT",), where=where, after=after, follower=follower)


async def _none() -> AsyncGenerator[AnyFact, None]:
    return
    yield


async def _follow(
    feed: Feed,
    position: int,
    of: FactFilter,
    connection: ConsumerConnection | None,
    stack: AsyncExitStack,
) -> AsyncGenerator[AnyFact | None, None]:
    """None first, and then the facts."""
    async with stack:
        yield None
        while True:
            if connection is not None:
                position = await _wait_while_leased(feed, position, of.keys, connection)
            else:
                position = await feed.wait(position, of.keys)
            for fact in await _read(feed, position, connection):
                if of.passes(fact) and (connection is None or await _may_send(connection, fact.sequence)):
                    yield feed.redacted(fact)
                position = fact.sequence
                if connection is not None:
                    connection.position = position
                if feed.head - position < FIRST_BATCH:
                    # Near the head, all subscriptions process a fact before the next one. So the subscriptions of one
                    # socket usually send their facts in the order of the log.
                    await asyncio.sleep(0)
            await asyncio.sleep(0)  # a long replay lets other tasks run


async def _may_send(connection: ConsumerConnection, sequence: int) -> bool:
    """Whether to send the next matching fact to the consumer, which has not acknowledged it.

    Waits until the consumer has acknowledged enough of what it was sent. Raises ConsumerBusy if the lease is lost.
    """
    await connection.wait_for_acknowledgements(sequence)
    acknowledged = await connection.is_acknowledged(sequence)
    await connection.wait_until_confirmed()
    connection.record(sequence, acknowledged=acknowledged)
    return not acknowledged


async def _read(feed: Feed, position: int, connection: ConsumerConnection | None) -> Sequence[AnyFact]:
    """The next facts. Raises CursorExpired if they were trimmed."""
    try:
        return await feed.read(position, FIRST_BATCH)
    except CursorExpired as error:
        if connection is None:
            raise
        oldest = str(error.data["oldestCursor"])
        raise CursorExpired(oldest_cursor=oldest, consumer=connection.consumer.name) from None


async def _wait_while_leased(feed: Feed, after: int, keys: frozenset[Key], connection: ConsumerConnection) -> int:
    """Wait for a fact, and return the position to read from. Raises ConsumerBusy if the lease is lost first."""

    def on_wait(waiter: Waiter) -> None:
        connection.waiter = waiter

    position = asyncio.ensure_future(feed.wait(after, keys, on_wait=on_wait))
    lost = asyncio.ensure_future(connection.wait_until_lost())
    try:
        await asyncio.wait([position, lost], return_when=asyncio.FIRST_COMPLETED)
        await connection.wait_until_confirmed()
        return await position
    finally:
        # Must run before the waiter ends: facts that did not wake it do not match.
        connection.position = connection.passed(feed)
        connection.waiter = None
        position.cancel()
        lost.cancel()
