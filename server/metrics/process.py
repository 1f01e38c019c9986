"""The metrics of one process: its counters, and gauges that are read when somebody scrapes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from resolvers.context import Services
from schema.execution.cohorts import Cohorts
from schema.execution.document_cache import CACHE
from server.metrics.families import gauge, gauges, one_label
from server.metrics.operations import OperationMetrics
from server.metrics.request_log import RequestLog
from storage import threads

#: Names of background tasks that label metrics.
MAX_TASK_NAMES = 100


@dataclass(slots=True)
class ProcessMetrics:
    """The registry of one process, and its operations, which `log` logs."""

    log: RequestLog | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    operations: OperationMetrics = field(init=False)

    def __post_init__(self) -> None:
        self.operations = OperationMetrics(self.registry, log=self.log)
        ProcessCollector(registry=self.registry)

    def collect(self) -> list[Metric]:
        """All metrics of this process."""
        return list(self.registry.collect())


@dataclass(frozen=True, slots=True, eq=False)  # a registry compares collectors by identity
class ProcessGauges(Collector):
    """Reads gauges of a process. Reads nothing from the database."""

    services: Services
    cohorts: Cohorts
    websockets: Callable[[], int]
    cached_callers: Callable[[], int]

    @override
    def collect(self) -> Iterator[Metric]:
        yield from self._subscriptions()
        yield from self._log()
        yield from self._driver()
        yield from self._caches()
        yield from self._tasks()

    def _subscriptions(self) -> Iterator[Metric]:
        yield gauge("subscriptions", "Subscriptions in progress.", self.cohorts.members)
        yield gauge("cohorts", "Groups of subscriptions that share results.", self.cohorts.count)
        yield CounterMetricFamily(
            "switchboard_deliveries", "Results given to subscriptions.", self.cohorts.deliveries.count
        )
        yield gauge("websockets", "Open websockets.", self.websockets())

        attempts = CounterMetricFamily(
            "switchboard_webhook_attempts", "Attempts to send events of webhooks.", labels=("outcome",)
        )
        for outcome in ("delivered", "failed"):
            attempts.add_metric((outcome,), self.services.webhook_attempts[outcome])
        yield attempts

    def _log(self) -> Iterator[Metric]:
        storage = self.services.storage
        feed = storage.feed
        yield gauge("log_head", "The newest event that the process has read from the log.", feed.head)
        yield gauge("log_tail_seconds", "Seconds since the process read the log to its end.", feed.seconds_behind)
        yield gauge("log_watching", "Whether a change stream of the log is open.", int(feed.watching))
        yield gauge("log_append_waiting", "Events that the process is appending.", storage.appender.waiting)

    def _driver(self) -> Iterator[Metric]:
        usage = threads.usage()
        for name, meaning, position in (
            ("driver_threads", "Threads for driver calls that have started.", 0),
            ("driver_threads_limit", "The most threads for driver calls.", 1),
        ):
            yield gauges(name, meaning, ("work",), (((kind.value,), used[position]) for kind, used in usage.items()))
        direct = self.services.storage.database.direct_commands
        waiting = (((kind.value,), used.waiting + direct.waiting(kind)) for kind, used in usage.items())
        meaning = "Calls that wait for a thread of the driver, or for a connection."
        yield gauges("driver_calls_waiting", meaning, ("work",), waiting)
        busy, idle = self.services.storage.database.connections()
        states = ((("busy",), busy), (("idle",), idle))
        yield gauges("driver_connections", "Connections to MongoDB.", ("state",), states)

    def _caches(self) -> Iterator[Metric]:
        feed = self.services.storage.feed
        facts, fact_bytes = feed.buffered
        entries = {
            "documents": len(CACHE),
            "results": self.cohorts.cached_results,
            "events": facts,
            "history_chunks": feed.cached_chunks,
            "callers": self.cached_callers(),
            "agents": self.services.agent_cache.size,
        }
        sizes = {"documents": CACHE.bytes, "results": self.cohorts.cached_bytes, "events": fact_bytes}
        yield gauges("cache_entries", "Entries of a cache.", ("cache",), one_label(entries))
        yield gauges("cache_bytes", "Estimated bytes of a cache.", ("cache",), one_label(sizes))

    def _tasks(self) -> Iterator[Metric]:
        running: dict[str, int] = {}
        failures: dict[str, int] = {}
        for name, failed in self.services.storage.supervisor.tasks():
            if name in running or len(running) < MAX_TASK_NAMES:
                running[name] = running.get(name, 0) + 1
                failures[name] = max(failures.get(name, 0), failed)
        yield gauges("background_tasks", "Background tasks of this name.", ("task",), one_label(running))
        yield gauges("background_task_failures", "Failures in a row; 0 if it runs.", ("task",), one_label(failures))
