"""Where answers lie: bounded, sealed, and a miss whenever anything is wrong."""

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.cache.answers import SHARING_BYTES_MAX, SWEEP_AFTER_US, Answers, Found
from bursar.cache.disk import FULL_SHARE, LOOK_EVERY, Disk
from bursar.cache.entry import Box, Entry
from bursar.cache.flights import LEADS_MAX, Flights
from bursar.cache.memory import ENTRY_OVERHEAD_BYTES, Memory
from bursar.cache.trimming import OLDEST, ROWS_MAX, SIZE_EVERY, ranges_between, remove_some, used_bytes
from bursar.domain.clock import FixedClock
from bursar.domain.savings import Saved

SECRET, T0 = b"s" * 32, 1_793_000_000_000_000
KEY, OTHER = b"k" * 24, b"o" * 24


def entry(body: bytes = b"{}", *, at_us: int = T0, ttl_s: int = 60) -> Entry:
    return Entry(
        at_us, at_us + ttl_s * 1_000_000, 200, b"application/json", False, body, "openai", "gpt-5", "stop", "ok", 1_000,
        Saved(prompt_cache=7),
    )  # fmt: skip


@given(st.binary(min_size=1, max_size=8), st.integers(0, 10_000))
def test_what_was_sealed_is_opened_and_a_changed_byte_is_not(noise: bytes, at: int):
    box = Box(SECRET)
    sealed = box.seal(KEY, entry())
    assert box.open(KEY, sealed) == entry()
    assert box.open(OTHER, sealed) is None
    assert Box(b"t" * 32).open(KEY, sealed) is None
    at %= len(sealed)
    changed = sealed[:at] + noise + sealed[at + len(noise) :]
    assert box.open(KEY, changed) is None or changed == sealed
    assert box.open(KEY, sealed[:at]) is None
    older = box.seal(KEY, msgspec.structs.replace(entry(), format=0))
    assert box.open(KEY, older) is None


@pytest.mark.parametrize(
    ("now_s", "age_s_max", "fresh"),
    [
        (0, None, True),
        (59, None, True),
        (60, None, False),
        (-1, None, False),
        (30, 29, False),
        (30, 30, True),
        (10**6, None, False),
    ],
)
def test_an_answer_is_given_out_only_while_its_age_is_known_and_allowed(now_s: int, age_s_max: int | None, fresh: bool):
    """A clock that jumps, either way, makes misses and nothing else."""
    assert entry().is_fresh(T0 + now_s * 1_000_000, age_s_max) is fresh


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3_000), st.booleans()), max_size=40))
def test_memory_keeps_to_its_bound_and_forgets_the_longest_unused(steps: list[tuple[int, int, bool]]):
    bound = 4_000
    memory, order = Memory(bound), list[bytes]()
    for number, size, reads in steps:
        key = bytes([number])
        if reads:
            assert (memory.get(key) is not None) == (key in order)
        else:
            memory.put(key, entry(b"x" * size))
            order = [one for one in order if one != key]
            if size + ENTRY_OVERHEAD_BYTES > bound:
                continue
        if key in order or not reads:
            order = [*(one for one in order if one != key), key]
        while len(order) > len(memory):
            assert memory.get(order[0]) is None
            order.pop(0)
        assert memory.bytes <= bound


def test_a_file_keeps_to_its_bound(tmp_path: Path):
    async def fill() -> int:
        disk = Disk(tmp_path / "cache" / "answers.sqlite", 400_000)
        for number in range(4 * LOOK_EVERY):
            await disk.put(number.to_bytes(24, "big"), os.urandom(4_000), T0 + number, T0 + 10**9)
        newest = await disk.get((4 * LOOK_EVERY - 1).to_bytes(24, "big"))
        assert newest is not None
        assert await disk.get((0).to_bytes(24, "big")) is None
        await disk.close()
        return disk.faults

    assert asyncio.run(fill()) == 0
    assert (tmp_path / "cache" / "answers.sqlite").stat().st_size < 400_000 + LOOK_EVERY * 2 * 4_096 + 65_536
    assert (tmp_path / "cache" / "answers.sqlite").stat().st_mode & 0o077 == 0


def test_a_full_file_is_trimmed_in_steps_that_no_other_writer_waits_long_for(tmp_path: Path):
    """Also where answers are large: 200 of 256 KB, of which a good deal must go."""
    path, bound = tmp_path / "answers.sqlite", 40_000_000

    async def go() -> None:
        roomy, tight = Disk(path, 10 * bound), Disk(path, bound)
        for number in range(200):
            await roomy.put(number.to_bytes(24, "big"), bytes(256_000), T0 + number, T0 + 10**9)
        with sqlite3.connect(path) as connection:
            before = used_bytes(connection)
        assert before > FULL_SHARE * bound
        steps = list[int]()
        with sqlite3.connect(path, isolation_level=None) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            while used_bytes(connection) > bound:
                steps.append(remove_some(connection, OLDEST, left=bound))
            assert all(1 <= step <= ROWS_MAX for step in steps)
            assert used_bytes(connection) > bound - 10 * 256_000 * SIZE_EVERY  # and hardly more than that went
        for number in range(200, 300):  # and through the door: what comes is kept, what is old goes
            await tight.put(number.to_bytes(24, "big"), bytes(256_000), T0 + number, T0 + 10**9)
            await asyncio.sleep(0.005)
        if tight._trimming is not None:
            await tight._trimming
        with sqlite3.connect(path) as connection:
            since_the_last_look = 2 * SIZE_EVERY * 260_000  # how large it is, is asked now and then
            assert used_bytes(connection) <= bound + since_the_last_look < before
        assert await tight.get((0).to_bytes(24, "big")) is None
        assert (roomy.faults, tight.faults) == (0, 0)
        await tight.put(KEY, b"one", T0 + 400, T0 + 10**9)
        assert await tight.get(KEY) == b"one"
        await roomy.close()
        await tight.close()

    asyncio.run(go())


def test_a_file_of_an_older_version_gets_its_indexes(tmp_path: Path):
    path = tmp_path / "answers.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE answers (key BLOB PRIMARY KEY, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, "
            "sealed BLOB NOT NULL) WITHOUT ROWID"
        )
        connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (KEY, T0, T0 + 1, b"old"))

    async def go() -> None:
        disk = Disk(path, 10**6)
        await disk.put(OTHER, b"new", T0, T0 + 10**9)
        await disk.expire(T0 + 2)
        assert (await disk.get(KEY), await disk.get(OTHER), disk.faults) == (None, b"new", 0)
        await disk.close()

    asyncio.run(go())


@pytest.mark.parametrize("how", ["gone", "damaged", "no directory", "a directory"])
def test_a_file_that_is_gone_or_damaged_is_begun_again_or_left_alone(tmp_path: Path, how: str):
    path = tmp_path / "cache" / "answers.sqlite"

    async def use() -> bytes | None:
        disk = Disk(path, 10**6)
        if how == "no directory":
            path.parent.write_text("no directory")
        elif how == "a directory":
            path.mkdir(parents=True)
        await disk.put(KEY, b"one", T0, T0 + 1)
        await disk.get(KEY)
        if how in ("gone", "damaged"):
            for one in path.parent.iterdir():
                one.unlink()
            if how == "damaged":
                path.write_bytes(b"nothing of the kind" * 1_000)
        for _ in range(3):  # the first may only find out
            await disk.put(KEY, b"two", T0, T0 + 1)
            await disk.get(KEY)
        found = await disk.get(KEY)
        await disk.close()
        return found

    found = asyncio.run(use())
    assert found == b"two" if how == "damaged" else found in (None, b"two", b"one")


def answers(directory: Path, *, shared: bool = True) -> Answers:
    disk = Disk(directory / "answers.sqlite", 10**7) if shared else None
    return Answers(Box(SECRET), Memory(10**6), Flights(directory / "flights"), FixedClock(T0), disk)


async def ask(of: Answers, key: bytes, took_s: float, asked: list[bytes]) -> Entry:
    found = await of.find(key, None, 10.0, leads=True)
    if found.entry is not None:
        return found.entry
    asked.append(key)
    await asyncio.sleep(took_s)
    made = entry(b"answer to " + key[:1])
    of.keep(key, made, found.lead)
    return made


@settings(max_examples=25, deadline=None)
@given(keys=st.lists(st.sampled_from([KEY, OTHER, b"x" * 24]), min_size=1, max_size=20), shared=st.booleans())
def test_equals_at_once_ask_once_each(tmp_path_factory: pytest.TempPathFactory, keys: list[bytes], shared: bool):
    directory = tmp_path_factory.mktemp("flights")

    async def go() -> list[bytes]:
        asked = list[bytes]()
        of = answers(directory, shared=shared)
        found = await asyncio.gather(*(ask(of, key, 0.002, asked) for key in keys))
        assert [one.body for one in found] == [b"answer to " + key[:1] for key in keys]
        await of.close()
        return asked

    assert sorted(asyncio.run(go())) == sorted(set(keys))


@pytest.mark.parametrize("bad", [1, 2, 100], ids=["one fails", "two fail", "all fail"])
def test_who_waited_for_one_that_failed_elects_one_and_after_that_all_ask(tmp_path: Path, bad: int):
    """A hundred equals: one failure costs a second call, and a provider that is down doesn't have them in a row."""

    async def go() -> list[int]:
        of, asked, running = answers(tmp_path), 0, list[int]()
        under_way = 0

        async def call() -> Entry | None:
            nonlocal asked, under_way
            found = await of.find(KEY, None, 30.0, leads=True)
            if found.entry is not None:
                return found.entry
            asked += 1
            under_way += 1
            running.append(under_way)
            fails = asked <= bad
            await asyncio.sleep(0.02)
            under_way -= 1
            if not fails:
                of.keep(KEY, made, found.lead)
            elif found.lead is not None:
                found.lead.drop()
            return None if fails else made

        made = entry()
        brought = await asyncio.gather(*(call() for _ in range(100)))
        assert sum(one is None for one in brought) == bad
        await of.close()
        return running

    running = asyncio.run(go())
    if bad == 1:
        assert running == [1, 1]
    else:
        assert running == [1, 1, *range(1, 99)]  # the third and all after it at once


def test_an_equal_that_may_be_too_old_is_not_given_to_who_wants_a_newer_one(tmp_path: Path):
    async def go() -> None:
        clock = FixedClock(T0)
        disk = Disk(tmp_path / "answers.sqlite", 10**7)
        of = Answers(Box(SECRET), Memory(10**6), Flights(tmp_path / "flights"), clock, disk)
        of.keep(KEY, entry(), None)
        await asyncio.gather(*of._writes)
        of._memory.remove(KEY)
        clock.at_us += 30 * 1_000_000
        any_age, newer = await asyncio.gather(
            of.find(KEY, None, 5.0, leads=True), of.find(KEY, 10, 5.0, leads=True)
        )  # the second waits for what the first finds on disk
        assert any_age.entry == entry()
        assert newer.lead is not None
        newer.lead.drop()
        await of.close()

    asyncio.run(go())


def _lead_and_fail(directory: Path, ready: "multiprocessing.synchronize.Event") -> None:
    async def go() -> None:
        flights = Flights(directory / "flights")
        assert flights.begin(KEY).lock()
        ready.set()
        await asyncio.sleep(0.5)
        for _ in range(LEADS_MAX):  # one failed, its successor too, and the next has the lock already
            flights.count_failed(KEY)
        await asyncio.sleep(60)

    asyncio.run(go())


def test_leads_of_another_worker_that_fail_are_waited_for_no_longer_than_those_here(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=_lead_and_fail, args=(tmp_path, ready))
    other.start()
    assert ready.wait(20)

    async def go() -> None:
        of = answers(tmp_path)
        started = time.monotonic()
        found = await asyncio.gather(*(of.find(KEY, None, 50.0, leads=True) for _ in range(5)))
        assert time.monotonic() - started < 40
        assert found == [Found()] * 5  # each asks by itself
        await of.close()

    asyncio.run(go())
    other.kill()
    other.join(10)


def test_without_its_file_a_worker_joins_its_own_calls_and_gives_up_in_time(tmp_path: Path):
    (tmp_path / "flights").mkdir()

    async def go() -> list[bytes]:
        asked = list[bytes]()
        of = answers(tmp_path, shared=False)
        await asyncio.gather(*(ask(of, KEY, 0.01, asked) for _ in range(10)))
        for _ in range(3):
            lead = (await of.find(OTHER, None, 5.0, leads=True)).lead
            assert lead is not None
            lead.drop()
        await of.close()
        return asked

    assert asyncio.run(go()) == [KEY]


def test_one_that_brings_nothing_frees_its_equals_and_a_refresh_waits_for_nobody(tmp_path: Path):
    async def go() -> None:
        of = answers(tmp_path)
        first = await of.find(KEY, None, 1.0, leads=True)
        assert first.lead is not None
        waits = asyncio.create_task(of.find(KEY, None, 5.0, leads=True))
        await asyncio.sleep(0.01)
        assert await of.find(KEY, None, 0.01, leads=False) == Found()  # it waits no longer than it says
        first.lead.drop()
        again = await waits  # it asks in the place of the first
        assert again.lead is not None
        of.keep(KEY, entry(), again.lead)
        assert (await of.find(KEY, None, 1.0, leads=True)).entry == entry()
        await of.close()

    asyncio.run(go())


def _lead_and_die(directory: Path, ready: "multiprocessing.synchronize.Event", keeps: bool) -> None:
    async def go() -> None:
        of = answers(directory)
        found = await of.find(KEY, None, 1.0, leads=True)
        assert found.lead is not None
        ready.set()
        await asyncio.sleep(1.0 if keeps else 60)
        of.keep(KEY, entry(b"theirs"), found.lead)
        await of.close()

    asyncio.run(go())


@pytest.mark.parametrize("keeps", [True, False], ids=["it keeps", "it is killed"])
def test_workers_wait_for_each_other_and_never_for_the_dead(tmp_path: Path, keeps: bool):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=_lead_and_die, args=(tmp_path, ready, keeps))
    other.start()
    assert ready.wait(60)
    if not keeps:
        assert other.pid is not None

    async def go() -> Found:
        of = answers(tmp_path)
        waits = asyncio.create_task(of.find(KEY, None, 60.0, leads=True))
        await asyncio.sleep(0.05)
        assert not waits.done()
        if not keeps and other.pid is not None:
            os.kill(other.pid, signal.SIGKILL)
        started = time.monotonic()
        found = await waits
        assert time.monotonic() - started < 30
        if found.lead is not None:
            found.lead.drop()
        await of.close()
        return found

    found = asyncio.run(go())
    other.join(10)
    assert (found.entry == entry(b"theirs")) if keeps else (found.entry is None and found.lead is not None)


def test_nothing_lies_on_disk_for_longer_than_its_time_and_a_minute(tmp_path: Path):
    clock, path = FixedClock(T0), tmp_path / "answers.sqlite"

    def answers() -> Answers:
        return Answers(Box(SECRET), Memory(10_000), Flights(tmp_path / "flights"), clock, Disk(path, 1_000_000))

    def rows() -> list[bytes]:
        with sqlite3.connect(path) as connection:
            return [row[0] for row in connection.execute("SELECT key FROM answers")]

    async def go() -> None:
        first = answers()
        first.look()
        assert not path.exists()  # nothing was kept yet
        first.keep(KEY, entry(ttl_s=30), None)
        first.keep(OTHER, entry(ttl_s=3_600), None)
        await first.close()
        assert sorted(rows()) == sorted((KEY, OTHER))
        clock.at_us += 61 * 1_000_000
        later = answers()  # a worker that is never asked for anything
        later.look()
        await later.close()
        assert rows() == [OTHER]

    asyncio.run(go())


class Stuck(Disk):
    """A disk that takes nothing for as long as it is held."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 1_000_000)
        self.held = asyncio.Event()
        self.waiting = 0

    async def put(self, key: bytes, sealed: bytes, now_us: int, expires_us: int) -> None:
        self.waiting += 1
        await self.held.wait()


def test_what_waits_for_a_slow_disk_is_bounded(tmp_path: Path):
    async def go() -> None:
        disk = Stuck(tmp_path / "answers.sqlite")
        answers = Answers(Box(SECRET), Memory(1_000), Flights(tmp_path / "flights"), FixedClock(T0), disk)
        large = entry(b"x" * (SHARING_BYTES_MAX // 4))
        for number in range(10):
            answers.keep(bytes([number]), large, None)
        await asyncio.sleep(0)
        assert disk.waiting == 4
        disk.held.set()
        await asyncio.sleep(0.01)
        answers.keep(KEY, large, None)  # there is room again
        await answers.close()
        assert disk.waiting == 5

    asyncio.run(go())


ONE, TWO = b"space-01", b"space-02"


@given(
    live=st.sets(st.sampled_from([bytes(8), b"\xff" * 8, ONE, TWO, b"space-03", b"\x00" * 7 + b"\x01"])),
    key=st.one_of(
        st.binary(min_size=1, max_size=32),
        st.sampled_from([bytes(8), b"\xff" * 8, ONE, TWO]).flatmap(lambda s: st.binary(max_size=24).map(s.__add__)),
    ),
)
def test_what_lies_between_spaces_is_all_that_begins_with_none_of_them(live: set[bytes], key: bytes):
    found = ranges_between(live)
    assert any(begin <= key < end for begin, end in found) == (key[:8] not in live)
    assert found == sorted(found)


def test_what_was_cleared_is_met_by_nobody_and_forgotten_everywhere(tmp_path: Path):
    """By every worker of the node: one that knew it before, and one that starts later."""
    clock, path = FixedClock(T0), tmp_path / "answers.sqlite"
    keys = [space + bytes([number]) * 24 for space in (ONE, TWO) for number in range(150)]

    def worker() -> Answers:
        return Answers(Box(SECRET), Memory(10**6), Flights(tmp_path / "flights"), clock, Disk(path, 10**7))

    def left() -> set[bytes]:
        with sqlite3.connect(path) as connection:
            return {row[0] for row in connection.execute("SELECT key FROM answers")}

    async def swept(of: Answers, keeps: set[bytes]) -> None:
        clock.at_us += SWEEP_AFTER_US
        of.look()
        for _ in range(2_000):
            if left() == keeps:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("what was cleared is still there")

    async def go() -> None:
        one = worker()
        one.use(frozenset({ONE, TWO}))
        for key in keys:
            one.keep(key, entry(), None)
        asks = await one.find(ONE + b"\xf0" * 24, None, 1.0, leads=True)  # on its way when it is cleared
        waits = asyncio.create_task(one.find(ONE + b"\xf0" * 24, None, 20.0, leads=True))
        await asyncio.gather(*one._writes)
        assert left() == set(keys)
        one.use(frozenset({TWO}))
        assert len(one._memory) == 150  # at once
        one.keep(ONE + b"\xf0" * 24, entry(b"late"), asks.lead)
        assert (await waits).entry == entry(b"late")  # who asked before has it
        assert len(one._memory) == 150
        await swept(one, set(keys[150:]))
        assert (await one.find(keys[200], None, 1.0, leads=False)).entry == entry()
        await one.close()
        later = worker()
        later.use(frozenset({b"space-03"}))  # all was cleared while it was down
        await swept(later, set())
        assert later.shared is not None
        assert (one.shared.faults if one.shared else 0, later.shared.faults) == (0, 0)
        await later.close()

    asyncio.run(go())


def test_a_worker_that_was_told_of_no_spaces_forgets_nothing(tmp_path: Path):
    async def go() -> None:
        of = answers(tmp_path)
        of.keep(KEY, entry(), None)
        of.look()
        await asyncio.gather(*of._writes)
        assert (await of.find(KEY, None, 1.0, leads=False)).entry == entry()
        await of.close()

    asyncio.run(go())
