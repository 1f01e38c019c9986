"""The bytes of websocket frames, for what is read and written without the parser (RFC 6455, section 5.2)."""

from typing import Final

#: The first byte of an unfragmented text frame, and the limits of its length encodings.
TEXT_FRAME: Final = 0x81
SHORT: Final = 126
MEDIUM: Final = 2**16
#: The bytes of the mask that each frame of a client has, and the bit of its second byte that says so.
MASK_BYTES: Final = 4
MASKED: Final = 0x80
#: The beginning of the frame of a ping, and of a masked pong, with four bytes. The length of the latter.
PING_HEAD: Final = b"\x89\x04"
PONG_HEAD: Final = b"\x8a\x84"
PONG_BYTES: Final = 10


def is_whole(data: bytes) -> bool:
    """Whether these bytes, which begin with a masked frame of a client, end with the end of a frame."""
    start, size = 0, len(data)
    while start + MASK_BYTES + 2 <= size:
        length, start = data[start + 1] & 0x7F, start + 2
        if length == SHORT:
            length, start = int.from_bytes(data[start : start + 2]), start + 2
        elif length > SHORT:
            length, start = int.from_bytes(data[start : start + 8]), start + 8
        start += MASK_BYTES + length
    return start == size


def unmasked_texts(data: bytes) -> list[bytes] | None:
    """The texts in these bytes of a client, if they are nothing but whole, unfragmented text frames below MEDIUM bytes.

    None otherwise: the parser reads them, or refuses them.
    """
    texts: list[bytes] = []
    start, size = 0, len(data)
    while start < size:
        if start + 2 + MASK_BYTES > size or data[start] != TEXT_FRAME or data[start + 1] < MASKED:
            return None
        length, start = data[start + 1] - MASKED, start + 2
        if length == SHORT:
            length, start = int.from_bytes(data[start : start + 2]), start + 2
        elif length > SHORT:
            return None
        mask, start = data[start : start + MASK_BYTES], start + MASK_BYTES
        end = start + length
        if end > size:
            return None
        masks = (mask * (length // MASK_BYTES + 1))[:length]
        texts.append((int.from_bytes(data[start:end]) ^ int.from_bytes(masks)).to_bytes(length))
        start = end
    return texts


def frame_header(length: int) -> bytes:
    """The header of an unfragmented text frame with that many bytes."""
    if length < SHORT:
        return bytes((TEXT_FRAME, length))
    if length < MEDIUM:
        return bytes((TEXT_FRAME, SHORT)) + length.to_bytes(2)
    return bytes((TEXT_FRAME, SHORT + 1)) + length.to_bytes(8)


def is_pong(data: bytes, payload: bytes) -> bool:
    """Whether these bytes are a frame of a client, and nothing else, with the pong for a ping with this payload."""
    if len(data) != PONG_BYTES or data[:2] != PONG_HEAD:
        return False
    return int.from_bytes(data[2:6]) ^ int.from_bytes(data[6:]) == int.from_bytes(payload)
