"""The transcript of a room as text files, and the closing of its case.

A file holds up to 200 messages. Its unique key is the room's id with the number of the file, so that Salesforce refuses
a second one. The last file and the closing of the case are one composite graph: both happen, or neither.
"""

import base64
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from examples.salesforce_crm.salesforce.errors import JSON, Refused
from examples.salesforce_crm.salesforce.rest import Node, Salesforce

KEY = "SwitchboardTranscriptKey__c"
#: Messages of one file. Which messages are in which file does not depend on their texts, which may be redacted.
MESSAGES_PER_FILE = 200
TEXT_LENGTH = 255
LONG_TEXT_LENGTH = 32_768


@dataclass(frozen=True, slots=True)
class Line:
    """A message of the transcript."""

    number: int
    sent_at: datetime
    sender: str
    text: str
    staff_note: bool = False
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Closing:
    """How a room ended."""

    room_id: str
    closed_at: datetime
    closed_by: str
    comment: str | None
    tags: tuple[str, ...]
    agent: str | None


def format_line(line: Line) -> str:
    """A message as lines of the file. Lines of a text that has several are indented."""
    note = " (staff note)" if line.staff_note else ""
    text = line.text.replace("\r\n", "\n").replace("\n", "\n    ")
    files = "".join(f"\n    [attachment] {attachment}" for attachment in line.attachments)
    return f"[{line.sent_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC] {line.sender}{note}: {text}{files}\n"


def file_fields(room_id: str, part: int, lines: Sequence[Line], case_id: str) -> JSON:
    """The fields of the ContentVersion with the part of a transcript, from 1."""
    text = "".join(map(format_line, lines))
    return {
        "Title": f"Chat transcript {room_id}" + (f" ({part})" if part > 1 else ""),
        "PathOnClient": f"transcript-{room_id}-{part}.txt",
        "VersionData": base64.b64encode(text.encode()).decode(),
        "FirstPublishLocationId": case_id,
        KEY: f"{room_id}/{part}",
    }


def closing_fields(closing: Closing, status: str, messages: int) -> JSON:
    """The fields of the case of a room that was closed."""
    return {
        "Status": status,
        "SwitchboardClosedAt__c": closing.closed_at.astimezone(UTC).isoformat(timespec="seconds"),
        "SwitchboardClosedBy__c": closing.closed_by[:TEXT_LENGTH],
        "SwitchboardComment__c": (closing.comment or "")[:LONG_TEXT_LENGTH] or None,
        "SwitchboardTags__c": "; ".join(closing.tags)[:LONG_TEXT_LENGTH] or None,
        "SwitchboardAgent__c": (closing.agent or "")[:TEXT_LENGTH] or None,
        "SwitchboardMessages__c": messages,
    }


class Transcripts:
    """Attaches transcripts to cases, and closes the cases."""

    def __init__(self, salesforce: Salesforce, *, closed_status: str) -> None:
        self._salesforce = salesforce
        self._closed_status = closed_status

    async def attach_and_close(self, case_id: str, closing: Closing, pages: AsyncIterator[Sequence[Line]]) -> None:
        """Attach a file for each page that has lines, and close the case with the last one. Raises SalesforceError."""
        part = messages = 0
        waiting: JSON | None = None
        async for lines in pages:
            part += 1
            if not lines:
                continue
            if waiting is not None:
                await self._once(self._salesforce.create("ContentVersion", waiting))
            messages += len(lines)
            waiting = file_fields(closing.room_id, part, lines, case_id)
        fields = closing_fields(closing, self._closed_status, messages)
        nodes = [Node("closedCase", "PATCH", f"sobjects/Case/{case_id}", fields)]
        if waiting is not None:
            nodes.append(Node("transcript", "POST", "sobjects/ContentVersion", waiting))
        await self._once(self._salesforce.graph(closing.room_id, nodes))

    async def _once(self, request: Awaitable[object]) -> None:
        """Run a request that creates a file. If the file exists, the request had its effect before."""
        try:
            await request
        except Refused as refused:
            if refused.code != "DUPLICATE_VALUE":
                raise
