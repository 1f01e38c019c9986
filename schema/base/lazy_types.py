"""Lazy references to types, for modules of types that refer to each other."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

if TYPE_CHECKING:
    from schema.agents import Agent
    from schema.assignments import Assignment
    from schema.departments import Department
    from schema.events.event_types import Event
    from schema.events.snapshots import AgentSnapshot
    from schema.messages import Message
    from schema.rooms import Room
    from schema.users import User
    from schema.visitors import Visitor

AgentRef: TypeAlias = Annotated["Agent", strawberry.lazy("schema.agents")]
AgentSnapshotRef: TypeAlias = Annotated["AgentSnapshot", strawberry.lazy("schema.events.snapshots")]
AssignmentRef: TypeAlias = Annotated["Assignment", strawberry.lazy("schema.assignments")]
DepartmentRef: TypeAlias = Annotated["Department", strawberry.lazy("schema.departments")]
EventRef: TypeAlias = Annotated["Event", strawberry.lazy("schema.events.event_types")]
MessageRef: TypeAlias = Annotated["Message", strawberry.lazy("schema.messages")]
RoomRef: TypeAlias = Annotated["Room", strawberry.lazy("schema.rooms")]
UserRef: TypeAlias = Annotated["User", strawberry.lazy("schema.users")]
VisitorRef: TypeAlias = Annotated["Visitor", strawberry.lazy("schema.visitors")]
