"""From a selection to a function that writes what it asks of an object: compiled once, for all who ask the same.

graphql-core finds out anew for every object what is asked of it, and builds a path and a resolve info for every field.
A plan knows beforehand. It writes what comes out as it should; whatever does not (a value of another type, an error)
raises, and whoever runs the plan lets graphql-core do the same work again, which knows how to tell of it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias
from weakref import ref

import msgspec
from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
)
from graphql.execution.values import get_argument_values
from strawberry.types import Info
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from schema.execution.field_writers import AttributeWriter, FieldWriter, MethodWriter, TypeNameWriter, compile_writers
from schema.execution.memory_usage import JSON_BYTES, PLAN_BYTES, STEP_BYTES, Usage
from schema.execution.selection_execution import Execution, Row
from schema.execution.value_serializers import CannotSerialize, Serialize, Serializer, leaf_serializer, list_serializer

Selections: TypeAlias = Sequence[SelectionSetNode]

#: The directives that decide whether something is asked for at all.
CONDITION_DIRECTIVES = frozenset({"skip", "include"})
#: Of one document. One that is larger is not planned beyond that.
MAX_COMPILED = 1_000


class CannotCompile(Exception):
    """A selection that is left to graphql-core."""


class RawInfo(NamedTuple):
    """What resolvers below the roots may ask of graphql-core's resolve info."""

    context: Any
    field_nodes: list[FieldNode]


class CompiledSelections:
    """The plans of one document, each made when it is first needed: what is never met costs nothing."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: Mapping[str, Any],
        usage: Usage | None = None,
    ) -> None:
        self._usage = usage or Usage("")
        self._schema = schema
        self._fragments = fragments
        #: The values of the variables by which @skip and @include decide.
        self._conditions = conditions
        declared: Any = schema
        self._scalars = declared._strawberry_schema.schema_converter.scalar_registry
        self._config = declared._strawberry_schema.config
        #: By type and selection; None: left to graphql-core. Selections are known by where they are in memory, and
        #: stay there as long as the document does.
        self._writers: dict[tuple[str, tuple[int, ...]], Serialize | None] = {}
        #: What is known of the schema, by operation and by the name of the root field in its result.
        self.answers: dict[tuple[str | None, str], Any] = {}

    def keep_answer(self, key: tuple[str | None, str], answer: Any) -> None:
        """Keep what was found of the schema, which is the same each time."""
        self.answers[key] = answer
        self._usage.add(JSON_BYTES * len(msgspec.json.encode(answer)))

    def for_type(self, kind: GraphQLObjectType, selections: Selections) -> Serialize | None:
        """What writes that which these selections together ask of an object of that type, if it can be planned."""
        key = (kind.name, tuple(map(id, selections)))
        if key in self._writers:
            return self._writers[key]
        plan = None
        if len(self._writers) < MAX_COMPILED:
            steps: list[FieldWriter] = []
            with suppress(CannotCompile):
                steps = self._field_writers(kind, selections)
                plan = compile_writers(steps)
            self._writers[key] = plan
            self._usage.add(PLAN_BYTES + STEP_BYTES * len(steps))
        return plan

    def serializer(self, kind: GraphQLOutputType, selections: Selections) -> Serializer:
        """What writes values of a type."""
        match kind:
            case GraphQLNonNull(of_type=inner):
                return self.serializer(inner, selections)
            case GraphQLScalarType() | GraphQLEnumType():
                return leaf_serializer(kind)
            case GraphQLList(of_type=item):
                return list_serializer(self.serializer(item, selections), nullable=not isinstance(item, GraphQLNonNull))
            case GraphQLObjectType():
                return self._object(kind, selections)
            case GraphQLInterfaceType() | GraphQLUnionType():
                return self._abstract(selections)
        raise CannotCompile

    def _object(self, kind: GraphQLObjectType, selections: Selections) -> Serializer:
        plan: Serialize | None = None
        plans = ref(self)

        def write(value: Any, run: Execution) -> Row:
            nonlocal plan
            if plan is None:
                plan = _alive(plans).for_type(kind, selections)
                if plan is None:
                    raise CannotSerialize
            row: Row = plan(value, run)
            return row

        return Serializer.calling(write)

    def _abstract(self, selections: Selections) -> Serializer:
        known: dict[type, Serialize] = {}
        schema, plans = self._schema, ref(self)

        def write(value: Any, run: Execution) -> Row:
            plan = known.get(type(value))
            if plan is None:
                kind = schema.type_map[type(value).__strawberry_definition__.name]
                plan = _alive(plans).for_type(kind, selections) if isinstance(kind, GraphQLObjectType) else None
                if plan is None:
                    raise CannotSerialize
                known[type(value)] = plan
            row: Row = plan(value, run)
            return row

        return Serializer.calling(write)

    # ---------------------------------------------------------------- steps

    def _field_writers(self, kind: GraphQLObjectType, selections: Selections) -> list[FieldWriter]:
        asked: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for selection in selections:
            self._collect(kind, selection, asked, spread)
        return [self._field_writer(kind, name, nodes) for name, nodes in asked.items()]

    def _collect(
        self, kind: GraphQLObjectType, selection: SelectionSetNode, asked: dict[str, list[FieldNode]], spread: set[str]
    ) -> None:
        for node in selection.selections:
            if node.directives and not all(map(self._includes, node.directives)):
                continue
            match node:
                case FieldNode():
                    asked.setdefault((node.alias or node.name).value, []).append(node)
                case InlineFragmentNode(type_condition=condition, selection_set=inner):
                    if condition is None or self._applies(condition.name.value, kind):
                        self._collect(kind, inner, asked, spread)
                case FragmentSpreadNode(name=name) if name.value not in spread:
                    spread.add(name.value)
                    fragment = self._fragments[name.value]
                    if self._applies(fragment.type_condition.name.value, kind):
                        self._collect(kind, fragment.selection_set, asked, spread)

    def _includes(self, directive: DirectiveNode) -> bool:
        if directive.name.value not in CONDITION_DIRECTIVES:
            raise CannotCompile
        (condition,) = directive.arguments or ()
        match condition.value:
            case BooleanValueNode(value=value):
                pass
            case VariableNode(name=name):
                value = self._conditions[name.value]
                if value is None:  # null, where none may be: graphql-core tells of it
                    raise CannotCompile
            case _:
                raise CannotCompile
        return bool(value) is (directive.name.value == "include")

    def _applies(self, condition: str, kind: GraphQLObjectType) -> bool:
        wider = self._schema.type_map[condition]
        return wider is kind or (is_abstract_type(wider) and self._schema.is_sub_type(wider, kind))

    def _field_writer(self, kind: GraphQLObjectType, name: str, nodes: list[FieldNode]) -> FieldWriter:
        field_name = nodes[0].name.value
        if field_name == "__typename":
            return TypeNameWriter(name, kind.name)
        field = kind.fields.get(field_name)
        declared = None if field is None else field.extensions.get("strawberry-definition")
        if field is None or not isinstance(declared, StrawberryField):
            raise CannotCompile
        writer = self.serializer(field.type, [node.selection_set for node in nodes if node.selection_set is not None])
        nullable = not isinstance(field.type, GraphQLNonNull)
        if declared.is_basic_field:
            return AttributeWriter(name, declared.python_name, writer, nullable=nullable)
        resolver = declared.base_resolver
        if resolver is None or resolver.self_parameter is None or declared.extensions:
            raise CannotCompile
        arguments = None
        if declared.arguments or resolver.info_parameter is not None:
            arguments = self._arguments(field, declared, nodes)
        return MethodWriter(name, resolver.wrapped_func, arguments, writer, nullable=nullable)  # type: ignore[arg-type]

    def _arguments(
        self, field: GraphQLField, declared: StrawberryField, nodes: list[FieldNode]
    ) -> Callable[[Execution], dict[str, Any]]:
        info = declared.base_resolver and declared.base_resolver.info_parameter
        scalars, config = self._scalars, self._config

        def arguments(run: Execution) -> dict[str, Any]:
            values = get_argument_values(field, nodes[0], run.variables) if declared.arguments else {}
            given = convert_arguments(values, declared.arguments, scalars, config)
            if info:
                raw: Any = RawInfo(run.context, nodes)
                given[info.name] = Info(_raw_info=raw, _field=declared)
            return given

        return arguments


def _alive(plans: "ref[CompiledSelections]") -> CompiledSelections:
    """The plans that a writer belongs to. Whoever runs it holds them.

    Writers refer to them weakly: a cycle of references would stay in memory until the garbage collector looks at
    everything.
    """
    found = plans()
    assert found is not None
    return found
