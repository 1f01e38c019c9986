"""Makes the results of a subscription from the facts that it reads from the log.

The resolver of a subscription yields facts. Each fact becomes an event, which compiled selections
(execution/selection_compiler.py) serialize, and the result is shared with the other subscriptions of the cohort
(execution/cohorts.py).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Any, cast

import msgspec
from graphql import GraphQLError, OperationType
from graphql.execution import execute_subscription_event
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from resolvers import events
from resolvers.auth import access
from schema.base.errors import from_exception, is_transient, to_client_errors
from schema.events.conversion import event_from_fact
from schema.events.event_types import Event
from schema.events.pushed_subscriptions import LogFollower
from schema.events.subscription_start import RootField, start
from schema.execution.cohorts import Cohort, Cohorts, Delivery, Source
from schema.execution.context import RequestContext
from schema.execution.documents import Document
from schema.execution.executor import Executor
from schema.execution.selection_execution import Execution
from storage.erased import records_erasure
from storage.facts import AnyFact, Fact, MessageFact, MessageRedacted

logger = logging.getLogger(__name__)

#: The default limit for messages of common websocket clients.
LARGE_BYTES = 1024 * 1024


class FactSource:
    """A fact of the log, of which an event is made."""

    def __init__(self, fact: AnyFact) -> None:
        self.key = fact.sequence
        self._fact = fact

    @property
    def cursor(self) -> str:
        return events.cursor_of(self.key)

    @property
    def message_id(self) -> str | None:
        return self._fact.message.id if isinstance(self._fact, MessageFact) else None

    def root(self) -> Event:
        return event_from_fact(self._fact)


def drop_redacted(cohorts: Cohorts, facts: Sequence[AnyFact]) -> None:
    """Drop the cached results that may contain messages that these facts redact, or visitors that they erase."""
    if records_erasure(facts):
        # Every kind of result may show the visitor or its rooms.
        cohorts.drop_all()
        return
    ids = [fact.message.id for fact in facts if isinstance(fact, MessageRedacted)]
    if ids:
        cohorts.drop_messages(frozenset(ids))


def is_subscription(document: Document, operation_name: str | None) -> bool:
    """Whether the operation with that name is a subscription. The operation need not be valid."""
    operation = document.operation(operation_name)
    return operation is not None and operation.operation is OperationType.SUBSCRIPTION


async def subscription_results(
    document: Document, context: RequestContext, variables: Mapping[str, Any] | None, operation_name: str | None
) -> AsyncGenerator[ExecutionResult, None]:
    """The results of a subscription, or one result with errors if it cannot begin.

    None if the follower of the context takes over the facts: `context.pushed` is the subscription then.
    """
    follower = context.follower
    started = await start(document, context, variables, operation_name)
    if isinstance(started, list):
        yield single_error_result(started, context)
        return
    root, source = started
    if isinstance(follower, LogFollower) and follower.has_begun and context.cohorts is not None:
        cohort = context.cohorts.enter(_cohort_key(document, context, variables, operation_name))
        context.pushed = follower.subscription(cohort, lambda: DeliveryWriter(root, context, cohort))
        return
    with _cohort(document, context, variables, operation_name) as cohort:
        writer = DeliveryWriter(root, context, cohort)
        async with aclosing(source):
            try:
                async for item in cast(AsyncIterable[AnyFact | Source], source):
                    cohort.deliveries.count += 1
                    yield writer.cached(item) or await writer.write(item)
            except Exception as error:
                errors = [from_exception(error)]
                context.note_errors(errors)
                yield ExecutionResult(data=None, errors=errors)


def single_error_result(errors: list[GraphQLError], context: RequestContext) -> PreExecutionError:
    """The only result of a subscription that cannot begin."""
    to_client_errors(errors)
    context.note_errors(errors)
    return PreExecutionError(data=None, errors=errors)


def _cohort(
    document: Document, context: RequestContext, variables: Mapping[str, Any] | None, operation_name: str | None
) -> AbstractContextManager[Cohort]:
    if context.cohorts is None:
        return nullcontext(Cohort(Cohorts()))
    return context.cohorts.join(_cohort_key(document, context, variables, operation_name))


def _cohort_key(
    document: Document, context: RequestContext, variables: Mapping[str, Any] | None, operation_name: str | None
) -> Hashable:
    values = msgspec.json.encode(variables or {}, order="deterministic")
    caller = context.resolver_context.caller
    identity = caller.actor if document.depends_on_caller else None
    return document, operation_name, values, access.effective_permissions(caller), identity


class DeliveryWriter:
    """Makes the results of one subscription."""

    __slots__ = ("_cohort", "_context", "_root")

    def __init__(self, root: RootField, context: RequestContext, cohort: Cohort) -> None:
        self._root = root
        self._context = context
        self._cohort = cohort

    def cached(self, item: AnyFact | Source) -> Delivery | None:
        """The cached result, which another subscription of the cohort was sent. None if there is none."""
        return self._cohort.get(item.sequence if isinstance(item, Fact) else item.key)

    async def write(self, item: AnyFact | Source) -> Delivery:
        """Make the result. Waits until all reads for it succeed.

        The client would miss an event whose result has an error instead of the cursor.
        """
        source = FactSource(item) if isinstance(item, Fact) else item
        if self._cohort.reads_live is not False and self._cohort.members > 1:
            return await self._cohort.make_together(source.key, lambda: self._write(source))
        return await self._write(source)

    def write_now(self, fact: AnyFact) -> Delivery | None:
        """Make the result from the fact alone. None if it needs more, or has errors."""
        delivery = self._cohort.get(fact.sequence)
        if delivery is not None or self._root.serializer is None:
            return delivery
        source = FactSource(fact)
        execution = Execution(self._context, self._root.variables)
        try:
            value = self._root.serializer.serialize(source.root(), execution)
        except Exception:  # `write` makes the result with the error
            self._cohort.reads_live = True
            execution.cancel()
            return None
        self._cohort.reads_live = not execution.is_complete
        if self._cohort.reads_live:
            execution.cancel()
            return None
        delivery = Delivery(source, {self._root.name: value}, None)
        self._warn_of_size(delivery)
        self._cohort.put(source.key, delivery)
        return delivery

    async def _write(self, source: Source) -> Delivery:
        root = source.root()
        while True:
            self._context.reset_loaders()  # each result has values that are read after its event
            delivery = await self._write_compiled(source, root) or await self._write_executed(source, root)
            if not any(map(is_transient, delivery.errors or ())):
                to_client_errors(delivery.errors or [])
                self._warn_of_size(delivery)
                return delivery
            logger.info("A read for an event of a subscription failed; retrying.")
            await asyncio.sleep(self._context.resolver_context.storage.database.timings.delivery_retry)

    def _warn_of_size(self, delivery: Delivery) -> None:
        if len(delivery.encoded) > LARGE_BYTES:
            logger.warning(
                "The result of a subscription at the cursor %s has %d bytes. Many clients close a websocket on a "
                "message of more than %d bytes; select fewer fields.",
                delivery.cursor,
                len(delivery.encoded),
                LARGE_BYTES,
            )

    async def _write_compiled(self, source: Source, root: object) -> Delivery | None:
        """Make the result with the compiled selections. None if they cannot serialize it."""
        if self._root.serializer is None:
            return None
        execution = Execution(self._context, self._root.variables)
        try:
            value = self._root.serializer.serialize(root, execution)
            self._cohort.reads_live = reads_live = not execution.is_complete
            await execution.await_pending()
        except Exception:
            self._cohort.reads_live = True
            execution.cancel()
            return None
        delivery = Delivery(source, {self._root.name: value}, None)
        if not reads_live:  # values that are read live may differ for the next member
            self._cohort.put(source.key, delivery)
        return delivery

    async def _write_executed(self, source: Source, root: object) -> Delivery:
        """Make the result with graphql-core, including errors."""
        executor: Executor = self._root.build()
        result: Any = execute_subscription_event(executor.build_per_event_executor(root))
        if executor.is_awaitable(result):
            result = await result
        return Delivery(source, result.data, result.errors)
