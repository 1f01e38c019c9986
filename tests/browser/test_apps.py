"""The page of apps, consumers and webhooks in a browser: a token from its creation to its end, lags and failures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, Page, expect
from websockets.sync.client import ClientConnection, connect

from tests.browser.conftest import ask, check_looks, open_signed_in
from tests.conftest import ADMIN_TOKEN

VIEWER = "{ viewer { name scopes } }"


def test_an_app_is_created_used_and_revoked_and_its_consumer_is_seen(
    page: Page, context: BrowserContext, site: str
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_signed_in(page, site, "/apps")
    page.get_by_role("button", name="Create an app").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Order\u200bbridge")
    dialog.get_by_role("button", name="Only reads").click()
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(dialog.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    assert "Order\u200bbridge" not in app_names(site)
    check_looks(page, "apps-create")

    dialog.get_by_label("Name").fill("Order bridge")
    dialog.get_by_role("button", name="Create", exact=True).click()
    token = copied_token(page)
    assert token in (dialog.get_by_role("group", name="the command for curl").text_content() or "")
    check_looks(page, "apps-token")
    viewer = asked_with(token, site)["data"]["viewer"]
    assert viewer == {
        "name": "Order bridge",
        "scopes": ["events:read", "messages:read", "rooms:read", "users:read", "visitors:read"],
    }
    dialog.get_by_role("button", name="I have stored the token").click()
    row = page.get_by_role("row", name="Order bridge")
    expect(row).to_contain_text("messages:read")
    expect(page.get_by_role("button", name="Create an app")).to_be_focused()
    assert token not in page.content()

    page.get_by_role("button", name="New token for Order bridge").click()
    dialog.get_by_label("The old token ends").select_option("at once")
    dialog.get_by_role("button", name="Create the token").click()
    old, token = token, copied_token(page)
    assert asked_with(old, site)["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert asked_with(token, site)["data"]["viewer"] == viewer
    dialog.get_by_role("button", name="I have stored the token").click()
    expect(dialog).to_have_count(0)

    with consumer(site, token, "order-bridge") as socket:
        card = page.get_by_role("article", name="Consumer order-bridge")
        expect(card).to_contain_text("● connected")
        ask(site, START)
        cursor = events_of(socket, 3)[-1]["cursor"]
        expect(page.get_by_test_id("lag of order-bridge")).to_have_text("3")
        label = "Lag of order-bridge since the dashboard was opened: now 3, at most 3"
        expect(card.get_by_role("img")).to_have_accessible_name(label)
        check_looks(page, "apps")
        acknowledge(socket, cursor)
        expect(page.get_by_test_id("lag of order-bridge")).to_have_text("0")
    expect(card).to_contain_text("not connected")

    page.get_by_role("button", name="Revoke Order bridge").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    expect(row).to_have_count(0)
    expect(card).to_have_count(0)
    assert asked_with(token, site)["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_consumer_skips_to_the_present_and_is_removed_once_it_is_not_connected(page: Page, site: str) -> None:
    open_signed_in(page, site, "/apps")
    with consumer(site, ADMIN_TOKEN, "own-consumer") as socket:
        lag = page.get_by_test_id("lag of own-consumer")
        expect(lag).to_have_text("0")
        ask(site, SAVE_THREE)
        events_of(socket, 3)
        expect(lag).to_have_text("3")
        page.get_by_role("button", name="Skip to now: own-consumer").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("never gets the 3 that are left")
        dialog.get_by_role("button", name="Skip", exact=True).click()
        expect(lag).to_have_text("0")

        page.get_by_role("button", name="Remove own-consumer").click()
        expect(dialog).to_contain_text("It is connected now: end its subscription first.")
        dialog.get_by_role("button", name="Remove", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text("is being read by a connection")
        assert consumer_names(site) == ["own-consumer"]
        dialog.get_by_role("button", name="Cancel").click()

    card = page.get_by_role("article", name="Consumer own-consumer")
    expect(card).to_contain_text("not connected")
    page.get_by_role("button", name="Remove own-consumer").click()
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(card).to_have_count(0)
    assert consumer_names(site) == []


def test_what_a_token_may_not_see_of_apps_is_said_in_a_line(page: Page, site: str) -> None:
    token = ask(site, READER)["createApp"]["token"]
    open_signed_in(page, site, "/apps", token)
    expect(page.get_by_text("This token may not read apps: it lacks the scope apps:write.")).to_be_visible()
    expect(page.get_by_text("This token may not read consumers: it lacks the scope events:read.")).to_be_visible()
    expect(page.get_by_role("button", name="Create an app")).to_have_count(0)
    expect(page.get_by_role("navigation").get_by_role("link", name="Apps")).to_have_count(0)


def test_a_webhook_is_shown_with_its_failure_paused_and_continued(page: Page, site: str) -> None:
    created = ask(site, CREATE_WEBHOOK)["createWebhook"]["webhook"]
    open_signed_in(page, site, "/apps")
    row = page.get_by_role("row", name="order-hook")
    expect(row).to_contain_text("https://localhost:8443/orders")
    expect(row).to_contain_text("active")

    ask(site, 'mutation { saveVisitor(input: { token: "for-the-webhook" }) { visitor { id } } }')
    expect(row).to_contain_text("failing")
    expect(row).to_contain_text("the host leads to no allowed address")
    card = page.get_by_role("article", name=f"Consumer webhook:{created['id'].removeprefix('whk_')}")
    expect(card).to_contain_text("1 event behind")
    expect(card.get_by_role("button", name="Remove")).to_have_count(0)
    check_looks(page, "apps-webhooks")
    page.get_by_role("button", name="Pause order-hook").click()
    expect(row).to_contain_text("paused It was paused by a mutation.")
    assert ask(site, "{ webhooks { state } }") == {"webhooks": [{"state": "PAUSED"}]}
    page.get_by_role("button", name="Continue order-hook").click()
    expect(row).to_contain_text("failing")

    ask(site, f'mutation {{ removeWebhook(input: {{ webhookId: "{created["id"]}" }}) {{ removedId }} }}')
    expect(row).to_have_count(0)
    expect(page.get_by_text("No events are sent to an address.")).to_be_visible()


def copied_token(page: Page) -> str:
    """Click the button that copies the token, and return the token, which is on the clipboard a moment later."""
    before = text = str(page.evaluate("navigator.clipboard.readText()"))
    page.get_by_role("dialog").get_by_role("button", name="Copy the token").click()
    while text == before:
        text = str(page.evaluate("navigator.clipboard.readText()"))
    return text


@contextmanager
def consumer(site: str, token: str, name: str) -> Iterator[ClientConnection]:
    """A websocket on which the events of this consumer arrive."""
    with connect(site.replace("http", "ws") + "/graphql", subprotocols=[SUBPROTOCOL]) as socket:
        socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        assert json.loads(socket.recv(60))["type"] == "connection_ack"
        query = f'subscription {{ events(consumer: "{name}") {{ cursor type }} }}'
        socket.send(json.dumps({"id": "events", "type": "subscribe", "payload": {"query": query}}))
        yield socket


def events_of(socket: ClientConnection, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        message = json.loads(socket.recv(60))
        if message["type"] == "next":
            found.append(message["payload"]["data"]["events"])
    return found


def acknowledge(socket: ClientConnection, cursor: str) -> None:
    payload = {"query": ACKNOWLEDGE, "variables": {"cursor": cursor}}
    socket.send(json.dumps({"id": "ack", "type": "subscribe", "payload": payload}))


def asked_with(token: str, site: str) -> Any:
    answer = httpx.post(
        f"{site}/graphql", json={"query": VIEWER}, headers={"authorization": f"Bearer {token}"}, timeout=60
    )
    return answer.json()


def consumer_names(site: str) -> list[str]:
    return [one["name"] for one in ask(site, "{ consumers { name } }")["consumers"]]


def app_names(site: str) -> list[str]:
    return [app["name"] for app in ask(site, "{ apps { name } }")["apps"]]


SUBPROTOCOL: Any = "graphql-transport-ws"
START = """
mutation Start {
  saveVisitor(input: { token: "visitor-of-apps", name: "Vera" }) { visitor { id } }
  startRoom(input: { visitorToken: "visitor-of-apps", subject: "For the consumer" }) { room { id } }
}
"""
SAVE_THREE = """
mutation {
  a: saveVisitor(input: { token: "to-skip-1" }) { visitor { id } }
  b: saveVisitor(input: { token: "to-skip-2" }) { visitor { id } }
  c: saveVisitor(input: { token: "to-skip-3" }) { visitor { id } }
}
"""
ACKNOWLEDGE = """
mutation Acknowledge($cursor: Cursor!) {
  ackEvents(input: { consumer: "order-bridge", cursor: $cursor }) { consumer { lag } }
}
"""
CREATE_WEBHOOK = """
mutation {
  createWebhook(
    input: {
      name: "order-hook"
      url: "https://localhost:8443/orders"
      query: "subscription { events(types: [VISITOR_SAVED]) { cursor } }"
    }
  ) {
    webhook { id }
  }
}
"""
READER = 'mutation Reader { createApp(input: { name: "rooms only", scopes: ["rooms:read"] }) { token } }'
