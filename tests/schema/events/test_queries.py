from typing_extensions import override

from resolvers import roles
from resolvers.auth.access import Caller
from resolvers.context import Context, Services
from schema.execution.context import RequestContext
from schema.schema import schema
from storage.records import Actor, ActorType

ADMIN = Caller(actor=Actor(type=ActorType.APP, id="app", name="app"), scopes=frozenset({"admin"}))


class ConcurrentChange(RequestContext):
    """The context of an operation. Another caller creates a role just after the operation has read the event cursor."""

    @override
    async def read_head(self) -> None:
        await super().read_head()
        await roles.create_role(self.resolver_context, name="late")


async def test_event_cursor_is_read_before_all_other_fields(services: Services) -> None:
    context = Context(services, ADMIN)

    state = await schema.execute("{ roles { name } eventCursor }", context_value=ConcurrentChange(context))
    assert state.data is not None
    missed = await schema.execute(
        "query ($after: Cursor) { events(after: $after) { nodes { ... on RoleCreated { role { name } } } } }",
        variable_values={"after": state.data["eventCursor"]},
        context_value=RequestContext(context),
    )

    assert {"name": "late"} in state.data["roles"]
    assert missed.data == {"events": {"nodes": [{"role": {"name": "late"}}]}}


async def test_event_cursor_needs_the_scope_to_read_events(services: Services) -> None:
    caller = Caller(actor=ADMIN.actor, scopes=frozenset({"users:read"}))

    result = await schema.execute("{ eventCursor }", context_value=RequestContext(Context(services, caller)))

    assert result.data == {"eventCursor": None}
    assert [error.extensions for error in result.errors or []] == [{"code": "FORBIDDEN", "scope": "events:read"}]
