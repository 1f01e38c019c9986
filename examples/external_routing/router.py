"""The handlers of the app.

Each handler has one effect that changes a room, and acknowledges the event in it. If the app is killed before, the
event comes again; if it is killed after, the event is acknowledged. `ensureAgent` before it is harmless to repeat.
"""

import logging

from examples.external_routing.outside import OutsideSystem, Person
from examples.external_routing.settings import Settings
from switchboard_client import Api, App
from switchboard_client.errors import (
    AgentNotRoutable,
    RoomAlreadyAssigned,
    RoomClosed,
    RoomNotAssigned,
    RoomNotWaitingForDecision,
)
from switchboard_client.events import RoomUpdated, RoutingRequested
from switchboard_client.inputs import RoomFilter
from switchboard_client.types import Agent

logger = logging.getLogger("examples.external_routing")

#: The room is no longer in the state that the event reports: somebody else has decided.
DECIDED_ELSEWHERE = (RoomAlreadyAssigned, RoomClosed, RoomNotAssigned, RoomNotWaitingForDecision)


class Router:
    """Decides about rooms by what the outside system says about the value of one of their custom fields."""

    def __init__(self, settings: Settings, outside: OutsideSystem) -> None:
        self._room_field = settings.room_field
        self._user_field = settings.user_field
        self._outside = outside

    async def decide(self, event: RoutingRequested, api: Api) -> None:
        """Assign the room to whom the outside system names, or decline so that the fallback routes it."""
        room_id, case = event.room.room_id, event.room.custom_field(self._room_field)
        person = await self._ask(case, room_id, event.attempt)
        try:
            if person is None:
                reason = f"The room has no {self._room_field}" if case is None else f"{case} is not a case of ours"
                logger.info("declines to decide: %s", reason)
                await api.decline_routing(room_id=room_id, reason=reason, ack=event)
                return
            agent = await self._ensure_agent(api, person)
            try:
                logger.info("assigns the room about %s to %s", case, person.name)
                await api.assign_agent(room_id=room_id, agent_id=agent.id, ack=event)
            except AgentNotRoutable as refused:
                logger.info("declines to decide: %s", refused.message)
                await api.decline_routing(room_id=room_id, reason=f"{person.name} takes no room now", ack=event)
        except DECIDED_ELSEWHERE as refused:
            logger.info("leaves the room %s as it is: %s", room_id, refused.message)

    async def follow(self, event: RoomUpdated, api: Api) -> None:
        """Transfer the room if it is about another case now, and somebody else serves that one."""
        room_id = event.room.room_id
        if all(change.field != f"customFields.{self._room_field}" for change in event.changes):
            return
        # The room as it is now: it may have been assigned after the event, by the decision about its earlier case.
        room = await api.room(by={"id": room_id})
        if room is None or room.served_by is None:
            return
        case = room.custom_field(self._room_field)
        person = await self._ask(case, room_id, 1)
        if person is None:
            return
        agent = await self._ensure_agent(api, person)
        if agent.id == room.served_by.id:
            return
        try:
            logger.info("transfers the room, now about %s, to %s", case, person.name)
            await api.transfer_room(room_id=room_id, to={"agentId": agent.id}, comment=f"about {case}", ack=event)
        except (*DECIDED_ELSEWHERE, AgentNotRoutable) as refused:
            logger.info("leaves the room %s as it is: %s", room_id, refused.message)

    async def _ask(self, case: object, room_id: str, attempt: int) -> Person | None:
        if case is None:
            return None
        return await self._outside.who_serves(str(case), room_id=room_id, attempt=attempt)

    async def _ensure_agent(self, api: Api, person: Person) -> Agent:
        """The agent with this external id. It is created if Switchboard does not know it.

        The role bot makes it routable although it is never online: the person works in the outside system. Routing
        offers it no rooms, so that only this app assigns them.
        """
        ensured = await api.ensure_agent(
            by={"key": self._user_field, "value": person.external_id},
            username=person.username,
            name=person.name,
            roles=["bot"],
            accepts_routing=False,
        )
        if ensured.created:
            logger.info("creates the agent %s for %s, %s", person.username, person.external_id, person.name)
        return ensured.agent


def make_app(settings: Settings, outside: OutsideSystem) -> App:
    """The app with its handlers."""
    app = App(settings.consumer, url=settings.switchboard_url, token=settings.switchboard_token)
    router = Router(settings, outside)
    where: RoomFilter | None = None if settings.department_id is None else {"departmentId": settings.department_id}
    app.on(RoutingRequested, where=where)(router.decide)
    app.on(RoomUpdated, where=where)(router.follow)
    return app
