"""How selections become answers: graphql-core's executor, with plans (plans.py) for everything below the roots.

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

from schema import introspection
from schema.context import RequestContext
from schema.plans import Plans
from schema.runs import Run


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Executes one operation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        switches = self.variable_values.coerced
        document = self.context_value.document if isinstance(self.context_value, RequestContext) else None
        self.plans = document.plans(switches) if document else Plans(self.schema, self.fragment_definitions, switches)

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
        def long_way() -> Any:
            return super(Executor, self).complete_object_value(
                return_type, field_details_list, info, path, result, position_context
            )

        if introspection.is_root(return_type, path) and isinstance(self.context_value, RequestContext):
            keep = not self.variable_values.coerced
            name = self.operation.name
            return introspection.answer(long_way, path, self.plans, None if name is None else name.value, keep=keep)
        plan = self.plans.of(return_type, selections(field_details_list))
        return long_way() if plan is None else self._planned(lambda run: plan(result, run), long_way)

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
        def long_way() -> Any:
            return super(Executor, self).complete_list_value(
                return_type, field_details_list, info, path, result, position_context
            )

        item = return_type.of_type
        kind = item.of_type if isinstance(item, GraphQLNonNull) else item
        plan = self.plans.of(kind, selections(field_details_list)) if isinstance(kind, GraphQLObjectType) else None
        if plan is None or type(result) is not list:
            return long_way()
        return self._planned(lambda run: run.write_all(result, plan), long_way)

    def _planned(self, write: Callable[[Run], Any], long_way: Callable[[], Any]) -> Any:
        """What `write` writes once everything it waits for is there, or else what `long_way` makes of it."""
        run = Run(self.context_value, self.variable_values)
        try:
            written = write(run)
        except Exception:
            run.abandon()
            return long_way()
        return written if run.settled else self._settled(run, written, long_way)

    async def _settled(self, run: Run, written: Any, long_way: Callable[[], Any]) -> Any:
        try:
            await run.settle()
        except Exception:
            completed = long_way()
            return await completed if isinstance(completed, Awaitable) else completed
        return written


def selections(field_details_list: Any) -> Sequence[SelectionSetNode]:
    """Everything that is asked of the value of a field."""
    return [details.node.selection_set for details in field_details_list if details.node.selection_set is not None]
