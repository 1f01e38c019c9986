"""The visitor's page chats in a browser, and continues after a reload and after a lost connection."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.async_api import Page, async_playwright, expect

from server.settings import Settings
from storage.embedded.node import free_port
from switchboard_client import Api, open_api
from tests.client.support import until
from tests.conftest import ADMIN_TOKEN, served
from tests.examples.javascript_starter.conftest import NODE
from tests.unavailable import unavailable

if TYPE_CHECKING:
    from resolvers.context import Services

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MILLISECONDS = 120_000


@asynccontextmanager
async def site(programs: Path, url: str, token: str, port: int) -> AsyncIterator[str]:
    """The address of the site."""
    settings = os.environ | {"SWITCHBOARD_URL": url, "SWITCHBOARD_TOKEN": token, "PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        NODE, programs / "site.mjs", env=settings, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def browser_page() -> AsyncIterator[Page]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        unavailable("There is no Chromium on the PATH: on Debian, apt install chromium.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        context = await browser.new_context()
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        yield await context.new_page()
        await browser.close()


async def room_of(api: Api) -> str:
    """The id of the only room, once it exists."""
    found: list[str] = []

    async def exists() -> bool:
        found[:] = [room.id async for room in api.all_rooms()]
        return bool(found)

    await until(exists)
    (room,) = found
    return room


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.get_by_role("button", name="Send").click()


async def test_page_shows_each_message_once_also_after_a_reload_and_an_ended_session(
    services: "Services", programs: Path
) -> None:
    port = free_port()
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    settings = Settings(allowed_origins=(f"http://127.0.0.1:{port}",))
    async with served(services, settings) as url, open_api(url, ADMIN_TOKEN) as admin:
        token = (await admin.create_app(name="site", scopes=["visitors:write"])).token
        async with site(programs, url, token, port) as address, browser_page() as page:
            lines = page.get_by_role("listitem")
            await page.goto(address)
            room = await room_of(admin)
            await say(page, "My parcel is late")
            await expect(lines).to_have_text(["You: My parcel is late"])
            await admin.send_message(room_id=room, text="How can we help?")
            await expect(lines).to_have_text(["You: My parcel is late", "We: How can we help?"])

            await page.reload()
            await expect(lines).to_have_text(["You: My parcel is late", "We: How can we help?"])

            (visitor,) = {one.visitor.id async for one in admin.all_rooms()}
            found = await admin.visitor(by={"id": visitor})
            assert found is not None
            await admin.create_visitor_session(visitor_token=found.token, seconds=0)  # ends all sessions
            await admin.send_message(room_id=room, text="One moment")
            await expect(lines).to_have_text(["You: My parcel is late", "We: How can we help?", "We: One moment"])
            await say(page, "Thanks")
            await expect(lines).to_have_text(
                ["You: My parcel is late", "We: How can we help?", "We: One moment", "You: Thanks"]
            )
        assert [one.id async for one in admin.all_rooms()] == [room]
