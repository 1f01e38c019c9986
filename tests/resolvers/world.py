"""The test environment of resolvers: creates agents, departments and rooms, and reads the stored state and facts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from resolvers import agents, departments, rooms, users, visitors
from resolvers.auth.access import ADMIN, Caller
from resolvers.context import Context, Services
from resolvers.routing.agent_cache import AgentCache
from resolvers.routing.queue import RoutingQueue
from storage import rooms as stored_rooms
from storage import users as stored_users
from storage.facts import AgentAssigned, AgentUnassigned, AnyFact, RoomFact, RoomTransferred
from storage.records import (
    Actor,
    ActorType,
    AgentProfile,
    AgentStatus,
    Department,
    Presence,
    Room,
    RoutingMethod,
    User,
    UserType,
    Visitor,
)
from storage.roles import BUILT_IN_SCOPES

APP = Actor(type=ActorType.APP, id="app", name="App")


class World:
    """One deployment, with the context of an app with all scopes, and a visitor with the token "v"."""

    def __init__(self, services: Services, processes: Sequence[Services] = ()) -> None:
        self.services = services
        #: All processes of the deployment, whose settings are the same.
        self.processes = processes or (services,)
        self._first_head = services.storage.feed.head
        self.context = Context(services, Caller(actor=APP, scopes=frozenset({ADMIN})))

    # ---------------------------------------------------------------- entities

    async def agent(
        self,
        username: str,
        *,
        max_rooms: int | None = None,
        departments: Sequence[Department] = (),
        presence: Presence = Presence.ONLINE,
        roles: Sequence[str] = (),
        status: AgentStatus = AgentStatus.AVAILABLE,
        accepts_routing: bool = True,
    ) -> User:
        user = await users.create_user(self.context, username=username, type=UserType.USER, roles=roles)
        if presence is not Presence.OFFLINE:
            await users.set_presence(self.context, user_id=user.id, presence=presence)
        added = await agents.add_agent(
            self.context,
            user_id=user.id,
            status=status,
            accepts_routing=accepts_routing,
            max_rooms=max_rooms,
            department_ids=[one.id for one in departments],
        )
        return added.user

    async def department(self, name: str, routing: RoutingMethod, **settings: Any) -> Department:
        return await departments.create_department(self.context, name=name, routing=routing, **settings)

    async def visitor(self, token: str = "v") -> Visitor:
        return await visitors.save_visitor(self.context, token=token)

    async def start(self, department: Department | None = None, **fields: Any) -> Room:
        fields.setdefault("visitor_token", "v")
        return await rooms.start_room(
            self.context, department_id=None if department is None else department.id, **fields
        )

    async def on_hold(self, agent: User) -> Room:
        """A new room that this agent has on hold."""
        room = await self.assigned(agent)
        return await rooms.hold_room(self.context, room_id=room.id)

    async def assigned(self, agent: User) -> Room:
        """A new room of a MANUAL department, assigned to this agent."""
        room = await self.waiting()
        return await rooms.assign_agent(self.context, room_id=room.id, agent_id=agent.id)

    async def waiting(self) -> Room:
        """A new queued room of a MANUAL department."""
        return await self.start(await self.department("Manual", RoutingMethod.MANUAL))

    async def closed(self) -> Room:
        return await rooms.close_room(self.context, room_id=(await self.waiting()).id)

    # ---------------------------------------------------------------- callers and routing

    def logged_in(self, user: User, *scopes: str) -> Context:
        """The context of this user, with further scopes."""
        actor = Actor(type=ActorType.USER, id=user.id, name=user.username)
        held = frozenset[str]().union(*(BUILT_IN_SCOPES.get(role, frozenset()) for role in user.roles))
        caller = Caller(actor=actor, scopes=held.union(scopes), user=user)
        return replace(self.context, caller=caller)

    def routing(self, **changed: Any) -> None:
        """Change the settings of routing for rooms without a department."""
        for process in self.processes:
            process.routing = replace(process.routing, **changed)

    async def await_routing(self) -> None:
        """Assign all waiting rooms that can be assigned, and wait until the log has the facts about it."""
        await RoutingQueue(self.services).assign_waiting_rooms()
        # The services assign rooms in the background too. Their facts may still be in the outbox.
        while await self.services.storage.database["outbox"].find_one({}) is not None:
            await RoutingQueue(self.services).assign_waiting_rooms()

    # ---------------------------------------------------------------- stored state and facts

    async def room(self, room: Room) -> Room:
        return await stored_rooms.get(self.context.reader, room.id)

    async def user(self, user: User) -> User:
        return await stored_users.get(self.context.reader, user.id)

    async def user_by_id(self, user_id: str) -> User:
        return await stored_users.get(self.context.reader, user_id)

    async def profile(self, user: User) -> AgentProfile:
        profile = (await self.user(user)).agent
        assert profile is not None
        return profile

    async def served_by(self, room: Room) -> str | None:
        """The username of the agent that serves the room, or None."""
        server = (await self.room(room)).served_by_id
        return None if server is None else (await stored_users.get(self.context.reader, server)).username

    async def head(self) -> int:
        return await self.services.storage.log.head()

    async def facts(self, after: int = 0) -> list[AnyFact]:
        """The facts after this sequence and after the creation of this environment."""
        return await self.services.storage.log.read(max(after, self._first_head), 10_000)

    async def facts_of(self, room: Room) -> list[RoomFact]:
        return [fact for fact in await self.facts() if isinstance(fact, RoomFact) and fact.subject_id == room.id]

    async def summary(self, room: Room) -> list[str]:
        """The room's facts as lines such as "AGENT_ASSIGNED ROUTED anna (bert)". The other agent is in parentheses."""
        return [summarize(fact) for fact in await self.facts_of(room)]


async def facts_received_by(other: World, facts: Sequence[AnyFact]) -> None:
    """Replace the agent cache of another process by one that has received only these facts."""
    head = await other.head()
    if head:
        await other.services.storage.feed.wait(head - 1)
    other.services.agent_cache = AgentCache()
    other.services.agent_cache.apply(facts)


def summarize(fact: RoomFact) -> str:
    """A room's fact as one line: its type, its cause, and the names in it."""
    words = [str(fact.__struct_config__.tag)]
    match fact:
        case AgentAssigned():
            words += [fact.cause, _name(fact.room.served_by), f"({_name(fact.previous_agent)})"]
        case AgentUnassigned():
            words += [fact.cause, _name(fact.room.former), f"({_name(fact.next_agent)})"]
        case RoomTransferred():
            origin = [_name(fact.from_agent), fact.from_department.name if fact.from_department else "-"]
            target = [_name(fact.to_agent), fact.to_department.name if fact.to_department else "-"]
            words += ["/".join(origin), "to", "/".join(target)]
    return " ".join(words)


def _name(user: User | None) -> str:
    return "-" if user is None else user.username
