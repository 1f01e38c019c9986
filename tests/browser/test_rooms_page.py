"""The live page and the list of rooms: filter, order, columns, pages, keys, and actions for several rooms."""

import re

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import ask, take_screenshots, violations
from tests.browser.steps import SEND, add_agent, add_department, login, open_page, start_rooms


def test_the_filter_is_text_and_chips_and_is_in_the_link(page: Page, site: str) -> None:
    department = add_department(site, "Lost parcels")
    start_rooms(site, ["Blue parcel"], departmentId=department, tags=["vip"])
    start_rooms(site, ["Red parcel"], departmentId=department, priority=2)
    start_rooms(site, ["Elsewhere"], tags=["vip"])
    table = page.get_by_role("table")
    open_page(page, f'{site}/rooms?filter=department:"Lost+parcels"+tag:vip')

    expect(table.get_by_role("link")).to_have_text(["Blue parcel"])
    expect(page.get_by_label("Department", exact=True)).to_have_value("Lost parcels")
    expect(page.get_by_role("tab", name="waiting 1")).to_be_visible()

    page.get_by_role("button", name="Remove the condition tag:vip").click()
    expect(table.get_by_role("link")).to_have_text(["Red parcel", "Blue parcel"])

    page.get_by_label("Filter", exact=True).fill('department:"Lost parcels" priority:>1')
    expect(table.get_by_role("link")).to_have_text(["Red parcel"])
    expect(page).to_have_url(re.compile("filter=department%3A%22Lost\\+parcels%22\\+priority%3A%3E1$"))
    expect(page.get_by_text("priority is over 1")).to_be_visible()
    assert violations(page) == []
    take_screenshots(page, "rooms-filter")

    page.get_by_label("Filter", exact=True).fill("colour:red")
    expect(page.get_by_role("alert")).to_contain_text("There is no filter colour.")


def test_columns_and_order_are_chosen_and_kept_in_the_link(page: Page, site: str) -> None:
    department = add_department(site, "Sorted")
    ask(site, DEFINE, key="shelf", label="Shelf", type="NUMBER")
    for subject, shelf in (("Second", 2), ("Tenth", 10), ("First", 1)):
        values = [{"key": "shelf", "value": shelf}]
        start_rooms(site, [subject], departmentId=department, customFields=values)
    start_rooms(site, ["None"], departmentId=department)
    open_page(page, f"{site}/rooms?filter=department:Sorted&columns=subject")

    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Shelf").click()
    expect(page.get_by_role("checkbox", name="Shelf")).to_be_checked()
    page.keyboard.press("Escape")
    page.get_by_role("columnheader", name="Shelf").get_by_role("button").click()

    links = page.get_by_role("table").get_by_role("link")
    expect(links).to_have_text(["First", "Second", "Tenth", "None"])
    page.get_by_role("columnheader", name="Shelf").get_by_role("button").click()
    expect(links).to_have_text(["Tenth", "Second", "First", "None"])
    expect(page).to_have_url(re.compile("columns=subject%2Cfield.shelf&sort=-field.shelf"))

    ask(site, UPDATE, room=start_rooms(site, ["Late"], departmentId=department)[0], shelf=5)
    expect(links).to_have_text(["Tenth", "Late", "Second", "First", "None"])


def test_rooms_beyond_the_live_list_are_read_page_by_page_and_kept_up_to_date(page: Page, site: str) -> None:
    department = add_department(site, "Long")
    rooms = [
        room
        for start in range(0, 250, 50)
        for room in start_rooms(site, [f"Number {n}" for n in range(start, start + 50)], departmentId=department)
    ]
    open_page(page, f"{site}/rooms?filter=department:Long")
    table = page.get_by_role("table")
    expect(table).to_have_attribute("aria-rowcount", "251")

    table.evaluate("element => element.scrollTo(0, 1e6)")
    last = table.get_by_role("link", name="Number 249")
    expect(last).to_be_visible()

    ask(site, CLOSE, room=rooms[249])
    expect(last).to_have_count(0)
    expect(table).to_have_attribute("aria-rowcount", "250")
    before = table.get_by_role("link", name="Number 248")
    expect(before).to_be_visible()

    before.click()
    expect(page.get_by_role("heading", name="Number 248")).to_be_visible()
    page.go_back()
    expect(page.locator("[data-room]:focus")).to_contain_text("Number 248")


def test_selected_rooms_are_closed_together_and_each_refusal_is_named(page: Page, site: str) -> None:
    department = add_department(site, "Bulk")
    rooms = start_rooms(site, ["One", "Two", "Three"], departmentId=department)
    open_page(page, f"{site}/rooms?filter=department:Bulk")
    page.get_by_role("checkbox", name="Select One").check()
    page.get_by_role("checkbox", name="Select Two").check()
    assert violations(page) == []
    take_screenshots(page, "rooms-selected")

    # Another person is faster with one of them, and the page has not heard of it.
    def close_first(route: Route) -> None:
        if rooms[0] in (route.request.post_data or ""):
            ask(site, CLOSE, room=rooms[0])
        route.continue_()

    page.route("**/graphql", close_first)
    page.get_by_role("button", name="Close 2").click()
    page.get_by_role("button", name="Really close 2?").click()

    expect(page.get_by_role("status").filter(has_text="1 closed.")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("1 refused: One:")
    expect(page.get_by_role("table").get_by_role("link")).to_have_text(["Three"])
    assert [ask(site, STATUS, room=room)["room"]["status"] for room in rooms] == ["CLOSED", "CLOSED", "QUEUED"]


def test_a_room_is_found_taken_answered_and_closed_by_keys_alone(page: Page, site: str) -> None:
    add_agent(site, "keyboarder")
    (room, _) = start_rooms(site, ["By keys 1", "By keys 2"], tags=["keys"])
    open_page(page, f"{site}/rooms", login(site, "keyboarder"))
    press = page.keyboard.press
    expect(page.get_by_role("table").get_by_role("link", name="By keys 2")).to_be_visible()

    press("/")
    expect(page.get_by_label("Filter", exact=True)).to_be_focused()
    page.keyboard.type("tag:keys")
    expect(page.get_by_role("table").get_by_role("link")).to_have_text(["By keys 1", "By keys 2"])
    press("Escape")
    for key in ("j", "j", "k"):
        press(key)
        expect(page.locator("[data-room]:focus")).to_have_count(1)
    press("Enter")
    expect(page.get_by_role("heading", name="By keys 1")).to_be_visible()
    press("t")
    expect(page.get_by_role("status").filter(has_text="served")).to_be_visible()
    press("n")
    page.keyboard.type("Only keys.")
    press("Enter")
    expect(page.get_by_role("log")).to_contain_text("Only keys.")
    press("Escape")
    press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert violations(page) == []
    press("Escape")
    press("c")
    expect(page.get_by_role("status").filter(has_text="closed")).to_be_visible()

    page.go_back()
    expect(page.get_by_role("table").get_by_role("link")).to_have_text(["By keys 2"])
    assert ask(site, STATUS, room=room)["room"]["status"] == "CLOSED"


def test_the_bars_of_the_live_page_lead_to_the_rooms_behind_them(page: Page, site: str) -> None:
    department = add_department(site, "Bars")
    room, _ = start_rooms(site, ["Behind a bar", "Behind it, too"], departmentId=department)
    open_page(page, f"{site}/")
    bar = page.get_by_role("region", name="Queue by department").get_by_role("link", name="Bars")
    expect(bar).to_contain_text("short wait")
    # The course of the last ten minutes, from the event log: a value each five seconds.
    course = page.get_by_role("link", name="waiting").locator("polyline")
    expect(course).to_have_attribute("points", re.compile(r"^(\S+ ){120}\S+$"))
    feed = page.get_by_label("Events, the newest first")

    page.get_by_role("button", name="Pause").click()
    ask(site, SEND, room=room, text="While it is paused")
    expect(page.get_by_role("button", name="Continue (1 new)")).to_be_visible()
    expect(feed).not_to_contain_text("message sent Behind a bar")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Kind of events").select_option("messages")
    page.get_by_label("Filter of events").fill("behind a bar")
    expect(feed.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_role("img", name="Events a minute")).to_be_visible()
    assert violations(page) == []
    take_screenshots(page, "live-feed")

    bar.click()
    expect(page.get_by_role("table").get_by_role("link")).to_have_text(["Behind a bar", "Behind it, too"])


DEFINE = """
mutation Define($key: String!, $label: String!, $type: FieldType!) {
  defineCustomField(input: { target: ROOM, key: $key, label: $label, type: $type }) { __typename }
}
"""
UPDATE = """
mutation Update($room: ID!, $shelf: FieldValue) {
  updateRoom(input: { roomId: $room, customFields: [{ key: "shelf", value: $shelf }] }) { room { id } }
}
"""
CLOSE = "mutation Close($room: ID!) { closeRoom(input: { roomId: $room }) { room { id } } }"
STATUS = "query Status($room: ID!) { room(by: { id: $room }) { status } }"
