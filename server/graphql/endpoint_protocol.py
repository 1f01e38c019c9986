"""The part of the GraphQL endpoint that websockets use. A protocol, because endpoint.py imports transport_ws.py."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Protocol, TypeVar

from resolvers.auth.access import Caller
from schema.execution.context import RequestContext
from schema.schema import Schema
from server.auth.rate_limits import RequestRateLimits
from server.auth.revocation import TokenRevocation
from server.metrics.operations import OperationMetrics
from server.settings import Settings
from server.shutdown import Shutdown

T = TypeVar("T")


class Endpoint(Protocol):
    api: Schema
    settings: Settings
    rate_limits: RequestRateLimits
    revocation: TokenRevocation
    shutdown: Shutdown
    operations: OperationMetrics
    connection_init_wait_timeout: timedelta

    def token_id_of(self, token: str) -> str | None:
        """The id of a token; None if the token is malformed."""

    def context_of(self, caller: Caller, address: str) -> RequestContext:
        """The context of one operation of a caller at an address."""

    async def with_deadline(
        self, query: str | None, operation_name: str | None, context: RequestContext, work: Awaitable[T]
    ) -> T:
        """The result of `work`. Raises Unavailable when the deadline of the operation passes."""
