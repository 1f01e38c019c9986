"""Passwords and tokens are in no log, no error, no event and no collection. Secrets of webhooks are in theirs alone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.processes import ROOT

MARK = "s3cr3t"
ADMIN = f"{MARK}-admin-token"
PASSWORD = f"{MARK}-password"


@pytest.fixture
def server(mongodb_uri: str, database_name: str, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with the log level debug: its address and the path of its log."""
    log = tmp_path / "log"
    settings = {"MONGODB_URI": mongodb_uri, "DATABASE": database_name, "PORT": "0", "ADMIN_TOKEN": ADMIN}
    own = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
    own |= {f"SWITCHBOARD_{name}": value for name, value in settings.items()} | {"SWITCHBOARD_LOG_LEVEL": "debug"}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve"],
            cwd=ROOT,
            env=own,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("Ctrl-C"):
            break
    found = re.search(r"GraphQL +(http://\S+)", printed)
    assert found is not None, log.read_text()
    with log.open("a") as shown:
        shown.write(printed)
    yield found.group(1), log
    process.terminate()
    process.communicate(timeout=30)


async def call_with_secrets(url: str) -> list[str]:
    """Send operations with secrets everywhere. Returns the responses without secrets, "--", and the returned tokens."""
    answers: list[str] = []

    async def post(
        query: str, token: str | None = f"Bearer {ADMIN}", *, hands_out: bool = False, **variables: Any
    ) -> Any:
        headers = {} if token is None else {"authorization": token}
        async with httpx.AsyncClient() as client:
            answer = await client.post(url, json={"query": query, "variables": variables}, headers=headers)
        if not hands_out:
            answers.append(answer.text)
        return answer.json().get("data")

    user = """mutation($p: String) {
        createUser(input: {username: "ann", password: $p, clientMutationId: "1"}) { user { id } } }"""
    created = await post(user, p=PASSWORD)
    await post(user, p=PASSWORD)
    login = 'mutation($p: String!) { login(input: {username: "ann", password: $p}) { token } }'
    session = (await post(login, None, hands_out=True, p=PASSWORD))["login"]["token"]
    app = await post(
        'mutation { createApp(input: {name: "app", scopes: ["rooms:read", "events:read"]}) { token app { id } } }',
        hands_out=True,
    )
    app_token = app["createApp"]["token"]
    rotate = "mutation($id: ID!) { rotateAppToken(input: {appId: $id, overlapSeconds: 60}) { token } }"
    rotated = (await post(rotate, hands_out=True, id=app["createApp"]["app"]["id"]))["rotateAppToken"]["token"]

    hook = """mutation { createWebhook(input: {
        name: "hook", url: "https://example.org/", active: false, query: "subscription { events { cursor } }"
    }) { secret webhook { id } } }"""
    webhook = (await post(hook, hands_out=True))["createWebhook"]
    sign = "mutation($id: ID!) { rotateWebhookSecret(input: {webhookId: $id}) { secret } }"
    signing = (await post(sign, hands_out=True, id=webhook["webhook"]["id"]))["rotateWebhookSecret"]["secret"]
    rename = """mutation($id: ID!) {
        updateWebhook(input: {webhookId: $id, name: "x", clientMutationId: "2"}) { webhook { url } } }"""
    await post(rename, id=webhook["webhook"]["id"])

    await post(login, None, p=f"{PASSWORD}-wrong")
    await post(login, None, p=[PASSWORD])
    await post(login, None, p={"a": PASSWORD})
    await post(user, p="x" * 300 + PASSWORD)
    await post(
        f'mutation {{ login(input: {{username: "ann", password: "{PASSWORD}", nothing: 1}}) {{ token }} }}', None
    )
    await post("{ viewer { name } }", f"Basic {PASSWORD}")
    await post("{ viewer { name } }", f"Bearer {MARK}-unknown")
    await post("{ viewer { name } }", f"Bearer {session[:-1]}")
    await post(
        "{ apps { id name scopes } events(first: 200) { nodes { type ... on UserUpdated { user { userId } } } } }"
    )
    await post(
        "mutation($id: ID!, $p: String) { updateUser(input: {userId: $id, password: $p}) { user { id } } }",
        id=created["createUser"]["user"]["id"],
        p=f"{PASSWORD}-new",
    )
    answers.append(await by_websocket(url, app_token))
    answers.append(await by_websocket(url, f"{MARK}-unknown"))
    return [*answers, "--", session, app_token, rotated, webhook["secret"], signing]


async def by_websocket(url: str, token: str) -> str:
    async with connect(url.replace("http", "ws", 1), subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        query = f'mutation {{ login(input: {{username: "ann", password: "{PASSWORD}-wrong"}}) {{ token }} }}'
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        received = ""
        with suppress(ConnectionClosed):
            while '"complete"' not in received:
                received += str(await socket.recv())
    return received + str(socket.close_reason)


async def test_secrets_are_in_no_log_no_response_and_no_collection(
    server: tuple[str, Path], mongodb_uri: str, database_name: str
) -> None:
    url, log = server
    answers = await call_with_secrets(url)
    handed_out = answers[answers.index("--") + 1 :]

    database: Any = AsyncIOMotorClient(mongodb_uri)[database_name]
    kept = {name: str(await database[name].find({}).to_list(None)) for name in await database.list_collection_names()}
    database.client.close()

    assert "APP_TOKEN_ROTATED" in kept["log"]
    assert "UNAUTHENTICATED" in log.read_text()
    signing = {token.rsplit("_", 1)[1][:40] for token in handed_out if token.startswith("whsec_")}
    assert len(signing) == 2
    for secret in (MARK, *(token.rsplit("_", 1)[1][:40] for token in handed_out)):
        assert secret not in log.read_text()
        assert [answer for answer in answers[: answers.index("--")] if secret in answer] == []
        for name, documents in kept.items():
            # Requests are signed with the secrets of webhooks.
            assert (secret in documents) == (name == "webhooks" and secret in signing), name
