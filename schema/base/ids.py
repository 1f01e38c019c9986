"""Ids as the API shows them: the word for their kind, "_", and the id that is stored.

Stored data, the log and cursors hold ids without the word. This module adds the word to everything that goes out and
takes it from everything that comes in.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import strawberry

from storage.errors import EntityId, Invalid, SwitchboardError, quoted
from storage.records import ActorType, FieldTarget


class InvalidId(Invalid):
    """An id of the wrong kind, or of none."""


@dataclass(frozen=True, slots=True)
class IdKind:
    """One kind of ids."""

    word: str
    #: The kind in messages, with its article.
    noun: str
    #: The word of ids that are taken as well.
    alias: str | None = None

    def add(self, stored: str) -> strawberry.ID:
        """The id as clients see it."""
        return strawberry.ID(f"{self.word}_{stored}")

    def add_optional(self, stored: str | None) -> strawberry.ID | None:
        """The id as clients see it; None for None."""
        return None if stored is None else self.add(stored)

    def take(self, given: str, key: str) -> str:
        """The stored id. Raises InvalidId, naming the input field `key`, for an id of another kind."""
        word, separator, stored = given.partition("_")
        if separator and word in (self.word, self.alias):
            return stored
        known = KINDS.get(word) if separator else None
        is_given = f"{quoted(given)} is the id of {known.noun}" if known else f"{quoted(given)} is not an id"
        raise InvalidId(f'{is_given}; {key} takes the id of {self.noun}, which begins with "{self.word}_".', key=key)

    def take_optional(self, given: str | None, key: str) -> str | None:
        """The stored id; None for null and for what was left out."""
        return None if given is None or given is strawberry.UNSET else self.take(given, key)

    def take_all(self, given: Sequence[str] | None, key: str) -> list[str] | None:
        """The stored ids. What is not a list (null, or left out) is returned as it is."""
        return given and [self.take(one, key) for one in given]  # type: ignore[return-value]


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

#: Every kind by its word.
KINDS: Mapping[str, IdKind] = MappingProxyType(
    {kind.word: kind for kind in (USER, AGENT, ROLE, DEPARTMENT, VISITOR, ROOM, MESSAGE, FIELD, APP, EVENT)}
)
#: The kinds by what errors call the entities.
_BY_NOUN: Mapping[str, IdKind] = MappingProxyType({kind.noun.partition(" ")[2]: kind for kind in KINDS.values()})
_BY_ACTOR: Mapping[ActorType, IdKind] = MappingProxyType(
    {ActorType.APP: APP, ActorType.USER: USER, ActorType.VISITOR: VISITOR}
)
_BY_TARGET: Mapping[FieldTarget, IdKind] = MappingProxyType(
    {FieldTarget.USER: USER, FieldTarget.VISITOR: VISITOR, FieldTarget.ROOM: ROOM}
)


def split(given: str, key: str) -> tuple[IdKind, str]:
    """The kind of any id, and the stored id. Raises InvalidId for what is not an id."""
    word, separator, stored = given.partition("_")
    kind = KINDS.get(word) if separator else None
    if kind is None:
        words = ", ".join(f"{one}_" for one in KINDS)
        raise InvalidId(f"{quoted(given)} is not an id; ids begin with one of {words}.", key=key)
    return kind, stored


def of_actor(kind: ActorType, stored: str | None) -> strawberry.ID | None:
    """The id of an actor; None for the system, which has none."""
    return None if stored is None or kind not in _BY_ACTOR else _BY_ACTOR[kind].add(stored)


@contextmanager
def within(name: str) -> Iterator[None]:
    """Let the `key` of an InvalidId that is raised inside begin with the name of the input field around it."""
    try:
        yield
    except InvalidId as error:
        error.data["key"] = f"{name}.{error.data['key']}"
        raise


# ---------------------------------------------------------------- errors


def shown(error: SwitchboardError) -> tuple[str, dict[str, object]]:
    """The message and the data of an error, with the words of the ids in both."""
    message = error.message
    for one in error.mentioned:
        kind = _BY_NOUN.get(one.noun)
        if kind is not None:
            message = message.replace(quoted(one.id), quoted(kind.add(one.id)))
    return message, {name: _with_words(value) for name, value in error.data.items()}


def _with_words(value: object) -> object:
    match value:
        case EntityId(noun=noun, id=stored):
            return _BY_NOUN[noun].add(stored)
        case dict():
            return {name: _with_words(one) for name, one in value.items()}
        case list() | tuple():
            return [_with_words(one) for one in value]
        case _:
            return value
