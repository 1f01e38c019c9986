"""An outside program decides who serves a conversation: the journey that Switchboard was made for, in one sitting.

Two apps with tokens of their own play it against a running server: a website, where a visitor starts a conversation,
and a case router, which hears of it, asks its external system who must serve that case, makes that person an agent
here, and gives them the conversation. The router checks everything it hears, and exits with 0 only if all of it was as
it should be.

It does what a program has to do that must not lose a conversation: the conversations are in a department with the
routing EXTERNAL, so that Switchboard gives none of them away before the router decides; the router reads events as a
named consumer and acknowledges each after its effect, so that a router that died is sent again what it had not
finished; and its agents do not accept routing, so that nobody but the router gives them conversations.

All that it makes has names of its own, which begin with "demo", and none of it changes what others do with the server.

    switchboard demo                                                     finds a server or starts one, and runs this
    SWITCHBOARD_ADMIN_TOKEN=... python -m examples.external_routing      SWITCHBOARD_HOST and _PORT say where
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
#: How long an event may take. It takes milliseconds; a laptop that is waking up may need longer.
PATIENCE_SECONDS = 15.0
DEPARTMENT = "Demo: decided elsewhere"
#: After so many seconds without a decision, Switchboard routes the conversation to the department's agents.
DECISION_SECONDS = 60
#: The custom fields, and whether no two may hold the same. There may be several conversations about one case.
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
)
EVENTS = ("ROOM_STARTED", "AGENT_UNASSIGNED", "AGENT_ASSIGNED", "ROOM_CLOSED")


class Disappointed(Exception):
    """Something is not as it should be; the message says what."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the external system, who may be unknown to Switchboard."""

    external_id: str
    name: str


class ExternalSystem:
    """The system that knows who must serve which case. Elsewhere it is a CRM; here it is this one case."""

    def __init__(self, run: str) -> None:
        self.case_id = f"CASE-{run}"
        self._duty = [Person(f"E-{run}-1", "Noor Haddad"), Person(f"E-{run}-2", "Milo Varga")]

    def who_serves(self, case_id: str, *, shift: int) -> Person:
        assert case_id == self.case_id, "asked about somebody else's case"
        return self._duty[shift]


def username_of(person: Person) -> str:
    return f"demo-{person.external_id.lower()}"


class Ears:
    """What the subscription brings about one case: taken in as it arrives, told in the order of the log."""

    def __init__(self, case_id: str, tell: Callable[[int, str, str, float], None]) -> None:
        self.events: list[tuple[str, JSON]] = []
        self._case_id = case_id
        self._tell = tell
        self._untold: list[tuple[int, str, str, float]] = []
        self._arrived = asyncio.Event()

    def hear(self, data: JSON) -> None:
        """Take in what the subscription delivered."""
        event = data["events"]
        kind = re.sub("_(.)", lambda found: found[1].upper(), event["type"].lower())  # ROOM_STARTED: roomStarted
        if event["room"]["customField"] == self._case_id:  # others may use this server too
            self.events.append((kind, event))
            self._untold.append((event["sequence"], kind, sentence(kind, event), time.monotonic()))
            self._arrived.set()

    async def until(self, count: int) -> JSON:
        """The newest event, when there have been this many. Raises Disappointed."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(self.events) < count:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise Disappointed(f"event {count} did not come within {PATIENCE_SECONDS:.0f} s") from None
        finally:
            self.tell()
        return self.events[count - 1][1]

    def tell(self) -> None:
        """Tell what has not been told."""
        for heard in sorted(self._untold):
            self._tell(*heard)
        self._untold.clear()


# ---------------------------------------------------------------- the journey


@dataclass(frozen=True, slots=True)
class Journey:
    """Who takes part, and what they have at hand."""

    tell: Narrator
    external: ExternalSystem
    website: Api
    router: Api
    ears: Ears

    async def prepare(self) -> str:
        """The custom fields, and the id of a department whose rooms wait for an outside decision."""
        present = await self.router.run("Install")
        known = {(one["target"], one["key"]): one for one in present["customFieldDefinitions"]}
        for target, key, unique in FIELDS:
            kind = "TEXT, unique" if unique else "TEXT"
            definition = known.get((target, key))
            if definition is None:
                await self.router.change("DefineField", target=target, key=key, type="TEXT", unique=unique)
            elif definition["unique"] is not unique or definition["type"] != "TEXT":
                raise Disappointed(f"the custom field {key} is here already, but is not {kind}")
            self.tell.remark(f"custom field {target} {key}: {kind}; {'is there already' if definition else 'new'}")
        for department in present["departments"]:
            if department["name"] == DEPARTMENT and department["routing"] == "EXTERNAL" and department["enabled"]:
                self.tell.remark(f"department {DEPARTMENT}: is there already")
                return str(department["id"])
        created = await self.router.change(
            "CreateDepartment",
            name=DEPARTMENT,
            routing="EXTERNAL",
            externalTimeoutSeconds=DECISION_SECONDS,
            fallbackRouting="LEAST_LOADED",
        )
        self.tell.remark(
            f"department {DEPARTMENT}: new; Switchboard waits {DECISION_SECONDS} s for the router's decision"
        )
        return str(created["department"]["id"])

    async def start_conversation(self, department_id: str) -> JSON:
        """What the router hears when a visitor writes."""
        token = f"demo-visitor-of-{self.external.case_id}"
        await self.website.change("SaveVisitor", token=token, name="Ada Park")
        await self.website.change(
            "StartRoom",
            visitorToken=token,
            departmentId=department_id,
            source="website",
            subject="My parcel is late",
            customFields=[{"key": "demoCaseId", "value": self.external.case_id}],
            clientMutationId="start",
        )
        return await self.ears.until(1)

    async def hire(self, person: Person) -> str:
        """The id of the agent for somebody from outside, made step by step."""
        found = await self.router.run("FindUser", externalId=person.external_id)
        if found["user"] is not None:
            raise Disappointed(f"somebody with demoExternalId {person.external_id} is here already")
        self.tell.remark(f"Nobody here has demoExternalId {person.external_id}, so the router creates the user,")
        created = await self.router.change(
            "CreateUser",
            username=username_of(person),
            name=person.name,
            customFields=[{"key": "demoExternalId", "value": person.external_id}],
        )
        user_id = str(created["user"]["id"])
        self.tell.remark("makes it an omnichannel agent that routing gives nothing,")
        await self.router.change("AddAgent", userId=user_id, acceptsRouting=False)
        self.tell.remark("and gives it the role bot, because it will never be online")
        changed = await self.router.change("AddRoles", userId=user_id, roles=["bot"])
        if not changed["user"]["agent"]["routable"]:
            raise Disappointed("an offline agent with the role bot should be routable")
        return user_id

    async def hire_at_once(self, person: Person) -> str:
        """The same in one operation."""
        ensured = await self.router.change(
            "EnsureAgent",
            by={"key": "demoExternalId", "value": person.external_id},
            username=username_of(person),
            name=person.name,
            roles=["bot"],
            acceptsRouting=False,
        )
        self.tell.remark("ensureAgent: " + ("created" if ensured["created"] else "was here already"))
        return str(ensured["agent"]["id"])

    async def acknowledge(self, event: JSON) -> None:
        """Say that the router has done what this event, and all before it, asked for: they are not sent again."""
        await self.router.change("Acknowledge", consumer=CONSUMER, cursor=event["cursor"])
        self.tell.remark(f"acknowledged: everything up to #{event['sequence']}")

    async def play(self, socket: Socket, leave: AsyncExitStack) -> None:
        tell, case_id = self.tell, self.external.case_id
        tell.step("The router prepares the deployment")
        department_id = await self.prepare()

        tell.step("It subscribes as a named consumer, from where the log ends now")
        now = (await self.router.run("Now"))["eventCursor"]
        cases = {"customFields": [{"key": "demoCaseId", "exists": True}]}
        await socket.subscribe("Events", self.ears.hear, consumer=CONSUMER, types=EVENTS, where=cases, after=now)
        tell.remark("roomStarted, agentUnassigned, agentAssigned, roomClosed: of every room that has a demoCaseId")

        tell.step(f"On the website, Ada Park writes about {case_id}: a conversation starts")
        started = await self.start_conversation(department_id)
        room_id, heard_of = started["room"]["id"], started["room"]["customField"]

        first = self.external.who_serves(heard_of, shift=0)
        tell.step(f"The router asks its external system, which says: {first.name}, {first.external_id}")
        first_id = await self.hire(first)
        leave.push_async_callback(self.end_shift, first_id)

        tell.step(f"It assigns the conversation to {first.name}")
        await self.router.change("AssignAgent", roomId=room_id, agentId=first_id, clientMutationId="assign")
        await self.acknowledge(started)
        await self.ears.until(2)

        second = self.external.who_serves(heard_of, shift=1)
        tell.step(f"The shift ends; the external system now says: {second.name}, {second.external_id}")
        second_id = await self.hire_at_once(second)
        leave.push_async_callback(self.end_shift, second_id)
        await self.router.change("TransferRoom", roomId=room_id, to={"agentId": second_id}, clientMutationId="transfer")
        await self.ears.until(4)

        tell.step("The case is solved, and the router closes the conversation")
        await self.router.change("CloseRoom", roomId=room_id, comment="solved", clientMutationId="close")
        await self.acknowledge(await self.ears.until(6))

        tell.step("Was all of it as it should be?")
        await socket.round_trip()
        self.ears.tell()
        history = (await self.router.run("History", roomId=room_id))["room"]["events"]["nodes"]
        self.check(history, first, second)

        tell.step("What stays behind, and is in nobody's way")
        tell.remark(f"the closed conversation about {case_id} and its visitor; the users {username_of(first)} and")
        tell.remark(f"{username_of(second)}, who are not available; the department and the two custom fields.")
        tell.remark("The two apps and the consumer are removed.")

    async def end_shift(self, agent_id: str) -> None:
        """See to it that conversations of others are not routed to somebody who was made up."""
        await self.router.change("SetAgentStatus", agentId=agent_id, status="NOT_AVAILABLE")

    def check(self, history: Sequence[JSON], first: Person, second: Person) -> None:
        """Raise Disappointed unless everything was heard once, in order, and as it was."""
        problems = differences(self.ears.events, history, self.external.case_id, first.external_id, second.external_id)
        for problem in problems:
            self.tell.bad(problem)
        if problems:
            raise Disappointed(f"{len(problems)} things were not as they should be")
        self.tell.good("every event came once and in order, with its cause, its agents and the mutation behind it")
        self.tell.good(
            f"the log agrees: {len(history)} events of the room, revisions 1 to {len(history)} without a gap"
        )


# ---------------------------------------------------------------- the program


async def forget_consumer(router: Api) -> None:
    """A router that is to go on later keeps its consumer. This one never does."""
    with contextlib.suppress(Refused):  # it never got so far
        await router.change("RemoveConsumer", consumer=CONSUMER)


async def main(url: str, token: str, tell: Narrator) -> None:
    """Play the whole of it. Raises Disappointed, Refused, or whatever the network raises."""
    external = ExternalSystem(secrets.token_hex(3).upper())
    tell.title("An outside program decides who serves a conversation", url)
    async with AsyncExitStack() as leave:
        http = await leave.enter_async_context(open_http())
        installer = Api(http, url, token, DOCUMENT)

        async def install(app: str, scopes: Sequence[str]) -> str:
            created = await installer.change("CreateApp", name=app, scopes=scopes)
            leave.push_async_callback(installer.change, "RevokeApp", appId=created["app"]["id"])
            tell.remark(f"{app} may {', '.join(created['app']['scopes'])}")
            return str(created["token"])

        tell.step("Two apps get tokens of their own")
        website = Api(http, url, await install("website", WEBSITE_SCOPES), DOCUMENT)
        router_token = await install("case-router", ROUTER_SCOPES)
        router = Api(http, url, router_token, DOCUMENT)
        ears = Ears(external.case_id, tell.event)
        journey = Journey(tell, external, website, router, ears)
        leave.push_async_callback(forget_consumer, router)
        socket = await leave.enter_async_context(open_socket(url, router_token, DOCUMENT))
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(socket.run())
            await journey.play(socket, leave)
            listening.cancel()


def run() -> int:
    token = os.environ.get("SWITCHBOARD_ADMIN_TOKEN")
    if not token:
        print("Set SWITCHBOARD_ADMIN_TOKEN to a token that may create apps, or run  switchboard demo.", file=sys.stderr)
        return 2
    tell = Narrator()
    problems: list[BaseException] = []
    try:
        asyncio.run(main(address(os.environ), token, tell))
    except* (Disappointed, Refused, httpx.HTTPError, WebSocketException, OSError) as group:
        problems.extend(group.exceptions)
    for problem in problems:
        tell.bad(str(problem) or type(problem).__name__)
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(130)
