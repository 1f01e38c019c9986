"""The stand-in of Salesforce, clients of it, and the bridge."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from examples.salesforce_chat.demo import BRIDGE_SCOPES
from examples.salesforce_chat.salesforce.api import Deployment, SalesforceApi
from examples.salesforce_chat.salesforce.tokens import IdentityKey
from examples.salesforce_chat.stand_in.agents import Agents
from examples.salesforce_chat.stand_in.app import DEVELOPER_NAME, ISSUER, ORG_ID, Options, StandIn
from switchboard_client import Api, Transport
from switchboard_client.types import RoutingMethod
from tests.conftest import ADMIN_TOKEN
from tests.examples.salesforce_chat.world import RunningBridge, World


@pytest.fixture(scope="session")
def private_key() -> str:
    """The key of identity tokens, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture(scope="session")
def public_key(private_key: str) -> str:
    key = serialization.load_pem_private_key(private_key.encode(), None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def identity_key(private_key: str) -> IdentityKey:
    return IdentityKey(private_key, "key-1", ISSUER)


@pytest.fixture
def options(public_key: str) -> Options:
    """How the stand-in behaves. Modules override it."""
    return Options(public_key=public_key)


@pytest.fixture
def stand_in(options: Options) -> Iterator[StandIn]:
    with StandIn(options) as server:
        yield server


@pytest.fixture
async def agents(stand_in: StandIn) -> AsyncIterator[Agents]:
    """The agents on Salesforce's side."""
    client = Agents(stand_in.url)
    yield client
    await client.aclose()


OpenApi = Callable[..., SalesforceApi]


@pytest.fixture
async def open_api(stand_in: StandIn) -> AsyncIterator[OpenApi]:
    """Opens clients of the stand-in, of guests or with an identity key."""
    opened: list[SalesforceApi] = []

    def open_one(identity_key: IdentityKey | None = None, org_id: str = ORG_ID) -> SalesforceApi:
        deployment = Deployment(stand_in.url, org_id, DEVELOPER_NAME)
        opened.append(SalesforceApi(deployment, identity_key, silence_seconds=30))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.aclose()


@pytest.fixture
async def world(shared_url: str, stand_in: StandIn, agents: Agents) -> AsyncIterator[World]:
    """A Switchboard with the app of a bridge, and the stand-in."""
    transport = Transport(shared_url, ADMIN_TOKEN)
    admin = Api(transport)
    name = f"sf-{secrets.token_hex(6)}"
    created = await admin.create_app(name=name, scopes=BRIDGE_SCOPES)
    department = await admin.create_department(name=name, routing=RoutingMethod.MANUAL)
    yield World(admin, agents, shared_url, created.token, stand_in.url, name, department.department.id)
    await admin.revoke_app(app_id=created.app.id)
    await transport.close()


RunBridge = Callable[..., Awaitable[RunningBridge]]


@pytest.fixture
async def run_bridge(world: World) -> AsyncIterator[RunBridge]:
    """Starts the bridge in this process, with these settings. It is stopped after the test."""
    running: list[RunningBridge] = []

    async def start(**settings: str) -> RunningBridge:
        running.append(RunningBridge(world.settings(**settings)))
        await running[-1].ready()
        return running[-1]

    yield start
    for bridge in running:
        await bridge.stop()
