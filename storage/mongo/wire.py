"""Messages of MongoDB's wire protocol: commands, and the batches of documents in their replies.

Both are OP_MSG messages with one section: a header, flags, the kind of the section, and a document.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import bson

#: The length of the message, its id, the id of the message that it answers, and the operation.
HEADER: Final = struct.Struct("<iiii")
OP_MSG: Final = 2013
#: No flags, and a section that is one document.
_FLAGS_AND_KIND: Final = b"\0\0\0\0\0"
#: Where the document of a message begins.
DOCUMENT: Final = HEADER.size + len(_FLAGS_AND_KIND)
#: The bytes in front of a document that hold its length.
_LENGTH: Final = 4
_CURSOR: Final = b"\x03cursor\0"
_BATCH: Final = b"\x04firstBatch\0"
_CURSOR_ID: Final = b"\x12id\0"
_ID_BYTES: Final = 8
#: The last fields of a reply, before their values: a document and a timestamp.
_CLUSTER_TIME: Final = b"\x03$clusterTime\0"
_OPERATION_TIME: Final = b"\x11operationTime\0"
_TIMESTAMP_BYTES: Final = 8


class Batch(NamedTuple):
    """The first documents of a cursor, each as BSON."""

    documents: list[bytes]
    #: The id with which the server keeps the rest; 0 if there is none.
    cursor_id: int


def encode(request_id: int, command: Mapping[str, Any]) -> bytes:
    """The message of a command."""
    document = bson.encode(command)
    return b"".join(
        (HEADER.pack(DOCUMENT + len(document), request_id, 0, OP_MSG), _FLAGS_AND_KIND, document),
    )


def end_of_message(received: bytes | bytearray, start: int) -> int | None:
    """Where the message that begins at `start` ends. None if it is not whole."""
    if len(received) < start + HEADER.size:
        return None
    end = start + _length_at(received, start)
    return end if end <= len(received) else None


def documents_of(replies: bytes) -> Iterator[bytes]:
    """The document of each of the messages."""
    position = 0
    while position < len(replies):
        following = position + _length_at(replies, position)
        yield replies[position + DOCUMENT : following]
        position = following


def without_times(reply: bytes) -> bytes:
    """The document of a reply without `$clusterTime` and `operationTime`, where they are its last fields.

    Most replies to writes are little else, and decoding the times takes most of the time.
    """
    start = reply.rfind(_CLUSTER_TIME)
    if start < 0:
        return reply
    end = start + len(_CLUSTER_TIME)
    end += _length_at(reply, end)
    is_last = len(reply) == end + len(_OPERATION_TIME) + _TIMESTAMP_BYTES + 1
    if not is_last or not reply.startswith(_OPERATION_TIME, end):
        return reply
    return (start + 1).to_bytes(_LENGTH, "little") + reply[_LENGTH:start] + b"\0"


def batch_of(reply: bytes) -> Batch | None:
    """The batch in a reply. None if it has none in the place where servers write it, as in the reply of an error."""
    position = DOCUMENT + _LENGTH
    if not reply.startswith(_CURSOR, position):
        return None
    position += len(_CURSOR) + _LENGTH
    if not reply.startswith(_BATCH, position):
        return None
    position += len(_BATCH)
    end = position + _length_at(reply, position)
    position += _LENGTH
    documents: list[bytes] = []
    while position < end - 1:  # an array ends with a zero
        position = reply.index(0, position) + 1  # after the type and the index, which is a text
        following = position + _length_at(reply, position)
        documents.append(reply[position:following])
        position = following
    if not reply.startswith(_CURSOR_ID, end):
        return None
    end += len(_CURSOR_ID)
    return Batch(documents, int.from_bytes(reply[end : end + _ID_BYTES], "little"))


def _length_at(message: bytes | bytearray, position: int) -> int:
    return int.from_bytes(message[position : position + _LENGTH], "little")
