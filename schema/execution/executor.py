"""How selections become answers: graphql-core's executor, with plans (selection_compiler.py) for everything below the
roots.

Root fields are graphql-core's: arguments, and errors of resolvers. What they answer is written by a plan. Where a plan
cannot write it, graphql-core does the same again, and finds out what is to be told.
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
from schema.execution.selection_compiler import CompiledSelections
from schema.execution.selection_execution import Execution


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Executes one operation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        switches = self.variable_values.coerced
        document = self.context_value.document if isinstance(self.context_value, RequestContext) else None
        self.plans = (
            document.compiled_selections(switches)
            if document
            else CompiledSelections(self.schema, self.fragment_definitions, switches)
        )

    @classmethod
    @override
    def build(cls, schema: GraphQLSchema, document: DocumentNode, *args: Any, **kwargs: Any) -> Any:
        """As graphql-core builds one; where the schema is not to be read, it is not to be guessed either."""
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
            keep = not self.variable_values.coerced
            name = self.operation.name
            return introspection.cached_answer(
                fall_back, path, self.plans, None if name is None else name.value, cacheable=keep
            )
        plan = self.plans.for_type(return_type, selections(field_details_list))
        return fall_back() if plan is None else self._compiled(lambda execution: plan(result, execution), fall_back)

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
        plan = (
            self.plans.for_type(kind, selections(field_details_list)) if isinstance(kind, GraphQLObjectType) else None
        )
        if plan is None or type(result) is not list:
            return fall_back()
        return self._compiled(lambda execution: execution.write_all(result, plan), fall_back)

    def _compiled(self, write: Callable[[Execution], Any], fall_back: Callable[[], Any]) -> Any:
        """What `write` writes once everything it waits for is there, or else what `long_way` makes of it."""
        execution = Execution(self.context_value, self.variable_values)
        try:
            written = write(execution)
        except Exception:
            execution.cancel()
            return fall_back()
        return written if execution.is_complete else self._await_pending(execution, written, fall_back)

    async def _await_pending(self, execution: Execution, written: Any, fall_back: Callable[[], Any]) -> Any:
        try:
            await execution.await_pending()
        except Exception:
            completed = fall_back()
            return await completed if isinstance(completed, Awaitable) else completed
        return written


def selections(field_details_list: Any) -> Sequence[SelectionSetNode]:
    """Everything that is asked of the value of a field."""
    return [details.node.selection_set for details in field_details_list if details.node.selection_set is not None]
