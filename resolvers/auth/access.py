"""Who is calling and what they may do: scopes of apps, permissions of roles, and what of the rooms each may see."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from resolvers.auth.tokens import is_mistyped
from storage import apps, roles, tokens, users
from storage.errors import Forbidden, Invalid, Unauthenticated, quoted
from storage.filters.expressions import EVERYTHING, And, AttributeCondition, Expression, Operator, Or
from storage.records import Actor, ActorType, RoomStatus, User
from storage.runtime import Storage

ADMIN = "admin"
#: How exactly it is known when an app was last heard of.
LAST_USED_INTERVAL_SECONDS = 60

#: Every scope an app can hold, and what it opens.
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
        "rooms:read": "rooms",
        "rooms:write": "start, change, hold and close rooms",
        "rooms:assign": "decide who serves a room",
        "messages:read": "messages",
        "messages:write": "send messages",
        "events:read": "the event log, subscriptions and consumers",
        "apps:write": "create and revoke apps",
    }
)

_SERVING = frozenset(
    {
        "users:read",
        "visitors:read",
        "visitors:write",
        "rooms:read",
        "rooms:write",
        "rooms:assign",
        "messages:read",
        "messages:write",
        "events:read",
    }
)
#: What a signed-in user may do, by role. A manager sees the rooms of its departments, an agent those it serves, those
#: closed ones that it served, and those that wait for somebody like it. Other roles open nothing by themselves.
PERMISSIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        roles.ADMIN: frozenset({ADMIN}),
        roles.MANAGER: _SERVING | {"agents:write", "departments:write"},
        roles.AGENT: _SERVING,
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a token stands for; ANONYMOUS when there was none."""

    actor: Actor | None
    scopes: frozenset[str] = frozenset()
    #: The signed-in user, if it is one.
    user: User | None = None
    #: The hash of the token that was shown, and when it ends by itself.
    token_id: str | None = None
    expires_at: datetime | None = None
    #: Why there is no actor.
    problem: str = "This needs a token: send the header  Authorization: Bearer TOKEN."

    def has_scope(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes

    @property
    def identified(self) -> Actor:
        """The actor. Raises Unauthenticated when there is none."""
        if self.actor is None:
            raise Unauthenticated(self.problem)
        return self.actor

    @property
    def id(self) -> str:
        """The id of the app or user. Raises Unauthenticated when there is none."""
        return self.identified.id or ""


ANONYMOUS = Caller(actor=None)
#: Whoever shows a token that is not valid.
INVALID_TOKEN_CALLER = Caller(actor=None, problem="The token is not valid: it is unknown, has expired or was revoked.")


async def authenticate(storage: Storage, token: str, *, configured_tokens: Collection[str] = ()) -> Caller:
    """The caller that a token stands for: with no actor, and the reason, when the token is not valid.

    Raises Unavailable when the database does not answer.
    """
    token_id = token_id_of(token, configured_tokens=configured_tokens)
    return INVALID_TOKEN_CALLER if token_id is None else await load_caller(storage, token_id)


def token_id_of(token: str, *, configured_tokens: Collection[str] = ()) -> str | None:
    """The id of a token, its hash; None when it was mistyped, for which nobody needs to ask the database.

    Those among `made_up` were not made by us, and cannot be told to be mistyped.
    """
    token_id = tokens.digest(token)
    return None if is_mistyped(token) and token_id not in configured_tokens else token_id


async def load_caller(storage: Storage, token_id: str) -> Caller:
    """The caller that the token of this id stands for now, as authenticate() finds it."""
    known = await tokens.find(storage.reader, token_id)
    if known is not None and known.holder_type is ActorType.APP:
        app = await apps.find(storage.reader, known.holder_id)
        if app is not None and app.active:
            moment = storage.database.now()
            if app.last_used_at is None or (moment - app.last_used_at).total_seconds() > LAST_USED_INTERVAL_SECONDS:
                await apps.record_use(storage.reader, app.id, moment)
            actor = Actor(type=ActorType.APP, id=app.id, name=app.name)
            return Caller(actor, frozenset(app.scopes), token_id=token_id, expires_at=known.expires_at)
    if known is not None and known.holder_type is ActorType.USER:
        user = await users.find(storage.reader, known.holder_id)
        if user is not None and user.active:
            actor = Actor(type=ActorType.USER, id=user.id, name=user.username)
            return Caller(actor, scopes_of(user.roles), user, token_id, known.expires_at)
    return INVALID_TOKEN_CALLER


def require(caller: Caller, scopes: Iterable[str]) -> None:
    """Raise Unauthenticated without a valid token, and Forbidden when it lacks one of the scopes."""
    _ = caller.identified
    for scope in scopes:
        if not caller.has_scope(scope):
            raise Forbidden(f"This needs the scope {scope}, which this token does not have.", scope=scope)


def viewer(caller: Caller) -> Actor:
    return caller.identified


def require_user(caller: Caller) -> User:
    """The signed-in user. Raises Forbidden for an app."""
    _ = caller.identified
    if caller.user is None:
        raise Forbidden("Only a signed-in user can do this; this token belongs to an app.")
    return caller.user


# ---------------------------------------------------------------- what goes beyond the caller


def scopes_of(role_names: Iterable[str]) -> frozenset[str]:
    """What somebody with these roles may do."""
    return frozenset[str]().union(*(PERMISSIONS.get(name, frozenset()) for name in role_names))


def require_known(scopes: Iterable[str], *, key: str) -> None:
    for scope in scopes:
        if scope not in SCOPES:
            raise Invalid(f"Unknown scope {quoted(scope)}; the scopes are {', '.join(sorted(SCOPES))}.", key=key)


def require_no_escalation(caller: Caller, role_names: Iterable[str], *, what: str, strictly: bool = False) -> None:
    """Raise Forbidden, with a scope that is missing, when somebody with these roles may do more than the caller.

    What serving conversations takes does not count for those who hand it out, by agents:write, unless `strictly`.
    """
    if caller.has_scope(ADMIN):
        return
    given = _SERVING if caller.has_scope("agents:write") and not strictly else frozenset[str]()
    beyond = sorted(scopes_of(role_names) - caller.scopes - given)
    if beyond:
        raise Forbidden(f"{what} needs scopes that this token does not have: {', '.join(beyond)}.", scope=beyond[0])


# ---------------------------------------------------------------- which rooms and departments


def visible_rooms(caller: Caller) -> Expression:
    """What a room must be for the caller to see it. Apps and admins see all of them."""
    user = caller.user
    if user is None or caller.has_scope(ADMIN):
        return EVERYTHING
    departments = _department_ids(user)
    of_departments = Or(tuple(_room_attribute("department", one) for one in departments))
    closed = _room_attribute("status", RoomStatus.CLOSED.value)
    own = Or((_room_attribute("servedBy", user.id), And((closed, _room_attribute("lastServedBy", user.id)))))
    if roles.MANAGER in user.roles:
        return Or((of_departments, own))
    no_department = AttributeCondition("department", Operator.EXISTS, False)
    waiting = And((_room_attribute("status", RoomStatus.QUEUED.value), Or((of_departments, no_department))))
    return Or((own, waiting))


def require_manages(caller: Caller, department_ids: Iterable[str]) -> None:
    """Raise Forbidden when a signed-in user who is no admin would decide about departments of others.

    Whoever could join any department would see all of their rooms.
    """
    if caller.user is None or caller.has_scope(ADMIN):
        return
    if not set(department_ids) <= set(_department_ids(caller.user)):
        raise Forbidden(
            "This changes a department to which you do not belong; you can change only your own departments."
        )


def effective_permissions(caller: Caller) -> tuple[frozenset[str], Expression]:
    """All that decides what the caller may do and see: as long as it is the same, so is what was begun."""
    return caller.scopes, visible_rooms(caller)


def _department_ids(user: User) -> tuple[str, ...]:
    return () if user.agent is None else user.agent.department_ids


def _room_attribute(name: str, value: object) -> AttributeCondition:
    return AttributeCondition(name, Operator.EQ, value)
