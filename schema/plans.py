"""From a selection to a function that writes what it asks of an object: compiled once, for all who ask the same.

graphql-core finds out anew for every object what is asked of it, and builds a path and a resolve info for every field.
A plan knows beforehand. It writes what comes out as it should; whatever does not (a value of another type, an error)
raises, and whoever runs the plan lets graphql-core do the same work again, which knows how to tell of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import CoroutineType
from typing import Any, NamedTuple, TypeAlias

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
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types import Info
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from schema.writers import Mismatch, Write, Writer, leaf, list_of

Row: TypeAlias = dict[str, Any]
Selections: TypeAlias = Sequence[SelectionSetNode]

#: The directives that decide whether something is asked for at all.
SWITCHES = frozenset({"skip", "include"})
#: Of one document. One that is larger is not planned beyond that.
MOST_PLANS = 1_000
#: How many entries of lists are written without letting others have their turn, and so many at a time of longer lists:
#: some milliseconds' worth.
TURN = 250
PART = 50
AWAITABLE = (CoroutineType, asyncio.Future)


class Unplannable(Exception):
    """A selection that is left to graphql-core."""


class RawInfo(NamedTuple):
    """What resolvers below the roots may ask of graphql-core's resolve info."""

    context: Any
    field_nodes: list[FieldNode]


class Pending(NamedTuple):
    """A value that has to be waited for, and where it belongs."""

    value: Awaitable[Any]
    row: Row
    step: "Step"


class Postponed(NamedTuple):
    """A list that is written later, and where."""

    values: Sequence[Any]
    written: list[Any]
    write: Write


class Run:
    """One run of a plan, for one operation.

    Long lists are written a part at a time, so that others have their turn in between.
    """

    def __init__(self, context: Any, variables: VariableValues) -> None:
        self.context = context
        self.variables = variables
        self.pending: list[Pending] = []
        self._left = TURN
        self._postponed: list[Postponed] = []
        self._given: dict[Step, dict[str, Any]] = {}

    def given(self, step: "Step") -> dict[str, Any]:
        """What the method of a step is called with beside its object, the same for all objects."""
        known = self._given.get(step)
        if known is None:
            known = self._given[step] = step.arguments(self)
        return known

    @property
    def settled(self) -> bool:
        """Whether everything is written."""
        return not self.pending and not self._postponed

    def write_all(self, values: Sequence[Any], write: Write) -> list[Any]:
        """What is written of the entries of a list, some of them later (settle)."""
        if len(values) <= self._left:
            self._left -= len(values)
            return [write(value, self) for value in values]
        written: list[Any] = [None] * len(values)
        self._postponed.append(Postponed(values, written, write))
        return written

    async def settle(self) -> None:
        """Write what was postponed, and what had to be waited for: all of it at once, and then what that brought."""
        try:
            while not self.settled:
                while self._postponed:
                    await self._write_postponed(self._postponed.pop())
                waited, self.pending = self.pending, []
                values = await asyncio.gather(*(one.value for one in waited), return_exceptions=True)
                for one, value in zip(waited, values, strict=True):
                    if isinstance(value, BaseException):
                        raise value
                    one.row[one.step.name] = one.step.finish(value, self)
        except BaseException:
            self.abandon()
            raise

    async def _write_postponed(self, one: "Postponed") -> None:
        for start in range(0, len(one.values), PART):
            await asyncio.sleep(0)
            self._left = TURN
            for index, value in enumerate(one.values[start : start + PART], start):
                one.written[index] = one.write(value, self)

    def abandon(self) -> None:
        """Wait for nothing."""
        for one in self.pending:
            if isinstance(one.value, CoroutineType):
                one.value.close()
        self.pending = []


# ---------------------------------------------------------------- what plans are made of


class Step:
    """One field of a plan."""

    def __init__(self, name: str, writer: Writer, *, nullable: bool) -> None:
        self.name = name
        self._writer = writer
        self._nullable = nullable

    def finish(self, value: Any, run: Run) -> Any:
        """What is written of the field's value."""
        if value is None:
            if self._nullable:
                return None
            raise Mismatch
        return self._writer.write(value, run)

    def arguments(self, run: Run) -> dict[str, Any]:
        return {}

    def lines(self, v: str, o: str) -> Iterable[str]:
        """The lines that find the value of the field of `source`, and set the variable `v` to what is written of it.

        `o` is the name of what object() returns.
        """
        raise NotImplementedError  # pragma: no cover

    def object(self) -> Any:
        return self

    def _written(self, v: str, o: str) -> Iterable[str]:
        lines = [line.format(v=v, o=o) for line in self._writer.lines]
        if self._nullable:
            return [f"if {v} is not None:", *(f" {line}" for line in lines)]
        return [f"if {v} is None: raise Mismatch", *lines]


class TypeName(Step):
    """What kind of object it is."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(name, Writer.calling(lambda value, _: value), nullable=False)
        self._kind = kind

    def lines(self, v: str, o: str) -> Iterable[str]:
        return [f"{v} = {o}"]

    def object(self) -> Any:
        return self._kind


class Attribute(Step):
    """An attribute of the object."""

    def __init__(self, name: str, attribute: str, writer: Writer, *, nullable: bool) -> None:
        super().__init__(name, writer, nullable=nullable)
        self._attribute = attribute

    def lines(self, v: str, o: str) -> Iterable[str]:
        return [f"{v} = source.{self._attribute}", *self._written(v, o)]

    def object(self) -> Any:
        return self._writer.object


class Method(Step):
    """What a method of the object answers."""

    def __init__(
        self,
        name: str,
        method: Callable[..., Any],
        arguments: Callable[[Run], dict[str, Any]] | None,
        writer: Writer,
        *,
        nullable: bool,
    ) -> None:
        super().__init__(name, writer, nullable=nullable)
        self.method = method
        self._arguments = arguments

    def arguments(self, run: Run) -> dict[str, Any]:
        return {} if self._arguments is None else self._arguments(run)

    def lines(self, v: str, o: str) -> Iterable[str]:
        given = "" if self._arguments is None else f", **run.given({o})"
        return [
            f"{v} = {o}.method(source{given})",
            f"if isinstance({v}, AWAITABLE):",
            f" run.pending.append(Pending({v}, row, {o}))",
            f" {v} = None",
            "else:",
            f" {v} = {o}.finish({v}, run)",
        ]


def compiled(steps: Sequence[Step]) -> Write:
    """The function that takes all steps, in the order in which their fields were asked for, which GraphQL promises.

    Put together as source: what a plan does for every object is then free of calls that only look up what comes next.
    Names and attributes in it come from the schema; what a client sent is in objects that it refers to.
    """
    known: dict[str, Any] = {"AWAITABLE": AWAITABLE, "Mismatch": Mismatch, "Pending": Pending}
    source = ["def write(source, run):", " if source is None: raise Mismatch", " row = {}"]
    for number, step in enumerate(steps):
        v, o, name = f"v{number}", f"o{number}", f"n{number}"
        known |= {o: step.object(), name: step.name}
        source += [f" {line}" for line in step.lines(v, o)]
        source.append(f" row[{name}] = {v}")
    source.append(" return row")
    exec("\n".join(source), known)  # noqa: S102 - see above
    write: Write = known["write"]
    return write


# ---------------------------------------------------------------- making plans


class Plans:
    """The plans of one document, each made when it is first needed: what is never met costs nothing."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], switches: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        #: The values of the variables by which @skip and @include decide.
        self._switches = switches
        declared: Any = schema
        self._scalars = declared._strawberry_schema.schema_converter.scalar_registry
        self._config = declared._strawberry_schema.config
        #: By type and selection; None: left to graphql-core. Selections are known by where they are in memory, and
        #: stay there as long as the document does.
        self._plans: dict[tuple[str, tuple[int, ...]], Write | None] = {}

    def of(self, kind: GraphQLObjectType, selections: Selections) -> Write | None:
        """What writes that which these selections together ask of an object of that type, if it can be planned."""
        key = (kind.name, tuple(map(id, selections)))
        if key in self._plans:
            return self._plans[key]
        plan = None
        if len(self._plans) < MOST_PLANS:
            with suppress(Unplannable):
                plan = compiled(self._steps(kind, selections))
            self._plans[key] = plan
        return plan

    def writer(self, kind: GraphQLOutputType, selections: Selections) -> Writer:
        """What writes values of a type."""
        match kind:
            case GraphQLNonNull(of_type=inner):
                return self.writer(inner, selections)
            case GraphQLScalarType() | GraphQLEnumType():
                return leaf(kind)
            case GraphQLList(of_type=item):
                return list_of(self.writer(item, selections), nullable=not isinstance(item, GraphQLNonNull))
            case GraphQLObjectType():
                return self._object(kind, selections)
            case GraphQLInterfaceType() | GraphQLUnionType():
                return self._abstract(selections)
        raise Unplannable

    def _object(self, kind: GraphQLObjectType, selections: Selections) -> Writer:
        plan: Write | None = None

        def write(value: Any, run: Run) -> Row:
            nonlocal plan
            if plan is None:
                plan = self.of(kind, selections)
                if plan is None:
                    raise Mismatch
            row: Row = plan(value, run)
            return row

        return Writer.calling(write)

    def _abstract(self, selections: Selections) -> Writer:
        plans: dict[type, Write] = {}

        def write(value: Any, run: Run) -> Row:
            plan = plans.get(type(value))
            if plan is None:
                kind = self._schema.type_map[type(value).__strawberry_definition__.name]
                plan = self.of(kind, selections) if isinstance(kind, GraphQLObjectType) else None
                if plan is None:
                    raise Mismatch
                plans[type(value)] = plan
            row: Row = plan(value, run)
            return row

        return Writer.calling(write)

    # ---------------------------------------------------------------- steps

    def _steps(self, kind: GraphQLObjectType, selections: Selections) -> list[Step]:
        asked: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for selection in selections:
            self._collect(kind, selection, asked, spread)
        return [self._step(kind, name, nodes) for name, nodes in asked.items()]

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
        if directive.name.value not in SWITCHES:
            raise Unplannable
        (condition,) = directive.arguments or ()
        match condition.value:
            case BooleanValueNode(value=value):
                pass
            case VariableNode(name=name):
                value = self._switches[name.value]
            case _:
                raise Unplannable
        return bool(value) is (directive.name.value == "include")

    def _applies(self, condition: str, kind: GraphQLObjectType) -> bool:
        wider = self._schema.type_map[condition]
        return wider is kind or (is_abstract_type(wider) and self._schema.is_sub_type(wider, kind))

    def _step(self, kind: GraphQLObjectType, name: str, nodes: list[FieldNode]) -> Step:
        field_name = nodes[0].name.value
        if field_name == "__typename":
            return TypeName(name, kind.name)
        field = kind.fields.get(field_name)
        declared = None if field is None else field.extensions.get("strawberry-definition")
        if field is None or not isinstance(declared, StrawberryField):
            raise Unplannable
        writer = self.writer(field.type, [node.selection_set for node in nodes if node.selection_set is not None])
        nullable = not isinstance(field.type, GraphQLNonNull)
        if declared.is_basic_field:
            return Attribute(name, declared.python_name, writer, nullable=nullable)
        resolver = declared.base_resolver
        if resolver is None or resolver.self_parameter is None or declared.extensions:
            raise Unplannable
        arguments = None
        if declared.arguments or resolver.info_parameter is not None:
            arguments = self._arguments(field, declared, nodes)
        return Method(name, resolver.wrapped_func, arguments, writer, nullable=nullable)  # type: ignore[arg-type]

    def _arguments(
        self, field: GraphQLField, declared: StrawberryField, nodes: list[FieldNode]
    ) -> Callable[[Run], dict[str, Any]]:
        info = declared.base_resolver and declared.base_resolver.info_parameter

        def arguments(run: Run) -> dict[str, Any]:
            values = get_argument_values(field, nodes[0], run.variables) if declared.arguments else {}
            given = convert_arguments(values, declared.arguments, self._scalars, self._config)
            if info:
                raw: Any = RawInfo(run.context, nodes)
                given[info.name] = Info(_raw_info=raw, _field=declared)
            return given

        return arguments
