"""The contract of messages: their content, answers to choices, notes, edits and redactions."""

from typing import Any

import pytest

from tests.acceptance.clients import Client, Data, new

MESSAGE = """
  id number text audience choices { id label url } choice { messageId choiceId label }
  attachments { name mimeType url bytes } data inReplyTo { id } editedAt redactedAt sender { type } room { id }
"""
EVENT = """
  type sequence ... on RoomEvent { roomRevision }
  ... on MessageSent { message { text data } }
  ... on MessageEdited { message { text } previousText }
  ... on MessageRedacted { message { text } reason }
"""
CONTENT: dict[str, Any] = {
    "choices": [{"id": "y", "label": "Yes", "url": "https://example.org/y"}, {"id": "n", "label": "No"}],
    "attachments": [{"name": "a.png", "mimeType": "image/png", "url": "http://127.0.0.1/a", "bytes": 2**53 - 1}],
    "data": {"$a.b": [None, 1.5, "x"]},
}


def send(admin: Client, room: Data, text: str, **given: Any) -> Data:
    message: Data = admin.change("sendMessage", f"message {{ {MESSAGE} }}", roomId=room["id"], text=text, **given)[
        "message"
    ]
    return message


def test_messages_have_content_and_answer_one_another(admin: Client) -> None:
    room = admin.start(admin.department())

    offer = send(admin, room, "", audience="STAFF", **CONTENT)
    chosen = {"messageId": offer["id"], "choiceId": "y"}
    answer = send(admin, room, "", choice=chosen, inReplyTo=offer["id"])

    assert offer["choices"] == [CONTENT["choices"][0], {"id": "n", "label": "No", "url": None}]
    assert (offer["attachments"], offer["data"]) == (CONTENT["attachments"], CONTENT["data"])
    assert (offer["audience"], offer["choice"], offer["inReplyTo"]) == ("STAFF", None, None)
    assert (answer["text"], answer["choice"]) == ("Yes", {**chosen, "label": "Yes"})
    assert (answer["audience"], answer["inReplyTo"]) == ("EVERYONE", {"id": offer["id"]})
    assert (offer["number"], answer["number"], answer["data"], answer["choices"]) == (1, 2, None, [])
    listed = admin.ask(
        "query ($id: ID!) { room(by: {id: $id}) { lastMessage { id } messages(last: 20) { nodes { id number } } } }",
        id=room["id"],
    )["room"]
    assert listed["lastMessage"] == {"id": answer["id"]}
    assert [one["number"] for one in listed["messages"]["nodes"]] == [1, 2]


def test_last_message_is_null_while_there_is_none(admin: Client) -> None:
    room = admin.start(admin.department())

    found = admin.ask("query ($id: ID!) { room(by: {id: $id}) { lastMessage { id } lastMessageAt } }", id=room["id"])

    assert found["room"] == {"lastMessage": None, "lastMessageAt": None}


def test_a_redaction_reaches_the_events_before_it(admin: Client) -> None:
    room, head, again = admin.start(admin.department()), admin.head(), new()
    message = send(admin, room, "secret", clientMutationId=again, **CONTENT)
    edited = admin.change("editMessage", f"message {{ {MESSAGE} }}", messageId=message["id"], text="more", choices=None)
    assert edited["message"]["choices"] == []
    assert edited["message"]["data"] == CONTENT["data"]
    assert edited["message"]["editedAt"] is not None

    redacted = admin.change("redactMessage", f"message {{ {MESSAGE} }}", messageId=message["id"], reason="Why")

    gone: Data = {"text": "", "choices": [], "attachments": [], "data": None}
    assert {**redacted["message"], **gone} == redacted["message"]
    events = admin.since(head, EVENT)
    assert [one["type"] for one in events] == ["MESSAGE_SENT", "MESSAGE_EDITED", "MESSAGE_REDACTED"]
    assert {one["roomRevision"] for one in events} == {room["revision"]}
    assert [one["message"]["text"] for one in events] == ["", "", ""]
    assert (events[0]["message"]["data"], events[1]["previousText"], events[2]["reason"]) == (None, "", "Why")
    assert {**send(admin, room, "secret", clientMutationId=again, **CONTENT), **gone} == {
        **message,
        **gone,
        "redactedAt": redacted["message"]["redactedAt"],
    }


NESTED: Any = "x"
for _ in range(65):
    NESTED = [NESTED]
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"text": ""}, "INVALID_INPUT", "text"),
    ({"choices": [{"id": "y", "label": "l"}] * 2}, "INVALID_INPUT", "choices.1.id"),
    ({"choices": [{"id": "y", "label": "l", "url": "ftp://a"}]}, "INVALID_INPUT", "choices.0.url"),
    ({"attachments": [{"name": "a", "mimeType": "x", "url": "https://a"}]}, "INVALID_INPUT", "attachments.0.mimeType"),
    ({"attachments": [{"name": "a", "mimeType": "a/b", "url": "//a"}]}, "INVALID_INPUT", "attachments.0.url"),
    ({"data": NESTED}, "INVALID_INPUT", "data"),
    ({"data": "x" * 16_384}, "INVALID_INPUT", "data"),
    ({"choice": {"messageId": "room_x", "choiceId": "y"}}, "INVALID_INPUT", "choice.messageId"),
    ({"choice": {"messageId": "msg_x", "choiceId": "y"}}, "NOT_FOUND", "choice.messageId"),
    ({"inReplyTo": "usr_x"}, "INVALID_INPUT", "inReplyTo"),
    ({"inReplyTo": "msg_x"}, "NOT_FOUND", "inReplyTo"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_content_is_refused_by_the_name_of_its_key(admin: Client, number: int) -> None:
    given, code, key = REFUSED[number]
    room = admin.start(admin.department())

    with admin.nothing_happens():
        refusal = admin.refusal("sendMessage", **{"roomId": room["id"], "text": "x", **given})

    assert (refusal["code"], refusal["key"]) == (code, key)


@pytest.mark.parametrize("name", ["editMessage", "redactMessage"])
def test_changes_of_messages_are_refused_by_the_name_of_their_key(admin: Client, name: str) -> None:
    given = {"text": "x"} if name == "editMessage" else {}
    message = send(admin, admin.start(admin.department()), "x")
    assert admin.refusal(name, messageId="room_x", **given) == {"code": "INVALID_INPUT", "key": "messageId"}
    assert admin.refusal(name, messageId="msg_x", **given) == {"code": "NOT_FOUND", "key": "messageId"}
    assert admin.app("messages:write").refusal(name, messageId=message["id"], **given)["code"] == "FORBIDDEN"
    admin.change("redactMessage", messageId=message["id"])
    assert admin.refusal(name, messageId=message["id"], **given) == {"code": "INVALID_INPUT", "key": "messageId"}
