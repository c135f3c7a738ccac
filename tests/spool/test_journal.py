"""The journal: what `append` has taken is there after kill -9, and a torn end is only an end."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.spool import journal as journal_module
from bursar.spool.journal import HEADER_BYTES, RELEASE_BYTES, SYNC_INTERVAL_S, Journal
from bursar.spool.reader import read_slice, segments, unread_bytes, writer_is_alive
from bursar.spool.records import CallFacts, Dispatched, Ended

FACTS = CallFacts(
    "018bcfe5-6800-7ffc-89cb-3639bf23ab6b",
    1,
    "openai-chat",
    "chat",
    Scope("acme", "core"),
    "pt_0123",
    "passthrough",
    "gpt-4o",
    False,
    1300,
    "ab" * 16,
    Attribution(feature="checkout", tags={"ключ": "значение"}),
)


def dispatched(seq: int) -> Dispatched:
    return Dispatched(seq, f"attempt-{seq}", 1, seq, "openai", "openai", "gpt-4o", "", "", "", None, "", FACTS)


def test_records_come_back_in_order_and_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w0-a")
    written = [dispatched(seq) for seq in range(1, 101)] + [Ended(5, "refused", "bad_request", 400, FACTS)]
    for record in written:
        journal.append(record)
    (segment,) = segments(tmp_path)
    part = read_slice(segment.path, 0, records_max=60)
    rest = read_slice(segment.path, part.offset, records_max=60)
    assert part.records + rest.records == written
    assert (part.ended, rest.ended) == (False, False), "the writer still holds the segment"
    journal.close()
    assert read_slice(segment.path, rest.offset, records_max=60).ended
    assert part.faults == rest.faults == []


def test_a_full_segment_is_followed_by_the_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w0-a", segment_bytes=2_000)
    for seq in range(1, 31):
        journal.append(dispatched(seq))
    found = segments(tmp_path)
    assert len(found) > 3
    deadline = time.monotonic() + 60
    while any(writer_is_alive(segment.path) for segment in found[:-1]) and time.monotonic() < deadline:
        time.sleep(SYNC_INTERVAL_S)  # full ones are let go by the thread that syncs them
    assert [writer_is_alive(segment.path) for segment in found] == [False] * (len(found) - 1) + [True]
    read = [record for segment in found for record in read_slice(segment.path, 0, records_max=99).records]
    assert [record.seq for record in read if isinstance(record, Dispatched)] == list(range(1, 31))
    journal.close()


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(HEADER_BYTES, 2_000))
def test_a_segment_cut_anywhere_gives_its_whole_records_and_says_what_is_missing(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    journal = Journal(directory, "w0-a", sync=False)
    path = segments(directory)[0].path
    ends = []
    for seq in range(1, 8):
        journal.append(dispatched(seq))
        ends.append(HEADER_BYTES + unread_bytes(path, 0))
    journal.close()
    assert path.stat().st_size == ends[-1], "what wasn't used of the claimed disk is given back"
    os.truncate(path, min(cut, ends[-1]))
    got = read_slice(path, 0, records_max=99)
    assert len(got.records) == sum(end <= cut for end in ends)
    assert got.ended
    assert bool(got.faults) == (cut < ends[-1])


@settings(max_examples=40, deadline=None)
@given(slice_bytes=st.integers(400, 3_000), slice_records=st.integers(1, 9))
def test_slices_of_any_size_give_each_record_once(
    tmp_path_factory: pytest.TempPathFactory, slice_bytes: int, slice_records: int
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    journal = Journal(directory, "w0-a", sync=False)
    written = [dispatched(seq) for seq in range(1, 20)]
    for record in written:
        journal.append(record)
    path = segments(directory)[0].path
    journal.close()
    read: list[object] = []
    offset, ended = 0, False
    while not ended:
        part = read_slice(path, offset, records_max=slice_records, bytes_max=slice_bytes)
        read += part.records
        offset, ended = part.offset, part.ended
        assert part.records or ended, "each slice moves on"
    assert read == written


@settings(max_examples=40, deadline=None)
@given(at=st.integers(HEADER_BYTES, 1_500), flip=st.integers(1, 255))
def test_a_damaged_byte_never_makes_a_wrong_record(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    journal = Journal(directory, "w0-a", sync=False)
    written = [dispatched(seq) for seq in range(1, 6)]
    for record in written:
        journal.append(record)
    journal.close()
    path = segments(directory)[0].path
    data = bytearray(path.read_bytes())
    data[at % (len(data) - HEADER_BYTES) + HEADER_BYTES] ^= flip
    path.write_bytes(data)
    got = read_slice(path, 0, records_max=99)
    assert got.records == written[: len(got.records)]
    assert got.faults
    assert got.ended


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from test_journal import dispatched
    from bursar.spool.journal import Journal
    journal = Journal(Path(sys.argv[1]), "w0-killed")
    seq = 0
    while True:
        seq += 1
        journal.append(dispatched(seq))
        print(seq, flush=True)
    """
)


@pytest.mark.parametrize("acknowledged", [1, 57, 400])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    seen = 0
    while seen < acknowledged:
        seen = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    got = read_slice(segments(tmp_path)[0].path, 0, records_max=10**6)
    assert got.ended, "the kernel dropped the dead writer's lock"
    seqs = [record.seq for record in got.records if isinstance(record, Dispatched)]
    assert len(seqs) >= acknowledged
    assert seqs == list(range(1, len(seqs) + 1))


def test_what_is_written_and_synced_no_longer_counts_as_the_writers_memory(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w0-a")
    written = 0
    while unread_bytes(segments(tmp_path)[0].path, 0) < 8 * RELEASE_BYTES:
        written += 1
        journal.append(dispatched(written))
    deadline = time.monotonic() + 40
    while (mapped := _mapped_bytes(tmp_path)) > 2 * RELEASE_BYTES and time.monotonic() < deadline:
        time.sleep(SYNC_INTERVAL_S)
    assert 0 < mapped <= 2 * RELEASE_BYTES
    journal.append(dispatched(written + 1))
    (segment,) = segments(tmp_path)
    got = read_slice(segment.path, 0, records_max=10**6)
    journal.close()
    assert [record.seq for record in got.records if isinstance(record, Dispatched)] == list(range(1, written + 2))


def _mapped_bytes(directory: Path) -> int:
    """What of this process's memory is pages of journal files in `directory`."""
    maps = Path("/proc/self/smaps").read_text("utf-8")
    mapping = rf"^\S+-\S+ .*{re.escape(str(directory))}.*\n(?:(?!\S+-\S+ ).*\n)*?Rss:\s+(\d+) kB"
    found = re.findall(mapping, maps, re.MULTILINE)
    return sum(int(kilobytes) * 1024 for kilobytes in found)


def test_a_full_disk_is_an_error_when_a_segment_begins_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "w0-a", segment_bytes=600, sync=False)
    journal.append(dispatched(1))
    journal.append(dispatched(2))

    def full(*_: int) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(journal_module.os, "posix_fallocate", full)
    for _ in range(3):
        with pytest.raises(OSError, match="no space"):
            journal.append(dispatched(3))
    monkeypatch.undo()
    journal.append(dispatched(3))
    journal.close()
    found = segments(tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [segment.path.name for segment in found]
    read = [record for segment in found for record in read_slice(segment.path, 0, records_max=99).records]
    assert [record.seq for record in read if isinstance(record, Dispatched)] == [1, 2, 3]
