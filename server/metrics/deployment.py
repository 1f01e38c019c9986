"""The metrics of a deployment, which its processes share. Every server reads them from the database."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.metrics_core import Metric

from resolvers.context import Services
from schema.base import ids
from server.metrics.families import gauge, gauges, one_label
from storage import deployment_state
from storage.deployment_state import ConsumerPosition, DeploymentState, Queue
from storage.errors import Unavailable


async def collect_deployment(services: Services) -> list[Metric]:
    """The metrics of the deployment; only `switchboard_mongodb_up` if the database does not answer."""
    storage = services.storage
    try:
        state = await deployment_state.read(storage.reader, storage.log)
    except Unavailable:
        return [gauge("mongodb_up", "Whether MongoDB answers.", 0)]
    return [gauge("mongodb_up", "Whether MongoDB answers.", 1), *_families(state)]


def _families(state: DeploymentState) -> Iterator[Metric]:
    yield gauge("database_log_head", "The newest event in the log.", state.log_head)
    yield gauge("database_log_oldest", "The oldest event in the log.", state.log_oldest)
    yield gauge("outbox_events", "Committed events that are not removed from the outbox yet.", state.outbox_facts)
    yield gauge("outbox_oldest_seconds", "The age of the oldest event in the outbox.", state.outbox_oldest_seconds)
    yield gauge("queued_departments", "Departments with waiting rooms.", state.queued_departments)

    def by_department(name: str, meaning: str, value: Callable[[Queue], float]) -> Metric:
        rows = (((_department_id(queue), queue.department_name), value(queue)) for queue in state.queues)
        return gauges(name, meaning, ("department", "name"), rows)

    yield by_department("queue_rooms", "Rooms that wait, by department.", lambda queue: queue.rooms)
    yield by_department("queue_oldest_seconds", "The longest wait of a room.", lambda queue: queue.oldest_seconds)

    def by_consumer(name: str, meaning: str, value: Callable[[ConsumerPosition], float]) -> Metric:
        rows = (((one.name, one.owner), value(one)) for one in unique(state.consumers))
        return gauges(name, meaning, ("consumer", "owner"), rows)

    yield gauge("consumers", "Consumers that exist.", state.consumer_count)
    yield by_consumer(
        "consumer_lag_events",
        "Events in the log after the acknowledged one, of all types.",
        lambda one: max(0, state.log_head - max(one.acked, state.log_oldest - 1)),
    )
    yield by_consumer("consumer_connected", "Whether a connection receives the events.", lambda one: int(one.leased))
    yield gauges("webhooks", "Webhooks by state.", ("state",), one_label(state.webhooks))


def _department_id(queue: Queue) -> str:
    return "" if queue.department_id is None else ids.DEPARTMENT.format(queue.department_id)


def unique(consumers: Sequence[ConsumerPosition]) -> list[ConsumerPosition]:
    """The consumers, without those whose names and names of owners are equal: labels must differ."""
    return list({(one.name, one.owner): one for one in reversed(consumers)}.values())
