"""The departments, agents, custom fields, roles and apps of the sample data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from resolvers.samples.scripts import SCRIPTS
from storage.records import AgentGoneAction, AgentStatus, FieldTarget, FieldType, Presence, RoutingMethod, UserType

#: By key: the arguments of createDepartment.
DEPARTMENTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "sales": {"name": "Sales", "routing": RoutingMethod.LEAST_LOADED},
        "support": {
            "name": "Support",
            "routing": RoutingMethod.ROUND_ROBIN,
            "when_agent_gone": AgentGoneAction.REQUEUE,
            "agent_gone_after_seconds": 900,
        },
        "billing": {"name": "Billing", "routing": RoutingMethod.MANUAL},
        "returns": {"name": "Returns", "routing": RoutingMethod.EXTERNAL},
        "weekend": {"name": "Weekend desk", "routing": RoutingMethod.MANUAL},
    }
)
DISABLED = "weekend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user of the sample data, who is an agent of departments."""

    name: str
    departments: tuple[str, ...]
    max_rooms: int | None
    presence: Presence = Presence.ONLINE
    status: AgentStatus = AgentStatus.AVAILABLE
    type: UserType = UserType.USER
    roles: tuple[str, ...] = ()
    level: str = "senior"
    languages: tuple[str, ...] = ("English",)
    extension: str | None = None
    accepts_routing: bool = True

    @property
    def username(self) -> str:
        return f"sample-{self.name.lower().replace(' ', '-')}"


MEMBERS = (
    Member(name="Ada", departments=("sales",), max_rooms=3, extension="101", languages=("English", "German")),
    Member(name="Ben", departments=("sales",), max_rooms=3, extension="102", level="junior"),
    Member(name="Cleo", departments=("sales",), max_rooms=2, presence=Presence.BUSY, extension="103"),
    Member(name="Dev", departments=("support",), max_rooms=5, extension="201", languages=("English", "Spanish")),
    Member(name="Elif", departments=("support",), max_rooms=4, extension="202", languages=("English", "Turkish")),
    Member(name="Finn", departments=("support",), max_rooms=4, presence=Presence.AWAY, level="junior"),
    Member(name="Gus", departments=("support",), max_rooms=6, status=AgentStatus.NOT_AVAILABLE, extension="204"),
    Member(name="Hana", departments=("billing",), max_rooms=3, extension="301"),
    Member(name="Ines", departments=("billing", "returns"), max_rooms=None, extension="302", level="lead"),
    Member(name="Jonas", departments=("returns",), max_rooms=4, extension="401"),
    Member(name="Kim", departments=("returns",), max_rooms=2, level="junior", languages=("English", "French")),
    Member(
        name="Lou",
        departments=("sales", "support", "billing", "returns"),
        max_rooms=1,
        presence=Presence.OFFLINE,
        roles=("livechat-manager",),
        level="lead",
        accepts_routing=False,
    ),
    Member(
        name="Answer Bot",
        departments=("support",),
        max_rooms=10,
        presence=Presence.OFFLINE,
        type=UserType.BOT,
        roles=("bot",),
    ),
)

#: By key: the arguments of defineCustomField.
FIELDS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "extension": {"target": FieldTarget.USER, "type": FieldType.TEXT, "label": "Extension", "pattern": "[0-9]{3}"},
        "languages": {
            "target": FieldTarget.USER,
            "type": FieldType.MULTI_SELECT,
            "label": "Languages",
            "options": ("English", "French", "German", "Spanish", "Turkish"),
        },
        "level": {
            "target": FieldTarget.USER,
            "type": FieldType.SELECT,
            "label": "Level",
            "options": ("junior", "senior", "lead"),
        },
        "customerNumber": {
            "target": FieldTarget.VISITOR,
            "type": FieldType.TEXT,
            "label": "Customer number",
            "unique": True,
        },
        "newsletter": {"target": FieldTarget.VISITOR, "type": FieldType.BOOLEAN, "label": "Gets the newsletter"},
        "orderNumber": {
            "target": FieldTarget.ROOM,
            "type": FieldType.TEXT,
            "label": "Order number",
            "pattern": "[A-Z]-[0-9]{5}",
        },
        "topic": {
            "target": FieldTarget.ROOM,
            "type": FieldType.SELECT,
            "label": "Topic",
            "options": tuple(dict.fromkeys(script.topic for script in SCRIPTS)),
        },
        "products": {
            "target": FieldTarget.ROOM,
            "type": FieldType.MULTI_SELECT,
            "label": "Products",
            "options": ("chairs", "desks", "lamps", "shelves"),
        },
        "callback": {"target": FieldTarget.ROOM, "type": FieldType.BOOLEAN, "label": "Call back"},
        "answerBy": {"target": FieldTarget.ROOM, "type": FieldType.DATETIME, "label": "Answer by"},
        "satisfaction": {"target": FieldTarget.ROOM, "type": FieldType.NUMBER, "label": "Satisfaction, 1 to 5"},
    }
)

#: The arguments of createRole.
ROLES = (
    {
        "name": "shift-lead",
        "description": "Sees all conversations of the shift, and decides who serves them.",
        "scopes": ("rooms:read", "rooms:assign", "messages:read", "users:read", "visitors:read", "events:read"),
    },
    {
        "name": "quality-review",
        "description": "Reads conversations, and changes nothing.",
        "scopes": ("rooms:read", "messages:read", "users:read", "visitors:read"),
    },
)
#: The app that starts the rooms, and decides who serves the rooms of the department with external routing.
WEBSITE, ROUTER = "Website", "Case router"
APPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        WEBSITE: ("rooms:write", "visitors:write", "messages:write"),
        ROUTER: ("rooms:read", "rooms:assign", "users:read", "events:read"),
    }
)
#: The consumer of the app ROUTER.
CONSUMER = "case-router"

#: The visitors' first names.
VISITORS = (
    *("Alex", "Avery", "Billie", "Casey", "Chris", "Dana", "Drew", "Eden", "Ellis", "Emery", "Frankie", "Gray"),
    *("Harper", "Hayden", "Indigo", "Jamie", "Jesse", "Jordan", "Jules", "Kai", "Kelly", "Lane", "Leslie", "Logan"),
    *("Marlow", "Max", "Mika", "Morgan", "Nico", "Noel", "Parker", "Pat", "Quinn", "Reese", "Riley", "Robin"),
    *("Rowan", "Sage", "Sam", "Sasha", "Shay", "Sidney", "Sky", "Taylor", "Terry", "Toni", "Val", "Wren"),
)
