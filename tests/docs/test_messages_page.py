"""The operations of the page on messages do what the page says."""

import re
from pathlib import Path
from typing import Any

from resolvers import message_content as content
from resolvers.context import Services
from resolvers.messages import MAX_EDITS
from tests.faults.clients import Client

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "messages.md").read_text(encoding="utf-8")
SAMPLES: dict[str, str] = {name: text for text, name in re.findall(r"```graphql\n(\w+ (\w+).*?)```", PAGE, re.DOTALL)}


async def test_operations_of_the_page_work(services: Services, url: str) -> None:
    async with Client([url]) as client:
        await client.agent("messages-page")
        token = await client.visitor("messages page")
        room = (await client.start(token))["id"]

        async def run(name: str, **variables: Any) -> dict[str, Any]:
            answer = await client.send(SAMPLES[name], **variables)
            message: dict[str, Any] = next(iter(answer.values()))["message"]
            return message

        question = await run("Ask", room=room)
        answer = await run("Answer", room=room, visitor=token, question=question["id"])
        note = await run("Note", room=room, answer=answer["id"])
        edited = await run("Edit", note=note["id"])
        redacted = await run("Redact", note=note["id"])
        unread = await client.send(SAMPLES["Unread"], room=room)

    assert question["choices"] == [
        {"id": "late", "label": "Yes, it is late"},
        {"id": "other", "label": "Something else"},
    ]
    assert {**answer, "id": ""} == {
        "id": "",
        "text": "Yes, it is late",
        "choice": {"choiceId": "late", "label": "Yes, it is late"},
        "sender": {"type": "VISITOR"},
    }
    assert {**note, "id": ""} == {
        "id": "",
        "number": 3,
        "audience": "STAFF",
        "inReplyTo": {"id": answer["id"]},
        "attachments": [{"url": "https://example.com/carrier.pdf"}],
        "data": {"carrier": "north", "days": 2},
    }
    assert edited["text"] == "The carrier confirms two days."
    assert edited["editedAt"] is not None
    assert edited["data"] == note["data"]
    assert redacted["redactedAt"] is not None
    assert {**redacted, "redactedAt": ""} == {"text": "", "attachments": [], "data": None, "redactedAt": ""}
    assert [(one["number"], one["text"]) for one in unread["room"]["messages"]["nodes"]] == [
        (1, "Is your parcel late?"),
        (2, "Yes, it is late"),
        (3, ""),
    ]
    assert {"Ask", "Answer", "Note", "Edit", "Redact", "Unread"} == set(SAMPLES)


def test_limits_of_the_page_are_those_of_the_code() -> None:
    for limit in (
        f"1 to {content.MAX_TEXT_CHARACTERS:,} characters. It may be empty",
        f"up to {content.MAX_CHOICES}; ids of 1 to {content.MAX_CHOICE_ID_CHARACTERS} characters that differ",
        f"labels of 1 to {content.MAX_LABEL_CHARACTERS} characters",
        f"up to {content.MAX_ATTACHMENTS}; the name of the file",
        f"A URL has up to {content.MAX_URL_BYTES:,} bytes",
        f"A message can be edited {MAX_EDITS:,} times",
    ):
        assert limit in PAGE
