"""Executes what direct_execution.py leaves: graphql-core's executor, with compiled selections below the root fields.

graphql-core resolves the root fields, with their arguments and errors. Compiled selections serialize the values of root
fields. If they cannot serialize a value, graphql-core completes it, and reports the error if there is one.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    SelectionSetNode,
)
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from typing_extensions import override

from schema.execution import introspection
from schema.execution.context import RequestContext
from schema.execution.direct_execution import KnownOutcomes
from schema.execution.selection_compiler import CompiledSelections
from schema.execution.selection_execution import Execution
from schema.execution.visitor_fields import is_visitor


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Executes one operation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        variables = self.variable_values.coerced
        document = None
        if isinstance(self.context_value, RequestContext):
            document = self.context_value.document
            if self.context_value.root_outcomes is not None:
                self.middleware_manager = KnownOutcomes(self.context_value.root_outcomes)
        visitors = is_visitor(self.context_value)
        self.compiled = (
            document.compiled_selections(variables, visitors=visitors)
            if document
            else CompiledSelections(self.schema, self.fragment_definitions, variables, visitors=visitors)
        )

    @classmethod
    @override
    def build(cls, schema: GraphQLSchema, document: DocumentNode, *args: Any, **kwargs: Any) -> Any:
        """Build an executor that hides suggestions of names if introspection is disabled."""
        context = args[1] if len(args) > 1 else kwargs.get("context_value")
        if isinstance(context, RequestContext) and not context.limits.introspection:
            kwargs["hide_suggestions"] = True
        return super().build(schema, document, *args, **kwargs)

    @override
    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: Any,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        def fall_back() -> Any:
            return super(Executor, self).complete_object_value(
                return_type, field_details_list, info, path, result, position_context
            )

        if introspection.is_root(return_type, path) and isinstance(self.context_value, RequestContext):
            cacheable = not self.variable_values.coerced
            name = self.operation.name
            return introspection.cached_answer(
                fall_back, path, self.compiled, None if name is None else name.value, cacheable=cacheable
            )
        serialize = self.compiled.for_type(return_type, subselections(field_details_list))
        if serialize is None:
            return fall_back()
        return self._serialize(lambda execution: serialize(result, execution), fall_back)

    @override
    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: Any,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        def fall_back() -> Any:
            return super(Executor, self).complete_list_value(
                return_type, field_details_list, info, path, result, position_context
            )

        item = return_type.of_type
        kind = item.of_type if isinstance(item, GraphQLNonNull) else item
        serialize = (
            self.compiled.for_type(kind, subselections(field_details_list))
            if isinstance(kind, GraphQLObjectType)
            else None
        )
        if serialize is None or type(result) is not list:
            return fall_back()
        return self._serialize(lambda execution: execution.serialize_list(result, serialize), fall_back)

    def _serialize(self, serialize: Callable[[Execution], Any], fall_back: Callable[[], Any]) -> Any:
        """The result of `serialize`, once its pending values are complete. If it raises, the result of `fall_back`."""
        execution = Execution(self.context_value, self.variable_values)
        try:
            serialized = serialize(execution)
        except Exception:
            execution.cancel()
            return fall_back()
        return serialized if execution.is_complete else self._await_pending(execution, serialized, fall_back)

    async def _await_pending(self, execution: Execution, serialized: Any, fall_back: Callable[[], Any]) -> Any:
        try:
            await execution.await_pending()
        except Exception:
            completed = fall_back()
            return await completed if isinstance(completed, Awaitable) else completed
        return serialized


def subselections(field_details_list: Any) -> Sequence[SelectionSetNode]:
    """The selection sets of all nodes of one field."""
    return [details.node.selection_set for details in field_details_list if details.node.selection_set is not None]
