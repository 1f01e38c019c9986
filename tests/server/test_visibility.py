"""Permissions of users: agents see their rooms and queues, managers their departments, administrators everything."""

import json
import secrets
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection

from tests.conftest import ADMIN_TOKEN
from tests.server.auth.test_revocation import execute
from tests.server.websocket_client import connected, receive, send

USER = """mutation($name: String!, $roles: [String!]) {
    createUser(input: {username: $name, password: $name, roles: $roles}) { user { id } } }"""
DEPARTMENT = """mutation($name: String!) {
    createDepartment(input: {name: $name, routing: MANUAL}) { department { id } } }"""
LOGIN = "mutation($name: String!) { login(input: {username: $name, password: $name}) { token } }"
AGENT = (
    "mutation($id: ID!, $departments: [ID!]) { addAgent(input: {userId: $id, departmentIds: $departments}) { added } }"
)
START = """mutation($visitor: String!, $department: ID, $subject: String) {
    startRoom(input: {visitorToken: $visitor, departmentId: $department, subject: $subject}) { room { id } } }"""
ASSIGN = "mutation($room: ID!, $agent: ID!) { assignAgent(input: {roomId: $room, agentId: $agent}) { room { id } } }"
SAY = "mutation($room: ID!, $text: String!) { sendMessage(input: {roomId: $room, text: $text}) { message { id } } }"


class Organization:
    """Two departments, sales and help, with agents ann and ben; mia, who manages sales; and rooms of each kind."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.mark = secrets.token_hex(4)
        self.ids: dict[str, str] = {}
        self.tokens: dict[str, str] = {"app": ADMIN_TOKEN}

    async def set_up(self) -> "Organization":
        for name in ("sales", "help"):
            found = await execute(self.url, DEPARTMENT, name=self.named(name))
            self.ids[name] = found["createDepartment"]["department"]["id"]
        await self.add_user("ann", "sales")
        await self.add_user("ben", "help")
        await self.add_user("mia", "sales", "livechat-manager")
        await self.add_user("root", None, "admin")
        await execute(
            self.url, "mutation($t: String!) { saveVisitor(input: {token: $t}) { visitor { id } } }", t=self.mark
        )
        for room, department, agent in (
            ("sales-ann", "sales", "ann"),
            ("sales-waiting", "sales", None),
            ("help-ben", "help", "ben"),
            ("help-waiting", "help", None),
            ("help-ann", "help", "ann"),
            ("sales-ben", "sales", "ben"),
        ):
            await self.start(room, department, agent)
        return self

    def named(self, name: str) -> str:
        return f"{name}-{self.mark}"

    async def add_user(self, name: str, department: str | None, *roles: str) -> None:
        user = await execute(self.url, USER, name=self.named(name), roles=list(roles))
        self.ids[name] = user["createUser"]["user"]["id"]
        if department is not None:
            await execute(self.url, AGENT, id=self.ids[name], departments=[self.ids[department]])
            online = "mutation($id: ID!) { setPresence(input: {userId: $id, presence: ONLINE}) { user { id } } }"
            await execute(self.url, online, id=self.ids[name])
        self.tokens[name] = (await execute(self.url, LOGIN, name=self.named(name)))["login"]["token"]

    async def start(self, room: str, department: str, agent: str | None) -> None:
        started = await execute(self.url, START, visitor=self.mark, department=self.ids[department], subject=room)
        self.ids[room] = started["startRoom"]["room"]["id"]
        if agent is not None:
            await execute(self.url, ASSIGN, room=self.ids[room], agent=self.ids[agent])

    async def ask(self, who: str, query: str, **variables: object) -> Any:
        return await execute(self.url, query, self.tokens[who], **variables)

    async def refused(self, who: str, query: str, **variables: object) -> list[str]:
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {self.tokens[who]}"}) as client:
            body = (await client.post(self.url, json={"query": query, "variables": variables})).json()
        return [error["extensions"]["code"] for error in body.get("errors", ())]

    def mine(self, subjects: list[str]) -> set[str]:
        """The names of this organization's rooms: other tests share the database."""
        return {subject for subject in subjects if subject in self.ids}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def organization(shared_url: str) -> Organization:
    return await Organization(shared_url).set_up()


ALL = {"sales-ann", "sales-waiting", "help-ben", "help-waiting", "help-ann", "sales-ben"}
SEEN = {
    "ann": {"sales-ann", "sales-waiting", "help-ann"},
    "ben": {"help-ben", "help-waiting", "sales-ben"},
    "mia": {"sales-ann", "sales-waiting", "sales-ben"},
    "root": ALL,
    "app": ALL,
}


@pytest.mark.parametrize("who", SEEN)
async def test_rooms_contain_only_visible_rooms(organization: Organization, who: str) -> None:
    visitor = (
        await organization.ask("app", "query($t: String!) { visitor(by: {token: $t}) { id } }", t=organization.mark)
    )["visitor"]
    query = "query($id: ID!) { rooms(where: {visitorId: $id}) { totalCount nodes { subject } } }"

    listed = (await organization.ask(who, query, id=visitor["id"]))["rooms"]
    single = {
        room
        for room in ALL
        if (await organization.ask(who, "query($id: ID!) { room(by: {id: $id}) { id } }", id=organization.ids[room]))[
            "room"
        ]
    }

    assert {room["subject"] for room in listed["nodes"]} == single == SEEN[who]
    assert listed["totalCount"] == len(SEEN[who])


@pytest.mark.parametrize("who", SEEN)
async def test_events_contain_only_visible_rooms(organization: Organization, who: str) -> None:
    query = """query($ids: [ID!]) { events(first: 200, where: {ids: $ids}) {
        nodes { type ... on RoomEvent { room { subject status } } } } }"""

    events = (await organization.ask(who, query, ids=[organization.ids[room] for room in ALL]))["events"]["nodes"]

    seen = {event["room"]["subject"] for event in events}
    # Events of a room in an agent's own queue stay visible after another agent gets the room.
    waited = {"ann": {"sales-ben"}, "ben": {"help-ann"}}.get(who, set())
    assert seen == SEEN[who] | waited
    statuses = {event["room"]["status"] for event in events if event["room"]["subject"] in waited}
    assert statuses <= {"QUEUED", "ASSIGNED"}


@pytest.mark.parametrize("who", SEEN)
async def test_rooms_of_an_agent_contain_only_visible_rooms(organization: Organization, who: str) -> None:
    query = "query($id: ID!) { agent(id: $id) { rooms { totalCount nodes { subject } } } }"

    rooms = (await organization.ask(who, query, id=organization.ids["ann"]))["agent"]["rooms"]

    # Other tests may have assigned more rooms to ann.
    assert {room["subject"] for room in rooms["nodes"]} & ALL == SEEN[who] & {"sales-ann", "help-ann"}
    assert rooms["totalCount"] == len(rooms["nodes"])


async def test_live_events_contain_only_visible_rooms(organization: Organization) -> None:
    query = """subscription($after: Cursor) { events(types: [ROOM_STARTED, MESSAGE_SENT], after: $after) {
        type ... on RoomEvent { room { subject } } } }"""
    url = organization.url
    # Without a position, a subscription begins somewhat after its message.
    after = (await organization.ask("app", "{ eventCursor }"))["eventCursor"]
    async with (
        connected(url, {"authorization": f"Bearer {organization.tokens['ann']}"}) as ann,
        connected(url, {"authorization": f"Bearer {organization.tokens['app']}"}) as app,
    ):
        for socket in (ann, app):
            payload = {"query": query, "variables": {"after": after}}
            await send(socket, id="events", type="subscribe", payload=payload)
        for room, text in (("help-ben", "a secret"), ("sales-ann", "hello")):
            await organization.ask("app", SAY, room=organization.ids[room], text=text)

        assert (await next_event(ann))["room"]["subject"] == "sales-ann"
        assert [(await next_event(app))["room"]["subject"] for _ in range(2)] == ["help-ben", "sales-ann"]


async def next_event(socket: ClientConnection) -> Any:
    message = await receive(socket)
    assert message["type"] == "next", message
    return message["payload"]["data"]["events"]


async def test_transferred_room_hides_its_messages_and_events(organization: Organization) -> None:
    await organization.start("passed-on", "sales", "ann")
    await organization.ask("ann", SAY, room=organization.ids["passed-on"], text="mine")
    move = """mutation($room: ID!, $agent: ID!) {
        transferRoom(input: {roomId: $room, to: {agentId: $agent}}) { room { messages { totalCount } } } }"""
    moved = await organization.ask("ann", move, room=organization.ids["passed-on"], agent=organization.ids["ben"])
    await organization.ask("ben", SAY, room=organization.ids["passed-on"], text="not for ann")
    query = """query($ids: [ID!]) { events(first: 200, where: {ids: $ids}) { nodes { type ... on RoomEvent {
        room { current { messages { totalCount nodes { text } } events { nodes { type } } } } } } } }"""

    for_ann = (await organization.ask("ann", query, ids=[organization.ids["passed-on"]]))["events"]["nodes"]
    for_ben = (await organization.ask("ben", query, ids=[organization.ids["passed-on"]]))["events"]["nodes"]

    assert moved["transferRoom"]["room"]["messages"] == {"totalCount": 0}
    assert [event["room"] for event in for_ann] == [{"current": None}] * len(for_ann)
    assert [event["type"] for event in for_ann][-1] == "AGENT_ASSIGNED"  # the event with which it left the queue
    assert "not for ann" in json.dumps(for_ben)


async def test_closed_room_stays_visible_to_its_last_agent(organization: Organization) -> None:
    await organization.start("closed", "help", "ann")
    await organization.ask(
        "ann", "mutation($id: ID!) { closeRoom(input: {roomId: $id}) { room { id } } }", id=organization.ids["closed"]
    )
    query = "query($id: ID!) { room(by: {id: $id}) { status } }"

    assert (await organization.ask("ann", query, id=organization.ids["closed"]))["room"] == {"status": "CLOSED"}
    assert (await organization.ask("ben", query, id=organization.ids["closed"]))["room"] is None
    assert (await organization.ask("mia", query, id=organization.ids["closed"]))["room"] is None


CHANGES = {
    "updateRoom": "updateRoom(input: {roomId: $room, priority: 1}) { room { id } }",
    "closeRoom": "closeRoom(input: {roomId: $room}) { room { id } }",
    "holdRoom": "holdRoom(input: {roomId: $room}) { room { id } }",
    "resumeRoom": "resumeRoom(input: {roomId: $room}) { room { id } }",
    "unassignAgent": "unassignAgent(input: {roomId: $room}) { room { id } }",
    "transferRoom": 'transferRoom(input: {roomId: $room, to: {agentId: "agt_x"}}) { room { id } }',
    "sendMessage": 'sendMessage(input: {roomId: $room, text: "?"}) { message { id } }',
    "assignAgent": 'assignAgent(input: {roomId: $room, agentId: "agt_x"}) { room { id } }',
}


@pytest.mark.parametrize("change", CHANGES)
async def test_invisible_room_cannot_be_changed(organization: Organization, change: str) -> None:
    before = await organization.ask(
        "app", "query($id: ID!) { room(by: {id: $id}) { revision } }", id=organization.ids["help-waiting"]
    )

    codes = await organization.refused(
        "ann", f"mutation($room: ID!) {{ {CHANGES[change]} }}", room=organization.ids["help-waiting"]
    )

    after = await organization.ask(
        "app", "query($id: ID!) { room(by: {id: $id}) { revision } }", id=organization.ids["help-waiting"]
    )
    assert codes == ["NOT_FOUND"]
    assert after == before


ABOVE = {
    "ann": [
        'updateUser(input: {userId: "$root", password: "stolen password"}) { user { id } }',
        'addRoles(input: {userId: "$ann", roles: ["admin"]}) { user { id } }',
        'addRoles(input: {userId: "$ann", roles: ["livechat-manager"]}) { user { id } }',
        'createUser(input: {username: "mole", password: "moles password", roles: ["admin"]}) { user { id } }',
        'setUserActive(input: {userId: "$root", active: false}) { user { id } }',
        'updateAgent(input: {agentId: "$ann", departmentIds: ["$help"]}) { agent { id } }',
        'setDepartmentAgents(input: {departmentId: "$help", add: ["$ann"]}) { department { id } }',
        'createApp(input: {name: "mole", scopes: ["rooms:read"]}) { token }',
        'rotateAppToken(input: {appId: "app_admin"}) { token }',
        'setPresence(input: {userId: "$ben", presence: AWAY}) { user { id } }',
        'setAgentStatus(input: {agentId: "$ben", status: NOT_AVAILABLE}) { agent { id } }',
    ],
    "mia": [
        'addRoles(input: {userId: "$mia", roles: ["admin"]}) { user { id } }',
        'updateAgent(input: {agentId: "$mia", departmentIds: ["$sales", "$help"]}) { agent { id } }',
        'updateAgent(input: {agentId: "$ben", departmentIds: []}) { agent { id } }',
        'updateAgent(input: {agentId: "$ben", maxRooms: 0}) { agent { id } }',
        'setAgentStatus(input: {agentId: "$ben", status: NOT_AVAILABLE}) { agent { id } }',
        'setDepartmentAgents(input: {departmentId: "$help", add: ["$mia"]}) { department { id } }',
        'updateDepartment(input: {departmentId: "$help", enabled: false}) { department { id } }',
        'addAgent(input: {userId: "$root", departmentIds: ["$help"]}) { added }',
        'removeAgent(input: {userId: "$ben"}) { user { id } }',
        'createApp(input: {name: "mole", scopes: ["rooms:read"]}) { token }',
    ],
}


@pytest.mark.parametrize(("who", "change"), [(who, change) for who, changes in ABOVE.items() for change in changes])
async def test_users_cannot_raise_their_own_permissions(organization: Organization, who: str, change: str) -> None:
    head = (await organization.ask("app", "{ eventCursor }"))["eventCursor"]
    for name, entity_id in organization.ids.items():
        change = change.replace(f'"${name}"', f'"{entity_id}"')

    codes = await organization.refused(who, f"mutation {{ {change} }}")

    assert codes == ["FORBIDDEN"]
    assert (await organization.ask("app", "{ eventCursor }"))["eventCursor"] == head


async def test_app_delegates_only_its_own_scopes(organization: Organization) -> None:
    create = 'mutation($scopes: [String!]!) { createApp(input: {name: "hub", scopes: $scopes}) { token app { id } } }'
    hub = (await organization.ask("app", create, scopes=["apps:write", "users:write", "roles:write", "rooms:read"]))[
        "createApp"
    ]
    strong = (await organization.ask("app", create, scopes=["admin"]))["createApp"]
    organization.tokens["hub"] = hub["token"]

    assert await organization.refused("hub", create, scopes=["rooms:read"]) == []
    assert await organization.refused("hub", create, scopes=["rooms:write"]) == ["FORBIDDEN"]
    assert await organization.refused("hub", create, scopes=["admin"]) == ["FORBIDDEN"]
    rotate = "mutation($id: ID!) { rotateAppToken(input: {appId: $id}) { token } }"
    revoke = "mutation($id: ID!) { revokeApp(input: {appId: $id}) { app { id } } }"
    assert await organization.refused("hub", rotate, id=strong["app"]["id"]) == ["FORBIDDEN"]
    assert await organization.refused("hub", revoke, id=strong["app"]["id"]) == ["FORBIDDEN"]
    assert await organization.refused("app", revoke, id="admin") == ["INVALID_INPUT"]
    for change in (
        'createUser(input: {username: "mole", roles: ["admin"]}) { user { id } }',
        f'addRoles(input: {{userId: "{organization.ids["ben"]}", roles: ["admin"]}}) {{ user {{ id }} }}',
        f'removeRoles(input: {{userId: "{organization.ids["root"]}", roles: ["admin"]}}) {{ user {{ id }} }}',
        f'updateUser(input: {{userId: "{organization.ids["root"]}", password: "stolen password"}}) {{ user {{ id }} }}',
        f'updateUser(input: {{userId: "{organization.ids["ben"]}", password: "stolen password"}}) {{ user {{ id }} }}',
        f'setUserActive(input: {{userId: "{organization.ids["root"]}", active: false}}) {{ user {{ id }} }}',
        'createUser(input: {username: "mole", roles: ["livechat-agent"]}) { user { id } }',
        f'removeRoles(input: {{userId: "{organization.ids["ben"]}", roles: ["livechat-agent"]}}) {{ user {{ id }} }}',
        f'setUserActive(input: {{userId: "{organization.ids["ben"]}", active: false}}) {{ user {{ id }} }}',
    ):
        assert await organization.refused("hub", f"mutation {{ {change} }}") == ["FORBIDDEN"], change


async def test_app_makes_agents_and_takes_over_none_without_their_scopes(organization: Organization) -> None:
    create = 'mutation($scopes: [String!]!) { createApp(input: {name: "desk", scopes: $scopes}) { token } }'
    desk = (await organization.ask("app", create, scopes=["agents:write", "users:write", "roles:write"]))["createApp"]
    organization.tokens["desk"] = desk["token"]
    ben = organization.ids["ben"]

    status = f'setAgentStatus(input: {{agentId: "{ben}", status: AVAILABLE}}) {{ agent {{ id }} }}'
    assert await organization.refused("desk", f"mutation {{ {status} }}") == []
    for change in (
        'createUser(input: {username: "new", roles: ["livechat-agent"]}) { user { id } }',
        f'addRoles(input: {{userId: "{ben}", roles: ["bot"]}}) {{ user {{ id }} }}',
        f'setUserActive(input: {{userId: "{ben}", active: false}}) {{ user {{ id }} }}',
        f'updateUser(input: {{userId: "{ben}", password: "stolen password"}}) {{ user {{ id }} }}',
    ):
        assert await organization.refused("desk", f"mutation {{ {change} }}") == ["FORBIDDEN"], change


@pytest.mark.parametrize(
    ("scopes", "query"),
    [
        (
            ["rooms:read"],
            "{ rooms { nodes { visitor { token } servedBy { user { username } } department { name } } } }",
        ),
        (["users:read"], "{ departments { agents { nodes { user { emails } } } } }"),
    ],
)
async def test_nested_objects_of_readable_objects_are_readable(
    organization: Organization, scopes: list[str], query: str
) -> None:
    create = 'mutation($scopes: [String!]!) { createApp(input: {name: "reader", scopes: $scopes}) { token } }'
    organization.tokens["reader"] = (await organization.ask("app", create, scopes=scopes))["createApp"]["token"]

    assert await organization.refused("reader", query) == []


@pytest.mark.parametrize(
    ("scopes", "query", "scope"),
    [
        (["rooms:read"], "{ rooms { nodes { messages { totalCount } } } }", "messages:read"),
        (["rooms:read"], "{ rooms { nodes { events { nodes { id } } } } }", "events:read"),
        (["users:read"], "{ agents { nodes { rooms { nodes { id } } } } }", "rooms:read"),
        (["rooms:read"], "{ rooms(first: 200) { nodes { department { agents { nodes { id } } } } } }", "users:read"),
    ],
)
async def test_nested_lists_need_their_own_scopes(
    organization: Organization, scopes: list[str], query: str, scope: str
) -> None:
    create = 'mutation($scopes: [String!]!) { createApp(input: {name: "reader", scopes: $scopes}) { token } }'
    token = (await organization.ask("app", create, scopes=scopes))["createApp"]["token"]

    async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}) as client:
        body = (await client.post(organization.url, json={"query": query})).json()

    assert '"id"' not in json.dumps(body["data"])
    assert {(error["extensions"]["code"], error["extensions"]["scope"]) for error in body["errors"]} == {
        ("FORBIDDEN", scope)
    }


async def test_events_about_unreadable_objects_are_filtered_out(organization: Organization) -> None:
    create = 'mutation($scopes: [String!]!) { createApp(input: {name: "listener", scopes: $scopes}) { token } }'
    organization.tokens["listener"] = (await organization.ask("app", create, scopes=["events:read", "visitors:read"]))[
        "createApp"
    ]["token"]

    found = (await organization.ask("listener", "{ events(first: 200) { nodes { type } } }"))["events"]["nodes"]

    assert {event["type"] for event in found} <= {
        "VISITOR_SAVED",
        "CUSTOM_FIELD_DEFINED",
        "CUSTOM_FIELD_UPDATED",
        "CUSTOM_FIELD_REMOVED",
    }
    assert found
