"""What tests of the dashboard do by the API and on its pages."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import ask
from tests.conftest import ADMIN_TOKEN

PASSWORD = "correct horse battery"


def start_room(site: str, subject: str) -> str:
    room: str = ask(site, START, visitor="visitor-of-the-dashboard", subject=subject)["startRoom"]["room"]["id"]
    return room


def start_rooms(site: str, subjects: list[str], **values: Any) -> list[str]:
    """Rooms with these subjects, in one mutation. `values` are more of the input."""
    ask(site, SAVE_VISITOR, visitor="visitor-of-the-dashboard")
    fields = ", ".join(f"$i{number}: StartRoomInput!" for number in range(len(subjects)))
    starts = " ".join(f"r{number}: startRoom(input: $i{number}) {{ room {{ id }} }}" for number in range(len(subjects)))
    inputs = {
        f"i{number}": {"visitorToken": "visitor-of-the-dashboard", "subject": subject, **values}
        for number, subject in enumerate(subjects)
    }
    answer = ask(site, f"mutation Start({fields}) {{ {starts} }}", **inputs)
    return [answer[f"r{number}"]["room"]["id"] for number in range(len(subjects))]


def add_department(site: str, name: str) -> str:
    department: str = ask(site, ADD_DEPARTMENT, name=name)["createDepartment"]["department"]["id"]
    return department


def open_page(page: Page, address: str, token: str = ADMIN_TOKEN) -> None:
    """Open an address of the dashboard with a token, which is stored as after signing in."""
    page.add_init_script(f"sessionStorage.setItem('switchboard-token', '{token}')")
    page.goto(address)
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()


def login(site: str, username: str) -> str:
    """The token of an agent."""
    token: str = ask(site, LOGIN, username=username, password=PASSWORD)["login"]["token"]
    return token


def add_agent(site: str, username: str) -> str:
    """An agent who takes rooms, and to whom routing offers none. Returns the id."""
    agent: str = ask(site, ADD_AGENT, username=username, password=PASSWORD)["user"]["user"]["id"]
    ask(site, MAKE_AGENT, user=agent)
    ask(site, COME_ONLINE, user=agent)
    return agent


def sign_in_with_token(page: Page, site: str) -> None:
    page.goto(f"{site}/")
    page.get_by_text("Token", exact=True).click()
    page.locator("input[name=token]").fill(ADMIN_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()


def sign_in_with_password(page: Page, site: str, username: str) -> None:
    page.goto(f"{site}/")
    page.locator("input[name=username]").fill(username)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()


START = """
mutation Start($visitor: String!, $subject: String!) {
  saveVisitor(input: { token: $visitor, name: "Vera" }) { visitor { id } }
  startRoom(input: { visitorToken: $visitor, subject: $subject }) { room { id } }
}
"""
ADD_AGENT = """
mutation Add($username: String!, $password: String!) {
  user: createUser(input: { username: $username, password: $password, roles: ["livechat-agent"] }) { user { id } }
}
"""
MAKE_AGENT = "mutation Make($user: ID!) { addAgent(input: { userId: $user, acceptsRouting: false }) { agent { id } } }"
COME_ONLINE = "mutation Online($user: ID!) { setPresence(input: { userId: $user, presence: ONLINE }) { user { id } } }"
SEND = """
mutation Send($room: ID!, $text: String!) {
  sendMessage(input: { roomId: $room, text: $text }) { message { id } }
}
"""
ASSIGN = """
mutation Assign($room: ID!, $agent: ID!) {
  assignAgent(input: { roomId: $room, agentId: $agent }) { room { id } }
}
"""
SAVE_VISITOR = """
mutation Save($visitor: String!) { saveVisitor(input: { token: $visitor, name: "Vera" }) { visitor { id } } }
"""
ADD_DEPARTMENT = "mutation Add($name: String!) { createDepartment(input: { name: $name }) { department { id } } }"
LOGIN = """
mutation Login($username: String!, $password: String!) {
  login(input: { username: $username, password: $password }) { token }
}
"""
