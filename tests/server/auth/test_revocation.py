"""The connections of a token are closed in every process when the token ends."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pymongo.errors import AutoReconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from resolvers.auth import access
from resolvers.auth.access import INVALID_TOKEN_CALLER, Caller
from resolvers.context import Services
from schema.base import ids
from server.auth.revocation import TokenRevocation
from storage import tokens
from storage.runtime import Storage
from storage.tokens import digest
from tests.conftest import ADMIN_TOKEN
from tests.server.websocket_client import close_of

ENDED = (4403, "The token has ended")
CHANGED = (4403, "What the token may do has changed; connect again")
PASSWORD = "correct horse battery"
CREATE_APP = """
    mutation($scopes: [String!]!) { createApp(input: {name: "watcher", scopes: $scopes}) { token app { id } } }
"""
CREATE_USER = """
    mutation($name: String!, $roles: [String!]) {
        createUser(input: {username: $name, password: "correct horse battery", roles: $roles}) { user { id } }
    }
"""
LOGIN = 'mutation($name: String!) { login(input: {username: $name, password: "correct horse battery"}) { token } }'


async def execute(url: str, query: str, token: str = ADMIN_TOKEN, **variables: object) -> Any:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}) as client:
        body = (await client.post(url, json={"query": query, "variables": variables})).json()
    assert "errors" not in body, body
    return body["data"]


@asynccontextmanager
async def watching(url: str, token: str) -> AsyncIterator[ClientConnection]:
    """A websocket with this token and a running subscription."""
    async with connect(url.replace("http", "ws", 1), subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        await socket.send(
            json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "subscription { events { id } }"}})
        )
        await socket.send(json.dumps({"id": "2", "type": "subscribe", "payload": {"query": "{ viewer { id } }"}}))
        while json.loads(await socket.recv()).get("id") != "2":
            pass
        yield socket


async def logged_in(url: str, *roles: str) -> tuple[str, str, str]:
    """A new user's id, name and token."""
    name = f"user-{secrets.token_hex(4)}"
    user = (await execute(url, CREATE_USER, name=name, roles=list(roles)))["createUser"]["user"]["id"]
    return user, name, (await execute(url, LOGIN, name=name))["login"]["token"]


@pytest.mark.parametrize(
    "change",
    [
        "revokeApp(input: {appId: $id}) { app { id } }",
        "rotateAppToken(input: {appId: $id}) { app { id } }",
    ],
)
async def test_websockets_of_a_revoked_app_token_close_in_every_process(
    shared_url: str, shared_elsewhere_url: str, change: str
) -> None:
    created = (await execute(shared_url, CREATE_APP, scopes=["events:read"]))["createApp"]

    async with (
        watching(shared_url, created["token"]) as here,
        watching(shared_elsewhere_url, created["token"]) as there,
    ):
        await execute(shared_url, f"mutation($id: ID!) {{ {change} }}", id=created["app"]["id"])

        assert await close_of(here) == ENDED
        assert await close_of(there) == ENDED


async def test_logout_closes_only_the_websockets_of_that_session(shared_url: str, shared_elsewhere_url: str) -> None:
    _, name, token = await logged_in(shared_url)
    other = (await execute(shared_url, LOGIN, name=name))["login"]["token"]

    async with watching(shared_elsewhere_url, token) as closed, watching(shared_elsewhere_url, other) as open_socket:
        await execute(shared_url, "mutation { logout(input: {}) { loggedOut } }", token)

        assert await close_of(closed) == ENDED
        await open_socket.send('{"type": "ping"}')
        while json.loads(await open_socket.recv())["type"] != "pong":
            pass


@pytest.mark.parametrize(
    "change",
    [
        'updateUser(input: {userId: $id, password: "another horse battery"}) { user { id } }',
        "setUserActive(input: {userId: $id, active: false}) { user { id } }",
    ],
)
async def test_websockets_of_ended_sessions_close_in_every_process(
    shared_url: str, shared_elsewhere_url: str, change: str
) -> None:
    user, _, token = await logged_in(shared_url, "livechat-agent")

    async with watching(shared_url, token) as here, watching(shared_elsewhere_url, token) as there:
        await execute(shared_url, f"mutation($id: ID!) {{ {change} }}", id=user)

        assert await close_of(here) == ENDED
        assert await close_of(there) == ENDED


@pytest.mark.parametrize(
    "change",
    [
        'addRoles(input: {userId: $id, roles: ["admin"]}) { user { id } }',
        'removeRoles(input: {userId: $id, roles: ["livechat-manager"]}) { user { id } }',
        "updateAgent(input: {agentId: $id, departmentIds: [$department]}) { agent { id } }",
    ],
)
async def test_changed_permissions_close_the_websockets_of_a_user(
    shared_url: str, shared_elsewhere_url: str, change: str
) -> None:
    user, _, token = await logged_in(shared_url, "livechat-manager")
    await execute(shared_url, "mutation($id: ID!) { addAgent(input: {userId: $id}) { added } }", id=user)
    department = (
        await execute(shared_url, 'mutation { createDepartment(input: {name: "team"}) { department { id } } }')
    )["createDepartment"]["department"]["id"]

    async with watching(shared_elsewhere_url, token) as there:
        declared = "$id: ID!, $department: ID!" if "$department" in change else "$id: ID!"
        variables = {"id": user, "department": department} if "$department" in change else {"id": user}
        await execute(shared_url, f"mutation({declared}) {{ {change} }}", **variables)

        assert await close_of(there) == CHANGED


async def test_other_changes_of_a_user_leave_the_websocket_open(shared_url: str) -> None:
    user, _, token = await logged_in(shared_url, "livechat-agent")

    async with watching(shared_url, token) as socket:
        await execute(
            shared_url, 'mutation($id: ID!) { updateUser(input: {userId: $id, name: "Ann"}) { user { id } } }', id=user
        )
        await execute(
            shared_url, 'mutation($id: ID!) { addRoles(input: {userId: $id, roles: ["bot"]}) { user { id } } }', id=user
        )
        await socket.send('{"type": "ping"}')

        while json.loads(await socket.recv())["type"] != "pong":
            pass


async def test_websocket_closes_when_its_token_expires(services: Services, url: str) -> None:
    user, _, token = await logged_in(url)

    async with watching(url, token) as socket:
        await services.storage.transactions.run(
            lambda tx: tokens.expire(tx, ids.USER.parse(user, "id"), at=tx.now + timedelta(milliseconds=300))
        )

        assert await close_of(socket) == ENDED


class NeverRevoked:
    """A Revocable that must not be revoked."""

    async def revoke(self, reason: str) -> None:
        raise AssertionError(reason)


async def test_a_token_is_removed_with_its_last_revocable(services: Services) -> None:
    revocation = TokenRevocation(services.storage)
    token_id = digest(ADMIN_TOKEN)
    first, second = NeverRevoked(), NeverRevoked()

    callers = [await revocation.register(token_id, first), await revocation.register(token_id, second)]
    revocation.unregister(token_id, first)
    assert callers == [revocation.caller(token_id)] * 2

    revocation.unregister(token_id, second)
    assert revocation.caller(token_id) is INVALID_TOKEN_CALLER


class Revoked:
    """A Revocable that queues the reasons for which it is revoked."""

    def __init__(self) -> None:
        self.reasons: asyncio.Queue[str] = asyncio.Queue()

    async def revoke(self, reason: str) -> None:
        self.reasons.put_nowait(reason)


async def test_a_role_that_changes_while_its_new_holder_is_loaded_is_loaded_again(
    services: Services, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = (await execute(url, 'mutation { createRole(input: {name: "r", scopes: ["rooms:read"]}) { role { id } } }'))[
        "createRole"
    ]["role"]["id"]
    user, _, token = await logged_in(url)
    # The facts about the new user would begin a load, too.
    await services.storage.feed.wait(await services.storage.log.head() - 1)
    revocation, revocable, load = TokenRevocation(services.storage), Revoked(), access.load_caller
    await revocation.register(digest(token), revocable)
    loaded, answered = asyncio.Event(), asyncio.Event()

    async def load_slowly(storage: Storage, token_id: str) -> Caller:
        caller = await load(storage, token_id)
        if token_id == digest(token):
            loaded.set()
            await answered.wait()
        return caller

    monkeypatch.setattr(access, "load_caller", load_slowly)
    await execute(url, 'mutation($id: ID!) { addRoles(input: {userId: $id, roles: ["r"]}) { user { id } } }', id=user)
    await loaded.wait()
    await execute(url, "mutation($id: ID!) { updateRole(input: {roleId: $id, scopes: []}) { role { id } } }", id=role)
    await services.storage.feed.wait(await services.storage.log.head() - 1)
    answered.set()

    async with asyncio.timeout(30):
        # One for the new role, and one for its changed scopes.
        reasons = [await revocable.reasons.get(), await revocable.reasons.get()]
    assert reasons == [CHANGED[1]] * 2
    assert revocation.caller(digest(token)).scopes == frozenset()


async def test_a_token_that_cannot_be_loaded_is_not_tried_beyond_the_stop(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def fail(storage: Storage, token_id: str) -> Caller:
        tried.set()
        raise AutoReconnect("no primary")

    monkeypatch.setattr(access, "load_caller", fail)
    registering = asyncio.create_task(TokenRevocation(services.storage).register(digest(ADMIN_TOKEN), NeverRevoked()))
    await tried.wait()

    await services.storage.supervisor.stop()

    with pytest.raises(asyncio.CancelledError):
        await registering


async def test_nothing_is_registered_for_an_invalid_token(services: Services) -> None:
    revocation = TokenRevocation(services.storage)

    assert await revocation.register(digest("never given out"), NeverRevoked()) is INVALID_TOKEN_CALLER


async def test_users_have_the_changed_scopes_of_their_role_at_once_in_every_process(
    shared_url: str, shared_elsewhere_url: str
) -> None:
    name = f"role-{secrets.token_hex(4)}"
    created = await execute(
        shared_url,
        """mutation($name: String!) {
            createRole(input: {name: $name, scopes: ["users:read", "events:read"]}) { role { id } }
        }""",
        name=name,
    )
    _, _, token = await logged_in(shared_url, name)
    _, _, other = await logged_in(shared_url, "livechat-agent")
    await execute(shared_elsewhere_url, "{ users(first: 1) { nodes { id } } }", token)

    async with (
        watching(shared_url, token) as here,
        watching(shared_elsewhere_url, token) as there,
        watching(shared_url, other) as untouched,
    ):
        await execute(
            shared_url,
            'mutation($id: ID!) { updateRole(input: {roleId: $id, scopes: ["events:read"]}) { role { id } } }',
            id=created["createRole"]["role"]["id"],
        )
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}) as client:
            answer = (await client.post(shared_elsewhere_url, json={"query": "{ users { nodes { id } } }"})).json()

        assert answer["errors"][0]["extensions"] == {"code": "FORBIDDEN", "scope": "users:read"}
        assert await close_of(here) == CHANGED
        assert await close_of(there) == CHANGED
        await untouched.send('{"type": "ping"}')
        while json.loads(await untouched.recv())["type"] != "pong":
            pass


async def test_a_registration_does_not_wait_for_loads_of_later_registrations(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocation, load, loads = TokenRevocation(services.storage), access.load_caller, 0
    later: list[asyncio.Task[Caller]] = []

    async def load_while_others_register(storage: Storage, token_id: str) -> Caller:
        nonlocal loads
        loads += 1
        if loads < 10:
            later.append(asyncio.create_task(revocation.register(token_id, NeverRevoked())))
            await asyncio.sleep(0)
        return await load(storage, token_id)

    monkeypatch.setattr(access, "load_caller", load_while_others_register)

    await revocation.register(digest(ADMIN_TOKEN), NeverRevoked())

    assert loads < 10
    for registration in later:  # each begins another one
        await registration
    assert loads == 10


async def test_registrations_during_a_load_share_the_next_one(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocation, load, loads = TokenRevocation(services.storage), access.load_caller, 0
    began, may_end = asyncio.Event(), asyncio.Event()

    async def load_slowly(storage: Storage, token_id: str) -> Caller:
        nonlocal loads
        loads += 1
        began.set()
        await may_end.wait()
        return await load(storage, token_id)

    monkeypatch.setattr(access, "load_caller", load_slowly)
    first = asyncio.create_task(revocation.register(digest(ADMIN_TOKEN), NeverRevoked()))
    await began.wait()
    others = [asyncio.create_task(revocation.register(digest(ADMIN_TOKEN), NeverRevoked())) for _ in range(50)]
    await asyncio.sleep(0)
    may_end.set()

    callers = await asyncio.gather(first, *others)

    assert loads == 2
    assert callers == [revocation.caller(digest(ADMIN_TOKEN))] * 51


async def test_a_loaded_token_of_an_app_needs_no_load(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    revocation, token_id, second = TokenRevocation(services.storage), digest(ADMIN_TOKEN), Revoked()
    assert revocation.register_loaded(token_id, second) is None
    first = NeverRevoked()
    loaded = await revocation.register(token_id, first)

    assert revocation.register_loaded(token_id, second) is loaded

    async def find_none(*_: object) -> Caller:
        return INVALID_TOKEN_CALLER

    monkeypatch.setattr(access, "load_caller", find_none)
    revocation.unregister(token_id, first)
    services.storage.token_watcher.notify_all_tokens()
    assert revocation.register_loaded(token_id, NeverRevoked()) is None  # a load is in progress
    assert await second.reasons.get() == ENDED[1]


async def test_tokens_of_users_are_always_loaded(services: Services, url: str) -> None:
    revocation, token_id = TokenRevocation(services.storage), digest((await logged_in(url))[2])

    assert (await revocation.register(token_id, NeverRevoked())).actor is not None
    assert revocation.register_loaded(token_id, NeverRevoked()) is None
