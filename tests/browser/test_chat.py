"""The visitor's page: a conversation with an agent's program, in two windows of the same visitor."""

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import ask, take_screenshots, violations


def test_a_visitor_starts_a_conversation_reads_answers_chooses_and_continues_after_a_reload(
    page: Page, context: BrowserContext, site: str
) -> None:
    page.goto(f"{site}/chat")
    page.get_by_label("Your message").fill("Where is my order?")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Somebody will be with you soon.")).to_be_visible()
    # The page starts the room first, and then sends the message.
    expect(page.get_by_role("log")).to_contain_text("Where is my order?")
    hint = page.get_by_text("No agent has this conversation yet: there is none, or none is free.")
    expect(hint.get_by_role("link", name="dashboard")).to_have_attribute("href", "/")
    (room,) = ask(site, '{ rooms(where: { source: { eq: "chat-page" } }) { nodes { id subject } } }')["rooms"]["nodes"]

    ask(site, ANSWER, room=room["id"])

    assert room["subject"] == "Where is my order?"
    expect(page.get_by_role("log")).to_contain_text("Which one?")
    page.get_by_role("button", name="The red one").click()
    expect(page.get_by_role("button", name="The red one")).to_have_attribute("aria-pressed", "true")
    messages = ask(site, MESSAGES, room=room["id"])["room"]["messages"]["nodes"]
    assert messages == [
        {"text": "Where is my order?", "choice": None},
        {"text": "Which one?", "choice": None},
        {"text": "The red one", "choice": {"choiceId": "red"}},
    ]
    assert violations(page) == []
    take_screenshots(page, "chat")

    page.reload()
    expect(page.get_by_role("article")).to_have_count(3)

    second = context.new_page()
    second.goto(f"{site}/chat")
    expect(second.get_by_role("article")).to_have_count(3)
    second.get_by_role("button", name="End the conversation").click()
    expect(page.get_by_text("The conversation is closed.")).to_be_visible()


ANSWER = """
mutation Answer($room: ID!) {
  sendMessage(
    input: {
      roomId: $room
      text: "Which one?"
      choices: [{ id: "red", label: "The red one" }, { id: "blue", label: "The blue one" }]
    }
  ) { message { id } }
}
"""
MESSAGES = "query Messages($room: ID!) { room(by: { id: $room }) { messages { nodes { text choice { choiceId } } } } }"
