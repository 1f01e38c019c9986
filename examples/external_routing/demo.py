"""A whole conversation: an outside system decides who serves it, twice, and declines another one.

    switchboard demo                                                          finds or starts a server, and runs this
    SWITCHBOARD_ADMIN_TOKEN=... python -m examples.external_routing.demo      SWITCHBOARD_HOST and _PORT are the address

It runs the app of this folder against a stand-in of the outside system, and checks every event. It exits with 0 only
if all events are as expected. Everything that it creates has a name that begins with "demo".
"""

import asyncio
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from typing_extensions import override

from examples.address import address
from examples.external_routing.deployment import (
    DEPARTMENT,
    ROOM_FIELD,
    ROUTER_SCOPES,
    USER_FIELD,
    WEBSITE_SCOPES,
    prepare,
)
from examples.external_routing.outside import OutsideSystem, Person
from examples.external_routing.received import Received, Unexpected
from examples.external_routing.router import make_app
from examples.external_routing.settings import Settings
from examples.external_routing.stand_in import StandIn, served
from examples.external_routing.verdict import differences, expected_of_solved_case, expected_of_unknown_case
from examples.narration import Narrator
from switchboard_client import Api, ApiError, App, ConnectionLost, open_api
from switchboard_client.events import AgentAssigned, RoomClosed, RoomEvent, RoutingDeclined
from switchboard_client.types import AgentStatus

CONSUMER = "demo-case-router"


class Remarks(logging.Handler):
    """Prints what the app logs."""

    def __init__(self, narrator: Narrator) -> None:
        super().__init__()
        self._narrator = narrator

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._narrator.remark(f"the router {record.getMessage()}")


class Demo:
    """The website, the app and the events of one run."""

    def __init__(self, narrator: Narrator, run: str, website: Api, router: Api, received: Received) -> None:
        self._narrator = narrator
        self._run = run
        self._website = website
        self._router = router
        self._received = received

    async def start(self, case: str, subject: str, department_id: str) -> str:
        """Start a conversation about the case. Returns its id."""
        token = f"demo-visitor-of-{case}"
        await self._website.save_visitor(token=token, name="Ada Park")
        started = await self._website.start_room(
            visitor_token=token,
            department_id=department_id,
            source=f"demo-{self._run}",
            subject=subject,
            custom_fields=[{"key": ROOM_FIELD, "value": case}],
        )
        return started.room.id

    async def play(self, department_id: str, first: Person, second: Person) -> None:
        narrator, website = self._narrator, self._website
        narrator.step(f"On the website, Ada Park writes about CASE-{self._run}-1: a conversation starts")
        solved = await self.start(f"CASE-{self._run}-1", "My parcel is late", department_id)
        await self._received.until(AgentAssigned, 1)

        narrator.step("It turns out to be about another case, and somebody else serves that one")
        await website.update_room(room_id=solved, custom_fields=[{"key": ROOM_FIELD, "value": f"CASE-{self._run}-2"}])
        await self._received.until(AgentAssigned, 2)

        narrator.step("The case is solved, and the conversation is closed")
        await website.close_room(room_id=solved, comment="solved")
        await self._received.until(RoomClosed, 1)

        narrator.step("A conversation about a case that the outside system does not know")
        unknown = await self.start(f"CASE-{self._run}-9", "Where is my invoice?", department_id)
        await self._received.until(RoutingDeclined, 1)
        narrator.remark("The fallback of the department routes it now. It has no agents, so the conversation waits.")
        await website.close_room(room_id=unknown, comment="wrong desk")
        await self._received.until(RoomClosed, 2)

        narrator.step("The demo checks the events")
        await self._check(solved, expected_of_solved_case(first.external_id, second.external_id))
        await self._check(unknown, expected_of_unknown_case())
        narrator.good("every event was received once and in order, with its cause, its agents and who did it")
        narrator.good("the log agrees, and the revisions of both conversations have no gap")

    async def _check(self, room_id: str, expected: Sequence[Any]) -> None:
        logged = (await self._router.events(where={"ids": [room_id]}, first=50)).nodes
        of_room = [event for event in logged if isinstance(event, RoomEvent)]
        problems = differences(self._received.of(room_id), of_room, expected, USER_FIELD)
        for problem in problems:
            self._narrator.bad(problem)
        if problems:
            raise Unexpected(f"{len(problems)} differences from the expected events")


async def main(url: str, token: str, narrator: Narrator) -> None:
    """Run the demo. Raises Unexpected, ApiError or ConnectionLost."""
    run = secrets.token_hex(3).upper()
    people = [
        Person(f"E-{run}-{number}", name, f"demo-e-{run}-{number}".lower())
        for number, name in ((1, "Noor Haddad"), (2, "Milo Varga"))
    ]
    stand_in = StandIn(secrets.token_hex(8), {f"CASE-{run}-{number}": one for number, one in enumerate(people, 1)})
    narrator.title("An outside system decides who serves a conversation", url)
    async with AsyncExitStack() as cleanup:
        installer = await cleanup.enter_async_context(open_api(url, token, retry_seconds=0))

        async def install(app: str, scopes: Sequence[str]) -> str:
            created = await installer.create_app(name=app, scopes=scopes)
            cleanup.push_async_callback(installer.revoke_app, app_id=created.app.id)
            narrator.remark(f"{app} may {', '.join(created.app.scopes)}")
            return created.token

        narrator.step("Two apps get their own tokens")
        website = await cleanup.enter_async_context(open_api(url, await install("website", WEBSITE_SCOPES)))
        router_token = await install("case-router", ROUTER_SCOPES)
        router = await cleanup.enter_async_context(open_api(url, router_token))

        narrator.step("The router prepares the deployment")
        department_id = await prepare(router, narrator)

        narrator.step("The router runs, with a stand-in of the outside system")
        outside = OutsideSystem(await cleanup.enter_async_context(served(stand_in)), stand_in.token)
        cleanup.push_async_callback(outside.close)
        received = Received(router, f"demo-{run}", narrator)
        await cleanup.enter_async_context(received.listening())
        settings = Settings(
            switchboard_url=url,
            switchboard_token=router_token,
            outside_url="",
            outside_token="",
            consumer=CONSUMER,
            room_field=ROOM_FIELD,
            user_field=USER_FIELD,
            department_id=department_id,
        )
        cleanup.push_async_callback(end_shift, router, people)
        await cleanup.enter_async_context(running(make_app(settings, outside)))
        narrator.remark(f"it reads RoutingRequested and RoomUpdated of its department as the consumer {CONSUMER}")
        await Demo(narrator, run, website, router, received).play(department_id, *people)

        narrator.step("What the demo leaves on the server")
        narrator.remark(f"two closed conversations and their visitors; the users {people[0].username} and")
        narrator.remark(f"{people[1].username}, who are not available; the department {DEPARTMENT!r} and two fields.")
        narrator.remark("The two apps and the consumer are removed.")


@asynccontextmanager
async def running(app: App) -> AsyncIterator[None]:
    """The app serves until the block ends."""
    serving = asyncio.create_task(app.serve())
    try:
        await app.ready()
        yield
    finally:
        app.stop()
        await serving


async def end_shift(router: Api, people: Sequence[Person]) -> None:
    """Remove the consumer, which a real app keeps, and make the agents unavailable to other programs."""
    await router.remove_consumer(consumer=CONSUMER)
    for person in people:
        user = await router.user(by={"customField": {"key": USER_FIELD, "value": person.external_id}})
        if user is not None and user.agent is not None:
            await router.set_agent_status(agent_id=user.agent.id, status=AgentStatus.NOT_AVAILABLE)


def run() -> int:
    token = os.environ.get("SWITCHBOARD_ADMIN_TOKEN")
    if not token:
        print("Set SWITCHBOARD_ADMIN_TOKEN to a token that may create apps, or run  switchboard demo.", file=sys.stderr)
        return 2
    narrator = Narrator()
    logger = logging.getLogger("examples.external_routing")
    logger.setLevel(logging.INFO)
    logger.addHandler(Remarks(narrator))
    try:
        asyncio.run(main(address(os.environ), token, narrator))
    except (Unexpected, ApiError, ConnectionLost) as error:
        narrator.bad(str(error))
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(130)
