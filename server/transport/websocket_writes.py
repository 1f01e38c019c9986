"""Writes of whole frames to a websocket, as fast as its peer reads."""

from typing_extensions import override
from uvicorn.protocols.utils import ClientDisconnected

from server.transport.frames import frame_header
from server.transport.websocket_pings import PingedWebSocket

#: Events behind the end of the log are sent until about so many bytes are unanswered: then the peer must answer a ping
#: before it gets more, unless it reads slowly. Without this limit, megabytes of them wait in the buffers of the systems
#: for each peer. They were read from the log too early, and 100 peers that replayed 20,000 events took 1.5 times as
#: long.
MAX_UNANSWERED_BYTES = 512 * 1024


class WrittenWebSocket(PingedWebSocket):
    """A websocket connection to which frames are written that are encoded already."""

    #: Whether the write buffer is below its limit.
    _writable = True

    async def send_encoded(self, text: bytes) -> None:
        """Write a text as one unmasked frame. Raises ClientDisconnected if the websocket is closing."""
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.close_sent or self.transport.is_closing():
            raise ClientDisconnected
        self.transport.write(frame_header(len(text)) + text)
        self._unanswered += len(text)

    def write_now(self, frames: bytes) -> bool:
        """Write frames, unless the peer reads slowly or the websocket is closing. Returns whether they are written."""
        if not self._writable or self.close_sent or self.disconnected or self.transport.is_closing():
            return False
        self.transport.write(frames)
        self._unanswered += len(frames)
        return True

    async def wait_until_writable(self) -> bool:
        """Wait until the write buffer is below its limit, and the peer has read most of what was sent or reads slowly.

        Returns False if the websocket is closing.
        """
        while not self.disconnected and not self.close_sent:
            if not self._writable:
                await self.writable.wait()
            elif self._unanswered > MAX_UNANSWERED_BYTES and not self._reads_slowly:
                await self.wait_until_answered()
            else:
                break
        return not (self.close_sent or self.disconnected or self.transport.is_closing())

    @override
    def pause_writing(self) -> None:
        self._writable = False
        super().pause_writing()

    @override
    def resume_writing(self) -> None:
        self._writable = True
        super().resume_writing()
