"""Changes as events show them, compared with the entities before and after the events."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from graphql import ExecutionResult, execute_sync, parse

from resolvers import agents, departments, roles, rooms, users, visitors
from resolvers.agent_filters import GivenFilter
from resolvers.context import Context, Services
from resolvers.custom_fields import definitions
from resolvers.custom_fields.definitions import FieldRef
from resolvers.custom_fields.values import FieldAssignment
from schema.events import conversion
from schema.execution.context import RequestContext
from schema.execution.executor import Executor
from schema.schema import schema
from storage import facts
from storage.changes import Change
from storage.filters.expressions import AttributeCondition, Operator
from storage.records import (
    AgentGoneAction,
    AgentProfile,
    AgentStatus,
    FieldDefinition,
    FieldTarget,
    FieldType,
    Presence,
    RoutingMethod,
)
from tests.resolvers.replica import Replica
from tests.resolvers.world import World
from tests.schema.events.test_conversion import ANN, _fact

CHANGES = "changes { field before after }"
CUSTOM_FIELDS = "customFields { key value }"
USER = f"""user {{
  username name emails active presence {CUSTOM_FIELDS} roles
  agent {{ status acceptsRouting maxRooms }}
}}"""
#: The entity of each kind of event with changes: the selection, the attribute of its fact, and its collection.
ENTITIES: dict[type[facts.Fact], tuple[str, str, str]] = {
    facts.RoomUpdated: (f"room {{ subject priority tags {CUSTOM_FIELDS} }}", "room", "rooms"),
    facts.UserUpdated: (USER, "user", "users"),
    facts.UserRolesChanged: (USER, "user", "users"),
    facts.UserPresenceChanged: (USER, "user", "users"),
    facts.AgentUpdated: (USER, "user", "users"),
    facts.AgentStatusChanged: (USER, "user", "users"),
    facts.VisitorSaved: (f"visitor {{ name email phone {CUSTOM_FIELDS} }}", "visitor", "visitors"),
    facts.DepartmentSaved: (
        """department {
            name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds
        }""",
        "department",
        "departments",
    ),
    facts.RoleUpdated: ("role { description scopes }", "role", "roles"),
    facts.CustomFieldUpdated: (
        "definition { label required unique options pattern }",
        "definition",
        "custom_fields",
    ),
}


def deliver(fact: facts.AnyFact, selection: str, executor: type[Executor] | None = Executor) -> dict[str, Any]:
    """The selected fields of the event of a fact."""
    document = parse(f"subscription {{ events {{ ... on {type(fact).__name__} {{ {selection} }} }} }}")
    context = RequestContext(Context(services=None))  # type: ignore[arg-type]
    result = execute_sync(schema._schema, document, conversion.event_from_fact(fact), context, executor_class=executor)
    assert isinstance(result, ExecutionResult)
    assert result.errors is None
    assert result.data is not None
    return result.data["events"]  # type: ignore[no-any-return]


def fields_of(fact: facts.AnyFact) -> dict[str, Any]:
    """The values of the fact's entity by the names that changes have, without those that are null."""
    selection, attribute, _ = ENTITIES[type(fact)]
    entity = deliver(fact, selection)[attribute]
    found = {f"customFields.{one['key']}": one["value"] for one in entity.pop("customFields", [])}
    for name, value in (entity.pop("agent", None) or {}).items():
        found[f"agent.{name}"] = value
    return {name: value for name, value in {**found, **entity}.items() if value is not None}


def with_entity(fact: facts.AnyFact, entity: Any) -> Any:
    """The fact with another state of its entity."""
    _, attribute, _ = ENTITIES[type(fact)]
    if isinstance(fact, facts.RoomFact):
        entity = msgspec.structs.replace(fact.room, room=entity)
    return msgspec.structs.replace(fact, **{attribute: entity})


async def stage(world: World) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Mutations that change every field that a change can name, by name and in order."""
    fields: dict[FieldTarget, list[FieldAssignment]] = {}
    defined: dict[str, FieldDefinition] = {}
    for target in (FieldTarget.USER, FieldTarget.VISITOR, FieldTarget.ROOM):
        for key, type_ in (("text", FieldType.TEXT), ("at", FieldType.DATETIME), ("many", FieldType.MULTI_SELECT)):
            options = ["a", "b"] if type_ is FieldType.MULTI_SELECT else None
            defined[key] = await definitions.define_custom_field(
                world.context, target=target, key=key, type=type_, options=options, unique=type_ is FieldType.TEXT
            )
        fields[target] = [
            FieldAssignment("text", "t"),
            FieldAssignment("at", "2030-01-01T00:00:00.5Z"),
            FieldAssignment("many", ["a"]),
        ]
    given, gone = fields[FieldTarget.USER], [FieldAssignment("text", "u"), FieldAssignment("many", None)]
    context, sales = world.context, await world.department("Sales", RoutingMethod.MANUAL)
    anna = (await world.agent("anna")).id
    room, role = (await world.waiting()).id, await roles.create_role(context, name="pilot", scopes=["users:read"])
    by = FieldRef("text", "u")
    return {
        "updateUser": lambda: users.update_user(
            context, user_id=anna, username="ann", name="A", emails=["a@b"], custom_fields=given
        ),
        "updateUser again": lambda: users.update_user(context, user_id=anna, name=None, emails=[], custom_fields=gone),
        "setUserActive(false)": lambda: users.set_user_active(context, user_id=anna, active=False),
        "setUserActive(true)": lambda: users.set_user_active(context, user_id=anna, active=True),
        "setPresence": lambda: users.set_presence(context, user_id=anna, presence=Presence.BUSY),
        "updateAgent": lambda: agents.update_agent(
            context, agent_id=anna, accepts_routing=False, max_rooms=3, department_ids=[sales.id]
        ),
        "setDepartmentAgents": lambda: departments.set_department_agents(
            context, department_id=sales.id, remove=[anna]
        ),
        "setAgentStatus": lambda: agents.set_agent_status(context, agent_id=anna, status=AgentStatus.NOT_AVAILABLE),
        "ensureAgent": lambda: agents.ensure_agent(
            context, by=by, username="ann", name="B", roles=["bot"], max_rooms=None, status=AgentStatus.AVAILABLE
        ),
        "updateDepartment": lambda: departments.update_department(
            context,
            department_id=sales.id,
            name="S",
            enabled=False,
            routing=RoutingMethod.EXTERNAL,
            external_timeout_seconds=9,
            fallback_routing=RoutingMethod.MANUAL,
            when_agent_gone=AgentGoneAction.REQUEUE,
            agent_gone_after_seconds=60,
        ),
        "updateRole": lambda: roles.update_role(
            context, role_id=role.id, description="A pilot.", scopes=["rooms:read", "events:read"]
        ),
        "saveVisitor": lambda: visitors.save_visitor(
            context, token="v", name="V", email="v@w", phone="1", custom_fields=given
        ),
        "saveVisitor again": lambda: visitors.save_visitor(context, token="v", name=None, custom_fields=gone),
        "updateRoom": lambda: rooms.update_room(
            context,
            room_id=room,
            subject="S",
            priority=2,
            tags=["t"],
            custom_fields=given,
            agent_filter=GivenFilter({"active": True}, AttributeCondition("active", Operator.EQ, True)),
            agent_filter_seconds=60,
        ),
        "updateRoom again": lambda: rooms.update_room(
            context, room_id=room, subject=None, custom_fields=gone, agent_filter=None
        ),
        "updateCustomField": lambda: definitions.update_custom_field(
            context, id=defined["text"].id, label="L", required=True, unique=False, pattern="[a-z]"
        ),
        "updateCustomField again": lambda: definitions.update_custom_field(
            context, id=defined["many"].id, options=["a", "b", "c"]
        ),
    }


async def test_the_values_before_an_event_and_its_changes_make_the_values_after_it(services: Services) -> None:
    world = World(services)
    await world.visitor()
    acts = await stage(world)
    named: set[str] = set()
    filtered: dict[str, Any] = {}

    for name, act in acts.items():
        before, head = (await Replica.read(world.context)).entities, await world.head()
        await act()
        recorded = [fact for fact in await world.facts(head) if type(fact) in ENTITIES]
        assert recorded, name

        first = recorded[0]
        values = fields_of(with_entity(first, before[ENTITIES[type(first)][2]][first.subject_id]))
        changes = [change for fact in recorded for change in deliver(fact, CHANGES)["changes"]]
        for change in changes:
            if change["field"] == "agent.departmentIds":
                continue  # compared below: events show the departments of an agent otherwise
            if change["field"].startswith("agentFilter"):
                # Only Room.agentFilter shows it, while it is in force.
                assert filtered.get(change["field"]) == change["before"]
                filtered[change["field"]] = change["after"]
                continue
            assert values.get(change["field"]) == change["before"]
            values[change["field"]] = change["after"]
        named |= {change["field"] for change in changes}

        last = fields_of(recorded[-1])
        assert {key: value for key, value in values.items() if value is not None} == last, name
    assert {"customFields" if name.startswith("customFields.") else name for name in named} == {
        field
        for kind in ENTITIES
        for field in kind.fields  # type: ignore[attr-defined]
    }


async def test_a_new_password_is_an_event_without_changes(services: Services) -> None:
    world = World(services)
    user = await users.create_user(world.context, username="anna", password="a long password")
    head = await world.head()

    await users.update_user(world.context, user_id=user.id, password="another password")

    (fact,) = await world.facts(head)
    assert deliver(fact, f"type {CHANGES}") == {"type": "USER_UPDATED", "changes": []}


async def test_the_event_of_a_creation_has_no_changes(services: Services) -> None:
    world = World(services)
    await visitors.save_visitor(world.context, token="v", name="V")
    await visitors.save_visitor(world.context, token="v", name="W")
    await departments.create_department(world.context, name="D")

    saved = [deliver(fact, f"created {CHANGES}") for fact in await world.facts() if type(fact) in ENTITIES]

    assert saved == [
        {"created": True, "changes": []},
        {"created": False, "changes": [{"field": "name", "before": "V", "after": "W"}]},
        {"created": True, "changes": []},
    ]


def test_ids_of_departments_have_their_prefix() -> None:
    user = msgspec.structs.replace(ANN, agent=AgentProfile(department_ids=("sales", "support")))
    fact = facts.AgentUpdated(
        id="ann-2",
        occurred_at=datetime(2030, 1, 1, tzinfo=UTC),
        actor=_fact(facts.AgentUpdated).actor,
        user=user,
        changes=(Change("agent.departmentIds", ["sales"]),),
    )

    assert deliver(fact, CHANGES)["changes"] == [
        {"field": "agent.departmentIds", "before": ["dep_sales"], "after": ["dep_sales", "dep_support"]}
    ]


@pytest.mark.parametrize("kind", ENTITIES)
def test_changes_are_rendered_as_by_graphql_core(kind: type[facts.Fact]) -> None:
    time = datetime(2030, 1, 1, microsecond=500_000, tzinfo=UTC)
    values = (None, "text", True, 1.5, time, ["a", "b"], {"key": [1, None]})
    field = kind.fields[0]  # type: ignore[attr-defined]
    fact = msgspec.structs.replace(_fact(kind), changes=tuple(Change(field, value) for value in values))

    assert deliver(fact, CHANGES) == deliver(fact, CHANGES, executor=None)


def test_facts_of_the_first_version_have_no_changes() -> None:
    stored = msgspec.to_builtins(_fact(facts.RoomUpdated), builtin_types=(datetime,))
    del stored["changedFields"]
    stored |= {"changes": ["subject"], "previousCustomFields": {}}

    fact = msgspec.convert(stored, facts.RoomUpdated, builtin_types=(datetime,))

    assert deliver(fact, CHANGES) == {"changes": []}
