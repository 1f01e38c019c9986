"""The operations of the page on signing in do what the page says, one after the other."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from resolvers.context import SESSION_LENGTH
from resolvers.sessions import MAX_SESSIONS
from server.settings import Settings
from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client, Refused
from tests.server.auth.test_revocation import CHANGED, ENDED, watching
from tests.server.websocket_client import close_of

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "signing-in.md").read_text(encoding="utf-8")
#: The operations of the page by their names.
SAMPLES = {name: text for text, name in re.findall(r"```graphql\n(\w+ (\w+).*?)```", PAGE, re.DOTALL)}


async def test_operations_for_people_work(url: str) -> None:
    async with Client([url]) as client:
        anna = (await client.send(SAMPLES["CreatePerson"]))["createUser"]["user"]
        role = (await client.send(SAMPLES["CreateRole"]))["createRole"]["role"]
        assert role["scopes"] == ["events:read", "messages:read", "rooms:read", "users:read"]
        session = (await client.send(SAMPLES["Login"], bearer="none"))["login"]
        viewer = (await client.send(SAMPLES["WhoAmI"], bearer=session["token"]))["viewer"]
        assert (viewer["id"], viewer["roles"], viewer["app"]) == (anna["id"], ["livechat-agent"], None)

        given = (await client.send(SAMPLES["GiveRole"], user=anna["id"]))["addRoles"]["user"]
        assert given == {"roles": [{"name": "livechat-agent"}, {"name": "supervisor"}]}
        await client.mutate("removeRoles", "user { id }", userId=anna["id"], roles=["livechat-agent"])
        async with watching(url, session["token"]) as socket:
            await client.send(SAMPLES["ChangeRole"], role=role["id"])
            assert await close_of(socket) == CHANGED
        viewer = (await client.send(SAMPLES["WhoAmI"], bearer=session["token"]))["viewer"]
        assert (viewer["scopes"], viewer["roles"]) == (["rooms:read", "users:read"], ["supervisor"])

        assert (await client.send(SAMPLES["Logout"], bearer=session["token"])) == {"logout": {"loggedOut": True}}
        with pytest.raises(Refused) as refused:
            await client.send(SAMPLES["WhoAmI"], bearer=session["token"])
        assert refused.value.extensions == {"code": "UNAUTHENTICATED"}


async def test_operations_for_apps_work(url: str) -> None:
    async with Client([url]) as client:
        created = (await client.send(SAMPLES["CreateApp"]))["createApp"]
        app = created["app"]["id"]
        rotated = (await client.send(SAMPLES["Rotate"], app=app))["rotateAppToken"]
        for token in (created["token"], rotated["token"]):
            viewer = (await client.send(SAMPLES["WhoAmI"], bearer=token))["viewer"]
            assert (viewer["id"], viewer["app"]) == (app, {"name": "CRM"})

        async with watching(url, rotated["token"]) as socket:
            assert (await client.send(SAMPLES["Revoke"], app=app)) == {"revokeApp": {"app": {"active": False}}}
            assert await close_of(socket) == ENDED


def test_limits_and_reasons_of_the_page_are_those_of_the_code() -> None:
    attempts = Settings(admin_token=ADMIN_TOKEN).sign_in_attempts

    assert (SESSION_LENGTH, attempts) == (timedelta(hours=12), 10)
    assert MAX_SESSIONS == 100
    assert "A person has up to 100" in PAGE
    assert "12 hours later" in PAGE
    assert "ten failures in five minutes" in PAGE
    assert f'closed: {ENDED[0]} "{ENDED[1]}"' in PAGE
    assert f'closed: {CHANGED[0]} "{CHANGED[1]}"' in PAGE
