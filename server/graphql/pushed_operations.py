"""The subscriptions of websockets whose results are written to the transport.

They have a task only while they read the log; schema/events/pushed_subscriptions.py says when that is.
"""

from functools import lru_cache
from typing import Protocol

import msgspec
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import Operation
from strawberry.types import ExecutionResult

from schema.base.errors import from_exception
from schema.events.pushed_subscriptions import PushedSubscription
from schema.execution.cohorts import Delivery
from schema.execution.context import RequestContext
from server.auth.rate_limits import RequestRateLimits
from server.graphql.responses import response_body
from server.metrics.operations import Observation
from server.transport.frames import frame_header
from storage.supervisor import spawn
from storage.threads import Work

#: Clients choose the ids of operations. A longer one is not cached.
MAX_SHARED_ID = 64


class FrameWriter(Protocol):
    """The protocol of a websocket, which writes whole frames."""

    def write_now(self, frames: bytes) -> bool: ...

    async def wait_until_writable(self) -> bool: ...


class PushedOperation(Operation[RequestContext, None]):
    """A subscription of a websocket, in place of the operation that began it."""

    __slots__ = ("_counted_key", "_observation", "_rate_limits", "_subscription", "_writer")

    def __init__(
        self,
        operation: Operation[RequestContext, None],
        subscription: PushedSubscription,
        writer: FrameWriter,
        *,
        observation: Observation,
        rate_limits: RequestRateLimits,
        counted_key: str | None,
    ) -> None:
        """`counted_key` is what `rate_limits` count the operation by."""
        super().__init__(operation.handler, operation.id, "", None, None)
        self._writer = writer
        self._observation = observation
        self._rate_limits = rate_limits
        self._counted_key = counted_key
        self._subscription: PushedSubscription | None = subscription
        subscription.connect(self, prefix=before_result(operation.id), write=writer.write_now)

    def start(self) -> None:
        """Send results from now on."""
        if self._subscription is not None and not self._subscription.join():
            self.resume()

    def end(self, error: BaseException | None = None) -> None:
        """Send no further results."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()
            self._observation.finish(error)
            self._rate_limits.end_operation(self._counted_key)

    # ---------------------------------------------------------------- a channel of PushedSubscription

    def frame(self, prefix: bytes, delivery: Delivery) -> bytes:
        framed = delivery.framed
        if framed is None or framed[0] != prefix:
            encoded = delivery.encoded
            header = frame_header(len(prefix) + len(encoded) + 1)
            framed = delivery.framed = (prefix, b"%b%b%b}" % (header, prefix, encoded))
        return framed[1]

    async def wait_until_writable(self) -> bool:
        return await self._writer.wait_until_writable()

    def resume(self) -> None:
        self.task = spawn(self._read(), name="send a subscription what the log has", kind=Work.READS)

    async def _read(self) -> None:
        try:
            if self._subscription is not None:
                await self._subscription.read()
        except Exception as error:
            refusal = from_exception(error)
            self.end(refusal)
            body = msgspec.json.encode(response_body(ExecutionResult(data=None, errors=[refusal])))
            message = before_result(self.id) + body + b"}"
            if not self.completed and await self.wait_until_writable():
                self._writer.write_now(frame_header(len(message)) + message)
            await self.send_operation_message({"id": self.id, "type": "complete"})
        finally:
            self.task = None


def before_result(operation_id: str) -> bytes:
    """What precedes a result in its message. It is one object for operations with the same short id."""
    return _shared_before_result(operation_id) if len(operation_id) <= MAX_SHARED_ID else _before_result(operation_id)


def _before_result(operation_id: str) -> bytes:
    return b'{"id":%b,"type":"next","payload":' % msgspec.json.encode(operation_id)


_shared_before_result = lru_cache(maxsize=256)(_before_result)
