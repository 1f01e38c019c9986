"""The GraphQL schema: the root types, assembled from the nouns, and the execution of operations."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import strawberry
from graphql import GraphQLError, GraphQLInputObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from typing_extensions import override

from schema.agent_mutations import AgentMutations
from schema.agents import AgentQueries
from schema.app_data import AppDataMutations
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
from schema.events.subscriptions import EventSubscriptions
from schema.execution import introspection, visitor_fields
from schema.execution.context import RequestContext
from schema.execution.direct_execution import execute_directly
from schema.execution.executor import Executor
from schema.execution.preparation import REFUSALS, Documents, prepare
from schema.live.room_counts import RoomCountQueries, RoomCountSubscriptions
from schema.live.room_lists import RoomListSubscriptions
from schema.messages import MessageMutations
from schema.nodes import NodeQueries
from schema.roles import RoleMutations, RoleQueries
from schema.room_mutations import RoomMutations
from schema.rooms import RoomQueries
from schema.routing import RoutingQueries
from schema.sessions import SessionMutations
from schema.signals import SignalMutations, SignalSubscriptions
from schema.timers import TimerMutations, TimerQueries
from schema.user_mutations import UserMutations
from schema.users import UserQueries
from schema.viewer import ViewerQueries
from schema.visitor_privacy import VisitorPrivacyMutations, VisitorPrivacyQueries
from schema.visitor_values import VALUES
from schema.visitors import VisitorMutations, VisitorQueries
from schema.webhook_mutations import WebhookMutations
from schema.webhooks import WebhookQueries
from storage.errors import Forbidden, Invalid


@api_type
class Query(
    NodeQueries,
    ViewerQueries,
    UserQueries,
    AgentQueries,
    RoleQueries,
    DepartmentQueries,
    VisitorQueries,
    VisitorPrivacyQueries,
    RoomQueries,
    RoomCountQueries,
    RoutingQueries,
    TimerQueries,
    CustomFieldQueries,
    LogQueries,
    ConsumerQueries,
    AppQueries,
    WebhookQueries,
):
    """The queries. A query changes nothing."""


@api_type
class Mutation(
    CustomFieldMutations,
    UserMutations,
    RoleMutations,
    AgentMutations,
    DepartmentMutations,
    VisitorMutations,
    VisitorPrivacyMutations,
    RoomMutations,
    MessageMutations,
    SignalMutations,
    TimerMutations,
    AppDataMutations,
    ConsumerMutations,
    AppMutations,
    WebhookMutations,
    SessionMutations,
):
    """The mutations.

    A mutation is atomic: either all of its changes and events are stored, or none. A refused mutation returns null and
    an error with a code. Several mutations in one operation run one after the other, each on its own. In updates,
    null clears a field, and a field that is left out keeps its value. With `clientMutationId`, a mutation can be
    repeated safely. docs/reference/mutations.md describes what holds for all mutations.
    """


@api_type
class Subscription(EventSubscriptions, RoomListSubscriptions, RoomCountSubscriptions, SignalSubscriptions):
    """The subscriptions: to events, to live lists and counts, and to signals.

    Without `after`, a subscription to events begins with the next event. With `after`, it begins with the matching
    events after this cursor, and continues with new events, each once and in order. Events about objects that the token
    may not read are left out.
    """


class CachedNameConverter(NameConverter):
    """Strawberry's name converter with a cache: Strawberry converts the names of an input's fields for every value."""

    apply_naming_config = lru_cache(maxsize=None)(NameConverter.apply_naming_config)


class Schema(strawberry.Schema):
    """Strawberry's schema with cached documents, cost limits, error codes and shared results of subscriptions."""

    @override
    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        to_client_errors(errors, is_mutation=execution_context is not None and _is_mutation(execution_context))
        if execution_context is not None and isinstance(execution_context.context, RequestContext):
            execution_context.context.note_errors(errors)

    @override
    async def execute(self, query: str | None, *args: Any, **kwargs: Any) -> Any:
        refusal = self._refusal(query, kwargs)
        if refusal is not None:
            return refusal
        await _read_head_first(query, kwargs.get("context_value"))
        # `execute` gives one result. Subscriptions are executed by `stream`.
        allowed = kwargs.get("allowed_operation_types") or OperationType
        kwargs["allowed_operation_types"] = [one for one in allowed if one is not OperationType.SUBSCRIPTION]
        data = await self._execute_directly(query, kwargs)
        return await super().execute(query, *args, **kwargs) if data is None else ExecutionResult(data, errors=None)

    async def _execute_directly(self, query: str | None, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The data of an operation without an error; None if Strawberry has to execute it, and report the error."""
        context = given.get("context_value")
        if not query or not isinstance(context, RequestContext):
            return None
        document, name = prepare(query, self._schema, context), given.get("operation_name")
        operation = document.operation(name)
        if document.errors or operation is None:
            return None
        variables = given.get("variable_values") or {}
        try:
            document.requirements_of(name).require(variables)
        except Invalid:
            return None
        if OperationType(operation.operation.value) not in given["allowed_operation_types"]:
            return None
        return await execute_directly(document, operation, variables, context)

    @override
    async def stream(self, query: str | None, *args: Any, **kwargs: Any) -> Any:
        refusal = self._refusal(query, kwargs)
        if refusal is not None:
            return _single_result_stream(refusal)
        context = kwargs.get("context_value")
        await _read_head_first(query, context)
        if query is not None and isinstance(context, RequestContext):
            document = prepare(query, self._schema, context)
            if deliveries.is_subscription(document, kwargs.get("operation_name")) and not document.errors:
                return deliveries.subscription_results(
                    document, context, kwargs.get("variable_values"), kwargs.get("operation_name")
                )
        return await super().stream(query, *args, **kwargs)

    def is_query(self, query: str | None, operation_name: str | None, context: RequestContext) -> bool:
        """Whether the operation is a query. False if the document cannot be parsed."""
        try:
            return query is not None and prepare(query, self._schema, context).is_query(operation_name)
        except REFUSALS:
            return False

    def is_subscription(self, query: str | None, operation_name: str | None, context: RequestContext) -> bool:
        """Whether the operation is a subscription. False if the document cannot be parsed."""
        try:
            return query is not None and deliveries.is_subscription(
                prepare(query, self._schema, context), operation_name
            )
        except REFUSALS:
            return False

    def _refusal(self, query: str | None, given: Mapping[str, Any]) -> PreExecutionError | None:
        """The result for a text that cannot be parsed, exceeds the cost limits, or selects what is hidden from the
        caller; None for any other text."""
        if query:
            context = given.get("context_value")
            try:
                document = prepare(query, self._schema, context)
                document.check(given.get("variable_values") or {})
                if visitor_fields.is_visitor(context):
                    document.require_open_to_visitors(given.get("operation_name"))
            except (*REFUSALS, Forbidden) as refusal:
                error = from_exception(refusal)
                if isinstance(context, RequestContext):
                    context.note_errors([error])
                return PreExecutionError(data=None, errors=[error])
        return None


def _is_mutation(context: ExecutionContext) -> bool:
    """Whether the operation is a mutation."""
    with suppress(RuntimeError):  # there is no such operation
        return context.graphql_document is not None and context.operation_type is OperationType.MUTATION
    return False


async def _single_result_stream(result: PreExecutionError) -> AsyncGenerator[PreExecutionError, None]:
    yield result


async def _read_head_first(query: str | None, context: object) -> None:
    """Read the end of the log before the operation reads anything else, if its text contains `eventCursor`."""
    if query is not None and "eventCursor" in query and isinstance(context, RequestContext):
        await context.read_head()


def _enforce_one_of(api: GraphQLSchema) -> None:
    """Let graphql-core check inputs with @oneOf: unlike Strawberry's, its error messages name the input."""
    for kind in api.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            kind.is_one_of = kind.extensions["strawberry-definition"].is_one_of
            kind.out_type = GraphQLInputObjectType.out_type  # type: ignore[method-assign]  # Strawberry's own check


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[*EVENT_TYPES],
    config=StrawberryConfig(scalar_map=SCALARS, name_converter=CachedNameConverter()),
    extensions=[Documents],
    execution_context_class=Executor,
)
_enforce_one_of(schema._schema)
introspection.remove_draft_locations(schema._schema)
visitor_fields.install(schema._schema, VALUES)
