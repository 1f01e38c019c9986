"""A client of the API over HTTP and graphql-transport-ws that imports no code of the server."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

Data: TypeAlias = dict[str, Any]

ROOM = """room { id status revision priority subject source tags closeComment startedAt assignedAt closedAt
  visitor { id token } department { id } servedBy { id openRoomCount } lastServedBy { id }
  customFields { key value } }"""
EVENT = """type cursor sequence occurredAt clientMutationId actor { type id name }
  ... on RoomEvent { roomRevision room { roomId status revision subject tags customFields { key value }
    servedBy { agentId openRoomCount user { name } } lastServedBy { agentId } department { departmentId } } }
  ... on AgentAssigned { agent { agentId openRoomCount } previousAgent { agentId } cause }
  ... on AgentUnassigned { agent { agentId } nextAgent { agentId } cause }
  ... on RoomTransferred { fromAgent { agentId } toAgent { agentId } fromDepartment { departmentId }
    toDepartment { departmentId } comment }
  ... on RoomUpdated { changes { field before after } }
  ... on RoomClosed { closedBy { type id } comment }
  ... on MessageSent { message { text sender { type id } } }"""


class Refused(Exception):
    """A request was refused. It has the extensions of the first error."""

    def __init__(self, error: Data) -> None:
        super().__init__(error["message"])
        self.extensions: Data = error["extensions"]


def new(word: str = "") -> str:
    """A random name, prefixed with the word."""
    return f"{word}{secrets.token_hex(5)}"


class Client:
    """An API client that authenticates with one token."""

    def __init__(self, http: httpx.Client, url: str, token: str | None) -> None:
        self.http = http
        self.url = url
        self.token = token
        self.headers = {} if token is None else {"authorization": f"Bearer {token}"}

    def answer(self, document: str, variables: Mapping[str, Any] | None = None) -> Data:
        """The whole response, with errors."""
        body = {"query": document, "variables": variables or {}}
        answer: Data = self.http.post(self.url, json=body, headers=self.headers).json()
        return answer

    def ask(self, document: str, **variables: Any) -> Data:
        answer = self.answer(document, variables)
        if answer.get("errors"):
            raise Refused(answer["errors"][0])
        data: Data = answer["data"]
        return data

    def change(self, name: str, selection: str = "clientMutationId", /, **input: Any) -> Data:
        """The payload of a mutation."""
        payload: Data = self.ask(_mutation(name, selection), input=input)[name]
        return payload

    def refusal(self, name: str, selection: str = "clientMutationId", /, **input: Any) -> Data:
        """The extensions of a mutation's error. Asserts that its field is null."""
        answer = self.answer(_mutation(name, selection), {"input": input})
        assert answer.get("errors"), f"{name} was not refused: {answer}"
        assert (answer.get("data") or {}).get(name) is None
        extensions: Data = answer["errors"][0]["extensions"]
        return extensions

    def query_refusal(self, document: str, **variables: Any) -> Data:
        try:
            raise AssertionError(f"{document} was not refused: {self.ask(document, **variables)}")
        except Refused as refused:
            return refused.extensions

    # ---------------------------------------------------------------- entities

    def user(self, **input: Any) -> str:
        return str(self.change("createUser", "user { id }", **{"username": new("u"), **input})["user"]["id"])

    def agent(self, *departments: str, presence: str = "ONLINE", **input: Any) -> str:
        profile = {name: input.pop(name) for name in ("maxRooms", "status") if name in input}
        user = self.user(**input)
        added = self.change("addAgent", "agent { id }", userId=user, departmentIds=list(departments), **profile)
        if presence != "OFFLINE":
            self.change("setPresence", userId=user, presence=presence)
        return str(added["agent"]["id"])

    def department(self, routing: str = "MANUAL", **input: Any) -> str:
        payload = self.change("createDepartment", "department { id }", name=new("d"), routing=routing, **input)
        return str(payload["department"]["id"])

    def visitor(self, **input: Any) -> str:
        """Create a visitor and return its token."""
        return str(self.change("saveVisitor", "visitor { token }", token=new("v"), **input)["visitor"]["token"])

    def start(self, department: str, **input: Any) -> Data:
        """Start a room, with a new visitor unless the input has one."""
        visitor = input.pop("visitorToken", None) or self.visitor()
        room: Data = self.change("startRoom", ROOM, visitorToken=visitor, departmentId=department, **input)["room"]
        return room

    def field(self, target: str, type: str, **input: Any) -> str:
        """Define a custom field and return its key, a new one unless the input has one."""
        key = new(type.lower().replace("_", "-"))
        self.change("defineCustomField", target=target, type=type, **{"key": key, **input})
        return key

    def app(self, *scopes: str) -> "Client":
        return Client(
            self.http, self.url, self.change("createApp", "token", name=new("app"), scopes=list(scopes))["token"]
        )

    def logged_in(self, user: str) -> "Client":
        password = new("secret ")
        named = self.change("updateUser", "user { username }", userId=user, password=password)["user"]["username"]
        login = Client(self.http, self.url, None).change("login", "token", username=named, password=password)
        return Client(self.http, self.url, login["token"])

    # ---------------------------------------------------------------- results

    def head(self) -> str:
        return str(self.ask("{ eventCursor }")["eventCursor"])

    def since(self, cursor: str | None, selection: str = EVENT, **arguments: Any) -> list[Data]:
        """The events after that cursor."""
        document = f"""query ($after: Cursor, $types: [EventType!], $where: RoomFilter) {{
          events(after: $after, types: $types, where: $where, first: 200) {{ nodes {{ {selection} }} }} }}"""
        nodes: list[Data] = self.ask(document, after=cursor, **arguments)["events"]["nodes"]
        return nodes

    def room(self, room_id: str) -> Data:
        room: Data = self.ask(f"query ($id: ID!) {{ {ROOM.replace('room', 'room(by: {id: $id})', 1)} }}", id=room_id)[
            "room"
        ]
        return room

    @contextmanager
    def nothing_happens(self) -> Iterator[None]:
        """Assert that the block records no event."""
        head = self.head()
        yield
        assert self.since(head, "type") == []

    @contextmanager
    def socket(self) -> Iterator["Socket"]:
        """A connection that the server has acknowledged."""
        protocols = [Subprotocol("graphql-transport-ws")]
        with connect(self.url.replace("http", "ws", 1), subprotocols=protocols) as connection:
            socket = Socket(connection)
            socket.send(type="connection_init", payload={"Authorization": f"Bearer {self.token}"})
            assert socket.receive() == {"type": "connection_ack"}
            yield socket


class Socket:
    """One connection of graphql-transport-ws."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._last = 0

    def send(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def receive(self, timeout: float = 10) -> Data:
        message: Data = json.loads(self.connection.recv(timeout))
        return message

    def subscribe(self, document: str, **variables: Any) -> str:
        self._last += 1
        self.send(id=str(self._last), type="subscribe", payload={"query": document, "variables": variables})
        return str(self._last)

    def follow(self, arguments: str, selection: str = EVENT, **variables: Any) -> str:
        declared = "$after: Cursor, $where: RoomFilter, $types: [EventType!], $consumer: String"
        names = ", ".join(f"{name}: ${name}" for name in arguments.split())
        used = ", ".join(one for one in declared.split(", ") if one[1:].split(":")[0] in arguments.split())
        called, listed = (f"({used})", f"({names})") if names else ("", "")
        return self.subscribe(f"subscription {called} {{ events{listed} {{ {selection} }} }}", **variables)

    def next(self) -> Data:
        """The root field of the next result."""
        message = self.receive()
        assert message["type"] == "next", message
        (value,) = message["payload"]["data"].values()
        found: Data = value
        return found

    def refusal(self) -> Data:
        """The extensions of the last operation's error. Asserts that the socket stays open."""
        message = self.receive()
        assert (message["type"], message["id"]) == ("error", str(self._last)), message
        extensions: Data = message["payload"][0]["extensions"]
        return extensions

    def close_code(self) -> int | None:
        """The close code. Messages before it are skipped."""
        try:
            while True:
                self.receive()
        except ConnectionClosed as closed:
            return None if closed.rcvd is None else closed.rcvd.code


def _mutation(name: str, selection: str) -> str:
    kind = f"{name[0].upper()}{name[1:]}Input"
    return f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {selection} }} }}"
