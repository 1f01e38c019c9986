"""What a server process answers when /metrics is read: directly, or through a pipe to the parent of the workers."""

import asyncio
from multiprocessing.connection import Connection

from prometheus_client.metrics_core import Metric

from resolvers.context import Services
from server.metrics.deployment import collect_deployment
from server.metrics.families import merge
from server.metrics.process import ProcessMetrics
from storage.supervisor import spawn


async def collect_one(metrics: ProcessMetrics, services: Services) -> list[Metric]:
    """The metrics of a server that is one process."""
    return merge({"0": metrics.collect()}, await collect_deployment(services))


class MetricsAnswers:
    """In a worker: answers the questions of the parent process for metrics, one at a time."""

    def __init__(self, pipe: Connection, metrics: ProcessMetrics, services: Services) -> None:
        self._pipe = pipe
        self._metrics = metrics
        self._services = services
        self._answering: asyncio.Task[None] | None = None
        asyncio.get_running_loop().add_reader(pipe.fileno(), self._read)

    def _read(self) -> None:
        try:
            number, deployment = self._pipe.recv()
        except (EOFError, OSError):  # the parent has ended
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            return
        if self._answering is None or self._answering.done():
            self._answering = spawn(self._answer(number, deployment), name="answer a question for metrics")

    async def _answer(self, number: int, deployment: bool) -> None:
        metrics = await collect_deployment(self._services) if deployment else self._metrics.collect()
        # The pipe may be full, so that sending waits for the parent.
        try:
            await asyncio.to_thread(self._pipe.send, (number, metrics))
        except OSError:
            return  # the parent has ended
