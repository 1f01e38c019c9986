"""The page of agents in a browser: one is added, seen live, changed, found by a link, and removed."""

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import ask, check_looks, open_signed_in


def test_an_agent_is_added_seen_live_changed_and_removed(page: Page, site: str) -> None:
    ask(site, PREPARE)
    open_signed_in(page, site, "/agents")
    page.get_by_role("button", name="Add an agent").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Username").fill("gerda")
    dialog.get_by_label("Name", exact=True).fill("Gerda Lund")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_text(re.compile("The username .gerda. is taken"))).to_be_visible()
    expect(dialog.get_by_label("Username")).to_have_attribute("aria-invalid", "true")
    check_looks(page, "agents-add")

    dialog.get_by_label("Username").fill("gerda.lund")
    dialog.get_by_label("Limit of open rooms").fill("2")
    dialog.get_by_role("combobox", name="Departments").fill("Post")
    dialog.get_by_role("option", name="Post orders").click()
    dialog.get_by_role("button", name="Add", exact=True).click()
    row = page.get_by_role("row", name="Gerda Lund")
    expect(row).to_contain_text("0 of 2")
    expect(row).to_contain_text("Post orders")
    expect(row).to_contain_text("offline")
    agent = stored(site)
    assert (agent["maxRooms"], agent["acceptsRouting"], agent["status"]) == (2, True, "AVAILABLE")

    # What happens elsewhere is seen without a reload.
    ask(site, ONLINE, user=agent["userId"])
    expect(row).to_contain_text("online")
    ask(site, START, department=agent["departments"][0]["id"])
    expect(row).to_contain_text("1 of 2")
    check_looks(page, "agents")

    page.get_by_role("button", name="Edit Gerda Lund").click()
    dialog.get_by_label("Limit of open rooms").fill("")
    dialog.get_by_role("switch", name="Available for new rooms").click()
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("not available")
    expect(row).to_contain_text("no limit")
    assert (stored(site)["maxRooms"], stored(site)["status"]) == (None, "NOT_AVAILABLE")

    page.get_by_label("Status").select_option("available")
    expect(row).to_have_count(0)
    page.goto(f"{site}/agents?status=not_available&text=LUND")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="Edit Gerda Lund").click()
    dialog.get_by_role("button", name="Remove …").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("No agent is like that.")).to_be_visible()
    assert stored(site) is None
    room = ask(site, '{ rooms(where: { subject: { eq: "For Gerda" } }) { nodes { status } } }')["rooms"]["nodes"][0]
    assert room["status"] == "QUEUED"


def test_a_token_that_only_reads_is_offered_no_change_of_agents(page: Page, site: str) -> None:
    user = ask(site, READER_AGENT)["createUser"]["user"]["id"]
    ask(site, MAKE_AGENT, user=user)
    token = ask(site, READER)["createApp"]["token"]
    open_signed_in(page, site, "/agents", token)
    expect(page.get_by_role("row", name="For readers")).to_be_visible()
    expect(page.get_by_role("button", name="Add an agent")).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("Edit"))).to_have_count(0)


def stored(site: str) -> Any:
    return ask(site, AGENT)["user"]["agent"]


PREPARE = """
mutation Prepare {
  createDepartment(input: { name: "Post orders" }) { department { id } }
  createUser(input: { username: "gerda" }) { user { id } }
}
"""
AGENT = """
{ user(by: { username: "gerda.lund" }) { agent { userId maxRooms acceptsRouting status departments { id } } } }
"""
ONLINE = "mutation Online($user: ID!) { setPresence(input: { userId: $user, presence: ONLINE }) { user { id } } }"
START = """
mutation Start($department: ID!) {
  saveVisitor(input: { token: "visitor-of-gerda" }) { visitor { id } }
  startRoom(input: { visitorToken: "visitor-of-gerda", subject: "For Gerda", departmentId: $department }) {
    room { id }
  }
}
"""
READER_AGENT = """
mutation Agent {
  createUser(input: { username: "reader-agent", name: "For readers" }) { user { id } }
}
"""
MAKE_AGENT = "mutation Make($user: ID!) { addAgent(input: { userId: $user }) { agent { id } } }"
READER = 'mutation Reader { createApp(input: { name: "users only", scopes: ["users:read"] }) { token } }'
