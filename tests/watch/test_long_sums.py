"""What is kept of hours and days and added to is the same as what is read anew, whatever comes to the books when."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.ledger.records import call_facts, dispatched, settled, unpriced
from tests.watch.conftest import DAY_US, HOUR_US, START

from bursar.domain.clock import FixedClock
from bursar.domain.tags import Attribution
from bursar.domain.watching import Clock, SeriesKey
from bursar.ledger.adjusting import Adjustment, post_adjustments
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.journal import Correction, post, reverse
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.spool.journal import Journal
from bursar.watch import long_sums
from bursar.watch.dear import DearPairs
from bursar.watch.long_sums import Long, LongReader

DIMENSIONS = ("customer", "session", "tag:plan")
VALUES = 3  # of more: who is among the dearest changes
ROUNDS = 8
FIRST_US = START + 2 * DAY_US
DEAR: DearPairs = frozenset({("chat", "gpt-5-2026-01-01")})


class Books:
    """A ledger to which seeded things happen. now_us: moves on with each of them, or stands still."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.ledger: Ledger = open_ledger(directory / "ledger.duckdb", threads=1)
        self.rng = random.Random(seed)
        self.clock = FixedClock(FIRST_US)
        self.attempts: list[str] = []
        self._journal = Journal(directory / "spool", "w0", sync=False)
        self._loader = Loader(self.ledger, directory / "spool", self.clock)

    def close(self) -> None:
        self._journal.close()
        self.ledger.close()

    def calls(self, start_us: int, until_us: int, number: int) -> None:
        for _ in range(number):
            pick = self.rng.randrange
            mark = Attribution(
                feature=("", "search", "chat", "mail", "bot")[pick(5)], customer=f"customer-{pick(6)}",
                session=f"s{pick(99)}", request_type=("chat", "faq")[pick(2)], tags={"plan": f"plan-{pick(5)}"},
            )  # fmt: skip
            one = dispatched(len(self.attempts) + 1, call_facts(pick(start_us, until_us), attribution=mark))
            end = unpriced(one) if pick(5) == 0 else settled(one, 1_000 + pick(5_000), pick(500))
            self._journal.append(one)
            self._journal.append(end)
            self.attempts.append(one.attempt_id)
        self._loader.load_all()

    def correct(self) -> None:
        wrong = self.rng.choice(self.attempts)
        post(self.ledger, [Correction(wrong, f"key-{self.rng.random()}", "a test", 7 * 10**10)], self.clock.now_us())

    def reverse(self) -> None:
        reverse(self.ledger, self.rng.choice(self.attempts), "a test", self.clock.now_us())

    def adjust(self) -> None:
        """Of an attempt, and of none: some of a day long over."""
        key = f"key-{self.rng.random()}"
        rows = [
            Adjustment(attempt_id=self.rng.choice(self.attempts), list_pico=-9 * 10**8),
            Adjustment(part="x", at_us=START + self.rng.randrange(2 * DAY_US), list_pico=10**12,
                       about={"customer": "customer-1", "feature": "search"}, tags={"plan": "plan-4"}),
        ]  # fmt: skip
        with self.ledger.writing() as session:
            post_adjustments(session, rows, key, "a test", self.clock.now_us())


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path, 11)
    made.calls(START, FIRST_US, 150)
    yield made
    made.close()


@pytest.fixture
def went_on(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each look that could go on did."""
    said: list[bool] = []
    goes_on = long_sums._goes_on

    def noted(*asked: object) -> bool:
        said.append(goes_on(*asked))  # type: ignore[arg-type]
        return said[-1]

    monkeypatch.setattr(long_sums, "_goes_on", noted)
    return said


def ask(books: Books, reader: LongReader, clock: Clock, now_us: int, dear: DearPairs = DEAR) -> Long:
    step_us = HOUR_US if clock is Clock.HOUR else DAY_US
    until_us = now_us // step_us * step_us
    with books.ledger.reading() as session:
        return reader.read(session, clock, until_us - 2 * DAY_US, until_us, dear)


def assert_as_anew(books: Books, reader: LongReader, clock: Clock, now_us: int, dear: DearPairs = DEAR) -> Long:
    found = ask(books, reader, clock, now_us, dear)
    anew = ask(books, LongReader("duckdb", DIMENSIONS, VALUES), clock, now_us, dear)
    assert found.starts_us == anew.starts_us
    assert found.keys == anew.keys
    assert np.array_equal(found.counts, anew.counts)
    return found


def test_what_is_added_to_is_what_is_read_anew(books: Books, went_on: list[bool]):
    reader = LongReader("duckdb", DIMENSIONS, VALUES)
    happens: list[Callable[[], None]] = [
        books.correct, books.reverse, books.adjust, lambda: books.calls(START, books.clock.at_us, 3),
    ]  # fmt: skip
    now_us, ranked = FIRST_US, set()
    for number in range(ROUNDS):
        before_us, now_us = now_us, now_us + books.rng.choice((HOUR_US, HOUR_US, 7 * HOUR_US))
        books.clock.at_us = now_us
        books.calls(before_us, now_us, 12)
        for what in books.rng.sample(happens, number % 3):
            books.clock.at_us += 1
            what()
        found = assert_as_anew(books, reader, Clock.HOUR, now_us)
        assert_as_anew(books, reader, Clock.DAY, now_us)
        ranked.add(tuple(found.keys))
        assert found.counts[:, :, long_sums.FIELDS.index("dear_calls")].any()
    assert went_on.count(True) == 2 * (ROUNDS - 1)
    assert len(ranked) > 2  # some came to be among the dearest, and were read whole


def test_the_books_don_t_tell_when_so_they_are_read_anew(books: Books, went_on: list[bool]):
    """A batch that waited for its turn, and a clock that stands still or was set back."""
    reader = LongReader("duckdb", DIMENSIONS, VALUES)
    now_us = FIRST_US + HOUR_US
    for back_us in (0, 1, HOUR_US):
        ask(books, reader, Clock.HOUR, now_us)
        books.clock.at_us = FIRST_US - back_us
        books.calls(START, FIRST_US, 2)
        assert_as_anew(books, reader, Clock.HOUR, now_us)
        assert not went_on[-1]


def test_other_dear_models_and_other_times_are_read_anew(books: Books, went_on: list[bool]):
    reader = LongReader("duckdb", DIMENSIONS, VALUES)
    ask(books, reader, Clock.HOUR, FIRST_US)
    assert_as_anew(books, reader, Clock.HOUR, FIRST_US, frozenset())
    assert_as_anew(books, reader, Clock.HOUR, FIRST_US - HOUR_US, frozenset())
    assert_as_anew(books, reader, Clock.HOUR, FIRST_US + 9 * DAY_US, frozenset())
    assert went_on == [False] * 3
    assert_as_anew(books, reader, Clock.HOUR, FIRST_US + 9 * DAY_US, frozenset())
    assert went_on == [False] * 4  # nothing is in these hours: there is nothing to go on from


def test_nothing_in_the_books_is_a_whole_of_nothing(books: Books):
    with books.ledger.reading() as session:
        found = LongReader("duckdb", DIMENSIONS).read(session, Clock.DAY, START - 3 * DAY_US, START)
    assert found.keys == [SeriesKey()]
    assert not found.counts.any()
