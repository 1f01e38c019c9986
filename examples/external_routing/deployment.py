"""What the demo needs on the server: custom fields and a department with external routing."""

from examples.external_routing.received import Unexpected
from examples.narration import Narrator
from switchboard_client import Api
from switchboard_client.types import FieldTarget, FieldType, RoutingMethod

DEPARTMENT = "Demo: decided elsewhere"
#: After this time without a decision, the fallback of the department routes the conversation.
DECISION_SECONDS = 60
USER_FIELD, ROOM_FIELD = "demoExternalId", "demoCaseId"
#: The custom fields, and whether they are unique. Several conversations may be about one case.
FIELDS = ((FieldTarget.USER, USER_FIELD, True), (FieldTarget.ROOM, ROOM_FIELD, False))
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


async def prepare(api: Api, narrator: Narrator) -> str:
    """Define the custom fields. Returns the id of a department with external routing."""
    present = {(one.target, one.key): one for one in await api.custom_field_definitions() or ()}
    for target, key, unique in FIELDS:
        kind = "TEXT, unique" if unique else "TEXT"
        definition = present.get((target, key))
        if definition is None:
            await api.define_custom_field(target=target, key=key, type=FieldType.TEXT, unique=unique)
        elif definition.unique is not unique or definition.type != FieldType.TEXT:
            raise Unexpected(f"the custom field {key} exists already, but is not {kind}")
        narrator.remark(f"custom field {target} {key}: {kind}; {'exists already' if definition else 'new'}")
    for department in await api.departments() or ():
        if department.name == DEPARTMENT and department.routing == RoutingMethod.EXTERNAL and department.enabled:
            narrator.remark(f"department {DEPARTMENT}: exists already")
            return department.id
    created = await api.create_department(
        name=DEPARTMENT,
        routing=RoutingMethod.EXTERNAL,
        external_timeout_seconds=DECISION_SECONDS,
        fallback_routing=RoutingMethod.LEAST_LOADED,
    )
    narrator.remark(f"department {DEPARTMENT}: new; Switchboard waits {DECISION_SECONDS} s for the router's decision")
    return created.department.id
