"""The schema: its roots put together from the nouns, and how its documents are parsed, validated and executed."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any

import strawberry
from graphql import GraphQLError, GraphQLInputObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from typing_extensions import override

from schema.actors import ActorQueries
from schema.agent_mutations import AgentMutations
from schema.agents import AgentQueries
from schema.apps import AppMutations, AppQueries
from schema.base.errors import from_exception, to_client_errors
from schema.base.fields import api_type
from schema.base.scalars import SCALARS
from schema.consumers import ConsumerMutations, ConsumerQueries
from schema.custom_field_mutations import CustomFieldMutations
from schema.custom_fields import CustomFieldQueries
from schema.departments import DepartmentMutations, DepartmentQueries
from schema.events import deliveries
from schema.events.conversion import EVENT_TYPES
from schema.events.queries import LogQueries
from schema.events.subscriptions import Subscription
from schema.execution import input_conversion, introspection
from schema.execution.context import RequestContext
from schema.execution.executor import Executor
from schema.execution.input_conversion import CachedNameConverter
from schema.execution.preparation import REFUSALS, Documents, prepare
from schema.messages import MessageMutations
from schema.roles import RoleMutations, RoleQueries
from schema.room_mutations import RoomMutations
from schema.rooms import RoomQueries
from schema.sessions import SessionMutations
from schema.user_mutations import UserMutations
from schema.users import UserQueries
from schema.visitors import VisitorMutations, VisitorQueries


@api_type
class Query(
    ActorQueries,
    UserQueries,
    AgentQueries,
    RoleQueries,
    DepartmentQueries,
    VisitorQueries,
    RoomQueries,
    CustomFieldQueries,
    LogQueries,
    ConsumerQueries,
    AppQueries,
):
    """What can be read. Nothing here changes anything."""


@api_type
class Mutation(
    CustomFieldMutations,
    UserMutations,
    RoleMutations,
    AgentMutations,
    DepartmentMutations,
    VisitorMutations,
    RoomMutations,
    MessageMutations,
    ConsumerMutations,
    AppMutations,
    SessionMutations,
):
    """What can be changed.

    A mutation takes effect as a whole, with the events it causes, or not at all: one that is refused changes nothing
    and records nothing, and its field is null beside an error with a code. Several in one operation are done one
    after the other, each by itself. In updates null clears and leaving out leaves. `clientMutationId` makes sending
    one again safe.
    """


class Schema(strawberry.Schema):
    """Strawberry's schema, with our errors and limits, and with the log's end read first where it is asked for."""

    @override
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        to_client_errors(errors, is_mutation=execution_context is not None and _changes(execution_context))

    @override
    async def execute(self, query: str | None, *args: Any, **kwargs: Any) -> Any:
        refusal = self._refusal(query, kwargs)
        if refusal is not None:
            return refusal
        await _read_head_first(query, kwargs.get("context_value"))
        # One answer is not what a subscription asks for; those who can take more call `stream`.
        allowed = kwargs.get("allowed_operation_types") or OperationType
        kwargs["allowed_operation_types"] = set(allowed) - {OperationType.SUBSCRIPTION}
        return await super().execute(query, *args, **kwargs)

    @override
    async def stream(self, query: str | None, *args: Any, **kwargs: Any) -> Any:
        refusal = self._refusal(query, kwargs)
        if refusal is not None:
            return _only(refusal)
        context = kwargs.get("context_value")
        await _read_head_first(query, context)
        if query is not None and isinstance(context, RequestContext):
            document = prepare(query, self._schema, context)
            if deliveries.is_subscription(document, kwargs.get("operation_name")) and not document.errors:
                return deliveries.subscription_results(
                    document, context, kwargs.get("variable_values"), kwargs.get("operation_name")
                )
        return await super().stream(query, *args, **kwargs)

    def only_reads(self, query: str | None, operation_name: str | None, context: RequestContext) -> bool:
        """Whether the operation is a query, as far as the document can be read."""
        with suppress(*REFUSALS):
            return query is not None and prepare(query, self._schema, context).is_query(operation_name)
        return False

    def follows(self, query: str | None, operation_name: str | None, context: RequestContext) -> bool:
        """Whether the operation is a subscription, as far as the document can be read."""
        with suppress(*REFUSALS):
            return query is not None and deliveries.is_subscription(
                prepare(query, self._schema, context), operation_name
            )
        return False

    def _refusal(self, query: str | None, given: Mapping[str, Any]) -> PreExecutionError | None:
        """The answer to a text that is no document, or holds too much, before any other work is done for it."""
        if query:
            try:
                prepare(query, self._schema, given.get("context_value")).check(given.get("variable_values") or {})
            except REFUSALS as refusal:
                return PreExecutionError(data=None, errors=[from_exception(refusal)])
        return None


def _changes(context: ExecutionContext) -> bool:
    """Whether the operation is a mutation."""
    with suppress(RuntimeError):  # there is no such operation
        return context.graphql_document is not None and context.operation_type is OperationType.MUTATION
    return False


async def _only(result: PreExecutionError) -> AsyncGenerator[PreExecutionError, None]:
    yield result


async def _read_head_first(query: str | None, context: object) -> None:
    # GraphQL has one way only to write a name, so a text without it does not ask for the field. One with it may not
    # either; then the log's end is read for nothing.
    if query is not None and "eventCursor" in query and isinstance(context, RequestContext):
        await context.read_head()


def _hand_choices_over(api: GraphQLSchema) -> None:
    """Lets graphql-core see to it that one field of a choice is given: it says of which, as Strawberry does not."""
    for choice in api.type_map.values():
        if isinstance(choice, GraphQLInputObjectType):
            choice.is_one_of = choice.extensions["strawberry-definition"].is_one_of
            choice.out_type = GraphQLInputObjectType.out_type  # type: ignore[method-assign]  # Strawberry's own check


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[*EVENT_TYPES],
    config=StrawberryConfig(scalar_map=SCALARS, name_converter=CachedNameConverter()),
    extensions=[Documents],
    execution_context_class=Executor,
)
_hand_choices_over(schema._schema)
introspection.publish_no_drafts(schema._schema)
input_conversion.install(schema._schema)
