"""Fixtures of the tests of examples/salesforce_crm: the stand-in of Salesforce, and the bridge beside a server."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.salesforce_crm.bridge import make_app
from examples.salesforce_crm.salesforce.limits import ApiUsage
from examples.salesforce_crm.salesforce.rest import Salesforce
from examples.salesforce_crm.salesforce.session import Credentials, Sessions
from examples.salesforce_crm.settings import Settings, read_settings
from examples.salesforce_crm.setup import define_room_field
from examples.salesforce_crm.stand_in.server import CLIENT_ID, USERNAME, StandIn, serve_stand_in
from switchboard_client import Api, Transport
from tests.client.support import until
from tests.conftest import ADMIN_TOKEN

ROOT = Path(__file__).parents[3]
#: For a machine that does much else.
PATIENCE_SECONDS = 90.0
SCOPES = (
    "visitors:read",
    "rooms:read",
    "rooms:write",
    "messages:read",
    "messages:write",
    "events:read",
    "fields:write",
)

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A server, the stand-in, and the settings of the bridge between them. `admin` is the API with all scopes."""

    url: str
    admin: Api
    stand_in: StandIn
    environment: dict[str, str]

    def records(self, name: str) -> list[JSON]:
        return self.stand_in.org.records.all(name)

    @asynccontextmanager
    async def bridge(self, **settings: str) -> AsyncIterator[None]:
        """Run the bridge in this process until the block ends."""
        read = read_settings(self.environment | settings)
        async with open_salesforce(self.stand_in, read) as salesforce:
            app = make_app(salesforce, read)
            serving = asyncio.create_task(app.serve())
            try:
                await app.ready()
                yield
            finally:
                app.stop()
                await serving

    async def start_process(self) -> asyncio.subprocess.Process:
        """Start the bridge as a process of its own."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "examples.salesforce_crm", cwd=ROOT, env=inherited | self.environment
        )

    async def start_room(self, **fields: Any) -> str:
        """Start a room of a new visitor with these fields. Returns its id."""
        token = secrets.token_hex(8)
        room = {name: fields.pop(name) for name in ("subject", "custom_fields", "source") if name in fields}
        await self.admin.save_visitor(token=token, **fields)
        started = await self.admin.start_room(visitor_token=token, **room)
        return started.room.id

    async def case_field(self, room_id: str) -> object:
        room = await self.admin.room(by={"id": room_id})
        assert room is not None
        return room.custom_field("salesforceCaseId")

    async def acknowledged(self) -> None:
        """Wait until the bridge has nothing left to do."""

        async def idle() -> bool:
            name = self.environment["CRM_CONSUMER"]
            return any(one.name == name and one.lag == 0 for one in await self.admin.consumers() or ())

        await until(idle)

    async def staff_notes(self, room_id: str) -> list[str]:
        query = "query($id: ID!) { result: room(by: {id: $id}) { messages { nodes { text audience } } } }"
        found = await self.admin.query(query, {"id": room_id})
        return [one["text"] for one in found["messages"]["nodes"] if one["audience"] == "STAFF"]


@asynccontextmanager
async def open_salesforce(stand_in: StandIn, settings: Settings, **options: float) -> AsyncIterator[Salesforce]:
    """A client of the stand-in."""
    credentials = Credentials(stand_in.url, settings.salesforce_audience, CLIENT_ID, USERNAME, stand_in.private_key)
    options = {"pause_seconds": 0.001, "poll_seconds": settings.crm_limit_poll_seconds} | options
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as http:
        usage = ApiUsage(settings.crm_reserved_percent)
        sessions = Sessions(http, credentials)
        yield Salesforce(http, sessions, usage, version=settings.salesforce_api_version, **options)


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    """An empty org on loopback."""
    async with serve_stand_in() as serving:
        yield serving


@pytest.fixture
async def deployment(shared_url: str, stand_in: StandIn, tmp_path: Path) -> AsyncIterator[Deployment]:
    key = tmp_path / "key.pem"
    key.write_text(stand_in.private_key)
    transport = Transport(shared_url, ADMIN_TOKEN)
    admin = Api(transport)
    name = f"crm-{secrets.token_hex(4)}"
    created = await admin.create_app(name=name, scopes=SCOPES)
    await define_room_field(admin, "salesforceCaseId")
    environment = {
        "SWITCHBOARD_URL": shared_url,
        "SWITCHBOARD_TOKEN": created.token,
        "SALESFORCE_LOGIN_URL": stand_in.url,
        "SALESFORCE_CLIENT_ID": CLIENT_ID,
        "SALESFORCE_USERNAME": USERNAME,
        "SALESFORCE_PRIVATE_KEY_FILE": str(key),
        "CRM_CONSUMER": name,
        "CRM_LIMIT_POLL_SECONDS": "0.01",
    }
    yield Deployment(shared_url, admin, stand_in, environment)
    await admin.revoke_app(app_id=created.app.id)
    await transport.close()
