"""Amazon's event stream (`application/vnd.amazon.eventstream`) as it comes in, cut anywhere, in bounded memory.

A frame: total length, headers' length and the checksum of both (4 bytes each, big-endian), headers, payload, and the
checksum of all before it. Checksums are CRC-32 as in zlib. Once one is wrong nothing behind it can be trusted: every
client gives up there, and so does this reader.
Source: the public "Amazon Event Stream" specification of smithy.io, and tests/golden/bedrock.
"""

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

FRAME_BYTES_LEAST = 16  # prelude and checksum
HEADERS_BYTES_MAX = 128 * 1024
PAYLOAD_BYTES_MAX = 24 * 1024 * 1024  # the specification's, as AWS's own clients hold it
REMEMBERED_BYTES_MAX = 512  # headers' blocks up to here are read once: a stream has a handful of them

_PRELUDE = struct.Struct(">III")
_UINT32 = struct.Struct(">I")
_UINT16 = struct.Struct(">H")
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _TEXT = 6, 7  # with their length before them
_NAMES = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}


class Frame(NamedTuple):
    """One frame. kind: "event", "exception" or "error"; name: of which event, exception or error."""

    kind: str
    name: str
    payload: bytes


class Frames:
    """Frames of one stream, each whole. Keeps at most `bytes_max` of the one that is coming.

    fault: "" or what was wrong with the stream's bytes; nothing is read behind it.
    oversized: frames that were too large to keep; their checksum isn't looked at either.
    """

    __slots__ = ("_bytes_max", "_kept", "_left", "_needed", "fault", "oversized")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept = bytearray()  # the frame that isn't whole yet
        self._needed = 0  # its length, as far as it is known
        self._left = 0  # to come of a frame that is too large to keep
        self.fault = ""
        self.oversized = 0

    @property
    def missing(self) -> int:
        """How many bytes the frame under way still lacks, as far as that is known; 0 between two frames."""
        return self._left or (max(1, self._needed - len(self._kept)) if self._kept else 0)

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that are whole with this chunk."""
        if self.fault:
            return []
        if self._left:
            skipped = min(self._left, len(chunk))
            self._left -= skipped
            chunk = chunk[skipped:]
        if self._kept:
            self._kept += chunk
            if len(self._kept) < self._needed:
                return []
            chunk = bytes(self._kept)
            self._kept.clear()
        frames: list[Frame] = []
        at = 0
        while (size := self._next(chunk, at)) and at + size <= len(chunk):
            frame = _read_frame(chunk, at, at + size)
            if frame is None:
                self.fault = "a frame's checksum or headers are wrong"
                break
            frames.append(frame)
            at += size
        if not self.fault:
            self._keep(chunk, at, size)
        return frames

    def _next(self, chunk: bytes, at: int) -> int:
        """The length of the frame that begins there; 0 where its prelude isn't whole, or is wrong."""
        if len(chunk) - at < _PRELUDE.size:
            return 0
        size, headers, checksum = _PRELUDE.unpack_from(chunk, at)
        payload = size - headers - FRAME_BYTES_LEAST
        if crc32(chunk[at : at + 8]) != checksum:
            self.fault = "a prelude's checksum is wrong"
        elif headers > HEADERS_BYTES_MAX or not 0 <= payload <= PAYLOAD_BYTES_MAX:
            self.fault = "a frame's lengths can't be"
        return 0 if self.fault else int(size)

    def _keep(self, chunk: bytes, at: int, size: int) -> None:
        """Put by what begins a frame. size: its length, 0: not known yet."""
        rest = len(chunk) - at
        if size > self._bytes_max:
            self.oversized += 1
            self._left = size - rest
            return
        self._needed = size or _PRELUDE.size
        self._kept += chunk[at:]


def write_frame(headers: Iterable[tuple[str, str]], payload: bytes) -> bytes:
    """One frame, whose headers are all text."""
    block = b"".join(
        b"%c%b\x07%b%b" % (len(name), name.encode(), _UINT16.pack(len(value.encode())), value.encode())
        for name, value in headers
    )
    prelude = struct.pack(">II", FRAME_BYTES_LEAST + len(block) + len(payload), len(block))
    whole = prelude + _UINT32.pack(crc32(prelude)) + block + payload
    return whole + _UINT32.pack(crc32(whole))


def _read_frame(chunk: bytes, start: int, end: int) -> Frame | None:
    """A whole frame whose prelude is right; None if the rest isn't."""
    if crc32(chunk[start : end - 4]) != _UINT32.unpack_from(chunk, end - 4)[0]:
        return None
    headers_at = start + _PRELUDE.size
    payload_at = headers_at + _UINT32.unpack_from(chunk, start + 4)[0]
    block = chunk[headers_at:payload_at]
    said = _kind_and_name(block) if len(block) <= REMEMBERED_BYTES_MAX else _read_kind_and_name(block)
    return None if said is None else Frame(*said, chunk[payload_at : end - 4])


def _read_kind_and_name(block: bytes) -> tuple[str, str] | None:
    """What the headers say of the frame; None if they can't be read."""
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(block):
            name = block[at + 1 : at + 1 + block[at]].decode()
            at += 1 + block[at]
            kind = block[at]
            at += 1
            if kind in (_BYTES, _TEXT):
                size = _UINT16.unpack_from(block, at)[0]
                at += 2
                if kind == _TEXT:
                    headers[name] = block[at : at + size].decode()
            else:
                size = _SIZES[kind]
            at += size
    except (IndexError, KeyError, struct.error, UnicodeDecodeError):
        return None
    if at != len(block):
        return None
    message = headers.get(":message-type", "event")
    return message, headers.get(_NAMES.get(message, ""), "")


_kind_and_name = lru_cache(maxsize=256)(_read_kind_and_name)
