"""Ids in the API: the prefix of their kind, "_", and the stored id.

Stored data, the log and cursors have ids without the prefix. This module adds the prefix to results and removes it from
inputs.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import strawberry

from storage.errors import EntityId, Invalid, SwitchboardError, quoted
from storage.records import ActorType


class InvalidId(Invalid):
    """An id of the wrong kind, or a text that is not an id."""


@dataclass(frozen=True, slots=True)
class IdKind:
    """One kind of ids."""

    prefix: str
    #: The name of the kind in messages, with its article.
    noun: str
    #: The prefix of another kind whose ids are accepted too.
    alias: str | None = None

    def format(self, stored: str) -> strawberry.ID:
        """The id with its prefix."""
        return strawberry.ID(f"{self.prefix}_{stored}")

    def format_optional(self, stored: str | None) -> strawberry.ID | None:
        """The id with its prefix. None for None."""
        return None if stored is None else self.format(stored)

    def parse(self, text: str, key: str) -> str:
        """The stored id. Raises InvalidId, naming the input field `key`, for an id of another kind."""
        prefix, separator, stored = text.partition("_")
        if separator and prefix in (self.prefix, self.alias):
            return stored
        kind = KINDS.get(prefix) if separator else None
        cause = f"{quoted(text)} is the id of {kind.noun}" if kind else f"{quoted(text)} is not an id"
        raise InvalidId(f'{cause}; {key} takes the id of {self.noun}, which begins with "{self.prefix}_".', key=key)

    def parse_optional(self, text: str | None, key: str) -> str | None:
        """The stored id. None if the id is null or left out."""
        return None if text is None or text is strawberry.UNSET else self.parse(text, key)

    def parse_all(self, texts: Sequence[str] | None, key: str) -> list[str] | None:
        """The stored ids. Null and UNSET are returned unchanged."""
        return texts and [self.parse(text, key) for text in texts]  # type: ignore[return-value]


USER = IdKind("usr", "a user", alias="agt")
AGENT = IdKind("agt", "an agent", alias="usr")
ROLE = IdKind("rol", "a role")
DEPARTMENT = IdKind("dep", "a department")
VISITOR = IdKind("vis", "a visitor")
ROOM = IdKind("room", "a room")
MESSAGE = IdKind("msg", "a message")
FIELD = IdKind("fld", "a custom field definition")
APP = IdKind("app", "an app")
EVENT = IdKind("evt", "an event")
WEBHOOK = IdKind("whk", "a webhook")

#: All kinds by prefix.
KINDS: Mapping[str, IdKind] = MappingProxyType(
    {kind.prefix: kind for kind in (USER, AGENT, ROLE, DEPARTMENT, VISITOR, ROOM, MESSAGE, FIELD, APP, EVENT, WEBHOOK)}
)
#: The kinds by the names of the entities in errors.
_BY_NOUN: Mapping[str, IdKind] = MappingProxyType({kind.noun.partition(" ")[2]: kind for kind in KINDS.values()})
_BY_ACTOR: Mapping[ActorType, IdKind] = MappingProxyType(
    {ActorType.APP: APP, ActorType.USER: USER, ActorType.VISITOR: VISITOR}
)


def split(text: str, key: str) -> tuple[IdKind, str]:
    """The kind of an id, and the stored id. Raises InvalidId for a text that is not an id."""
    prefix, separator, stored = text.partition("_")
    kind = KINDS.get(prefix) if separator else None
    if kind is None:
        prefixes = ", ".join(f"{one}_" for one in KINDS)
        raise InvalidId(f"{quoted(text)} is not an id; ids begin with one of {prefixes}.", key=key)
    return kind, stored


def format_actor(kind: ActorType, stored: str | None) -> strawberry.ID | None:
    """The id of an actor. None for the system, which has no id."""
    return None if stored is None or kind not in _BY_ACTOR else _BY_ACTOR[kind].format(stored)


def parse_actor(text: str | None, key: str) -> str | None:
    """The stored id of an app or user. None if the id is null or left out. Raises InvalidId."""
    if text is None or text is strawberry.UNSET:
        return None
    kind, stored = split(text, key)
    if kind not in (APP, USER, AGENT):
        raise InvalidId(f"{quoted(text)} is the id of {kind.noun}; {key} takes the id of an app or a user.", key=key)
    return stored


@contextmanager
def key_prefix(name: str) -> Iterator[None]:
    """Prefix the `key` of an Invalid that is raised in the block with the name of the enclosing input field."""
    try:
        yield
    except Invalid as error:
        error.data["key"] = f"{name}.{error.data['key']}"
        raise


# ---------------------------------------------------------------- errors


def with_prefixes(error: SwitchboardError) -> tuple[str, dict[str, object]]:
    """The message and the data of an error, with the prefixes of ids in both."""
    message = error.message
    for one in error.mentioned:
        kind = _BY_NOUN.get(one.noun)
        if kind is not None:
            message = message.replace(quoted(one.id), quoted(kind.format(one.id)))
    return message, {name: _with_prefixes(value) for name, value in error.data.items()}


def _with_prefixes(value: object) -> object:
    match value:
        case EntityId(noun=noun, id=stored):
            return _BY_NOUN[noun].format(stored)
        case dict():
            return {name: _with_prefixes(one) for name, one in value.items()}
        case list() | tuple():
            return [_with_prefixes(one) for one in value]
        case _:
            return value
