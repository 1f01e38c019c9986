"""What a bot engine answers, in terms of Switchboard's messages."""

from typing import Any

import msgspec

#: Limits of Switchboard.
MAX_TEXT_CHARACTERS = 20_000
MAX_CHOICES = 50
MAX_CHOICE_ID_CHARACTERS = 128
MAX_LABEL_CHARACTERS = 256
#: An answer is kept in app data until its messages are sent. One value of app data has at most 16 KiB.
MAX_ANSWER_BYTES = 11 * 1024
MAX_SESSION_BYTES = 3 * 1024
MAX_NOTE_CHARACTERS = 500
MAX_ATTACHMENTS = 20


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer offered to the visitor. `payload` is what the engine receives when the visitor chooses it."""

    label: str
    payload: str
    url: str | None = None


class Attachment(msgspec.Struct, frozen=True):
    """A file that a message refers to."""

    name: str
    mime_type: str
    url: str


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the bot. `data` is structured content that has no other place in a message."""

    text: str = ""
    choices: tuple[Choice, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    data: dict[str, Any] | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.text.strip() or self.choices or self.attachments or self.data)


class HandOver(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request of the engine for a person. `department` is a name or an id; None is the configured department."""

    department: str | None = None
    note: str | None = None


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one turn of the engine."""

    replies: tuple[Reply, ...] = ()
    #: The engine did not understand the visitor.
    fallback: bool = False
    hand_over: HandOver | None = None
    #: The engine regards the conversation as finished.
    close: bool = False
    #: The name of the intent, and the values that the engine collected. For the note to the agent.
    intent: str | None = None
    slots: dict[str, Any] = {}
    #: The state of the engine's session after this turn, for engines whose sessions can be set back.
    session: dict[str, Any] | None = None
    #: The engine failed, or is unavailable.
    failed: bool = False
    #: The turn was interrupted, and the engine cannot tell whether it had received the message.
    unknown: bool = False


def bounded(answer: Answer) -> Answer:
    """The answer, shortened until it fits into app data. Texts are kept before structured content."""
    replies = tuple(_bounded_reply(reply) for reply in answer.replies)
    answer = msgspec.structs.replace(answer, replies=replies)
    if answer.hand_over is not None and answer.hand_over.note:
        note = answer.hand_over.note[:MAX_NOTE_CHARACTERS]
        answer = msgspec.structs.replace(answer, hand_over=HandOver(answer.hand_over.department, note))
    if answer.session is not None and _size(answer.session) > MAX_SESSION_BYTES:
        answer = msgspec.structs.replace(answer, session=None)
    if _answer_size(answer) > MAX_ANSWER_BYTES:
        answer = msgspec.structs.replace(answer, slots={})
    if _answer_size(answer) > MAX_ANSWER_BYTES:
        plain = tuple(msgspec.structs.replace(reply, data=None) for reply in answer.replies)
        answer = msgspec.structs.replace(answer, replies=tuple(reply for reply in plain if not reply.is_empty))
    while answer.replies and _answer_size(answer) > MAX_ANSWER_BYTES:
        *kept, last = answer.replies
        half = len(last.text) // 2
        if half > 0:
            kept.append(Reply(text=last.text[:half]))
        answer = msgspec.structs.replace(answer, replies=tuple(kept))
    return answer


def _bounded_reply(reply: Reply) -> Reply:
    choices = tuple(
        msgspec.structs.replace(choice, label=choice.label[:MAX_LABEL_CHARACTERS])
        for choice in reply.choices[:MAX_CHOICES]
        if choice.label.strip()
    )
    text = reply.text[:MAX_TEXT_CHARACTERS] if reply.text.strip() else ""
    return msgspec.structs.replace(reply, text=text, choices=choices, attachments=reply.attachments[:MAX_ATTACHMENTS])


def _answer_size(answer: Answer) -> int:
    return _size(msgspec.structs.replace(answer, session=None))


def _size(value: object) -> int:
    return len(msgspec.json.encode(value))
