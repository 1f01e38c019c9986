"""The pages of departments, custom fields, roles and users in a browser: each main task, and errors at their inputs."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import ask, check_looks, open_signed_in


def test_a_department_is_added_with_an_agent_and_shows_who_waits(page: Page, site: str) -> None:
    user = ask(site, USER, username="petra")["createUser"]["user"]["id"]
    ask(site, AGENT, user=user)
    open_signed_in(page, site, "/departments?open=new")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Night desk")
    dialog.get_by_role("combobox", name="Agents").fill("petr")
    dialog.get_by_role("option", name="petra").click()
    dialog.get_by_label("Who gets a room").select_option("EXTERNAL")
    dialog.get_by_label("Seconds that a room waits for the app").fill("60")
    dialog.get_by_label("Without an answer").select_option("MANUAL")
    check_looks(page, "departments-add")
    dialog.get_by_role("button", name="Add", exact=True).click()
    row = page.get_by_role("row", name="Night desk")
    expect(row).to_contain_text("an app decides; after 60 s taken by hand")
    expect(row).to_contain_text("nobody")
    expect(row).to_contain_text("1, 0 can take a room")

    department = next(one for one in ask(site, DEPARTMENTS)["departments"] if one["name"] == "Night desk")
    assert [agent["user"]["username"] for agent in department["agents"]["nodes"]] == ["petra"]
    ask(site, START, department=department["id"])
    expect(row.get_by_role("link", name="1").first).to_have_attribute("href", re.compile("status=queued"))
    ask(site, ONLINE, user=user)
    expect(row).to_contain_text("1, 1 can take a room")
    check_looks(page, "departments")

    page.get_by_role("button", name="Edit Night desk").click()
    dialog.get_by_role("switch", name="Takes new rooms").click()
    dialog.get_by_label("Who gets a room").select_option("LEAST_LOADED")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("disabled: takes no new rooms")
    department = next(one for one in ask(site, DEPARTMENTS)["departments"] if one["name"] == "Night desk")
    assert (department["enabled"], department["routing"], department["externalTimeoutSeconds"]) == (
        False,
        "LEAST_LOADED",
        None,
    )


def test_a_field_is_defined_and_a_user_is_found_by_it(page: Page, site: str) -> None:
    open_signed_in(page, site, "/fields")
    page.get_by_role("button", name="Define a field").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key").fill("crm number")
    dialog.get_by_label("Pattern").fill("C-[0-9]+")
    dialog.get_by_role("button", name="Define").click()
    expect(dialog.get_by_label("Key")).to_have_attribute("aria-invalid", "true")
    assert "crm number" not in keys(site)
    check_looks(page, "fields-define")
    dialog.get_by_label("Key").fill("crmNumber")
    dialog.get_by_label("Label").fill("Number in the CRM")
    dialog.get_by_role("switch", name="Unique").click()
    dialog.get_by_role("button", name="Define").click()
    expect(page.get_by_role("row", name="crmNumber")).to_contain_text("unique")
    assert "crmNumber" in keys(site)
    check_looks(page, "fields")

    page.get_by_role("navigation").get_by_role("link", name="Users").click()
    page.get_by_role("button", name="Create a user").click()
    dialog.get_by_label("Username").fill("karla")
    dialog.get_by_label("Number in the CRM").fill("17")
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(dialog.get_by_label("Number in the CRM")).to_have_attribute("aria-invalid", "true")
    assert ask(site, '{ user(by: { username: "karla" }) { id } }')["user"] is None
    check_looks(page, "users-create")
    dialog.get_by_label("Number in the CRM").fill("C-17")
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("row", name="karla")).to_contain_text("C-17")

    page.get_by_label("Custom field").select_option("crmNumber")
    page.get_by_label("Number in the CRM is").fill("C-17")
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page).to_have_url(re.compile("field=crmNumber&value=C-17"))
    check_looks(page, "users")
    page.get_by_label("Number in the CRM is").fill("C-18")
    expect(page.get_by_text("No user is like that.")).to_be_visible()

    page.goto(f"{site}/fields")
    page.get_by_role("button", name="Edit Number in the CRM").click()
    dialog.get_by_role("switch", name="Required").click()
    ask(site, USER, username="without-a-number")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text(re.compile("have no value|has no value|required"))).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Edit Number in the CRM")).to_be_focused()
    page.get_by_role("button", name="Remove Number in the CRM").click()
    expect(dialog.get_by_role("button", name="Remove", exact=True)).to_be_disabled()
    dialog.get_by_label("Type crmNumber to remove it").fill("crmNumber")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("row", name="crmNumber")).to_have_count(0)
    assert "crmNumber" not in keys(site)


def test_a_list_shows_a_hundred_rows_and_more_on_request(page: Page, site: str) -> None:
    for first in (0, 40, 80):
        creates = " ".join(
            f'u{n}: createUser(input: {{ username: "many-{n:03}" }}) {{ user {{ id }} }}'
            for n in range(first, first + 40)
        )
        ask(site, f"mutation {{ {creates} }}")
    open_signed_in(page, site, "/users?text=many-")
    expect(page.get_by_text("The first 100 of 120")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(101)
    page.get_by_role("button", name="More").click()
    expect(page.get_by_role("row")).to_have_count(121)
    expect(page.get_by_text("120 in all")).to_be_visible()
    expect(page.get_by_role("button", name="More")).to_have_count(0)
    expect(page.get_by_role("row").last).to_contain_text("many-119")


def test_a_role_is_created_given_and_changed(page: Page, site: str) -> None:
    ask(site, USER, username="rolf")
    open_signed_in(page, site, "/roles")
    page.get_by_role("button", name="Create a role").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("admin")
    dialog.get_by_role("checkbox", name=re.compile("rooms:read")).check()
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(dialog.get_by_role("alert").or_(dialog.locator("[aria-invalid=true]")).first).to_be_visible()
    dialog.get_by_label("Name").fill("reviewer")
    check_looks(page, "roles-create")
    dialog.get_by_role("button", name="Create", exact=True).click()
    row = page.get_by_role("row", name="reviewer")
    expect(row).to_contain_text("rooms:read")
    check_looks(page, "roles")

    page.get_by_role("button", name="Edit reviewer").click()
    dialog.get_by_role("checkbox", name=re.compile("messages:read")).check()
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("messages:read")
    page.get_by_role("link", name="Users with the role reviewer").click()
    expect(page.get_by_text("No user is like that.")).to_be_visible()

    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Name or email").fill("rolf")
    page.get_by_role("button", name="Edit rolf").click()
    dialog.get_by_role("combobox", name="Roles").fill("rev")
    dialog.get_by_role("option", name="reviewer").click()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="rolf")).to_contain_text("reviewer")
    assert ask(site, '{ user(by: { username: "rolf" }) { roles { name scopes } } }')["user"]["roles"] == [
        {"name": "reviewer", "scopes": ["messages:read", "rooms:read"]}
    ]


def keys(site: str) -> list[str]:
    return [
        field["key"]
        for field in ask(site, "{ customFieldDefinitions(target: USER) { key } }")["customFieldDefinitions"]
    ]


USER = "mutation User($username: String!) { createUser(input: { username: $username }) { user { id } } }"
AGENT = "mutation Agent($user: ID!) { addAgent(input: { userId: $user }) { agent { id } } }"
ONLINE = "mutation Online($user: ID!) { setPresence(input: { userId: $user, presence: ONLINE }) { user { id } } }"
DEPARTMENTS = """
{
  departments {
    id name enabled routing externalTimeoutSeconds
    agents { nodes { user { username } } }
  }
}
"""
START = """
mutation Start($department: ID!) {
  saveVisitor(input: { token: "visitor-at-night" }) { visitor { id } }
  startRoom(input: { visitorToken: "visitor-at-night", departmentId: $department }) { room { id } }
}
"""
