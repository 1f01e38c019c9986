"""The dashboard in a browser: signing in, a room's life without a reload, races, and an outage."""

import re
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import ask, take_screenshots, violations
from tests.browser.steps import (
    ASSIGN,
    SEND,
    add_agent,
    add_department,
    open_page,
    sign_in_with_password,
    sign_in_with_token,
    start_room,
)
from tests.processes import ServerProcess


def test_a_wrong_token_and_a_wrong_password_are_refused_with_a_reason(page: Page, site: str) -> None:
    page.goto(f"{site}/")
    page.locator("input[name=username]").fill("nobody")
    page.locator("input[name=password]").fill("wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Username or password is wrong.")
    assert violations(page) == []


def test_an_agent_takes_answers_and_closes_a_room_that_appears_without_a_reload(page: Page, site: str) -> None:
    add_agent(site, "dora")
    sign_in_with_password(page, site, "dora")
    expect(page.get_by_test_id("waiting")).to_have_text(re.compile(r"\d"))
    waiting = int(page.get_by_test_id("waiting").inner_text())

    room = start_room(site, "The kettle leaks")
    expect(page.get_by_test_id("waiting")).to_have_text(str(waiting + 1))
    assert violations(page) == []
    take_screenshots(page, "live")

    page.get_by_role("navigation").get_by_role("link", name="Rooms").click()
    expect(page.get_by_role("table").get_by_role("link", name="The kettle leaks")).to_be_visible()
    assert violations(page) == []
    take_screenshots(page, "rooms")
    page.get_by_role("table").get_by_role("link", name="The kettle leaks").click()
    page.get_by_role("button", name="Take").click()
    expect(page.get_by_role("status").filter(has_text="served")).to_be_visible()

    page.get_by_label("Message to everyone").fill("I look into it.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("log")).to_contain_text("I look into it.")
    page.get_by_text("Note for staff").first.click()
    page.get_by_label("Note for staff").last.fill("Third kettle this week.")
    page.get_by_role("button", name="Add the note").click()
    expect(page.get_by_role("log")).to_contain_text("Third kettle this week.")
    assert violations(page) == []
    take_screenshots(page, "room")

    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("status").filter(has_text="closed")).to_be_visible()
    stored = ask(site, STORED, room=room)["room"]
    assert stored["status"] == "CLOSED"
    assert [(one["text"], one["audience"]) for one in stored["messages"]["nodes"]] == [
        ("I look into it.", "EVERYONE"),
        ("Third kettle this week.", "STAFF"),
    ]


def test_of_two_people_who_take_a_room_the_loser_reads_who_has_won(page: Page, site: str) -> None:
    add_agent(site, "emil")
    winner = add_agent(site, "fritz")
    room = start_room(site, "A race")
    sign_in_with_password(page, site, "emil")
    page.goto(f"{site}/rooms/{room}")
    take = page.get_by_role("button", name="Take")
    expect(take).to_be_visible()

    # The page of the loser hears of the winner only after its own attempt.
    def win(route: Any) -> None:
        if "takeRoom" in (route.request.post_data or ""):
            ask(site, ASSIGN, room=room, agent=winner)
        route.continue_()

    page.route("**/graphql", win)
    take.click()

    expect(page.get_by_role("alert")).to_contain_text("fritz was faster and serves the room now.")


def test_what_the_token_may_not_do_is_not_offered(page: Page, site: str) -> None:
    token = ask(site, READER)["createApp"]["token"]
    room = start_room(site, "For readers")
    page.goto(f"{site}/")
    page.evaluate("token => sessionStorage.setItem('switchboard-token', token)", token)
    page.goto(f"{site}/rooms/{room}")

    expect(page.get_by_role("heading", name="For readers")).to_be_visible()
    expect(page.get_by_role("button", name="Close")).to_have_count(0)
    expect(page.get_by_role("button", name="Send")).to_have_count(0)


def test_after_an_outage_the_dashboard_and_the_chat_catch_up_without_a_reload(
    page: Page, context: BrowserContext, mongodb_uri: str, database_name: str
) -> None:
    """The pages stay open while the server is killed, and a message is recorded before they are connected again."""
    context.unroute("**/*")
    with ServerProcess(mongodb_uri, database_name, CHAT="on") as server:
        site = server.url.removesuffix("/graphql")
        port = site.rpartition(":")[2]
        sign_in_with_token(page, site)
        chat = context.new_page()
        chat.goto(f"{site}/chat")
        chat.get_by_label("Your message").fill("Before the outage")
        chat.get_by_role("button", name="Send").click()
        page.get_by_role("navigation").get_by_role("link", name="Rooms").click()
        page.get_by_role("table").get_by_role("link", name="Before the outage").click()
        expect(page.get_by_role("article")).to_have_count(1)
        departments = context.new_page()
        open_page(departments, f"{site}/departments")
        expect(departments.get_by_text("There is no department.")).to_be_visible()
        for opened in (page, chat, departments):
            opened.evaluate("window.opened = true")
        server.kill()
        for opened in (page, departments):
            expect(opened.get_by_role("status").filter(has_text="offline since")).to_be_visible()
        expect(chat.get_by_text("connecting again")).to_be_visible()

    room = page.url.rpartition("/")[2]
    with ServerProcess(mongodb_uri, database_name) as elsewhere:
        for text in ("One", "Two"):
            ask(elsewhere.url.removesuffix("/graphql"), SEND, room=room, text=text)
        add_department(elsewhere.url.removesuffix("/graphql"), "New in the outage")

    with ServerProcess(mongodb_uri, database_name, CHAT="on", PORT=port) as server:
        assert server.url.startswith(site)
        for opened in (page, chat):
            expect(opened.get_by_role("article")).to_have_count(3)
            expect(opened.get_by_role("log")).to_contain_text(re.compile("Before the outage.*One.*Two", re.DOTALL))
            assert opened.evaluate("window.opened") is True
        expect(departments.get_by_role("row", name="New in the outage")).to_be_visible()
        assert departments.evaluate("window.opened") is True
        for opened in (page, departments):
            expect(opened.get_by_role("status").filter(has_text="live")).to_be_visible()
        page.get_by_role("navigation").get_by_role("link", name="Live").click()
        expect(page.locator(".gap")).to_contain_text(re.compile("offline .*: 3 events caught up"))


STORED = "query Stored($room: ID!) { room(by: { id: $room }) { status messages { nodes { text audience } } } }"
READER = 'mutation Reader { createApp(input: { name: "reader", scopes: ["rooms:read", "messages:read"] }) { token } }'
