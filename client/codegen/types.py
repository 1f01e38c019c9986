"""Renders the modules of enums, errors, inputs, types and events."""

from collections.abc import Iterable, Iterator

from graphql import (
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)

from codegen.names import class_name, docstring
from codegen.shapes import WRITTEN_BY_HAND, Member, Shape, Shapes, is_event, leaf

#: The codes about the state of the objects: the same call may succeed later.
CONFLICTS = {
    "DUPLICATE_VALUE",
    "USERNAME_TAKEN",
    "NOT_AN_AGENT",
    "AGENT_NOT_ROUTABLE",
    "DEPARTMENT_DISABLED",
    "ROOM_ALREADY_ASSIGNED",
    "ROOM_NOT_ASSIGNED",
    "ROOM_ON_HOLD",
    "ROOM_NOT_ON_HOLD",
    "ROOM_CLOSED",
    "ROOM_NOT_WAITING_FOR_DECISION",
    "STALE_REVISION",
    "STALE_VERSION",
    "IDEMPOTENCY_MISMATCH",
    "ALREADY_ACKNOWLEDGED",
}


def render_enums(schema: GraphQLSchema) -> str:
    return '"""The enums of the API."""\n\nfrom switchboard_client.records import OpenEnum\n\n' + "\n\n".join(
        f"class {enum.name}(OpenEnum):\n{docstring(enum.description)}\n"
        + "".join(f'    {name} = "{name}"\n{docstring(value.description)}' for name, value in enum.values.items())
        for enum in enums(schema)
    )


def enums(schema: GraphQLSchema) -> Iterator[GraphQLEnumType]:
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLEnumType) and not type_.name.startswith("__"):
            yield type_


def render_errors(schema: GraphQLSchema) -> str:
    (codes,) = (enum for enum in enums(schema) if enum.name == "ErrorCode")
    classes = "".join(
        f"class {class_name(code)}({'Conflict' if code in CONFLICTS else 'ApiError'}):\n"
        f'{docstring(value.description)}\n    code = "{code}"\n\n\n'
        for code, value in codes.values.items()
    )
    by_code = "".join(f"{class_name(code)}.code: {class_name(code)}," for code in codes.values)
    return (
        '"""One class for each error code of the API."""\n\n'
        "from switchboard_client.api_error import ApiError, Conflict\n\n\n"
        f"{classes}BY_CODE: dict[str, type[ApiError]] = {{{by_code}}}\n"
    )


# ---------------------------------------------------------------- inputs


def render_inputs(schema: GraphQLSchema, names: Iterable[str]) -> str:
    lines = [
        '"""The nested inputs of the API, as dictionaries with the names of the API."""\n',
        "from collections.abc import Sequence",
        "from datetime import datetime",
        "from typing import Any, Required, TypedDict\n",
        "from switchboard_client.generated import enums",
        "from switchboard_client.records import FieldValue\n",
    ]
    for name in sorted(names):
        type_ = schema.type_map[name]
        assert isinstance(type_, GraphQLInputObjectType)
        fields = ", ".join(f'"{key}": {_field(declared)}' for key, declared in type_.fields.items())
        lines.append(f'{name} = TypedDict("{name}", {{{fields}}}, total=False)')
        lines.append(docstring(type_.description, ""))
    return "\n".join(lines)


def _field(declared: GraphQLInputField) -> str:
    annotation = input_annotation(declared.type, quoted=True)
    return f"Required[{annotation}]" if is_required_input_field(declared) else annotation


def input_annotation(type_: GraphQLInputType, *, quoted: bool = False, prefix: str = "") -> str:
    """The annotation of a value that may be left out if the type is nullable."""
    named = get_named_type(type_)
    inner = type_.of_type if is_non_null_type(type_) else type_
    nullable = inner is type_
    if is_list_type(inner):
        text = f"Sequence[{input_annotation(inner.of_type, quoted=quoted, prefix=prefix)}]"
    elif isinstance(named, GraphQLInputObjectType):
        text = f'"{named.name}"' if quoted else f"{prefix}{named.name}"
    else:
        text = leaf(named)
    # A condition of a filter that is null is refused: such a key is left out.
    condition = quoted and isinstance(named, GraphQLInputObjectType)
    return f"{text} | None" if nullable and not condition and text != "Any" else text


# ---------------------------------------------------------------- objects


TYPES_HEADER = '''"""The objects of the API. Every class is immutable."""

from datetime import datetime
from typing import Any

from switchboard_client.generated import enums
from switchboard_client.records import CustomField, FieldValue, Record, RecordWithCustomFields
'''
EVENTS_HEADER = '''"""The events of the API. Every class is immutable."""

from datetime import datetime
from typing import Any

from typing_extensions import override

from switchboard_client.generated import enums
from switchboard_client.generated.types import {imports}
from switchboard_client.records import EventRecord
'''


def render_types(shapes: Shapes) -> str:
    return TYPES_HEADER + "\n\n".join(
        render_class(shape, "RecordWithCustomFields" if has_custom_fields(shape) else "Record", shape.members)
        for shape in shapes.by_name.values()
        if not is_event(shape.type) and shape.name not in WRITTEN_BY_HAND
    )


def has_custom_fields(shape: Shape) -> bool:
    return any(member.name == "custom_fields" for member in shape.members)


def render_class(shape: Shape, base: str, members: Iterable[Member]) -> str:
    fields = "".join(
        f"    {member.name}: {member.annotation}\n{docstring(member.description)}"
        for member in members
        if member.name != "custom_fields"
    )
    return f"\nclass {shape.name}({base}, frozen=True, kw_only=True):\n{docstring(shape.type.description)}\n{fields}\n"


def render_events(schema: GraphQLSchema, shapes: Shapes) -> str:
    """The events, with the selection of each one beyond the fields of all events."""
    events = [shapes.of(type_) for type_ in event_types(schema)]
    common, of_rooms = (names_of(schema, name) for name in ("Event", "RoomEvent"))
    classes, selections, imports = [], [], {"Actor"}
    for shape in events:
        about_room = any(interface.name == "RoomEvent" for interface in shape.type.interfaces)
        own = [member for member in shape.members if member.graphql_name not in (of_rooms if about_room else common)]
        imports |= {member.shape.name for member in own if member.shape is not None}
        subject = "" if about_room else _subject(own)
        base = "RoomEvent" if about_room else "Event"
        classes.append(render_class(shape, base, own) + subject)
        selections.append(f'    {shape.name}: "{" ".join(member.selection for member in own)}",\n')
    first = {member.graphql_name: member for member in events[0].members}
    assert events[0].name == "RoomStarted"
    header = EVENTS_HEADER.format(imports=", ".join(sorted(imports | {"RoomSnapshot"})))
    return (
        header
        + _interface("Event", "EventRecord", [first[name] for name in first if name in common])
        + _interface("RoomEvent", "Event", [first[name] for name in first if name in of_rooms - common])
        + "\n".join(classes)
        + f"\n\nEVENTS: tuple[type[Event], ...] = ({', '.join(shape.name for shape in events)},)\n"
        + '"""All classes of events."""\n'
        + f'\nCOMMON = "{" ".join(first[name].selection for name in first if name in common)}"\n'
        + '"""The selection of every event."""\n'
        + f'\nOF_ROOMS = "{" ".join(first[name].selection for name in first if name in of_rooms - common)}"\n'
        + '"""The further selection of every event of a room."""\n'
        + f"\nOWN: dict[type[Event], str] = {{\n{''.join(selections)}}}\n"
        + '"""The further selection of each event."""\n'
    )


def _interface(name: str, base: str, members: list[Member]) -> str:
    fields = "".join(f"    {one.name}: {one.annotation}\n{docstring(one.description)}" for one in members)
    text = "An event." if name == "Event" else "An event of a room."
    subject = "" if name == "Event" else _property("room.room_id")
    return f'\n\nclass {name}({base}, frozen=True, kw_only=True):\n    """{text}"""\n\n{fields}\n{subject}'


def _subject(own: list[Member]) -> str:
    """The property with the id of the entity that the event is about."""
    (member,) = [member for member in own if member.shape is not None and "current" in member.shape.type.fields]
    assert member.shape is not None
    (id_,) = [one.name for one in member.shape.members if one.graphql_name == f"{_kind(member.shape.name)}Id"]
    return _property(f"{member.name}.{id_}")


def _property(path: str) -> str:
    return f"\n    @property\n    @override\n    def subject_id(self) -> str:\n        return self.{path}\n"


def _kind(name: str) -> str:
    """`FieldDefinitionSnapshot`: definition. `UserSnapshot`: user."""
    kind = name.removesuffix("Snapshot").removeprefix("Field")
    return kind[0].lower() + kind[1:]


def names_of(schema: GraphQLSchema, interface: str) -> set[str]:
    type_ = schema.type_map[interface]
    assert isinstance(type_, GraphQLInterfaceType)
    return set(type_.fields)


def event_types(schema: GraphQLSchema) -> list[GraphQLObjectType]:
    """The types of events, in the order of EventType."""
    enum = schema.type_map["EventType"]
    assert isinstance(enum, GraphQLEnumType)
    found = [schema.type_map[class_name(name)] for name in enum.values]
    return [type_ for type_ in found if isinstance(type_, GraphQLObjectType)]
