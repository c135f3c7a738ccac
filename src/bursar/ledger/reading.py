"""A batch off the spool: whole records of every journal file, from where the books stopped."""

from collections import Counter
from collections.abc import Container, Mapping
from pathlib import Path

import msgspec

from bursar.spool.reader import Segment, read_slice, segments, writer_is_alive
from bursar.spool.records import Dispatched, Ended, Line, Record, Settled

RECORDS_MAX = 40_000  # a batch: about 20,000 attempts, 12 MB of journal, well under a second
FAULTS_PER_SLICE_MAX = 10


class Moved(msgspec.Struct):
    """How far a segment is read after this batch, and what the batch found in it."""

    path: Path
    writer: str
    number: int
    offset: int
    is_done: bool
    dispatched: int = 0
    settled: int = 0
    ended: int = 0
    lines: int = 0


class Reading(msgspec.Struct):
    """runs: (writer, its records in their order), a run for each segment read. moved: segments read on or finished.

    leftovers: files that are in the books as done; only their deletion was missed.
    more: the batch is full.
    """

    runs: list[tuple[str, list[Record]]] = []
    moved: list[Moved] = []
    faults: list[tuple[str, str]] = []
    leftovers: list[Path] = []
    more: bool = False


def read_spool(directory: Path, offsets: Mapping[str, int], done: Container[str], records_max: int) -> Reading:
    """Read on in every segment, in each writer's order, up to `records_max` records in all.

    offsets, done: the books' watermark, by file name. A writer's next segment is looked at only when the one before is
    finished: a settlement never overtakes its dispatch.
    """
    reading = Reading()
    by_writer: dict[str, list[Segment]] = {}
    for segment in segments(directory):
        if segment.path.name in done:
            reading.leftovers.append(segment.path)
        else:
            by_writer.setdefault(segment.writer, []).append(segment)
    share = max(records_max // max(len(by_writer), 1), 1)  # one busy worker doesn't starve the others
    for mine in by_writer.values():
        left = share
        for segment in mine:
            found, finished = _read_segment(segment, offsets.get(segment.path.name, 0), left, reading)
            left -= found
            if not finished:
                reading.more = reading.more or left <= 0
                break
            if left <= 0:
                reading.more = True
                break
    return reading


def segment_is_successor(directory: Path, writer: str, done: Container[str]) -> bool:
    """Whether the writer has a segment that isn't in the books yet."""
    return any(segment.writer == writer and segment.path.name not in done for segment in segments(directory))


def _read_segment(segment: Segment, offset: int, records_max: int, reading: Reading) -> tuple[int, bool]:
    try:
        part = read_slice(segment.path, offset, records_max=records_max)
    except OSError as error:
        reading.faults.append(("unreadable_segment", f"{segment.path.name}: {error.strerror}"))
        return 0, False
    faults = [("damaged_record", fault) for fault in part.faults[:FAULTS_PER_SLICE_MAX]]
    if len(part.faults) > FAULTS_PER_SLICE_MAX:
        more = len(part.faults) - FAULTS_PER_SLICE_MAX
        faults.append(("damaged_record", f"{segment.path.name} from byte {offset} on: {more} more damaged records"))
    reading.faults += faults
    if part.offset == offset and not part.ended:
        return 0, False
    # damage ends a segment only when its writer is gone: a living one still appends behind it
    ended = part.ended and not (part.faults and writer_is_alive(segment.path))
    counts = Counter(map(type, part.records))
    reading.runs.append((segment.writer, part.records))
    reading.moved.append(
        Moved(
            segment.path,
            segment.writer,
            segment.number,
            part.offset,
            ended,
            dispatched=counts[Dispatched],
            settled=counts[Settled],
            ended=counts[Ended],
            lines=counts[Line],
        )
    )
    return len(part.records), ended
