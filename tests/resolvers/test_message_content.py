"""The content of messages: what is accepted and what is refused."""

import re
from typing import Any

import pytest

from resolvers import messages
from resolvers.message_content import MAX_ATTACHMENTS, MAX_CHOICES
from resolvers.messages import Option
from storage.errors import Invalid, NotFound, SwitchboardError
from storage.facts import MessageSent
from storage.message_records import Attachment, Audience, Choice, ChosenOption, Message
from storage.records import ActorType, Room
from tests.resolvers.refusals import refused
from tests.resolvers.world import World

YES = Choice(id="y", label="Yes", url="https://example.org/yes?a=b#c")
NO = Choice(id="n", label="No")
FILE = Attachment(name="a.png", mime_type="image/png", url="http://127.0.0.1:8080/a.png", bytes=2**53 - 1)
URL = (
    "{} must be an absolute https URL without white space, such as https://example.org/a.png, or an http URL of a "
    'loopback address; "{}" is not.'
)


async def send(world: World, room: Room, text: str = "Hi", **given: Any) -> Message:
    return await messages.send_message(world.context, room_id=room.id, text=text, **given)


async def test_a_message_has_all_its_content(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.assigned(anna)
    head = await world.head()
    data = {"$where": 1, "a.b": [None, True, 1.5, 10**30, "\0"], "": {}}

    sent = await send(
        world,
        room,
        as_user_id=anna.id,
        audience=Audience.STAFF,
        choices=[YES, NO],
        attachments=[FILE],
        data=data,
    )
    reply = await send(world, room, choice=Option(sent.id, "n"), in_reply_to_id=sent.id)

    assert (sent.audience, sent.choices, sent.attachments) == (Audience.STAFF, (YES, NO), (FILE,))
    assert sent.data_json == ('{"$where":1,"a.b":[null,true,1.5,1000000000000000000000000000000,"\\u0000"],"":{}}')
    assert sent.sent_by_app_id == "app"
    assert (reply.text, reply.choice) == ("Hi", ChosenOption(message_id=sent.id, choice_id="n", label="No"))
    assert (reply.in_reply_to_id, reply.sent_by_app_id) == (sent.id, None)
    assert (await messages.list_messages(world.context, [room.id]))[room.id].items == [sent, reply]
    assert [fact.message for fact in await world.facts(head) if isinstance(fact, MessageSent)] == [sent, reply]


@pytest.mark.parametrize(
    "content", [{"choices": [NO]}, {"attachments": [FILE]}, {"data": {}}, {"data": 0}, {"data": False}]
)
async def test_text_may_be_empty_beside_other_content(world: World, content: dict[str, Any]) -> None:
    room = await world.waiting()

    assert (await send(world, room, "", **content)).text == ""


async def test_an_empty_text_becomes_the_label_of_the_choice(world: World) -> None:
    room = await world.waiting()
    offer = await send(world, room, choices=[YES, NO])

    assert (await send(world, room, "", choice=Option(offer.id, "y"))).text == "Yes"


@pytest.mark.parametrize("content", [{}, {"choices": []}, {"attachments": []}, {"data": None}])
async def test_an_empty_text_alone_is_refused(world: World, content: dict[str, Any]) -> None:
    room = await world.waiting()

    async with refused(world, Invalid, "text must have 1 to 20000 characters; this one is empty.", key="text"):
        await send(world, room, "", **content)


def many(count: int) -> list[Choice]:
    return [Choice(id=f"{number}", label="l") for number in range(count)]


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "many choices": ({"choices": many(MAX_CHOICES + 1)}, "choices", "choices takes up to 50; these are 51."),
    "two choices with one id": (
        {"choices": [NO, YES, NO]},
        "choices.2.id",
        'choices.2.id must differ from the ids before it: "n".',
    ),
    "no id": (
        {"choices": [Choice(id="", label="l")]},
        "choices.0.id",
        "choices.0.id must have 1 to 128 characters; this one is empty.",
    ),
    "long id": (
        {"choices": [YES, Choice(id="x" * 129, label="l")]},
        "choices.1.id",
        "choices.1.id must have 1 to 128 characters; this one has 129.",
    ),
    "blank label": (
        {"choices": [Choice(id="x", label=" ")]},
        "choices.0.label",
        "choices.0.label must not be blank.",
    ),
    "long label": (
        {"choices": [Choice(id="x", label="l" * 257)]},
        "choices.0.label",
        "choices.0.label must have 1 to 256 characters; this one has 257.",
    ),
    "url of a choice": (
        {"choices": [Choice(id="x", label="l", url="javascript:alert(1)")]},
        "choices.0.url",
        URL.format("choices.0.url", "javascript:alert(1)"),
    ),
    "many attachments": (
        {"attachments": [FILE] * (MAX_ATTACHMENTS + 1)},
        "attachments",
        "attachments takes up to 20; these are 21.",
    ),
    "name of a file": (
        {"attachments": [Attachment(name="gpj.\u202eexe", mime_type="image/png", url="https://a/b")]},
        "attachments.0.name",
        (
            "attachments.0.name must not contain U+202E (RIGHT-TO-LEFT OVERRIDE), which is character 5 of it: names "
            "take no invisible, bidirectional or control characters."
        ),
    ),
    "mime type": (
        {"attachments": [FILE, Attachment(name="a", mime_type="image", url="https://a/b")]},
        "attachments.1.mimeType",
        'attachments.1.mimeType must look like image/png; "image" does not.',
    ),
    "bytes": (
        {"attachments": [Attachment(name="a", mime_type="a/b", url="https://a/b", bytes=-1)]},
        "attachments.0.bytes",
        "attachments.0.bytes must be 0 to 9007199254740991; it is -1.",
    ),
    "long url": (
        {"attachments": [Attachment(name="a", mime_type="a/b", url="https://a/" + "é" * 1_020)]},
        "attachments.0.url",
        "attachments.0.url takes 2,050 bytes; at most 2,048 are allowed.",
    ),
    "large data": ({"data": "x" * 16_383}, "data", "data takes 16,385 bytes as JSON; at most 16,384 are allowed."),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_too_much_or_malformed_content_is_refused_with_its_key(world: World, name: str) -> None:
    content, key, message = REFUSED[name]
    room = await world.waiting()

    async with refused(world, Invalid, message, key=key):
        await send(world, room, **content)


async def test_a_message_that_is_too_large_with_all_its_content_is_refused(world: World) -> None:
    room = await world.waiting()
    url = "https://a/" + "x" * 2_038
    choices = [Choice(id=f"{number}", label="🙂" * 256, url=url) for number in range(50)]
    content = {"data": "x" * 16_000, "attachments": [Attachment(name="🙂" * 255, mime_type="a/b", url=url)] * 10}

    with pytest.raises(Invalid) as caught:
        await send(world, room, "🙂" * 20_000, choices=choices, **content)

    text = r"The message with all its content would take 2\d\d,\d\d\d bytes; at most 262,144 are allowed\."
    assert re.match(text, caught.value.message)
    assert caught.value.data == {"key": "choices"}
    assert (await messages.list_messages(world.context, [room.id]))[room.id].items == []
    assert (await send(world, room, "🙂" * 20_000, choices=choices[:40], **content)).number == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "HTTPS://example.org:8443/ä?b=%20#c",
        "https://[2001:db8::1]/a",
        "http://localhost/a",
        "http://127.8.9.1:1/a",
        "http://[::1]:80",
    ],
)
async def test_urls_of_https_and_of_loopback_addresses_are_accepted(world: World, url: str) -> None:
    room = await world.waiting()

    sent = await send(world, room, attachments=[Attachment(name="a", mime_type="audio/ogg; codecs=opus", url=url)])

    assert sent.attachments[0].url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a",
        "http://127.0.0.1@example.org/a",
        "http://127.0.0.1.example.org/a",
        "http://2130706433/a",
        "http://0.0.0.0/a",
        "http://localhost.example.org",
        "ftp://127.0.0.1/a",
        "//example.org/a",
        "/a.png",
        "https:example.org",
        "https:///a",
        "https://[::1/a",
        "https://example.org:99999/a",
        "data:text/html,hi",
        "file:///etc/passwd",
    ],
)
async def test_other_urls_are_refused(world: World, url: str) -> None:
    room = await world.waiting()

    async with refused(world, Invalid, URL.format("attachments.0.url", url), key="attachments.0.url"):
        await send(world, room, attachments=[Attachment(name="a", mime_type="a/b", url=url)])


@pytest.mark.parametrize("unsafe", ["\\", "\t", " ", "\n", "\x7f", "\u2028"])
async def test_urls_that_parsers_read_differently_are_refused(world: World, unsafe: str) -> None:
    room = await world.waiting()

    with pytest.raises(Invalid, match=r"attachments\.0\.url must be an absolute https URL"):
        await send(world, room, attachments=[Attachment(name="a", mime_type="a/b", url=f"https://a{unsafe}@b/c")])


# ---------------------------------------------------------------- choices and replies


async def test_a_choice_that_was_not_offered_there_is_refused(world: World) -> None:
    room = await world.waiting()
    offer = await send(world, room, choices=[YES, NO])
    plain = await send(world, room)

    text = 'choice.choiceId must be the id of a choice that the message offers; it offers {}, not "m".'
    async with refused(world, Invalid, text.format('"y", "n"'), key="choice.choiceId"):
        await send(world, room, "", choice=Option(offer.id, "m"))
    async with refused(world, Invalid, text.format("nothing"), key="choice.choiceId"):
        await send(world, room, choice=Option(plain.id, "m"))


async def test_answers_are_checked_against_the_current_choices(world: World) -> None:
    room = await world.waiting()
    offer = await send(world, room, choices=[YES, NO])

    await messages.edit_message(world.context, message_id=offer.id, text="Hi", choices=[YES])
    with pytest.raises(Invalid, match=r"choice\.choiceId must be"):
        await send(world, room, choice=Option(offer.id, "n"))
    assert (await send(world, room, choice=Option(offer.id, "y"))).choice is not None
    await messages.redact_message(world.context, message_id=offer.id)
    with pytest.raises(Invalid, match=r"choice\.choiceId must be"):
        await send(world, room, choice=Option(offer.id, "y"))


@pytest.mark.parametrize(
    ("key", "naming"),
    [
        ("choice.messageId", lambda one: {"choice": Option(one, "y")}),
        ("inReplyTo", lambda one: {"in_reply_to_id": one}),
    ],
)
async def test_a_message_of_another_room_is_invalid_or_not_found_if_invisible(
    world: World, key: str, naming: Any
) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    room, other = await world.assigned(anna), await world.assigned(bert)
    foreign = await send(world, other, choices=[YES])

    of_another = f"{key} must be the id of a message of the same room; this one is of another."
    async with refused(world, Invalid, of_another, key=key):
        await send(world, room, **naming(foreign.id))
    for context, one in ((world.logged_in(anna), foreign.id), (world.context, "nothing")):
        async with refused(world, NotFound, f'There is no message "{one}".', key=key):
            await messages.send_message(context, room_id=room.id, text="Hi", **naming(one))


async def test_a_visitor_cannot_write_a_note_or_answer_one(world: World) -> None:
    room = await world.waiting()
    note = await send(world, room, audience=Audience.STAFF, choices=[YES])
    visitor = {"as_visitor_token": "v"}

    text = "audience cannot be STAFF for a message of a visitor, who would not see it."
    async with refused(world, Invalid, text, key="audience"):
        await send(world, room, audience=Audience.STAFF, **visitor)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("choice.messageId", {"choice": Option(note.id, "y")}),
        ("inReplyTo", {"in_reply_to_id": note.id}),
    ]
    for key, naming in cases:
        text = f"{key} must be the id of a message that the visitor sees; this one is for STAFF."
        async with refused(world, Invalid, text, key=key):
            await send(world, room, **visitor, **naming)
        assert (await send(world, room, **naming)).sender.type is ActorType.APP


async def test_a_refused_message_leaves_no_gap_in_the_numbers(world: World) -> None:
    room = await world.waiting()
    with pytest.raises(SwitchboardError):
        await send(world, room, in_reply_to_id="nothing")

    assert (await send(world, room)).number == 1
