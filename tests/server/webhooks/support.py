"""A deployment that delivers webhooks, and the operations of its clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from resolvers import apps
from resolvers.context import Services
from resolvers.services import open_services
from resolvers.webhook_addresses import AddressPolicy
from schema.execution.cost_limits import DEFAULT_LIMITS
from server.webhooks.dispatcher import delivering
from server.webhooks.retries import Retries
from server.webhooks.sender import DEFAULT_LIMITS as SEND_LIMITS
from server.webhooks.sender import Sender, SendLimits
from storage import tokens
from storage.runtime import Storage
from storage.timings import DEFAULT_TIMINGS, Timings
from tests.conftest import ADMIN_TOKEN, served
from tests.databases import emptied
from tests.faults.clients import Client
from tests.storage.support import until

LOOPBACK = AddressPolicy.of(["127.0.0.0/8"])
QUICK = Retries(first=0.02, longest=0.05)
SUBSCRIPTION = """subscription ($types: [EventType!]) {
  events(types: $types) { cursor sequence type ... on VisitorSaved { visitor { name token } } }
}"""
STATE = "id state pauseReason pauseMessage failedAttempts nextAttemptAt"
VISITORS = {"types": ["VISITOR_SAVED"]}


@asynccontextmanager
async def deployment(
    uri: str,
    name: str,
    *,
    policy: AddressPolicy = LOOPBACK,
    retries: Retries = QUICK,
    limits: SendLimits = SEND_LIMITS,
    timings: Timings = DEFAULT_TIMINGS,
    retention: timedelta = timedelta(days=7),
    empty: bool = True,
) -> AsyncIterator["Deployment"]:
    """A server over a database that is empty unless `empty` is false."""
    if empty:
        emptied(uri, name)
    async with Storage.open(uri, name, timings=timings) as storage:
        await apps.ensure_admin(storage, ADMIN_TOKEN)
        configured = frozenset({tokens.digest(ADMIN_TOKEN)})
        sender = Sender(policy, limits=limits)
        async with (
            open_services(
                storage, configured_tokens=configured, webhook_policy=policy, retention=retention
            ) as services,
            delivering(services, sender, limits=DEFAULT_LIMITS, retries=retries),
            served(services) as url,
            Client([url]) as client,
        ):
            yield Deployment(services, client, sender)


class Deployment:
    """A server and a client with the admin token."""

    def __init__(self, services: Services, client: Client, sender: Sender) -> None:
        self.services = services
        self.client = client
        self.sender = sender

    async def create(self, url: str, *, bearer: str | None = None, **fields: Any) -> Any:
        """The payload of createWebhook: a subscription to saved visitors by default."""
        given = {"name": "crm", "url": url, "query": SUBSCRIPTION, "variables": VISITORS, **fields}
        return await self.client.mutate("createWebhook", f"secret webhook {{ {STATE} }}", bearer=bearer, **given)

    async def save(self, *names: str) -> None:
        """Save a visitor with each of these names, so that each is an event."""
        for name in names:
            await self.client.mutate("saveVisitor", "visitor { id }", token=f"token-{name}", name=name)

    async def update(self, webhook_id: str, **fields: Any) -> Any:
        answer = await self.client.mutate("updateWebhook", f"webhook {{ {STATE} }}", webhookId=webhook_id, **fields)
        return answer["webhook"]

    async def read(self, webhook_id: str, selection: str = STATE) -> Any:
        query = f"query ($id: ID!) {{ webhook(id: $id) {{ {selection} }} }}"
        return (await self.client.send(query, id=webhook_id))["webhook"]

    async def wait_for_state(self, webhook_id: str, state: str) -> Any:
        """The webhook, when it has this state."""

        async def has_state() -> bool:
            return bool((await self.read(webhook_id))["state"] == state)

        await until(has_state)
        return await self.read(webhook_id)

    async def deliveries(self, webhook_id: str, selection: str = "attempt status error delivered") -> list[Any]:
        """The delivery log, oldest first."""
        found = await self.read(webhook_id, f"deliveries(first: 200) {{ nodes {{ {selection} }} }}")
        return list(reversed(found["deliveries"]["nodes"]))

    async def wait_for_deliveries(self, webhook_id: str, count: int) -> list[Any]:
        """The delivery log, oldest first, when it has so many entries."""

        async def has_entries() -> bool:
            return len(await self.deliveries(webhook_id)) >= count

        await until(has_entries)
        return await self.deliveries(webhook_id)
