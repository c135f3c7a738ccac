"""One end of a websocket: whole messages in, whole messages out, with bounds. `websockets` reads and writes the frames.

A message is handed on in the frames it came in. Pings are answered here, on each connection by itself (RFC 6455 allows
an intermediary that), so a peer that is dead is noticed on the side where it died. No extension is ever agreed on:
permessage-deflate would hide the events that money is read from.
"""

import asyncio
import logging
import time
from collections import deque
from typing import NamedTuple, cast

from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN, SEND_EOF, Protocol, Side

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""OpenAI takes 15 MB of sound in one event, and sends less."""

QUEUED_BYTES_MAX = 256 * 1024  # of messages that nobody took yet; then the socket isn't read
FRAMES_MAX = 4096  # of one message
FRAME_BYTES = 200  # what a frame weighs in memory beside its data: empty ones count too
PING_AFTER_S = 20.0
DEAD_AFTER_S = 60.0  # nothing came for so long, not even a pong
CLOSE_WAIT_S = 2.0  # for the peer's close frame
REASON_BYTES_MAX = 123  # of a close frame

LOG = logging.getLogger("bursar.websocket")  # of the library; what matters of it is in the rows
LOG.setLevel(logging.WARNING)

Message = list[Frame]


class Closing(NamedTuple):
    """How a connection ended. code 1006: without a close frame; 1005: with an empty one."""

    code: int
    reason: str

    @property
    def is_clean(self) -> bool:
        return self.code != CloseCode.ABNORMAL_CLOSURE


class End(asyncio.Protocol):
    """One end. side: what we are there, Side.SERVER towards a client."""

    def __init__(self, side: Side, stall_s: float) -> None:
        self._frames = Protocol(side, state=OPEN, max_size=MESSAGE_BYTES_MAX, logger=LOG)
        self._stall_s = stall_s
        self._part: Message = []  # of a message that isn't whole yet
        self._messages: deque[tuple[Message, int]] = deque()
        self._queued_bytes = 0
        self._arrived: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._heard_at = time.monotonic()
        self._pinged_at = 0.0
        self.closing: Closing | None = None  # set once no more messages come

    # -- asyncio ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._heard_at = time.monotonic()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)
        self._end(Closing(CloseCode.ABNORMAL_CLOSURE, ""))
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        if self.closing is not None and self._frames.close_rcvd is not None:
            return
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            self._take(cast(Frame, event))
        if self._frames.parser_exc is not None:  # the library has written the close frame that says why
            sent = self._frames.close_sent
            self._end(Closing(sent.code, sent.reason) if sent else Closing(CloseCode.ABNORMAL_CLOSURE, ""))
        self._flush()
        if self._queued_bytes > QUEUED_BYTES_MAX or self._drained is not None:  # pongs nobody reads pile up too
            self._pause_reading()

    def eof_received(self) -> bool:
        return False  # closes the transport, and so `connection_lost`

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        self._resume_reading()

    # -- messages --------------------------------------------------------------------------------------------------

    async def receive(self) -> Message | None:
        """The next whole message; None when there are no more, and `closing` says why."""
        while not self._messages:
            if self.closing is not None:
                return None
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        message, size = self._messages.popleft()
        self._queued_bytes -= size
        self._resume_reading()
        return message

    async def send(self, message: Message) -> bool:
        """Write a message in its frames, and wait while the peer doesn't read. False: it can't be reached any more."""
        if self._frames.state is not OPEN or self._lost.done():
            return False
        for frame in message:
            if frame.opcode is Opcode.TEXT:
                self._frames.send_text(frame.data, frame.fin)
            elif frame.opcode is Opcode.BINARY:
                self._frames.send_binary(frame.data, frame.fin)
            else:
                self._frames.send_continuation(frame.data, frame.fin)
        self._flush()
        if self._drained is not None:
            try:
                async with asyncio.timeout(self._stall_s):
                    await asyncio.shield(self._drained)
            except TimeoutError:  # it holds the line and doesn't read: as good as gone
                self.abort()
                return False
        return not self._lost.done()

    def send_text(self, text: bytes) -> None:
        """A message of our own, in one frame."""
        if self._frames.state is OPEN and not self._lost.done():
            self._frames.send_text(text)
            self._flush()

    def keep_alive(self, now: float) -> None:
        """Ping a peer that is silent; cut one that doesn't answer."""
        silent_s = now - self._heard_at
        if silent_s > DEAD_AFTER_S and not self._is_paused:
            self.abort()
        elif silent_s > PING_AFTER_S and now - self._pinged_at > PING_AFTER_S and self._frames.state is OPEN:
            self._pinged_at = now
            self._frames.send_ping(b"")
            self._flush()

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, wait a moment for the peer's own, and let go of the socket."""
        if self._frames.state is OPEN:
            try:
                if code == CloseCode.NO_STATUS_RCVD:
                    self._frames.send_close()
                elif code != CloseCode.ABNORMAL_CLOSURE:
                    self._frames.send_close(code, clipped(reason))
            except ProtocolError:  # a code that may not stand in a frame
                self._frames.send_close(CloseCode.GOING_AWAY)
            self._flush()
        transport = self._transport
        if transport is None or self._lost.done():
            return
        if code == CloseCode.ABNORMAL_CLOSURE:
            transport.abort()
        else:
            self._resume_for_goodbye()
            if self._frames.close_rcvd is None:
                await asyncio.wait([self._lost], timeout=CLOSE_WAIT_S)
            transport.close()
        await asyncio.wait([self._lost], timeout=CLOSE_WAIT_S)
        if not self._lost.done():
            transport.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._end(Closing(CloseCode.ABNORMAL_CLOSURE, ""))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._part.append(frame)
            if frame.fin:
                size = sum(len(one.data) for one in self._part) + FRAME_BYTES * len(self._part)
                self._messages.append((self._part, size))
                self._queued_bytes += size
                self._part = []
                self._wake()
            elif len(self._part) > FRAMES_MAX:
                self._frames.fail(CloseCode.MESSAGE_TOO_BIG, f"a message of more than {FRAMES_MAX} frames")
                self._end(Closing(CloseCode.MESSAGE_TOO_BIG, "too many frames"))
        elif frame.opcode is Opcode.CLOSE and (said := self._frames.close_rcvd) is not None:
            self._end(Closing(said.code, said.reason))

    def _flush(self) -> None:
        transport = self._transport
        for data in self._frames.data_to_send():
            if transport is None or transport.is_closing():
                return
            if data is SEND_EOF or not data:
                if transport.can_write_eof():
                    transport.write_eof()
                else:
                    transport.close()
            else:
                transport.write(data)

    def _end(self, closing: Closing) -> None:
        if self.closing is None:
            self.closing = closing
        self._wake()

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, None
        if arrived is not None and not arrived.done():
            arrived.set_result(None)

    def _pause_reading(self) -> None:
        if not self._is_paused and self._transport is not None and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        """Read on, unless there is too much that nobody took, or the peer doesn't take what is said to it."""
        transport = self._transport
        if not self._is_paused or self._queued_bytes > QUEUED_BYTES_MAX or self._drained is not None:
            return
        if transport is not None and not transport.is_closing():
            self._is_paused = False
            transport.resume_reading()

    def _resume_for_goodbye(self) -> None:
        """The peer's close frame stands behind what nobody takes any more."""
        self._messages.clear()
        self._queued_bytes = 0
        self._resume_reading()


def text_of(message: Message) -> bytes:
    """What a message says, whatever frames it came in."""
    if len(message) == 1:
        return bytes(message[0].data)
    return b"".join(frame.data for frame in message)


def clipped(reason: str) -> str:
    """A reason that fits into a close frame."""
    return reason.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore")
