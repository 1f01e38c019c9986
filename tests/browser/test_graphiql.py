"""GraphiQL in a browser that reaches nothing but the server."""

import re
import time
from contextlib import suppress

import httpx
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import END_TRANSITIONS, ask, take_screenshots, violations
from tests.conftest import ADMIN_TOKEN

#: GraphiQL closes a tab by a button inside of it.
KNOWN = {"nested-interactive": "graphiql-tab"}
SAVE = "mutation Save($token: String!) { saveVisitor(input: { token: $token }) { visitor { id } } }"


def run(page: Page, name: str, *, chosen: bool = False) -> None:
    """Run the first operation of the tab with that name. With `chosen`, the tab has several, and a menu lists them."""
    page.get_by_role("tab", name=name).click()
    button = page.get_by_role("button", name="Execute query")
    if chosen:  # the page reads the operations of the tab a moment after the click
        expect(button).to_have_attribute("aria-haspopup", "menu")
    button.click()
    if chosen:
        page.get_by_role("menuitem", name=name).click()


def give_token(page: Page) -> None:
    """Put the token in place of TOKEN in the headers pane, as the hint says."""
    page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden) .monaco-editor").last.click()
    for key in ("ControlOrMeta+Home", "ArrowDown", "End", "ArrowLeft", "ControlOrMeta+Shift+ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.insert_text(ADMIN_TOKEN)


def settled_violations(page: Page) -> list[str]:
    """What axe finds on the page, once the page has no violation that disappears in a later frame."""
    end = time.monotonic() + 10
    while (found := violations(page, known=KNOWN)) and time.monotonic() < end:
        page.evaluate(END_TRANSITIONS)
    return found


def test_the_token_of_the_headers_pane_is_used_for_a_query_and_for_a_subscription_that_shows_every_event(
    page: Page, site: str
) -> None:
    page.goto(f"{site}/graphql")
    expect(page.get_by_text("No token yet.")).to_be_visible()
    expect(page.get_by_role("tab")).to_have_count(11)

    give_token(page)
    expect(page.get_by_text("Token of admin (app")).to_be_visible()

    run(page, "Overview")
    expect(page.locator(".result-window")).to_contain_text('"viewer"')

    run(page, "WatchEvents", chosen=True)
    result = page.locator(".result-window")
    with httpx.Client(headers={"authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        save_until_received(client, site, result)
        for number in (1, 2):
            client.post(f"{site}/graphql", json={"query": SAVE, "variables": {"token": f"later-{number}"}})
    expect(result).to_contain_text(re.compile(r'"received":\s([3-9]|\d\d)'))
    take_screenshots(page, "graphiql")
    page.get_by_role("button", name="Stop query").click()
    expect(page.get_by_role("button", name="Execute query")).to_be_visible()


def save_until_received(client: httpx.Client, site: str, result: Locator) -> None:
    """Record an event a second until the subscription, which may not have started yet, shows one."""
    for number in range(90):
        client.post(f"{site}/graphql", json={"query": SAVE, "variables": {"token": f"visitor-{number}"}})
        with suppress(AssertionError):
            expect(result).to_contain_text('"received"', timeout=1_000)
            return
    raise AssertionError("The subscription shows no event.")


def test_the_api_entry_of_the_dashboard_opens_the_examples_of_its_page_in_its_theme_and_with_its_token(
    page: Page, context: BrowserContext, site: str
) -> None:
    room = ask(site, START)["startRoom"]["room"]["id"]
    page.goto(f"{site}/")
    page.evaluate("token => sessionStorage.setItem('switchboard-token', token)", ADMIN_TOKEN)
    page.goto(f"{site}/rooms/{room}")
    page.get_by_role("navigation").get_by_role("link", name="API").click()

    expect(page.get_by_text("Token of admin (app")).to_be_visible()
    expect(page.get_by_role("tab", selected=True)).to_contain_text("StartConversation")
    page.get_by_role("button", name="Variables").click()
    expect(page.locator(".graphiql-editor-tool")).to_contain_text(room)
    assert violations(page, known=KNOWN) == []

    # Another page of the server chooses the theme.
    dashboard = context.new_page()
    dashboard.goto(f"{site}/")
    dashboard.evaluate("localStorage.setItem('mantine-color-scheme-value', 'dark')")
    expect(page.locator("body.graphiql-dark")).to_have_count(1)
    # The editors take the theme in a later frame, and color their text in another one.
    expect(page.locator(".monaco-editor:not(.vs-dark)")).to_have_count(0)
    assert settled_violations(page) == []
    page.get_by_role("button", name="Open settings dialog").click()
    page.get_by_role("button", name="Light", exact=True).click()
    expect(page.locator("body.graphiql-light")).to_have_count(1)
    assert dashboard.evaluate("localStorage.getItem('mantine-color-scheme-value')") == "light"


def test_the_token_may_be_put_into_the_line_at_the_top(page: Page, site: str) -> None:
    page.goto(f"{site}/graphql")
    page.get_by_label("Token", exact=True).fill("nonsense")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("The token does not work:")).to_be_visible()
    assert violations(page, known=KNOWN) == []

    page.get_by_label("Token", exact=True).fill(ADMIN_TOKEN)
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("Token of admin (app")).to_be_visible()
    run(page, "Overview")
    expect(page.locator(".result-window")).to_contain_text('"viewer"')

    page.emulate_media(color_scheme="dark")
    expect(page.locator(".monaco-editor.vs-dark").first).to_be_visible()
    page.set_viewport_size({"width": 360, "height": 740})
    for part in (".graphiql-editors", ".result-window"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert (box["width"] > 200, box["height"] > 150) == (True, True), part


START = """
mutation {
  saveVisitor(input: { token: "graphiql" }) { visitor { id } }
  startRoom(input: { visitorToken: "graphiql", subject: "For examples" }) { room { id } }
}
"""
