"""Counts, times and logs the operations of one process, by type, name and code. The number of label sets is bounded."""

import asyncio
import re
import time
from typing import Final

from cross_web import HTTPException
from graphql import GraphQLError
from prometheus_client import CollectorRegistry, Counter, Histogram

from resolvers.auth.access import ANONYMOUS, Caller
from schema.base.errors import INTERNAL
from schema.execution.context import RequestContext
from server.metrics.request_log import RequestLog
from storage import tracing
from storage.errors import Invalid, QueryTooComplex, SwitchboardError

OK: Final = "OK"
#: The client ended the operation, or its connection, before the result.
CANCELLED: Final = "CANCELLED"
#: Names of operations that label metrics; operations with further names count under OTHER. Only apps and users add
#: names: everybody can be a visitor.
MAX_NAMES: Final = 200
OTHER: Final = "(other)"
UNNAMED: Final = "(unnamed)"
#: The type of what was refused before it was known to be an operation.
NO_TYPE: Final = "none"
SUBSCRIPTION: Final = "subscription"
TIMED: Final = frozenset({"query", "mutation"})
TOO_LARGE: Final = 413
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,63}\Z")
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)


class OperationMetrics:
    """The operations of one process."""

    def __init__(
        self, registry: CollectorRegistry, *, log: RequestLog | None = None, max_names: int = MAX_NAMES
    ) -> None:
        self._log = log
        self._max_names = max_names
        self._names: set[str] = set()
        self._counter = Counter(
            "switchboard_operations",
            "Operations that ended, by the code of their first error.",
            ("type", "operation", "code"),
            registry=registry,
        )
        self._histogram = Histogram(
            "switchboard_operation_seconds",
            "Durations of queries and mutations.",
            ("type", "operation"),
            registry=registry,
            buckets=SECONDS,
        )
        #: Children of the metrics by label values: a lookup here is faster than `labels`.
        self._counts: dict[tuple[str, str, str], Counter] = {}
        self._durations: dict[tuple[str, str], Histogram] = {}

    def start(self, context: RequestContext, operation_name: str | None) -> "Observation":
        """Begin to measure an operation. `operation_name` is the one of the request."""
        return Observation(self, context, operation_name)

    def refused(self, code: str, caller: Caller = ANONYMOUS) -> None:
        """Count and log a request that was refused before its operation was known."""
        self.ended(NO_TYPE, "", code, seconds=0.0, caller=caller)

    def ended(self, kind: str, name: str, code: str, *, seconds: float, caller: Caller) -> None:
        """Count and log an operation that ended."""
        if self._log is not None:
            self._log.ended(kind, name, code, seconds=seconds, caller=caller)
        name = self.label(name, caller)
        self._count(kind, name, code)
        if kind in TIMED:
            duration = self._durations.get((kind, name))
            if duration is None:
                duration = self._durations[kind, name] = self._histogram.labels(kind, name)
            duration.observe(seconds)

    def label(self, name: str, caller: Caller) -> str:
        """The label of an operation with this name."""
        if name in self._names or not name:
            return name or UNNAMED
        trusted = caller.actor is not None and caller.visitor is None
        if not trusted or len(self._names) >= self._max_names or not _NAME.match(name):
            return OTHER
        self._names.add(name)
        return name

    def _count(self, kind: str, name: str, code: str) -> None:
        count = self._counts.get((kind, name, code))
        if count is None:
            count = self._counts[kind, name, code] = self._counter.labels(kind, name, code)
        count.inc()


class Observation:
    """One operation in progress."""

    __slots__ = ("_context", "_metrics", "_name", "_started", "ended")

    def __init__(self, metrics: OperationMetrics, context: RequestContext, name: str | None) -> None:
        self._metrics = metrics
        self._context = context
        self._name = name
        self._started = time.perf_counter()
        self.ended = False

    def finish(self, error: BaseException | None = None) -> None:
        """Count the operation: with the code of the error, or of the first error in its result. Only once."""
        if self.ended:
            return
        self.ended = True
        metrics, context = self._metrics, self._context
        document = context.document
        kind, name = (NO_TYPE, "") if document is None else document.describe(self._name)
        code = context.error_code or OK if error is None else code_of(error)
        if code == CANCELLED and kind == SUBSCRIPTION:
            code = OK  # clients end subscriptions so
        seconds = time.perf_counter() - self._started
        if tracing.is_enabled():
            attributes = {"graphql.operation.type": kind, "graphql.operation.name": name, "switchboard.code": code}
            tracing.describe_operation(f"{kind} {name}".rstrip(), attributes, failed=code == INTERNAL)
        metrics.ended(kind, name, code, seconds=seconds, caller=context.resolver_context.caller)


def code_of(error: BaseException) -> str:
    """The code of the error that the client gets."""
    match error:
        case SwitchboardError():
            return error.code
        case GraphQLError():
            return str((error.extensions or {}).get("code", INTERNAL))
        case HTTPException():
            return QueryTooComplex.code if error.status_code == TOO_LARGE else Invalid.code
        case asyncio.CancelledError() | GeneratorExit():
            return CANCELLED
        case _:
            return INTERNAL
