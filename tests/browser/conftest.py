"""The fixtures of the tests in a browser: the Chromium of the machine, and a server with the built pages.

A machine without Chromium or without built pages skips these tests and says why. In continuous integration
(CI=true) that is a failure.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect, sync_playwright

from server.pages.built import BuiltPages, read_built_pages
from tests.conftest import ADMIN_TOKEN, served_in_thread
from tests.databases import emptied
from tests.unavailable import unavailable

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
#: How long a test waits for something to appear. A busy machine may need it.
PATIENCE_MILLISECONDS = 240_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)
DESK: ViewportSize = {"width": 1280, "height": 800}
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session")
def built() -> BuiltPages:
    pages = read_built_pages()
    if pages.problem:
        unavailable(f"The pages are not built ({pages.problem.splitlines()[0]}): run `make pages`.")
    return pages


@pytest.fixture(scope="module")
def browser(site: str) -> Iterator[Browser]:
    """Chromium. It ends before the server, whose end needs the event loop of this thread."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        unavailable("There is no Chromium on the PATH: on Debian, apt install chromium.")
    # Playwright keeps an event loop running in this thread until its end, in which asynchronous tests cannot run.
    with sync_playwright() as playwright:
        # The tests open pages of their own server alone, also as root in a container.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(mongodb_uri: str, built: BuiltPages) -> Iterator[str]:
    """The address of a server with the built pages and an empty deployment, without a slash at the end."""
    database = emptied(mongodb_uri, "test-browser")
    with served_in_thread(mongodb_uri, database, built=built) as url:
        yield url.removesuffix("/graphql")


@pytest.fixture
def context(browser: Browser, site: str) -> Iterator[BrowserContext]:
    """A browser without state, in which only the server of the test is reachable."""
    context = browser.new_context(viewport=DESK)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    refused: list[str] = []

    def allow_own_server(route: Route) -> None:
        if route.request.url.startswith((f"{site}/", "data:", "blob:")):
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    context.route("**/*", allow_own_server)
    yield context
    context.close()
    assert refused == [], "a page asked for something of another server"


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page. The test fails if one of its scripts fails, or if its policy refuses something."""
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    yield page
    take_screenshots(page, f"last-{request.node.name[:40]}")
    assert problems == []


def violations(page: Page, *, known: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """What axe finds on the page: the rule, and the elements that break it.

    `known` are faults of a package that cannot be corrected from outside: the class of the elements by rule.
    """
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    problems = []
    for one in found:
        elements = [node["html"][:160] for node in one["nodes"]]
        if one["id"] in known:
            elements = [html for html in elements if not re.search(rf'class="{known[one["id"]]}[ "]', html)]
        if elements:
            problems.append(f"{one['id']}: {', '.join(elements)}")
    return problems


#: Two frames later, the page has the colors of a new color scheme.
END_TRANSITIONS = """async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  const ends = (animation) => animation.effect.getComputedTiming().endTime !== Infinity;
  for (const animation of document.getAnimations().filter(ends)) animation.finish();
}"""
#: The width that the page needs, when it has followed a change of the window.
WIDTH = """async () => {
  const width = () => document.documentElement.scrollWidth;
  for (let frame = 0; frame < 300 && width() > innerWidth; frame++) await new Promise(requestAnimationFrame);
  return width();
}"""


def check_looks(page: Page, name: str) -> None:
    """Assert that axe finds nothing in light and in dark and that a phone shows the whole width; save screenshots."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=cast(Any, scheme))
        page.evaluate(END_TRANSITIONS)
        assert violations(page) == [], scheme
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate(WIDTH) <= 360
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light")
    take_screenshots(page, name)


def take_screenshots(page: Page, name: str) -> None:
    """Save the page in light, dark and on a phone into the folder BROWSER_SCREENSHOTS, if that variable is set."""
    folder = os.environ.get("BROWSER_SCREENSHOTS")
    if folder is None:
        return
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=cast(Any, scheme))
        page.screenshot(path=f"{folder}/{name}-{scheme}.png")
    page.set_viewport_size({"width": 360, "height": 740})
    page.screenshot(path=f"{folder}/{name}-phone.png")
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light")


def ask(site: str, query: str, **variables: Any) -> Any:
    """The data of an operation of the admin."""
    answer = httpx.post(
        f"{site}/graphql",
        json={"query": query, "variables": variables},
        headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
        timeout=60,
    ).json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def open_signed_in(page: Page, site: str, path: str, token: str = ADMIN_TOKEN) -> None:
    """Open a page of the dashboard with this token, as a tab that is signed in already."""
    page.goto(f"{site}/")
    page.evaluate("token => sessionStorage.setItem('switchboard-token', token)", token)
    page.goto(f"{site}{path}")
