"""The page of a room: its form, its history, and a conversation with a visitor's page."""

import re
from contextlib import suppress
from urllib.parse import quote

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import DESK, ask, take_screenshots, violations
from tests.browser.steps import ASSIGN, add_agent, add_department, login, open_page, start_room, start_rooms


def test_the_form_of_a_room_shows_errors_at_the_field_and_names_what_others_have_changed(page: Page, site: str) -> None:
    ask(site, DEFINE)
    room = start_room(site, "To be edited")
    open_page(page, f"{site}/rooms/{room}")
    page.get_by_role("button", name="Edit").click()
    form = page.get_by_role("form", name="Edit the room")
    form.get_by_label("Subject").fill("Edited")
    form.get_by_label("Invoice").fill("not a number")
    form.get_by_role("button", name="Save").click()

    expect(form.get_by_label("Invoice")).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("Invoice")).to_have_accessible_description(re.compile("Invoice|invoice"))
    assert violations(page) == []
    take_screenshots(page, "room-form")
    assert ask(site, STORED, room=room)["room"] == {"subject": "To be edited", "customField": None}

    form.get_by_label("Invoice").fill("12")
    ask(site, UPDATE, room=room, subject="Changed by a colleague")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("Subject is now “Changed by a colleague”")
    assert ask(site, STORED, room=room)["room"]["customField"] is None

    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Edited")).to_be_visible()
    expect(page.get_by_label("Events of the room")).to_contain_text("subject: Changed by a colleague → Edited")
    assert ask(site, STORED, room=room)["room"] == {"subject": "Edited", "customField": "12"}


def test_earlier_messages_are_read_page_by_page(page: Page, site: str) -> None:
    room = start_room(site, "A long story")
    for start in range(0, 120, 40):
        sends = " ".join(
            f'm{n}: sendMessage(input: {{ roomId: "{room}", text: "Line {n}." }}) {{ message {{ id }} }}'
            for n in range(start, start + 40)
        )
        ask(site, f"mutation {{ {sends} }}")
    open_page(page, f"{site}/rooms/{room}")
    messages = page.get_by_role("article")
    expect(messages).to_have_count(50)
    expect(messages.last).to_contain_text("Line 119.")

    for count in (100, 120):
        page.get_by_role("log").evaluate("element => element.scrollTo(0, 0)")
        expect(messages).to_have_count(count)
    expect(page.get_by_role("button", name="Earlier messages")).to_have_count(0)
    assert [text.split("\n")[-1] for text in messages.all_inner_texts()] == [f"Line {n}." for n in range(120)]


def test_a_waiting_room_says_why_and_history_stands_beside_it(page: Page, site: str) -> None:
    agent = add_agent(site, "explainer")
    department = add_department(site, "Explained")
    ask(site, JOIN, department=department, agent=agent)
    ask(site, DEFINE_LINK)
    ask(site, SAVE_TIER)
    values = [{"key": "case", "value": "https://cases.example/1"}]
    (room,) = start_rooms(site, ["Why me?"], departmentId=department, tags=["slow"], customFields=values)
    open_page(page, f"{site}/rooms/{room}")
    details = page.get_by_role("region", name="Details")
    expect(details).to_contain_text("Tier of the customer" + "gold")
    expect(details.get_by_role("link", name="https://cases.example/1")).to_have_attribute("target", "_blank")
    alike = {"Explained": "department:Explained", "slow": "tag:slow", "all of this visitor": "visitor:"}
    for name, words in alike.items():
        link = details.get_by_role("link", name=name)
        expect(link).to_have_attribute("href", re.compile(f"/rooms\\?status=all&filter={quote(words)}"))
    why = page.get_by_role("region", name="Why is it waiting?")
    expect(why).to_contain_text("explainer gets no rooms from routing")
    expect(page.get_by_text("Nobody has served this room yet.")).to_be_visible()
    assert violations(page) == []
    take_screenshots(page, "room-waiting")

    ask(site, ASSIGN, room=room, agent=agent)
    expect(page.get_by_role("region", name="Assignments")).to_contain_text("explainer assigned by admin")
    expect(why).to_have_count(0)

    page.set_viewport_size({"width": 360, "height": 740})
    expect(page.get_by_role("region", name="Assignments")).to_be_hidden()
    page.get_by_text("History", exact=True).click()
    expect(page.get_by_role("region", name="Assignments")).to_be_visible()
    assert violations(page) == []
    page.set_viewport_size(DESK)


def test_an_agent_and_a_visitor_talk_and_see_each_other_type(page: Page, context: BrowserContext, site: str) -> None:
    add_agent(site, "talker")
    chat = context.new_page()
    chat.goto(f"{site}/chat")
    chat.get_by_label("Your message").fill("Is anybody there?")
    chat.get_by_role("button", name="Send").click()
    open_page(page, f'{site}/rooms?filter="Is+anybody+there"', login(site, "talker"))
    page.get_by_role("table").get_by_role("link", name="Is anybody there?").click()
    page.get_by_role("button", name="Take").click()
    expect(page.get_by_role("status").filter(has_text="served")).to_be_visible()

    type_until(chat.get_by_label("Your message"), page.get_by_text("is typing …"))
    type_until(page.get_by_label("Message to everyone"), chat.locator(".typing", has_text="is typing"))

    page.get_by_label("Message to everyone").fill("Yes, I am.")
    page.keyboard.press("Enter")
    expect(chat.get_by_role("log")).to_contain_text("Yes, I am.")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("A quiet one.")
    assert violations(page) == []
    take_screenshots(page, "room-note")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(3)
    expect(page.get_by_role("article").last).to_have_text(re.compile("^talkernote for staff.*[AP]MA quiet one.$"))
    chat.get_by_label("Your message").fill("Good.")
    chat.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article")).to_have_count(4)
    expect(chat.get_by_role("article")).to_have_count(3)


def type_until(field: Locator, shown: Locator) -> None:
    """Type until the other page shows it: a signal that is sent before that page listens is lost."""
    for _ in range(60):
        field.press_sequentially("a")
        with suppress(AssertionError):
            expect(shown).to_be_visible(timeout=3_500)
            return
    raise AssertionError("The other page does not show that somebody types.")


DEFINE = """
mutation {
  defineCustomField(input: { target: ROOM, key: "invoice", label: "Invoice", type: TEXT, pattern: "[0-9]+" }) {
    __typename
  }
}
"""
DEFINE_LINK = """
mutation {
  defineCustomField(input: { target: ROOM, key: "case", label: "Case", type: TEXT }) { __typename }
  tier: defineCustomField(input: { target: VISITOR, key: "tier", label: "Tier of the customer", type: TEXT }) {
    __typename
  }
}
"""
SAVE_TIER = """
mutation {
  saveVisitor(input: { token: "visitor-of-the-dashboard", customFields: [{ key: "tier", value: "gold" }] }) {
    visitor { id }
  }
}
"""
UPDATE = """
mutation Update($room: ID!, $subject: String) {
  updateRoom(input: { roomId: $room, subject: $subject }) { room { id } }
}
"""
STORED = 'query Stored($room: ID!) { room(by: { id: $room }) { subject customField(key: "invoice") } }'
JOIN = """
mutation Join($department: ID!, $agent: ID!) {
  setDepartmentAgents(input: { departmentId: $department, add: [$agent] }) { department { id } }
}
"""
