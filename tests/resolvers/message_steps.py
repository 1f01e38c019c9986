"""Edits and redactions of messages in the random test of rooms, and what must be true of their facts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from resolvers import messages
from resolvers.auth.access import Caller
from resolvers.context import Context
from storage.facts import AnyFact, MessageEdited, MessageFact, MessageRedacted, MessageSent
from storage.message_records import REDACTED, Message
from storage.records import Actor, ActorType
from tests.resolvers.world import World

ANOTHER = Caller(
    actor=Actor(type=ActorType.APP, id="another", name="Another"),
    scopes=frozenset({"rooms:read", "messages:read", "messages:write"}),
)
TEXTS = ("hi", "hello", "good morning")


class Deployment(Protocol):
    world: World

    def message(self, number: int) -> str: ...


def by_another(number: int) -> bool:
    """Whether an app that did not send the message changes it."""
    return number % 4 == 0


def context_of(d: Deployment, number: int) -> Context:
    return replace(d.world.context, caller=ANOTHER) if by_another(number) else d.world.context


async def edit(d: Deployment, i: int, j: int, k: int) -> None:
    await messages.edit_message(context_of(d, k), message_id=d.message(i), text=TEXTS[k % 3])


async def redact(d: Deployment, i: int, j: int, k: int) -> None:
    await messages.redact_message(context_of(d, k), message_id=d.message(i))


ACTIONS: dict[str, Callable[[Any, int, int, int], Awaitable[Any]]] = {"editMessage": edit, "redactMessage": redact}


def expected_code(message: Message | None, number: int) -> str | None:
    """The code with which the contract refuses the step, or None."""
    if message is None:
        return "NOT_FOUND"
    if message.redacted_at is not None:
        return "INVALID_INPUT"
    return "FORBIDDEN" if by_another(number) else None


def verify_messages(facts: Sequence[AnyFact], stored: dict[str, Message]) -> None:
    """Assert that each edit follows from the text before it, and that no content of a redacted message is left."""
    last: dict[str, MessageFact] = {}
    redacted = {fact.message.id for fact in facts if isinstance(fact, MessageRedacted)}
    for fact in facts:
        if not isinstance(fact, MessageFact):
            continue
        before = last.get(fact.message.id)
        assert (before is None) == isinstance(fact, MessageSent)
        assert not isinstance(before, MessageRedacted)
        if isinstance(fact, MessageEdited) and before is not None:
            assert fact.previous_text == before.message.text
            assert fact.message.text != fact.previous_text or fact.message.id in redacted
        if fact.message.id in redacted:
            assert {name: getattr(fact.message, name) for name in REDACTED} == REDACTED
        last[fact.message.id] = fact
    assert {message_id: fact.message.text for message_id, fact in last.items()} == {
        message.id: message.text for message in stored.values()
    }
    assert {message.id for message in stored.values() if message.redacted_at is not None} == redacted
