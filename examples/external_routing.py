"""An outside program that decides who serves a conversation, which is the main use of Switchboard.

It uses two apps with their own tokens against a running server. On the website, a visitor starts a conversation. The
case router receives the event, asks its external system who must serve that case, makes that person an agent, and
assigns the conversation. The router checks every event, and exits with 0 only if all events are as expected.

The program shows how not to lose a conversation. The conversations are in a department with the routing EXTERNAL, so
that Switchboard assigns none of them before the router decides. The router reads events as a named consumer, and
acknowledges an event in the mutation with its effect, so that a restarted router receives the unfinished events again
and decides each once. Its agents do not accept routing, so that only the router assigns conversations to them.

Everything that it creates has a name that begins with "demo", and does not affect other users of the server.

    switchboard demo                                                     finds or starts a server, and runs this
    SWITCHBOARD_ADMIN_TOKEN=... python -m examples.external_routing      SWITCHBOARD_HOST and _PORT are the address
"""

import asyncio
import contextlib
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from websockets.exceptions import WebSocketException

from examples.client import JSON, Api, Refused, Socket, address, open_http, open_socket
from examples.narration import Narrator
from examples.verdict import differences, sentence

DOCUMENT = Path(__file__).with_suffix(".graphql").read_text(encoding="utf-8")
#: The longest time to wait for an event. An event takes milliseconds, but a busy machine may need longer.
EVENT_TIMEOUT_SECONDS = 15.0
DEPARTMENT = "Demo: decided elsewhere"
#: After this time without a decision, Switchboard routes the conversation to the department's agents.
DECISION_SECONDS = 60
#: The custom fields, and whether they are unique. Several conversations may be about one case.
FIELDS = (("USER", "demoExternalId", True), ("ROOM", "demoCaseId", False))
CONSUMER = "case-router"
WEBSITE_SCOPES = ("visitors:read", "visitors:write", "rooms:read", "rooms:write")
ROUTER_SCOPES = (
    "fields:write",
    "departments:write",
    "users:read",
    "users:write",
    "roles:write",
    "agents:write",
    "visitors:read",
    "rooms:read",
    "rooms:write",
    "rooms:assign",
    "events:read",
    # Roles that the router gives to agents open no more than the router's own scopes.
    "visitors:write",
    "messages:read",
    "messages:write",
)
EVENTS = ("ROOM_STARTED", "AGENT_UNASSIGNED", "AGENT_ASSIGNED", "ROOM_CLOSED")


class Unexpected(Exception):
    """A result is not as expected. The message describes the difference."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the external system, who may be unknown to Switchboard."""

    external_id: str
    name: str


class ExternalSystem:
    """Decides who serves a case. A real one is a CRM; this one has a single case."""

    def __init__(self, run: str) -> None:
        self.case_id = f"CASE-{run}"
        self._duty = [Person(f"E-{run}-1", "Noor Haddad"), Person(f"E-{run}-2", "Milo Varga")]

    def who_serves(self, case_id: str, *, shift: int) -> Person:
        assert case_id == self.case_id, "asked about another case"
        return self._duty[shift]


def username_of(person: Person) -> str:
    return f"demo-{person.external_id.lower()}"


class EventCollector:
    """Collects the events of one case, and prints them in the order of the log."""

    def __init__(self, case_id: str, print_event: Callable[[int, str, str, float], None]) -> None:
        self.events: list[tuple[str, JSON]] = []
        self._case_id = case_id
        self._print_event = print_event
        self._unprinted: list[tuple[int, str, str, float]] = []
        self._arrived = asyncio.Event()

    def collect(self, data: JSON) -> None:
        """Add an event of the subscription."""
        event = data["events"]
        kind = re.sub("_(.)", lambda found: found[1].upper(), event["type"].lower())  # ROOM_STARTED: roomStarted
        if event["room"]["customField"] == self._case_id:  # other programs may use this server
            self.events.append((kind, event))
            self._unprinted.append((event["sequence"], kind, sentence(kind, event), time.monotonic()))
            self._arrived.set()

    async def until(self, count: int) -> JSON:
        """Wait for that many events, and return the last of them. Raises Unexpected."""
        try:
            async with asyncio.timeout(EVENT_TIMEOUT_SECONDS):
                while len(self.events) < count:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise Unexpected(f"event {count} did not come within {EVENT_TIMEOUT_SECONDS:.0f} s") from None
        finally:
            self.print_new()
        return self.events[count - 1][1]

    def print_new(self) -> None:
        """Print the events that were not printed yet."""
        for event in sorted(self._unprinted):
            self._print_event(*event)
        self._unprinted.clear()


# ---------------------------------------------------------------- the steps


@dataclass(frozen=True, slots=True)
class Demo:
    """The two apps, the external system and the collected events."""

    narrator: Narrator
    external: ExternalSystem
    website: Api
    router: Api
    events: EventCollector

    async def prepare(self) -> str:
        """Define the custom fields. Returns the id of a department with external routing."""
        present = await self.router.run("Install")
        definitions = {(field["target"], field["key"]): field for field in present["customFieldDefinitions"]}
        for target, key, unique in FIELDS:
            kind = "TEXT, unique" if unique else "TEXT"
            definition = definitions.get((target, key))
            if definition is None:
                await self.router.mutate("DefineField", target=target, key=key, type="TEXT", unique=unique)
            elif definition["unique"] is not unique or definition["type"] != "TEXT":
                raise Unexpected(f"the custom field {key} exists already, but is not {kind}")
            self.narrator.remark(f"custom field {target} {key}: {kind}; {'exists already' if definition else 'new'}")
        for department in present["departments"]:
            if department["name"] == DEPARTMENT and department["routing"] == "EXTERNAL" and department["enabled"]:
                self.narrator.remark(f"department {DEPARTMENT}: exists already")
                return str(department["id"])
        created = await self.router.mutate(
            "CreateDepartment",
            name=DEPARTMENT,
            routing="EXTERNAL",
            externalTimeoutSeconds=DECISION_SECONDS,
            fallbackRouting="LEAST_LOADED",
        )
        self.narrator.remark(
            f"department {DEPARTMENT}: new; Switchboard waits {DECISION_SECONDS} s for the router's decision"
        )
        return str(created["department"]["id"])

    async def start_conversation(self, department_id: str) -> JSON:
        """Start a conversation on the website. Returns the event that the router receives."""
        token = f"demo-visitor-of-{self.external.case_id}"
        await self.website.mutate("SaveVisitor", token=token, name="Ada Park")
        await self.website.mutate(
            "StartRoom",
            visitorToken=token,
            departmentId=department_id,
            source="website",
            subject="My parcel is late",
            customFields=[{"key": "demoCaseId", "value": self.external.case_id}],
            clientMutationId="start",
        )
        return await self.events.until(1)

    async def create_agent(self, person: Person) -> str:
        """Create an agent for a person of the external system, step by step. Returns its id."""
        found = await self.router.run("FindUser", externalId=person.external_id)
        if found["user"] is not None:
            raise Unexpected(f"a user with demoExternalId {person.external_id} exists already")
        self.narrator.remark(f"No user has demoExternalId {person.external_id}, so the router creates one,")
        created = await self.router.mutate(
            "CreateUser",
            username=username_of(person),
            name=person.name,
            customFields=[{"key": "demoExternalId", "value": person.external_id}],
        )
        user_id = str(created["user"]["id"])
        self.narrator.remark("adds the role bot, because the user will never be online,")
        await self.router.mutate("AddRoles", userId=user_id, roles=["bot"])
        self.narrator.remark("and makes the user an omnichannel agent that does not accept routing")
        added = await self.router.mutate("AddAgent", userId=user_id, acceptsRouting=False)
        if not added["agent"]["routable"]:
            raise Unexpected("an offline agent with the role bot should be routable")
        return user_id

    async def ensure_agent(self, person: Person) -> str:
        """The same in one operation."""
        ensured = await self.router.mutate(
            "EnsureAgent",
            by={"key": "demoExternalId", "value": person.external_id},
            username=username_of(person),
            name=person.name,
            roles=["bot"],
            acceptsRouting=False,
        )
        self.narrator.remark("ensureAgent: " + ("created" if ensured["created"] else "existed already"))
        return str(ensured["agent"]["id"])

    async def acknowledge(self, event: JSON) -> None:
        """Acknowledge this event and all events before it: they are not delivered again."""
        await self.router.mutate("Acknowledge", consumer=CONSUMER, cursor=event["cursor"])
        self.narrator.remark(f"acknowledged: everything up to #{event['sequence']}")

    async def run(self, socket: Socket, cleanup: AsyncExitStack) -> None:
        narrator, case_id = self.narrator, self.external.case_id
        narrator.step("The router prepares the deployment")
        department_id = await self.prepare()

        narrator.step("It subscribes as a named consumer, from the end of the log")
        end = (await self.router.run("Now"))["eventCursor"]
        cases = {"customFields": [{"key": "demoCaseId", "exists": True}]}
        await socket.subscribe("Events", self.events.collect, consumer=CONSUMER, types=EVENTS, where=cases, after=end)
        narrator.remark("roomStarted, agentUnassigned, agentAssigned, roomClosed: of every room that has a demoCaseId")

        narrator.step(f"On the website, Ada Park writes about {case_id}: a conversation starts")
        started = await self.start_conversation(department_id)
        room_id, received_case = started["room"]["roomId"], started["room"]["customField"]

        first = self.external.who_serves(received_case, shift=0)
        narrator.step(f"The router asks its external system, which says: {first.name}, {first.external_id}")
        first_id = await self.create_agent(first)
        cleanup.push_async_callback(self.end_shift, first_id)

        narrator.step(f"It assigns the conversation to {first.name}")
        decided = {"consumer": CONSUMER, "cursor": started["cursor"]}
        await self.router.mutate(
            "AssignAgent", roomId=room_id, agentId=first_id, ack=decided, clientMutationId="assign"
        )
        narrator.remark(f"acknowledged with it, in one transaction: #{started['sequence']}")
        await self.events.until(2)

        second = self.external.who_serves(received_case, shift=1)
        narrator.step(f"The shift ends; the external system now says: {second.name}, {second.external_id}")
        second_id = await self.ensure_agent(second)
        cleanup.push_async_callback(self.end_shift, second_id)
        await self.router.mutate("TransferRoom", roomId=room_id, to={"agentId": second_id}, clientMutationId="transfer")
        await self.events.until(4)

        narrator.step("The case is solved, and the router closes the conversation")
        await self.router.mutate("CloseRoom", roomId=room_id, comment="solved", clientMutationId="close")
        await self.acknowledge(await self.events.until(6))

        narrator.step("The router checks the events")
        await socket.round_trip()
        self.events.print_new()
        history = (await self.router.run("History", roomId=room_id))["room"]["events"]["nodes"]
        self.check(history, first, second)

        narrator.step("What the demo leaves on the server")
        narrator.remark(f"the closed conversation about {case_id} and its visitor; the users {username_of(first)} and")
        narrator.remark(f"{username_of(second)}, who are not available; the department and the two custom fields.")
        narrator.remark("The two apps and the consumer are removed.")

    async def end_shift(self, agent_id: str) -> None:
        """Make the agent unavailable, so that routing assigns it no conversations of other programs."""
        await self.router.mutate("SetAgentStatus", agentId=agent_id, status="NOT_AVAILABLE")

    def check(self, history: Sequence[JSON], first: Person, second: Person) -> None:
        """Raise Unexpected unless every event was received once, in order and as expected."""
        problems = differences(
            self.events.events, history, self.external.case_id, first.external_id, second.external_id
        )
        for problem in problems:
            self.narrator.bad(problem)
        if problems:
            raise Unexpected(f"{len(problems)} differences from the expected events")
        self.narrator.good(
            "every event was received once and in order, with its cause, its agents and its clientMutationId"
        )
        self.narrator.good(
            f"the log agrees: {len(history)} events of the room, revisions 1 to {len(history)} without a gap"
        )


# ---------------------------------------------------------------- the program


async def remove_consumer(router: Api) -> None:
    """Remove the consumer. A program that resumes later would keep it."""
    with contextlib.suppress(Refused):  # the demo may have failed before it created the consumer
        await router.mutate("RemoveConsumer", consumer=CONSUMER)


async def main(url: str, token: str, narrator: Narrator) -> None:
    """Run the demo. Raises Unexpected, Refused, or an error of the network."""
    external = ExternalSystem(secrets.token_hex(3).upper())
    narrator.title("An outside program decides who serves a conversation", url)
    async with AsyncExitStack() as cleanup:
        http = await cleanup.enter_async_context(open_http())
        installer = Api(http, url, token, DOCUMENT)

        async def install(app: str, scopes: Sequence[str]) -> str:
            created = await installer.mutate("CreateApp", name=app, scopes=scopes)
            cleanup.push_async_callback(installer.mutate, "RevokeApp", appId=created["app"]["id"])
            narrator.remark(f"{app} may {', '.join(created['app']['scopes'])}")
            return str(created["token"])

        narrator.step("Two apps get their own tokens")
        website = Api(http, url, await install("website", WEBSITE_SCOPES), DOCUMENT)
        router_token = await install("case-router", ROUTER_SCOPES)
        router = Api(http, url, router_token, DOCUMENT)
        events = EventCollector(external.case_id, narrator.event)
        demo = Demo(narrator, external, website, router, events)
        cleanup.push_async_callback(remove_consumer, router)
        socket = await cleanup.enter_async_context(open_socket(url, router_token, DOCUMENT))
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(socket.run())
            await demo.run(socket, cleanup)
            listening.cancel()


def run() -> int:
    token = os.environ.get("SWITCHBOARD_ADMIN_TOKEN")
    if not token:
        print("Set SWITCHBOARD_ADMIN_TOKEN to a token that may create apps, or run  switchboard demo.", file=sys.stderr)
        return 2
    narrator = Narrator()
    problems: list[BaseException] = []
    try:
        asyncio.run(main(address(os.environ), token, narrator))
    except* (Unexpected, Refused, httpx.HTTPError, WebSocketException, OSError) as group:
        problems.extend(group.exceptions)
    for problem in problems:
        narrator.bad(str(problem) or type(problem).__name__)
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(130)
