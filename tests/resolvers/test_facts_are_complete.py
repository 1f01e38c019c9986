"""For every mutation, the state before it and its facts give exactly the state after it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from resolvers import (
    agents,
    app_data,
    apps,
    departments,
    messages,
    roles,
    room_routing,
    room_starts,
    rooms,
    timers,
    users,
    visitors,
)
from resolvers.custom_fields import definitions
from resolvers.custom_fields.definitions import FieldRef
from resolvers.custom_fields.values import FieldAssignment, FieldIncrement
from resolvers.gone_agents import GoneAgents
from resolvers.operations import Mutation
from resolvers.timer_expiry import TimerExpiry
from resolvers.visitors import VisitorValues
from storage.message_records import Attachment, Audience, Choice
from storage.records import AgentGoneAction, AgentStatus, FieldTarget, FieldType, Presence, RoutingMethod
from tests.resolvers.replica import Replica
from tests.resolvers.world import World

#: All content of a message but its text.
CONTENT: dict[str, Any] = {
    "choices": [Choice(id="y", label="Yes", url="https://example.org/yes")],
    "attachments": [Attachment(name="a.png", mime_type="image/png", url="https://example.org/a.png", bytes=7)],
    "data": {"$a.b": [None, 1.5, {"": "\0"}]},
}


class Entities:
    """The entities of the mutations below, by short names."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def create(self) -> None:
        world = self.world
        await definitions.define_custom_field(
            world.context, target=FieldTarget.USER, key="ext", type=FieldType.TEXT, unique=True
        )
        await definitions.define_custom_field(
            world.context, target=FieldTarget.ROOM, key="case", type=FieldType.TEXT, unique=True
        )
        self.field = await definitions.define_custom_field(
            world.context, target=FieldTarget.ROOM, key="n", type=FieldType.NUMBER
        )
        self.sales = await world.department("Sales", RoutingMethod.LEAST_LOADED)
        self.anna = await world.agent("anna", departments=[self.sales], max_rooms=3)
        self.bert = await world.agent("bert", roles=["bot"])
        self.role = await roles.create_role(world.context, name="pilot", scopes=["users:read"])
        self.plain = await users.create_user(world.context, username="plain")
        self.waiting = await world.waiting()
        self.assigned = await world.assigned(self.anna)
        external = await world.department("External", RoutingMethod.EXTERNAL)
        await departments.set_department_agents(world.context, department_id=external.id, add=[self.bert.id])
        self.undecided = await world.start(external)
        self.held = await world.on_hold(self.anna)
        self.offer = await messages.send_message(world.context, room_id=self.assigned.id, text="So?", **CONTENT)
        self.timed = await world.waiting()
        tags = ["ROOM_UPDATED", "TIMER_ELAPSED"]
        await timers.set_timer(world.context, room_id=self.timed.id, name="due", seconds=60, data={"a": [1]})
        await timers.set_timer(world.context, room_id=self.timed.id, name="later", seconds=60, restart_on=tags)
        self.app = (await apps.create_app(world.context, name="Other", scopes=["rooms:read"])).app


async def gone(entities: Entities) -> None:
    """The agent goes OFFLINE for too long for the department of one of its rooms."""
    world = entities.world
    room = await world.start(entities.sales)
    await departments.update_department(
        world.context,
        department_id=entities.sales.id,
        when_agent_gone=AgentGoneAction.REQUEUE,
        agent_gone_after_seconds=0,
    )
    await users.set_presence(world.context, user_id=entities.anna.id, presence=Presence.OFFLINE)
    await GoneAgents(world.services).take(room.id)
    assert (await world.summary(room))[2] == "AGENT_UNASSIGNED AGENT_GONE anna (-)"


async def elapsed(entities: Entities) -> None:
    """A timer is due. Another one is restarted by that, and by the event of the room before."""
    world, timers_of_room = entities.world, entities.world.services.storage.database["timers"]
    await rooms.update_room(world.context, room_id=entities.timed.id, subject="S")
    past = world.services.storage.database.now() - timedelta(seconds=120)
    await timers_of_room.update_one({"name": "due"}, {"$set": {"setAt": past, "dueAt": past}})
    await TimerExpiry(world.services).elapse_room(entities.timed.id)
    await world.await_routing()
    assert (await world.summary(entities.timed))[-1] == "TIMER_ELAPSED"


MUTATIONS: dict[str, Callable[[Entities], Awaitable[Any]]] = {
    "defineCustomField": lambda s: definitions.define_custom_field(
        s.world.context, target=FieldTarget.VISITOR, key="k", type=FieldType.SELECT, options=["a"]
    ),
    "updateCustomField": lambda s: definitions.update_custom_field(s.world.context, id=s.field.id, label="N"),
    "removeCustomField": lambda s: definitions.remove_custom_field(s.world.context, id=s.field.id),
    "createUser": lambda s: users.create_user(s.world.context, username="new", emails=["a@b"], password="p" * 12),
    "updateUser": lambda s: users.update_user(
        s.world.context, user_id=s.anna.id, name="A", custom_fields=[FieldAssignment("ext", "1")]
    ),
    "setUserActive(false)": lambda s: users.set_user_active(s.world.context, user_id=s.anna.id, active=False),
    "setPresence": lambda s: users.set_presence(s.world.context, user_id=s.anna.id, presence=Presence.BUSY),
    "setPresence of an agent who is gone": gone,
    "createRole": lambda s: roles.create_role(s.world.context, name="vip", description="V"),
    "updateRole": lambda s: roles.update_role(
        s.world.context, role_id=s.role.id, description="P", scopes=["rooms:read"]
    ),
    "addRoles": lambda s: roles.add_roles(s.world.context, user_id=s.anna.id, roles=["bot"]),
    "removeRoles": lambda s: roles.remove_roles(s.world.context, user_id=s.bert.id, roles=["bot"]),
    "addAgent": lambda s: agents.add_agent(s.world.context, user_id=s.plain.id, max_rooms=0),
    "removeAgent": lambda s: agents.remove_agent(s.world.context, user_id=s.anna.id),
    "setAgentStatus": lambda s: agents.set_agent_status(
        s.world.context, agent_id=s.anna.id, status=AgentStatus.NOT_AVAILABLE
    ),
    "updateAgent": lambda s: agents.update_agent(
        s.world.context, agent_id=s.anna.id, max_rooms=None, department_ids=[]
    ),
    "ensureAgent of a new one": lambda s: agents.ensure_agent(
        s.world.context, by=FieldRef("ext", "7"), username="seven", max_rooms=0
    ),
    "createDepartment": lambda s: departments.create_department(s.world.context, name="New"),
    "updateDepartment": lambda s: departments.update_department(
        s.world.context, department_id=s.sales.id, routing=RoutingMethod.MANUAL, enabled=False
    ),
    "setDepartmentAgents": lambda s: departments.set_department_agents(
        s.world.context, department_id=s.sales.id, add=[s.bert.id], remove=[s.anna.id]
    ),
    "saveVisitor of a new one": lambda s: visitors.save_visitor(s.world.context, token="w", name="W"),
    "saveVisitor of one who has rooms": lambda s: visitors.save_visitor(s.world.context, token="v", email="v@w"),
    "ensureRoom of a new visitor": lambda s: room_starts.ensure_room(
        s.world.context, by=FieldRef("case", "7"), visitor=VisitorValues(token="w", name="W"), subject="S"
    ),
    "ensureRoom of one who has rooms": lambda s: room_starts.ensure_room(
        s.world.context, by=FieldRef("case", "7"), visitor=VisitorValues(token="v", phone="1")
    ),
    "startRoom that is routed": lambda s: s.world.start(custom_fields=[FieldAssignment("n", 1)]),
    "startRoom that waits": lambda s: s.world.waiting(),
    "assignAgent": lambda s: rooms.assign_agent(s.world.context, room_id=s.waiting.id, agent_id=s.bert.id),
    "declineRouting that is routed": lambda s: room_routing.decline_routing(
        s.world.context, room_id=s.undecided.id, reason="r"
    ),
    "takeRoom": lambda s: rooms.take_room(s.world.logged_in(s.anna, "admin"), room_id=s.waiting.id),
    "unassignAgent": lambda s: rooms.unassign_agent(s.world.context, room_id=s.assigned.id, comment="c"),
    "unassignAgent of a room on hold": lambda s: rooms.unassign_agent(s.world.context, room_id=s.held.id),
    "transferRoom to an agent": lambda s: rooms.transfer_room(
        s.world.context, room_id=s.assigned.id, to_agent_id=s.bert.id
    ),
    "transferRoom to a department": lambda s: rooms.transfer_room(
        s.world.context, room_id=s.held.id, to_department_id=s.sales.id
    ),
    "holdRoom": lambda s: rooms.hold_room(s.world.context, room_id=s.assigned.id),
    "resumeRoom": lambda s: rooms.resume_room(s.world.context, room_id=s.held.id),
    "updateRoom": lambda s: rooms.update_room(
        s.world.context, room_id=s.assigned.id, subject="S", tags=["t"], increment=[FieldIncrement("n", 1)]
    ),
    "closeRoom": lambda s: rooms.close_room(
        s.world.context, room_id=s.assigned.id, comment="c", tags=["t"], custom_fields=[FieldAssignment("n", 2)]
    ),
    "closeRoom on hold": lambda s: rooms.close_room(s.world.context, room_id=s.held.id),
    "sendMessage": lambda s: messages.send_message(s.world.context, room_id=s.assigned.id, text="hi"),
    "sendMessage with everything": lambda s: messages.send_message(
        s.world.context, room_id=s.assigned.id, text="", as_user_id=s.anna.id, audience=Audience.STAFF, **CONTENT
    ),
    "sendMessage that answers": lambda s: messages.send_message(
        s.world.context,
        room_id=s.assigned.id,
        text="",
        choice=messages.Option(s.offer.id, "y"),
        in_reply_to_id=s.offer.id,
    ),
    "editMessage": lambda s: messages.edit_message(
        s.world.context, message_id=s.offer.id, text="Or so", choices=None, data=[1]
    ),
    "redactMessage": lambda s: messages.redact_message(s.world.context, message_id=s.offer.id, reason="r"),
    "the end of a timer": elapsed,
    "closeRoom with timers": lambda s: rooms.close_room(s.world.context, room_id=s.timed.id),
    "createApp": lambda s: apps.create_app(s.world.context, name="New", scopes=["rooms:write"]),
    "rotateAppToken": lambda s: apps.rotate_app_token(s.world.context, app_id=s.app.id),
    "revokeApp": lambda s: apps.revoke_app(s.world.context, app_id=s.app.id),
}
#: The modules of mutations that record facts, and of setAppData.
MODULES = (
    agents,
    app_data,
    apps,
    definitions,
    departments,
    messages,
    roles,
    room_routing,
    room_starts,
    rooms,
    timers,
    users,
    visitors,
)
#: Mutations without facts: they change positions of consumers, sessions, timers, and what apps keep beside entities.
WITHOUT_FACTS = {
    "ack_events",
    "remove_consumer",
    "reset_consumer",
    "login",
    "logout",
    "set_timer",
    "cancel_timer",
    "set_app_data",
}


@pytest.mark.parametrize("name", MUTATIONS)
async def test_the_state_before_and_the_facts_make_the_state_after(world: World, name: str) -> None:
    entities = Entities(world)
    await entities.create()
    await world.await_routing()
    replica, head = await Replica.read(world.context), await world.head()

    await MUTATIONS[name](entities)
    await world.await_routing()

    facts = await world.facts(head)
    for fact in facts:
        replica.apply(fact)
    assert facts
    assert replica.entities == (await Replica.read(world.context)).entities


def test_every_mutation_is_tested() -> None:
    declared = {name for module in MODULES for name, value in vars(module).items() if isinstance(value, Mutation)}

    tested = {_snake(name.split()[0].split("(")[0]) for name in MUTATIONS if name != "the end of a timer"}

    assert tested == declared - WITHOUT_FACTS


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
