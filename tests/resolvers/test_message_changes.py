"""Edits and redactions of messages: permissions, changes and refusals."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from resolvers import messages, rooms
from resolvers.auth.access import Caller
from resolvers.context import Context
from storage.errors import Forbidden, Invalid, NotFound
from storage.facts import MessageEdited, MessageRedacted
from storage.message_records import Attachment, Audience, Choice, Message
from storage.records import Actor, ActorType
from tests.resolvers.refusals import refused
from tests.resolvers.world import World

YES = Choice(id="y", label="Yes")
FILE = Attachment(name="a.png", mime_type="image/png", url="https://example.org/a.png")
NOT_THE_SENDER = "Only the sender of a message can edit it, or the app that sent it in the name of its sender."
NOT_A_MODERATOR = (
    "This is a message of another sender; redacting it needs the scope messages:moderate, which this token does not "
    "have."
)


def app(world: World, name: str, *scopes: str) -> Context:
    """The context of another app with these scopes."""
    actor = Actor(type=ActorType.APP, id=name, name=name)
    return replace(world.context, caller=Caller(actor=actor, scopes=frozenset({"messages:write", *scopes})))


async def sent(world: World, **given: Any) -> Message:
    room = await world.waiting()
    return await messages.send_message(world.context, room_id=room.id, text="Hi", **given)


async def listed(world: World, message: Message) -> list[Message]:
    return (await messages.list_messages(world.context, [message.room_id]))[message.room_id].items


async def test_an_edit_replaces_its_arguments_and_keeps_the_rest(world: World) -> None:
    message = await sent(world, choices=[YES], attachments=[FILE], data={"a": 1})
    before = await world.context.storage.database["rooms"].find_one({"_id": message.room_id})
    head = await world.head()

    edited = await messages.edit_message(world.context, message_id=message.id, text="Ho")

    assert edited.edited_at is not None
    assert edited == msgspec.structs.replace(message, text="Ho", version=1, edit_count=1, edited_at=edited.edited_at)
    assert await listed(world, message) == [edited]
    (fact,) = await world.facts(head)
    assert isinstance(fact, MessageEdited)
    assert (fact.message, fact.previous_text) == (edited, "Hi")
    assert before is not None
    assert (fact.room.room.revision, fact.room.room.message_count) == (before["revision"], 1)
    assert fact.room.room.last_message_at == message.sent_at


async def test_null_clears_choices_and_data(world: World) -> None:
    message = await sent(world, choices=[YES], data={"a": 1})

    edited = await messages.edit_message(world.context, message_id=message.id, text="Hi", choices=None, data=None)

    assert (edited.choices, edited.data_json) == ((), None)


async def test_the_text_of_an_answer_may_be_empty_and_is_its_label_then(world: World) -> None:
    offer = await sent(world, choices=[YES])
    answer = await messages.send_message(
        world.context, room_id=offer.room_id, text="Sure", choice=messages.Option(offer.id, "y")
    )

    assert (await messages.edit_message(world.context, message_id=answer.id, text="")).text == "Yes"


async def test_an_edit_that_changes_nothing_is_not_recorded(world: World) -> None:
    message = await sent(world, choices=[YES])
    head = await world.head()

    answer = await messages.edit_message(world.context, message_id=message.id, text="Hi", choices=[YES])

    assert msgspec.structs.replace(answer, version=message.version) == message
    assert await world.head() == head


@pytest.mark.parametrize(
    ("given", "key", "text"),
    [
        ({"text": " "}, "text", "text must not be blank."),
        ({"text": ""}, "text", "text must have 1 to 20000 characters; this one is empty."),
        ({"text": "x" * 20_001}, "text", "text must have 1 to 20000 characters; this one has 20001."),
        ({"text": "x", "choices": [YES, YES]}, "choices.1.id", 'choices.1.id must differ from the ids before it: "y".'),
        ({"text": "x", "data": "x" * 16_383}, "data", "data takes 16,385 bytes as JSON; at most 16,384 are allowed."),
    ],
)
async def test_an_edit_is_validated_like_a_new_message(
    world: World, given: dict[str, Any], key: str, text: str
) -> None:
    message = await sent(world)

    async with refused(world, Invalid, text, key=key):
        await messages.edit_message(world.context, message_id=message.id, **given)


async def test_a_redaction_removes_the_content_and_keeps_the_number(world: World) -> None:
    message = await sent(world, choices=[YES], attachments=[FILE], data={"a": 1}, audience=Audience.STAFF)
    head = await world.head()

    redacted = await messages.redact_message(world.context, message_id=message.id, reason="Private")

    assert redacted.redacted_at is not None
    assert redacted == Message(
        id=message.id,
        room_id=message.room_id,
        version=1,
        number=1,
        text="",
        sender=message.sender,
        sent_at=message.sent_at,
        audience=Audience.STAFF,
        redacted_at=redacted.redacted_at,
    )
    assert await listed(world, message) == [redacted]
    (fact,) = await world.facts(head)
    assert isinstance(fact, MessageRedacted)
    assert (fact.message, fact.reason) == (redacted, "Private")


async def test_a_redacted_message_is_neither_edited_nor_redacted_again(world: World) -> None:
    message = await sent(world)
    await messages.redact_message(world.context, message_id=message.id)

    for change in (
        messages.edit_message(world.context, message_id=message.id, text="Ho"),
        messages.redact_message(world.context, message_id=message.id),
    ):
        async with refused(world, Invalid, "The message is redacted, and cannot be changed any more.", key="messageId"):
            await change


async def test_messages_of_a_closed_room_can_still_be_edited_and_redacted(world: World) -> None:
    message = await sent(world)
    await rooms.close_room(world.context, room_id=message.room_id)

    await messages.edit_message(world.context, message_id=message.id, text="Ho")
    await messages.redact_message(world.context, message_id=message.id)

    assert [one.text for one in await listed(world, message)] == [""]


async def test_a_reason_is_bounded(world: World) -> None:
    message = await sent(world)

    text = "reason must have 1 to 1000 characters; this one has 1001."
    async with refused(world, Invalid, text, key="reason"):
        await messages.redact_message(world.context, message_id=message.id, reason="x" * 1_001)


# ---------------------------------------------------------------- permissions


async def test_the_sender_and_the_app_that_sent_it_for_the_sender_may_change_a_message(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.assigned(anna)
    own = app(world, "own")

    names: list[dict[str, Any]] = [{"as_user_id": anna.id}, {"as_visitor_token": "v"}, {}]
    for name in names:
        message = await messages.send_message(own, room_id=room.id, text="Hi", **name)
        await messages.edit_message(own, message_id=message.id, text="Ho")
        await messages.redact_message(own, message_id=message.id)
    of_anna = await messages.send_message(own, room_id=room.id, text="Hi", as_user_id=anna.id)
    await messages.edit_message(world.logged_in(anna), message_id=of_anna.id, text="Ho")
    await messages.redact_message(world.logged_in(anna), message_id=of_anna.id)


async def test_others_may_not_edit_and_redact_with_the_scope_alone(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.assigned(anna)
    of_app = await messages.send_message(app(world, "one"), room_id=room.id, text="Hi", as_user_id=anna.id)
    of_visitor = await messages.send_message(app(world, "one"), room_id=room.id, text="Hi", as_visitor_token="v")

    for context, message in ((app(world, "two"), of_app), (world.logged_in(anna), of_visitor)):
        async with refused(world, Forbidden, NOT_THE_SENDER):
            await messages.edit_message(context, message_id=message.id, text="Ho")
        async with refused(world, Forbidden, NOT_A_MODERATOR, scope="messages:moderate"):
            await messages.redact_message(context, message_id=message.id)
    moderator = app(world, "two", "messages:moderate")
    async with refused(world, Forbidden, NOT_THE_SENDER):
        await messages.edit_message(moderator, message_id=of_app.id, text="Ho")
    assert (await messages.redact_message(moderator, message_id=of_app.id)).text == ""
    managing = world.logged_in(anna, "messages:moderate")
    assert (await messages.redact_message(managing, message_id=of_visitor.id)).text == ""


async def test_a_message_that_the_caller_may_not_see_is_not_found(world: World) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    room = await world.assigned(anna)
    message = await messages.send_message(world.logged_in(anna), room_id=room.id, text="Hi")

    cases = [(world.logged_in(bert, "messages:moderate"), message.id), (world.context, "nothing")]
    for context, one in cases:
        for change in (
            messages.edit_message(context, message_id=one, text="Ho"),
            messages.redact_message(context, message_id=one),
        ):
            async with refused(world, NotFound, f'There is no message "{one}".', key="messageId"):
                await change


async def test_a_message_of_a_visitor_cannot_refer_to_a_note(world: World) -> None:
    note = await sent(world, audience=Audience.STAFF)
    shown = await messages.send_message(world.context, room_id=note.room_id, text="Ho", as_visitor_token="v")
    caller = Caller(actor=shown.sender, scopes=frozenset({"rooms:read", "messages:read", "messages:write"}))
    context = replace(world.context, caller=caller)

    page = (await messages.list_messages(context, [note.room_id]))[note.room_id]
    assert (page.items, await page.total()) == ([shown], 1)
    assert await messages.find_many(context, [note.id, shown.id]) == {shown.id: shown}
    async with refused(world, NotFound, f'There is no message "{note.id}".', key="inReplyTo"):
        await messages.send_message(context, room_id=note.room_id, text="Hi", in_reply_to_id=note.id)
    for change in (
        messages.edit_message(context, message_id=note.id, text="Ho"),
        messages.redact_message(context, message_id=note.id),
    ):
        async with refused(world, NotFound, f'There is no message "{note.id}".', key="messageId"):
            await change


# ---------------------------------------------------------------- concurrent changes


async def test_edits_in_two_processes_follow_one_another(world: World, other: World) -> None:
    message = await sent(world)
    head = await world.head()

    await asyncio.gather(
        *(
            messages.edit_message(one.context, message_id=message.id, text=f"{number}")
            for number, one in enumerate((world, other) * 4)
        )
    )

    facts = [fact for fact in await world.facts(head) if isinstance(fact, MessageEdited)]
    assert sorted(fact.message.text for fact in facts) == [f"{number}" for number in range(8)]
    assert [fact.previous_text for fact in facts] == ["Hi", *(fact.message.text for fact in facts[:-1])]
    assert (await listed(world, message)) == [facts[-1].message]


async def test_a_redaction_wins_over_edits_at_the_same_time(world: World, other: World) -> None:
    message = await sent(world)

    results = await asyncio.gather(
        *(messages.edit_message(one.context, message_id=message.id, text="Ho") for one in (world, other)),
        messages.redact_message(other.context, message_id=message.id),
        return_exceptions=True,
    )

    assert all(isinstance(one, Message | Invalid) for one in results)
    (stored,) = await listed(world, message)
    assert (stored.text, stored.redacted_at is None) == ("", False)
