"""The built-in attributes of each target: their paths in documents, their operators, and how a record is read.

Custom fields are not here; their definitions are in the database.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from storage.filters.expressions import Operator
from storage.records import AgentStatus, FieldTarget, Presence, RoomStatus, User, UserType

BOT_ROLE = "bot"

_EQUALS = frozenset({Operator.EQ})
_CHOICE = frozenset({Operator.EQ, Operator.IN})
_LINK = _CHOICE | {Operator.EXISTS}
_STRING = _CHOICE | {Operator.CONTAINS, Operator.STARTS_WITH}
_INSTANT = frozenset({Operator.GT, Operator.GTE, Operator.LT, Operator.LTE})


@dataclass(frozen=True, slots=True)
class Attribute:
    """How one attribute is compared. If it is missing, every condition is false except `exists: false`."""

    #: The path in documents of the value that `read` returns.
    path: str
    operators: frozenset[Operator]
    #: Returns the value of a record of the target, or None if it is missing; a tuple if `many`.
    read: Callable[[Any], Any]
    #: A list. The condition is true if it is true for one element.
    many: bool = False
    #: Compared without case: documents have, and `read` returns, case-folded text.
    folded: bool = False
    #: The value is whether the path exists.
    existence: bool = False
    #: All possible values; () if they are unlimited.
    choices: tuple[str, ...] = ()
    #: Prefix of the contexts (mongo/field_encoding.py) with this attribute.
    context: str | None = None


#: The end of the names of the attributes that compare text without case (ignoreCase).
IGNORING_CASE = "IgnoringCase"


def _ignoring_case(name: str) -> dict[str, Attribute]:
    """Return the attribute that compares this text without case. Documents hold the case-folded text."""

    def read(record: Any) -> str | None:
        text = getattr(record, name)
        return None if text is None else text.casefold()

    return {f"{name}{IGNORING_CASE}": Attribute(f"{name}Key", _STRING, read, folded=True)}


def is_routable(user: User) -> bool:
    """Return whether the user is an agent that can serve another room. Documents have the result as `routable`."""
    agent = user.agent
    return (
        agent is not None
        and user.active
        and agent.status is AgentStatus.AVAILABLE
        and (agent.max_rooms is None or agent.open_room_count < agent.max_rooms)
        and (user.presence is not Presence.OFFLINE or BOT_ROLE in user.roles)
    )


def accepts_rooms(user: User) -> bool:
    """Return whether routing may offer the user a room: a routable agent that accepts routing."""
    return user.agent is not None and user.agent.accepts_routing and is_routable(user)


_USER = {
    "id": Attribute("_id", _CHOICE, lambda user: user.id),
    "username": Attribute("usernameKey", _STRING, lambda user: user.username.casefold(), folded=True),
    "name": Attribute("name", _STRING, lambda user: user.name),
    **_ignoring_case("name"),
    "email": Attribute(
        "emailKeys", _STRING, lambda user: tuple(email.casefold() for email in user.emails), many=True, folded=True
    ),
    "type": Attribute("type", _CHOICE, lambda user: user.type, choices=tuple(UserType)),
    "active": Attribute("active", _EQUALS, lambda user: user.active),
    "presence": Attribute("presence", _CHOICE, lambda user: user.presence, choices=tuple(Presence)),
    "role": Attribute("roles", _CHOICE, lambda user: user.roles, many=True, context="r:"),
    "isAgent": Attribute(
        "agent.status",
        _EQUALS,
        lambda user: user.agent is not None,
        existence=True,
        choices=tuple(AgentStatus),
        context="s:",
    ),
    "agentStatus": Attribute(
        "agent.status",
        _CHOICE,
        lambda user: user.agent and user.agent.status,
        choices=tuple(AgentStatus),
        context="s:",
    ),
    "department": Attribute(
        "agent.departmentIds",
        _CHOICE,
        lambda user: user.agent.department_ids if user.agent else (),
        many=True,
        context="d:",
    ),
    "routable": Attribute("routable", _EQUALS, lambda user: is_routable(user) if user.agent else None),
}

_VISITOR = {
    "id": Attribute("_id", _CHOICE, lambda visitor: visitor.id),
    "token": Attribute("token", _STRING, lambda visitor: visitor.token),
    **_ignoring_case("token"),
    "name": Attribute("name", _STRING, lambda visitor: visitor.name),
    **_ignoring_case("name"),
    "email": Attribute(
        "emailKey",
        _STRING,
        lambda visitor: None if visitor.email is None else visitor.email.casefold(),
        folded=True,
    ),
    "phone": Attribute("phone", _STRING, lambda visitor: visitor.phone),
    **_ignoring_case("phone"),
}

_ROOM = {
    "id": Attribute("_id", _CHOICE, lambda room: room.id),
    "status": Attribute("status", _CHOICE, lambda room: room.status, choices=tuple(RoomStatus), context="s:"),
    "department": Attribute("departmentId", _LINK, lambda room: room.department_id, context="d:"),
    "servedBy": Attribute("servedById", _LINK, lambda room: room.served_by_id),
    "lastServedBy": Attribute("lastServedById", _CHOICE, lambda room: room.last_served_by_id),
    "visitor": Attribute("visitorId", _CHOICE, lambda room: room.visitor_id),
    "source": Attribute("source", _STRING, lambda room: room.source),
    **_ignoring_case("source"),
    "subject": Attribute("subject", _STRING, lambda room: room.subject),
    **_ignoring_case("subject"),
    "priority": Attribute("priority", _CHOICE | _INSTANT, lambda room: room.priority),
    "tag": Attribute("tags", _CHOICE, lambda room: room.tags, many=True),
    "startedAt": Attribute("startedAt", _INSTANT, lambda room: room.started_at),
    "queuedAt": Attribute("queuedAt", _INSTANT, lambda room: room.queued_at),
    "closedAt": Attribute("closedAt", _INSTANT, lambda room: room.closed_at),
}

ATTRIBUTES: Mapping[FieldTarget, Mapping[str, Attribute]] = MappingProxyType(
    {
        FieldTarget.USER: MappingProxyType(_USER),
        FieldTarget.VISITOR: MappingProxyType(_VISITOR),
        FieldTarget.ROOM: MappingProxyType(_ROOM),
    }
)
