"""Takes the screenshots of the documentation, of a server with sample data: `make screenshots`.

It starts a server on a temporary folder, creates sample data, lets conversations go on for SECONDS, and writes each
picture in light and dark into docs/images.
"""

import base64
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.browser.conftest import PATIENCE_MILLISECONDS, PROGRAMS

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TOKEN = "screenshots"
DESK: ViewportSize = {"width": 1360, "height": 860}
SECONDS = 60
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
READ_MILLISECONDS, REPAINT_MILLISECONDS = 4_000, 1_000
QUALITY = 82
MAX_BYTES = 250_000
ROOM = """
{ rooms(where: { status: [ASSIGNED], subject: { contains: "chairs" } }, first: 20) {
  nodes { id messages { totalCount } } } }
"""


@contextmanager
def sample_server() -> Iterator[str]:
    """The address of a server with sample data."""
    with TemporaryDirectory(prefix="switchboard-screenshots-") as folder:
        own = {"DATA_DIR": folder, "PORT": "0", "ADMIN_TOKEN": TOKEN, "LOG_LEVEL": "warning", "CHAT": "on"}
        environment = os.environ | {f"SWITCHBOARD_{name}": value for name, value in own.items()}
        command = [sys.executable, "-m", "server"]
        with subprocess.Popen([*command, "serve"], env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                found = (re.search(r"GraphQL +(http://\S+)/graphql", line) for line in server.stdout)
                site = next(one.group(1) for one in found if one)
                minutes = str(SECONDS / 60)
                subprocess.run([*command, "seed", "--traffic", minutes], env=environment, check=True)
                yield site
            finally:
                server.terminate()
                server.communicate()


def ask(site: str, query: str) -> Mapping[str, Mapping[str, list[Mapping[str, object]]]]:
    answer = httpx.post(
        f"{site}/graphql", json={"query": query}, headers={"authorization": f"Bearer {TOKEN}"}, timeout=60
    ).json()
    data: Mapping[str, Mapping[str, list[Mapping[str, object]]]] = answer["data"]
    return data


def save(context: BrowserContext, page: Page, name: str) -> None:
    """Write the page in light and in dark as WebP, which Chromium encodes."""
    session = context.new_cdp_session(page)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(REPAINT_MILLISECONDS)
        taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        picture = base64.b64decode(taken["data"])
        assert len(picture) < MAX_BYTES, f"{name}-{scheme} has {len(picture)} bytes"
        (IMAGES / f"{name}-{scheme}.webp").write_bytes(picture)
        print(f"docs/images/{name}-{scheme}.webp  {len(picture) // 1024} KiB", flush=True)


def take(browser: Browser, site: str) -> None:
    context = browser.new_context(viewport=DESK)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = context.new_page()
    page.goto(f"{site}/")
    page.evaluate("token => sessionStorage.setItem('switchboard-token', token)", TOKEN)
    room = ask(site, ROOM)["rooms"]["nodes"][0]["id"]
    for name, path in (("live", "/"), ("room", f"/rooms/{room}"), ("rooms", "/rooms"), ("agents", "/agents")):
        page.goto(f"{site}{path}")
        page.get_by_role("status").filter(has_text="live").wait_for()
        # The lists and charts are read after the connection is open.
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(READ_MILLISECONDS)
        save(context, page, name)
    page.goto(f"{site}/graphql")
    page.get_by_role("button", name="Execute query").click()
    expect(page.locator(".result-window")).to_contain_text('"viewer"')
    save(context, page, "graphiql")
    context.close()


def main() -> None:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        sys.exit("There is no Chromium on the PATH: on Debian, apt install chromium.")
    started = time.monotonic()
    with sample_server() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        take(browser, site)
        browser.close()
    print(f"Look at each of them before you commit it. ({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main()
