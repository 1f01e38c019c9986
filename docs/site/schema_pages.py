"""Renders the schema as pages: operations, types, events, inputs, enums and scalars."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
)
from graphql.language import print_ast
from graphql.pyutils import Undefined
from graphql.utilities import ast_from_value

#: The interface of all events.
EVENT = "Event"
SCOPES_DIRECTIVE = "needsScopes"
INTRODUCTION = """# The schema

Every operation and type of the API, as `schema/schema.graphql` declares them. A server serves the same schema by
introspection, and GraphiQL at `/graphql` shows it beside a query.

"""


def titles() -> Mapping[str, str]:
    """The pages in the order of the navigation, with what each contains."""
    return {
        "queries": "Queries",
        "mutations": "Mutations",
        "subscriptions": "Subscriptions",
        "events": "Events",
        "objects": "Objects, interfaces and unions",
        "inputs": "Inputs",
        "enums": "Enums",
        "scalars": "Scalars and directives",
    }


class Rendering:
    """The pages of one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.roots = {
            "queries": schema.query_type,
            "mutations": schema.mutation_type,
            "subscriptions": schema.subscription_type,
        }
        self.types = [
            one
            for name, one in sorted(schema.type_map.items())
            if not is_introspection_type(one) and not is_specified_scalar_type(one) and one not in self.roots.values()
        ]

    def page_of(self, one: GraphQLNamedType) -> str:
        """The name of the page that describes a type; empty for a type of GraphQL itself."""
        if is_specified_scalar_type(one):
            return ""
        if isinstance(one, GraphQLInputObjectType):
            return "inputs"
        if isinstance(one, GraphQLEnumType):
            return "enums"
        if isinstance(one, GraphQLScalarType):
            return "scalars"
        if isinstance(one, GraphQLObjectType) and EVENT in {interface.name for interface in one.interfaces}:
            return "events"
        return "objects"

    def reference(self, type_: object) -> str:
        """A type as a link to its description, with the marks of lists and non-null."""
        text = str(type_)
        named = get_named_type(type_)  # type: ignore[call-overload]
        page = self.page_of(named)
        if not page:
            return f"`{text}`"
        before, _, after = text.partition(named.name)
        return f"{brackets(before)}[`{named.name}`]({page}.md#{named.name.lower()}){brackets(after)}"

    def pages(self) -> Iterator[tuple[str, str]]:
        """The name and the text of each page."""
        yield "README", INTRODUCTION + "\n".join(self.contents()) + "\n"
        for page, title in titles().items():
            root = self.roots.get(page)
            lines = [f"# {title}", ""]
            if root is not None:
                for name, field in sorted(root.fields.items()):
                    lines += self.operation(name, field)
            for one in self.types:
                if self.page_of(one) == page:
                    lines += self.type(one)
            if page == "scalars":
                for directive in self.schema.directives:
                    if directive.name == SCOPES_DIRECTIVE:
                        lines += [f"## @{directive.name}", "", directive.description or "", ""]
            yield page, "\n".join(lines) + "\n"

    def contents(self) -> Iterator[str]:
        for page, title in titles().items():
            root = self.roots.get(page)
            names = sorted(root.fields) if root else [one.name for one in self.types if self.page_of(one) == page]
            yield f"**[{title}]({page}.md)** ({len(names)})"
            yield ""
            yield ", ".join(f"[`{name}`]({page}.md#{name.lower()})" for name in names)
            yield ""

    def operation(self, name: str, field: GraphQLField) -> list[str]:
        return [
            f"## {name}",
            "",
            field.description or "",
            "",
            *deprecation(field.deprecation_reason),
            f"Returns {self.reference(field.type)}.",
            "",
            *self.table("argument", field.args),
        ]

    def type(self, one: GraphQLNamedType) -> list[str]:
        lines = [f"## {one.name}", "", one.description or "", ""]
        if isinstance(one, GraphQLObjectType | GraphQLInterfaceType):
            if one.interfaces:
                lines += [
                    "Implements " + ", ".join(self.reference(interface) for interface in one.interfaces) + ".",
                    "",
                ]
            lines += self.table("field", one.fields)
        elif isinstance(one, GraphQLUnionType):
            lines += ["One of " + ", ".join(self.reference(member) for member in one.types) + ".", ""]
        elif isinstance(one, GraphQLInputObjectType):
            lines += self.table("field", one.fields)
        elif isinstance(one, GraphQLEnumType):
            lines += ["| value | |", "|---|---|"]
            lines += [f"| `{name}` | {cell(value.description)} |" for name, value in one.values.items()]
        return [*lines, ""]

    def table(
        self,
        head: str,
        parts: Mapping[str, GraphQLField] | Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField],
    ) -> list[str]:
        """The fields or arguments with their types and descriptions."""
        if not parts:
            return []
        rows = [
            f"| `{name}` | {self.reference(part.type)}{default(part)} | {self.told(part)} |"
            for name, part in parts.items()
        ]
        return [f"| {head} | type | |", "|---|---|---|", *rows, ""]

    def told(self, part: GraphQLField | GraphQLArgument | GraphQLInputField) -> str:
        texts = [part.description or ""]
        if isinstance(part, GraphQLField):
            texts += [f"`{name}`: {argument.description}" for name, argument in part.args.items()]
        texts += deprecation(part.deprecation_reason)
        return cell("\n\n".join(text for text in texts if text))


def default(part: GraphQLField | GraphQLArgument | GraphQLInputField) -> str:
    """The default value of an argument."""
    if isinstance(part, GraphQLField) or part.default_value is Undefined:
        return ""
    value = ast_from_value(part.default_value, part.type)
    return f" = `{print_ast(value)}`" if value is not None else ""


def deprecation(reason: str | None) -> list[str]:
    return [f"**Deprecated**: {reason}", ""] if reason else []


def brackets(text: str) -> str:
    return f"`{text}`" if text else ""


def cell(text: str | None) -> str:
    """A description as the cell of a table, which is one line."""
    return (text or "").replace("|", "\\|").replace("\n\n", "<br>").replace("\n", " ")


def write(schema: Path, folder: Path) -> None:
    """Write the pages of a schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in Rendering(build_schema(schema.read_text(encoding="utf-8"))).pages():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
