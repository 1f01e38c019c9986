"""Authentication and authorization: callers, the scopes of apps and roles, and visible rooms."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from resolvers.auth.tokens import is_mistyped
from storage import apps, roles, tokens, users, visitors
from storage.errors import Forbidden, Invalid, Unauthenticated, quoted
from storage.filters.expressions import EVERYTHING, And, AttributeCondition, Expression, Operator, Or
from storage.mongo.reader import Reader
from storage.records import Actor, ActorType, App, RoomStatus, User, Visitor
from storage.runtime import Storage

ADMIN = "admin"
#: The precision of an app's lastUsedAt.
LAST_USED_INTERVAL_SECONDS = 60

#: Every scope that an app can have, and what it allows.
SCOPES: Mapping[str, str] = MappingProxyType(
    {
        ADMIN: "everything",
        "users:read": "users, agents, roles, departments",
        "users:write": "create and change users",
        "roles:write": "create roles, give and take them",
        "agents:write": "make users agents and change what they serve",
        "departments:write": "create and change departments",
        "fields:write": "define custom fields",
        "visitors:read": "visitors",
        "visitors:write": "create and change visitors",
        "visitors:export": "export all that is stored about a visitor",
        "visitors:erase": "erase visitors",
        "rooms:read": "rooms",
        "rooms:write": "start, change, hold and close rooms, and set timers",
        "rooms:assign": "decide who serves a room",
        "messages:read": "messages",
        "messages:write": "send messages, and edit and redact one's own",
        "messages:moderate": "redact messages of others, with messages:write",
        "events:read": "the event log, subscriptions and consumers",
        "apps:write": "create and revoke apps",
        "webhooks:write": "create and change webhooks",
    }
)

#: The scopes with which an app may reach rooms and departments that a logged-in user with them may not.
_LIMITED_FOR_USERS = frozenset(
    {
        "users:write",
        "agents:write",
        "departments:write",
        "visitors:write",
        "rooms:read",
        "rooms:write",
        "rooms:assign",
        "messages:read",
        "messages:write",
        "messages:moderate",
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The app, user or visitor of a token. ANONYMOUS: the request had no token."""

    actor: Actor | None
    scopes: frozenset[str] = frozenset()
    #: The logged-in user. None for an app or a visitor.
    user: User | None = None
    #: The hash of the token, and when the token expires.
    token_id: str | None = None
    expires_at: datetime | None = None
    #: The error message if there is no actor.
    problem: str = "This needs a token: send the header  Authorization: Bearer TOKEN."
    #: The visitor. It has no scopes, and may use only what is opened to visitors by name.
    visitor: Visitor | None = None

    def has_scope(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes

    @property
    def identified(self) -> Actor:
        """The actor. Raises Unauthenticated if there is none."""
        if self.actor is None:
            raise Unauthenticated(self.problem)
        return self.actor

    @property
    def id(self) -> str:
        """The id of the app, user or visitor. Raises Unauthenticated if there is none."""
        return self.identified.id or ""


ANONYMOUS = Caller(actor=None)
#: The caller of a request with an invalid token.
INVALID_TOKEN_CALLER = Caller(actor=None, problem="The token is not valid: it is unknown, has expired or was revoked.")


async def authenticate(storage: Storage, token: str, *, configured_tokens: Collection[str] = ()) -> Caller:
    """The caller of a token. It has no actor if the token is not valid.

    Raises Unavailable if the database does not answer.
    """
    token_id = token_id_of(token, configured_tokens=configured_tokens)
    return INVALID_TOKEN_CALLER if token_id is None else await load_caller(storage, token_id)


def token_id_of(token: str, *, configured_tokens: Collection[str] = ()) -> str | None:
    """The id of a token, which is its hash. None if the checksum is wrong.

    `configured_tokens` are the ids of tokens from the settings, which have no checksum.
    """
    token_id = tokens.digest(token)
    return None if is_mistyped(token) and token_id not in configured_tokens else token_id


async def load_caller(storage: Storage, token_id: str) -> Caller:
    """The caller of the token with this id, from the database."""
    stored = await tokens.find(storage.reader, token_id)
    if stored is not None and stored.holder_type is ActorType.APP:
        app = await apps.find(storage.reader, stored.holder_id)
        if app is not None and app.active:
            now = storage.database.now()
            if app.last_used_at is None or (now - app.last_used_at).total_seconds() > LAST_USED_INTERVAL_SECONDS:
                await apps.record_use(storage.reader, app.id, now)
            return replace(_caller_of_app(app), token_id=token_id, expires_at=stored.expires_at)
    if stored is not None and stored.holder_type is ActorType.USER:
        user = await users.find(storage.reader, stored.holder_id)
        if user is not None and user.active:
            caller = await _caller_of_user(storage.reader, user)
            return replace(caller, token_id=token_id, expires_at=stored.expires_at)
    if stored is not None and stored.holder_type is ActorType.VISITOR:
        visitor = await visitors.find(storage.reader, stored.holder_id)
        if visitor is not None:
            actor = Actor(type=ActorType.VISITOR, id=visitor.id, name=visitor.name)
            return Caller(actor, visitor=visitor, token_id=token_id, expires_at=stored.expires_at)
    return INVALID_TOKEN_CALLER


async def find_owner(reader: Reader, owner: Actor) -> Caller | None:
    """The caller that acts for an app or a user without a token. None if it does not exist or is not active."""
    if owner.id is not None and owner.type is ActorType.APP:
        app = await apps.find(reader, owner.id)
        return _caller_of_app(app) if app is not None and app.active else None
    if owner.id is not None and owner.type is ActorType.USER:
        user = await users.find(reader, owner.id)
        return await _caller_of_user(reader, user) if user is not None and user.active else None
    return None


def _caller_of_app(app: App) -> Caller:
    return Caller(Actor(type=ActorType.APP, id=app.id, name=app.name), frozenset(app.scopes))


async def _caller_of_user(reader: Reader, user: User) -> Caller:
    actor = Actor(type=ActorType.USER, id=user.id, name=user.username)
    return Caller(actor, await scopes_of(reader, user.roles), user)


def require(caller: Caller, scopes: Iterable[str], *, visitors: bool = False) -> None:
    """Raise Unauthenticated without a valid token, and Forbidden if a scope is missing.

    `visitors`: whether visitors may do this, with their own rooms. They need no scope.
    """
    _ = caller.identified
    if caller.visitor is not None:
        require_no_visitor(caller, unless=visitors)
        return
    for scope in scopes:
        if not caller.has_scope(scope):
            raise Forbidden(f"This needs the scope {scope}, which this token does not have.", scope=scope)


def require_no_visitor(caller: Caller, *, unless: bool = False) -> None:
    """Raise Forbidden for a visitor, unless visitors may do this."""
    if caller.visitor is not None and not unless:
        raise Forbidden("This is not open to a visitor's token.")


def viewer(caller: Caller) -> Actor:
    """The app, user or visitor of the token. Raises Unauthenticated without a valid token."""
    return caller.identified


def listed_scopes(caller: Caller) -> list[str]:
    """The scopes of the caller in alphabetical order. With ADMIN, all scopes."""
    return sorted(SCOPES if ADMIN in caller.scopes else caller.scopes)


def require_user(caller: Caller) -> User:
    """The logged-in user. Raises Forbidden for an app or a visitor."""
    _ = caller.identified
    if caller.user is None:
        raise Forbidden("Only a logged-in user can do this; this token belongs to an app or a visitor.")
    return caller.user


def require_app(caller: Caller) -> None:
    """Raise Forbidden unless the token belongs to an app."""
    if caller.identified.type is not ActorType.APP:
        raise Forbidden("Only an app can do this; this token belongs to a user or a visitor.")


# ---------------------------------------------------------------- privilege escalation


async def scopes_of(reader: Reader, role_names: Iterable[str]) -> frozenset[str]:
    """The scopes of a user with these roles. Only roles that are not built in are read from the database."""
    names = set(role_names)
    custom = names - roles.BUILT_IN_SCOPES.keys()
    stored = await roles.get_many(reader, custom) if custom else {}
    return frozenset[str]().union(
        *(roles.BUILT_IN_SCOPES[name] for name in names - custom), *(role.scopes for role in stored.values())
    )


def require_existing_scopes(scopes: Iterable[str], *, key: str) -> None:
    for scope in scopes:
        if scope not in SCOPES:
            raise Invalid(f"Unknown scope {quoted(scope)}; the scopes are {', '.join(sorted(SCOPES))}.", key=key)


def require_held(caller: Caller, scopes: Iterable[str], *, what: str) -> None:
    """Raise Forbidden if the caller lacks one of the scopes."""
    if caller.has_scope(ADMIN):
        return
    if missing := sorted(set(scopes) - caller.scopes):
        raise Forbidden(f"{what} needs scopes that this token does not have: {', '.join(missing)}.", scope=missing[0])


def require_held_by_app(caller: Caller, scopes: Iterable[str], *, what: str) -> None:
    """Raise Forbidden if an app with these scopes may do more than the caller.

    An app sees all rooms and departments; a logged-in user without the scope admin does not.
    """
    scopes = set(scopes)
    require_held(caller, scopes, what=what)
    limited = sorted(scopes & _LIMITED_FOR_USERS)
    if limited and caller.user is not None and not caller.has_scope(ADMIN):
        raise Forbidden(
            f"{what} needs the scope admin: with {', '.join(limited)}, an app is not limited to your rooms and "
            "departments.",
            scope=ADMIN,
        )


async def require_no_escalation(
    reader: Reader, caller: Caller, role_names: Iterable[str], *, what: str, managing: bool = False
) -> None:
    """Raise Forbidden if a user with these roles may do more than the caller.

    With `managing`, a caller with agents:write may do it to users with the scopes of an agent.
    """
    if caller.has_scope(ADMIN):
        return
    names = set(role_names)
    allowed = roles.BUILT_IN_SCOPES[roles.AGENT] if managing and caller.has_scope("agents:write") else frozenset[str]()
    require_held(caller, await scopes_of(reader, names) - allowed, what=what)
    if roles.MANAGER in names and caller.user is not None and roles.MANAGER not in caller.user.roles:
        raise Forbidden(
            f"{what} needs the role {roles.MANAGER}, which you do not have: it shows all rooms of its departments.",
            scope=ADMIN,
        )


# ---------------------------------------------------------------- rooms and departments


def visible_rooms(caller: Caller) -> Expression:
    """The filter for the rooms that the caller may see.

    Apps and admins see all rooms, visitors their own, and managers those of their departments. An agent sees the rooms
    that it serves, the closed rooms that it served last, and the waiting rooms of its departments or without a
    department.
    """
    if caller.visitor is not None:
        return _room_attribute("visitor", caller.visitor.id)
    user = caller.user
    if user is None or caller.has_scope(ADMIN):
        return EVERYTHING
    departments = _department_ids(user)
    of_departments = Or(tuple(_room_attribute("department", department_id) for department_id in departments))
    closed = _room_attribute("status", RoomStatus.CLOSED.value)
    own = Or((_room_attribute("servedBy", user.id), And((closed, _room_attribute("lastServedBy", user.id)))))
    if roles.MANAGER in user.roles:
        return Or((of_departments, own))
    no_department = AttributeCondition("department", Operator.EXISTS, False)
    waiting = And((_room_attribute("status", RoomStatus.QUEUED.value), Or((of_departments, no_department))))
    return Or((own, waiting))


def sees_notes(caller: Caller) -> bool:
    """Whether the caller may see messages for STAFF: visitors never do."""
    return caller.actor is not None and caller.actor.type is not ActorType.VISITOR


def require_manages(caller: Caller, department_ids: Iterable[str]) -> None:
    """Raise Forbidden if a logged-in user that is not an admin would change a department that is not its own.

    A user that could join any department could see all of its rooms.
    """
    require_no_visitor(caller)
    if caller.user is None or caller.has_scope(ADMIN):
        return
    if not set(department_ids) <= set(_department_ids(caller.user)):
        raise Forbidden(
            "This changes a department to which you do not belong; you can change only your own departments."
        )


def effective_permissions(caller: Caller) -> tuple[bool, frozenset[str], Expression]:
    """What the caller may do: whether it is a visitor, its scopes and its visible rooms.

    Callers with the same permissions are shown the same. A subscription ends when they change.
    """
    return caller.visitor is not None, caller.scopes, visible_rooms(caller)


def _department_ids(user: User) -> tuple[str, ...]:
    return () if user.agent is None else user.agent.department_ids


def _room_attribute(name: str, value: object) -> AttributeCondition:
    return AttributeCondition(name, Operator.EQ, value)
