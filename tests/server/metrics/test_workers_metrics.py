"""The parent process asks its workers for metrics. A worker that does not answer in time is shown as down."""

import asyncio
import multiprocessing
from multiprocessing.connection import Connection

from resolvers.context import Services
from server.metrics.families import gauge, merge
from server.metrics.process import ProcessMetrics
from server.process.metrics_answers import MetricsAnswers
from server.process.metrics_server import WorkersMetrics
from tests.conftest import served
from tests.server.metrics.support import value_of


class PipeEnd:
    """A worker that is nothing but a pipe."""

    def __init__(self) -> None:
        self.metrics_pipe: Connection
        self.worker_end: Connection
        self.metrics_pipe, self.worker_end = multiprocessing.Pipe()


async def test_the_metrics_of_a_worker_have_its_number_and_those_of_the_deployment_have_none(
    services: Services,
) -> None:
    metrics, workers = ProcessMetrics(), [PipeEnd(), PipeEnd()]
    async with served(services, metrics=metrics):
        for worker in workers:
            MetricsAnswers(worker.worker_end, metrics, services)

        collected = await WorkersMetrics(workers, answer_seconds=60).collect()

    head = float(services.storage.feed.head)
    assert [value_of(collected, "switchboard_log_head", worker=number) for number in "01"] == [head, head]
    assert [value_of(collected, "switchboard_worker_up", worker=number) for number in "01"] == [1, 1]
    assert value_of(collected, "switchboard_mongodb_up") == 1
    assert len({metric.name for metric in collected}) == len(collected)
    for worker in workers:
        asyncio.get_running_loop().remove_reader(worker.worker_end.fileno())


async def test_a_worker_that_ended_or_does_not_answer_is_down(services: Services) -> None:
    ended, silent = PipeEnd(), PipeEnd()
    ended.worker_end.close()

    collected = await WorkersMetrics([ended, silent], answer_seconds=0.01).collect()

    assert [value_of(collected, "switchboard_worker_up", worker=number) for number in "01"] == [0, 0]
    assert [metric.name for metric in collected] == ["switchboard_worker_up"]


async def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    worker = PipeEnd()
    workers = WorkersMetrics([worker], answer_seconds=0.01)
    await workers.collect()
    asked, _ = worker.worker_end.recv()
    worker.worker_end.send((asked, [gauge("late", "Late.", 1)]))

    collected = await workers.collect()

    assert [metric.name for metric in collected] == ["switchboard_worker_up"]


def test_samples_of_one_metric_are_in_one_family() -> None:
    merged = merge({"0": [gauge("a", "A.", 1)], "1": [gauge("a", "A.", 2)]}, [gauge("b", "B.", 3)])

    assert [metric.name for metric in merged] == ["switchboard_worker_up", "switchboard_a", "switchboard_b"]
    assert [(sample.labels, sample.value) for sample in merged[1].samples] == [
        ({"worker": "0"}, 1),
        ({"worker": "1"}, 2),
    ]
