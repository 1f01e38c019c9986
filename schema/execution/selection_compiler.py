"""Compiles the selection sets of a document into functions that serialize objects.

graphql-core collects the fields of a selection for every object anew, and creates a path and a resolve info for every
field. A compiled selection does this once for a document. It serializes only values that are correct. For any other
value (of a wrong type, or an error) it raises, and graphql-core completes the value again and reports the error.
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
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
)
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from schema.base.fields import entries_attribute, is_pure
from schema.execution.argument_converters import converters_of
from schema.execution.cost_limits import DEFAULT_LIMITS
from schema.execution.entry_writers import EntryWriter
from schema.execution.field_writers import AttributeWriter, FieldWriter, MethodWriter, TypeNameWriter, compile_writers
from schema.execution.memory_usage import FIELD_BYTES, JSON_BYTES, SELECTION_BYTES, Usage
from schema.execution.selection_execution import Execution, Row
from schema.execution.value_serializers import CannotSerialize, Serialize, Serializer, leaf_serializer, list_serializer
from schema.execution.variable_values import argument_values
from schema.execution.visitor_fields import rule_of

Selections: TypeAlias = Sequence[SelectionSetNode]

#: The most selections of one node whose fields are looked at to find out whether it is pure.
MAX_PURE_SELECTIONS = 50
#: The directives that exclude fields and fragments from a selection.
CONDITION_DIRECTIVES = frozenset({"skip", "include"})


class CannotCompile(Exception):
    """The selection has to be executed by graphql-core."""


class RawInfo(NamedTuple):
    """The part of graphql-core's resolve info that resolvers use."""

    context: Any
    field_nodes: list[FieldNode]


class CompiledSelections:
    """The compiled selections of one document. Each is compiled on first use."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: Mapping[str, Any],
        usage: Usage | None = None,
        *,
        max_compiled: int = DEFAULT_LIMITS.compiled_selections,
        visitors: bool = False,
    ) -> None:
        self._visitors = visitors
        self._usage = usage or Usage("")
        self._max_compiled = max_compiled
        self._schema = schema
        self._fragments = fragments
        #: The values of the variables in @skip and @include.
        self._conditions = conditions
        self._converters = converters_of(schema)
        #: By type and selection sets; None if graphql-core executes it. The keys are ids of nodes, which live as long
        #: as the document.
        self._serializers: dict[tuple[str, tuple[int, ...]], Serialize | None] = {}
        #: By the id of the operation's node; None if graphql-core executes it.
        self._roots: dict[int, list[FieldWriter] | None] = {}
        #: Results of introspection, by operation name and response name of the root field.
        self.introspection_answers: dict[tuple[str | None, str], Any] = {}

    def cache_introspection_answer(self, key: tuple[str | None, str], answer: Any) -> None:
        """Cache a result of introspection."""
        self.introspection_answers[key] = answer
        self._usage.add(JSON_BYTES * len(msgspec.json.encode(answer)))

    def for_root(self, operation: OperationDefinitionNode) -> list[FieldWriter] | None:
        """The writers of the root fields of an operation; None if graphql-core has to execute it."""
        key = id(operation)
        if key in self._roots:
            return self._roots[key]
        writers = None
        root = self._schema.get_root_type(operation.operation)
        if root is not None and len(self._roots) < self._max_compiled:
            with suppress(CannotCompile):
                writers = self._field_writers(root, [operation.selection_set])
            self._roots[key] = writers
            self._usage.add(SELECTION_BYTES + FIELD_BYTES * len(writers or ()))
        return writers

    def for_type(self, kind: GraphQLObjectType, selections: Selections) -> Serialize | None:
        """The function that serializes an object of this type; None if the selections cannot be compiled."""
        key = (kind.name, tuple(map(id, selections)))
        if key in self._serializers:
            return self._serializers[key]
        serialize = None
        if len(self._serializers) < self._max_compiled:
            writers: list[FieldWriter] = []
            with suppress(CannotCompile):
                writers = self._field_writers(kind, selections)
                serialize = compile_writers(writers)
            self._serializers[key] = serialize
            self._usage.add(SELECTION_BYTES + FIELD_BYTES * len(writers))
        return serialize

    def serializer(self, kind: GraphQLOutputType, selections: Selections) -> Serializer:
        """The serializer of the values of a type."""
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
        compiled: Serialize | None = None
        self_ref = ref(self)

        def serialize(value: Any, execution: Execution) -> Row:
            nonlocal compiled
            if compiled is None:
                compiled = _dereference(self_ref).for_type(kind, selections)
                if compiled is None:
                    raise CannotSerialize
            row: Row = compiled(value, execution)
            return row

        return Serializer.calling(serialize)

    def _abstract(self, selections: Selections) -> Serializer:
        by_class: dict[type, Serialize] = {}
        schema, self_ref = self._schema, ref(self)

        def serialize(value: Any, execution: Execution) -> Row:
            compiled = by_class.get(type(value))
            if compiled is None:
                kind = schema.type_map[type(value).__strawberry_definition__.name]
                if isinstance(kind, GraphQLObjectType):
                    compiled = _dereference(self_ref).for_type(kind, selections)
                if compiled is None:
                    raise CannotSerialize
                by_class[type(value)] = compiled
            row: Row = compiled(value, execution)
            return row

        return Serializer.calling(serialize)

    # ---------------------------------------------------------------- fields

    def _field_writers(self, kind: GraphQLObjectType, selections: Selections) -> list[FieldWriter]:
        fields: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for selection in selections:
            self._collect(kind, selection, fields, spread)
        return [self._field_writer(kind, name, nodes) for name, nodes in fields.items()]

    def _collect(
        self, kind: GraphQLObjectType, selection: SelectionSetNode, fields: dict[str, list[FieldNode]], spread: set[str]
    ) -> None:
        for node in selection.selections:
            if node.directives and not all(map(self._includes, node.directives)):
                continue
            match node:
                case FieldNode():
                    fields.setdefault((node.alias or node.name).value, []).append(node)
                case InlineFragmentNode(type_condition=condition, selection_set=inner):
                    if condition is None or self._applies(condition.name.value, kind):
                        self._collect(kind, inner, fields, spread)
                case FragmentSpreadNode(name=name) if name.value not in spread:
                    spread.add(name.value)
                    fragment = self._fragments[name.value]
                    if self._applies(fragment.type_condition.name.value, kind):
                        self._collect(kind, fragment.selection_set, fields, spread)

    def _includes(self, directive: DirectiveNode) -> bool:
        if directive.name.value not in CONDITION_DIRECTIVES:
            raise CannotCompile
        (condition,) = directive.arguments or ()
        match condition.value:
            case BooleanValueNode(value=value):
                pass
            case VariableNode(name=name):
                value = self._conditions[name.value]
                if value is None:  # graphql-core reports the error
                    raise CannotCompile
            case _:
                raise CannotCompile
        return bool(value) is (directive.name.value == "include")

    def _applies(self, condition: str, kind: GraphQLObjectType) -> bool:
        type_ = self._schema.type_map[condition]
        return type_ is kind or (is_abstract_type(type_) and self._schema.is_sub_type(type_, kind))

    def _field_writer(self, kind: GraphQLObjectType, name: str, nodes: list[FieldNode]) -> FieldWriter:
        field_name = nodes[0].name.value
        if field_name == "__typename":
            return TypeNameWriter(name, kind.name)
        field = kind.fields.get(field_name)
        definition = None if field is None else field.extensions.get("strawberry-definition")
        if field is None or not isinstance(definition, StrawberryField):
            raise CannotCompile
        serializer = self.serializer(
            field.type, [node.selection_set for node in nodes if node.selection_set is not None]
        )
        nullable = not isinstance(field.type, GraphQLNonNull)
        rule = rule_of(field) if self._visitors else None
        if rule is not None:
            if rule.refused:
                raise CannotCompile
            return MethodWriter(name, rule.resolve, _context_argument, serializer, nullable=nullable)
        attribute = entries_attribute(definition)
        if attribute is not None and (entry_writer := self._entry_writer(name, attribute, field, nodes)) is not None:
            return entry_writer
        if definition.is_basic_field:
            return AttributeWriter(name, definition.python_name, serializer, nullable=nullable)
        resolver = definition.base_resolver
        if resolver is None or resolver.self_parameter is None or definition.extensions:
            raise CannotCompile
        arguments = None
        if definition.arguments or resolver.info_parameter is not None:
            arguments = self._arguments(field, definition, nodes)
        return MethodWriter(name, resolver.wrapped_func, arguments, serializer, nullable=nullable)  # type: ignore[arg-type]

    def _entry_writer(
        self, name: str, attribute: str, field: GraphQLField, nodes: list[FieldNode]
    ) -> EntryWriter | None:
        """The writer of the nodes of entries; None if they have several types."""
        kind = get_named_type(field.type)
        if not isinstance(kind, GraphQLObjectType):
            return None
        selections = [node.selection_set for node in nodes if node.selection_set is not None]
        many = isinstance(get_nullable_type(field.type), GraphQLList)
        pure = self._is_pure(kind, selections, set())
        return EntryWriter(name, attribute, self._object(kind, selections), many=many, pure=pure)

    def _is_pure(self, kind: GraphQLObjectType, selections: Selections, seen: set[tuple[str, tuple[int, ...]]]) -> bool:
        """Whether the selected fields of an object depend on nothing but its record, and on the reference data.

        False for large selections, which take too long to find out.
        """
        key = (kind.name, tuple(map(id, selections)))
        if key in seen:
            return True
        seen.add(key)
        if len(seen) > MAX_PURE_SELECTIONS:
            return False
        fields: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for selection in selections:
            self._collect(kind, selection, fields, spread)
        return all(self._is_pure_field(kind, nodes, seen) for nodes in fields.values())

    def _is_pure_field(
        self, kind: GraphQLObjectType, nodes: list[FieldNode], seen: set[tuple[str, tuple[int, ...]]]
    ) -> bool:
        field_name = nodes[0].name.value
        if field_name == "__typename":
            return True
        field = kind.fields.get(field_name)
        definition = None if field is None else field.extensions.get("strawberry-definition")
        if field is None or not isinstance(definition, StrawberryField) or not is_pure(definition):
            return False
        if self._visitors and rule_of(field) is not None:
            return False
        inner = [node.selection_set for node in nodes if node.selection_set is not None]
        named = get_named_type(field.type)
        return not inner or (isinstance(named, GraphQLObjectType) and self._is_pure(named, inner, seen))

    def _arguments(
        self, field: GraphQLField, definition: StrawberryField, nodes: list[FieldNode]
    ) -> Callable[[Execution], dict[str, Any]]:
        info = definition.base_resolver and definition.base_resolver.info_parameter
        convert = self._converters.arguments(definition.arguments)
        values = argument_values(field, nodes[0])

        def arguments(execution: Execution) -> dict[str, Any]:
            converted = convert(values(execution.variables))
            if info:
                raw: Any = RawInfo(execution.context, nodes)
                converted[info.name] = Info(_raw_info=raw, _field=definition)
            return converted

        return arguments


def _context_argument(execution: Execution) -> dict[str, Any]:
    return {"context": execution.context}


def _dereference(reference: "ref[CompiledSelections]") -> CompiledSelections:
    """The selections that a serializer belongs to. The caller of a serializer holds a reference to them.

    Serializers hold weak references: with a reference cycle, the memory would stay in use until the garbage collector
    runs.
    """
    selections = reference()
    assert selections is not None
    return selections
