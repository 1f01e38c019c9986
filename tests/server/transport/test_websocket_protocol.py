"""Frames of text that is already encoded follow the websocket protocol."""

import pytest
from websockets.frames import Frame as WrittenFrame
from websockets.frames import Opcode

from server.transport.websocket_protocol import frame_header


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_frame_header_follows_the_protocol(length: int) -> None:
    text = b"x" * length

    assert frame_header(length) + text == WrittenFrame(Opcode.TEXT, text).serialize(mask=False)
