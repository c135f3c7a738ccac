"""The reading end of the journal: whole frames from a byte offset on, and whether the writer is still alive."""

import fcntl
import os
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from bursar.spool.journal import FRAME, FRAME_BYTES_MAX, HEADER_BYTES, MAGIC, SUFFIX
from bursar.spool.records import DECODER, Record


class Segment(NamedTuple):
    """One journal file: `w0-018bcfe5….000003.journal`."""

    path: Path
    writer: str
    number: int


class Slice(NamedTuple):
    """Records read in one go.

    offset: where to read on (a byte offset in the segment).
    ended:  the writer is gone or has moved to a later segment, and nothing whole is left: the segment is done.
    faults: what could not be read, in words. A frame that a dead writer hadn't finished was never counted as written.
    """

    records: list[Record]
    offset: int
    ended: bool
    faults: list[str]


def segments(directory: Path) -> list[Segment]:
    """All segments of a spool, oldest first per writer."""
    found = []
    for path in directory.glob(f"*{SUFFIX}"):
        writer, number = path.name.removesuffix(SUFFIX).rsplit(".", 1)
        found.append(Segment(path, writer, int(number)))
    return sorted(found, key=lambda segment: (segment.writer, segment.number))


def writer_is_alive(path: Path) -> bool:
    """Whether some process still holds the segment's lock. The kernel drops it when a process dies, however it dies."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def unread_bytes(path: Path, offset: int) -> int:
    """How much of a segment is written and lies beyond `offset`, in bytes."""
    with path.open("rb") as file:
        end = _end_of(file.read(HEADER_BYTES), path.stat().st_size)
    return max(0, end - max(offset, HEADER_BYTES))


def read_slice(path: Path, offset: int, *, records_max: int, bytes_max: int = 16 * 1024 * 1024) -> Slice:
    """Read whole frames from `offset` on (0: from the start), at most `records_max` of them or `bytes_max` bytes.

    Looks at the lock *before* it reads: a writer that dies in between is seen the next time.
    """
    alive = writer_is_alive(path)
    with path.open("rb") as file:
        size = path.stat().st_size
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
            return Slice([], 0, not alive, [f"{path.name}: not a journal segment"])
        end = _end_of(header, size)
        offset = max(offset, HEADER_BYTES)
        file.seek(offset)
        data = file.read(min(bytes_max, max(0, end - offset)))
    records: list[Record] = []
    faults: list[str] = []
    at, size_read = 0, len(data)
    unpack, head, check, decode = FRAME.unpack_from, FRAME.size, zlib.crc32, DECODER.decode  # not once a frame
    while at + head <= size_read and len(records) < records_max:
        length, crc = unpack(data, at)
        stop = at + head + length
        if length > FRAME_BYTES_MAX or (stop > size_read and offset + size_read == end):
            return _damaged(path, records, faults, offset + at, end)
        if stop > size_read:
            break  # the rest of this frame comes with the next slice
        payload = data[at + head : stop]
        if check(payload) != crc:
            return _damaged(path, records, faults, offset + at, end)
        try:
            records.append(decode(payload))
        except msgspec.DecodeError as error:
            faults.append(f"{path.name} at byte {offset + at}: {error}")
        at = stop
    if offset + size_read == end and 0 < size_read - at < head:
        return _damaged(path, records, faults, offset + at, end)
    if int.from_bytes(header[len(MAGIC) :], sys.byteorder) > size:
        faults.append(f"{path.name}: {size} bytes long, shorter than its writer left it")
    return Slice(records, offset + at, offset + at >= end and not alive, faults)


def _end_of(header: bytes, size: int) -> int:
    """Where the written part ends, by the segment's own word and within the file."""
    return min(int.from_bytes(header[len(MAGIC) :], sys.byteorder), size)


def _damaged(path: Path, records: list[Record], faults: list[str], at: int, end: int) -> Slice:
    """Bytes that were written whole and no longer are: no frame behind them can be found, so the segment ends here."""
    faults.append(f"{path.name} at byte {at}: damaged frame, {end - at} bytes can't be read")
    return Slice(records, end, True, faults)
