"""The facts that rules judge are those of the books, cut at the midnights of the console's zone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.alerts.conftest import SECRET
from tests.ledger.records import call_facts, dispatched, failed, settled, unpriced

from bursar.alerts.desk import AlertDesk
from bursar.alerts.facts import BudgetStanding, LoopCut, ProviderErrors, ReviewTold, UnpricedModel
from bursar.alerts.ledger_facts import LedgerFacts
from bursar.alerts.watch import Watch
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.domain.tags import Attribution
from bursar.explore.filters import Filter
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.spool.journal import Journal

NOW = datetime(2026, 11, 18, 11, 6, 40, tzinfo=UTC)
DOLLAR = 800_000  # input tokens at $1.25 a million


class Books:
    """A ledger that a test fills call by call."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = Journal(directory / "spool", "w0", sync=False)
        self.ledger = open_ledger(directory / "ledger.duckdb", threads=1)
        self.clock = FixedClock(us_from_datetime(NOW))
        self.loader = Loader(self.ledger, directory / "spool", self.clock)
        self.seq = 0

    def call(self, ago: timedelta, dollars: int = 0, bill=settled, feature: str = "checkout", **changes) -> None:
        self.seq += 1
        at_us = us_from_datetime(NOW - ago)
        call = call_facts(at_us, attribution=Attribution(feature=feature))
        sent = dispatched(self.seq, call, **changes.pop("sent", {}))
        self.journal.append(sent)
        if bill is settled:
            changes = {"lines": [], "list_pico": dollars * 10**12} | changes
        self.journal.append(bill(sent, **{"final": True} | changes))

    def facts(self, timezone: str = "UTC", **more) -> LedgerFacts:
        self.loader.load_all()
        return LedgerFacts(self.ledger, self.clock, timezone, **more)


@pytest.fixture
def books(tmp_path: Path):
    books = Books(tmp_path)
    yield books
    books.journal.close()
    books.ledger.close()


def test_a_day_knows_the_complete_days_from_the_first_call_on(books: Books):
    for days, dollars in ((9, 4), (8, 5), (6, 7), (0, 30)):
        books.call(timedelta(days=days), dollars)
    books.call(timedelta(hours=1), bill=unpriced)
    (day,) = books.facts().days(())
    assert (day.day, day.spent, day.unpriced) == ("2026-11-18", Decimal(30), 1)
    assert day.earlier == tuple(map(Decimal, (4, 5, 0, 7, 0, 0, 0, 0, 0)))


def test_days_before_the_fourteen_are_not_usual_any_more(books: Books):
    for days in range(1, 30):
        books.call(timedelta(days=days), 2)
    assert books.facts().days(())[0].earlier == (Decimal(2),) * 14


def test_a_part_of_all_calls_has_days_of_its_own(books: Books):
    for days in range(6):
        books.call(timedelta(days=days), 2)
        books.call(timedelta(days=days), 5, feature="search")
    (day,) = books.facts().days((Filter("feature", ("search",)),))
    assert (day.spent, day.earlier) == (Decimal(5), (Decimal(5),) * 5)


def test_a_day_of_unknown_cost_is_unknown_and_not_zero(books: Books):
    books.call(timedelta(days=2), 1)
    books.call(timedelta(days=1), bill=unpriced)
    assert books.facts().days(())[0].earlier == (Decimal(1), None)


def test_days_are_those_of_the_consoles_zone(books: Books):
    books.call(timedelta(hours=12), 3)  # 23:06 UTC of the day before; 04:36 today in Kolkata
    assert books.facts().days(())[0].spent == 0
    assert books.facts("Asia/Kolkata").days(())[0].spent == 3


@pytest.mark.parametrize(
    ("period", "window", "spent"), [("day", "2026-11-18", 1), ("week", "2026-11-16", 11), ("month", "2026-11-01", 111)]
)
def test_a_period_is_the_calendars(books: Books, period, window, spent):
    for days, dollars in ((0, 1), (2, 10), (3, 100), (18, 1000)):
        books.call(timedelta(days=days), dollars)
    (found,) = books.facts().periods((), period)
    assert (found.window, found.spent) == (window, Decimal(spent))


@pytest.mark.parametrize(("hours", "judged"), [(13, ["2026-11-19", "2026-11-18"]), (20, ["2026-11-19"])])
def test_a_day_that_is_just_over_is_judged_once_more_since_its_last_calls_come_late(books: Books, hours, judged):
    for days in range(6):
        books.call(timedelta(days=days), 2)
    books.clock.at_us += hours * 3_600_000_000
    found = books.facts().days(())
    assert [day.day for day in found] == judged
    assert [day.is_over for day in found] == [False, True][: len(judged)]
    assert all(day.earlier == (Decimal(2),) * (len(day.earlier)) and len(day.earlier) >= 5 for day in found)
    if len(found) == 2:
        assert (found[1].spent, len(found[0].earlier), len(found[1].earlier)) == (Decimal(2), 6, 5)


@pytest.mark.parametrize(
    ("now", "period", "names"),
    [
        (datetime(2026, 12, 1, 3, tzinfo=UTC), "month", ["mtd", "2026-11"]),
        (datetime(2026, 11, 23, 3, tzinfo=UTC), "week", ["2026-11-23..", "2026-W47"]),
        (datetime(2026, 11, 19, 3, tzinfo=UTC), "day", ["today", "2026-11-18"]),
        (datetime(2026, 12, 1, 7, tzinfo=UTC), "month", ["mtd"]),
    ],
)
def test_a_period_that_is_just_over_is_judged_once_more(books: Books, now, period, names):
    books.call(timedelta(hours=1), 5)
    books.clock.at_us = us_from_datetime(now)
    found = books.facts().periods((), period)
    assert [one.name for one in found] == names
    assert [one.spent for one in found] == [Decimal(0), Decimal(5)][: len(names)]


def test_models_without_a_price_are_those_of_the_last_day(books: Books):
    books.call(timedelta(hours=3), bill=unpriced, model_served="gpt-9")
    books.call(timedelta(hours=2), bill=unpriced, model_served="gpt-9")
    books.call(timedelta(days=3), bill=unpriced, model_served="old")
    books.call(timedelta(hours=1), 1)
    assert books.facts().unpriced(()) == [UnpricedModel("openai", "gpt-9", 2)]


def test_errors_count_when_they_end_so_that_time_outs_are_seen(books: Books):
    minute = timedelta(minutes=1)
    books.call(3 * minute, 1)
    books.call(3 * minute, bill=failed)
    late = us_from_datetime(NOW - minute)
    books.call(20 * minute, bill=failed, outcome="timeout", ended_us=late)  # began before the ten minutes
    books.call(20 * minute, bill=failed)  # ended before them
    books.call(2 * minute, bill=failed, outcome="client_error", http_status=400)  # not the provider's fault
    books.call(2 * minute, 1, sent={"provider": "anthropic"})
    assert books.facts().providers() == [ProviderErrors("openai", 4, 2), ProviderErrors("anthropic", 1, 0)]


def test_doubts_and_coverage_are_counted(books: Books):
    books.call(timedelta(hours=1), 3)
    books.call(timedelta(hours=1), 1, quality="estimated", feature="")
    doubts = books.facts().doubts(())
    assert (doubts.attempts, doubts.estimated, doubts.assumed) == (2, 1, 0)
    coverage = books.facts().coverage((), "feature")
    assert (coverage.window, coverage.total, coverage.untagged) == ("2026-W47", Decimal(4), Decimal(1))


def test_empty_books_have_nothing_to_tell(books: Books):
    facts = books.facts()
    assert facts.days(())[0].earlier == ()
    assert facts.unpriced(()) == facts.providers() == []
    assert (list(facts.budgets()), list(facts.loops())) == ([], [])


def test_the_other_parts_hand_in_what_they_know(books: Books):
    standing = BudgetStanding("b", "team", "", "2026-11", 10, 5, 0, None)
    asked = []

    def loops(since_us: int):
        asked.append(since_us)
        return [LoopCut("c", 1, "x")]

    facts = books.facts(budgets=lambda: [standing], loops=loops)
    assert facts.budgets() == [standing]
    assert facts.loops() == [LoopCut("c", 1, "x")]
    assert asked == [us_from_datetime(NOW - timedelta(days=1))]


def test_a_bill_that_doubles_is_told_on_the_day_from_the_books_themselves(books: Books, tmp_path: Path):
    for days in range(1, 8):
        books.call(timedelta(days=days), 10)
    books.call(timedelta(hours=2), 19)
    desk = AlertDesk(ControlStore(tmp_path / "control.sqlite"), SECRET, books.clock, "UTC")
    watch = Watch(desk.outbox, desk.book, desk.settings, books.facts(), books.clock)
    assert watch.look() == []
    books.call(timedelta(hours=1), 2)
    books.loader.load_all()
    assert [alert.title for alert in watch.look()] == ["Spend today is 2.1× the usual: $21.00"]
    assert watch.look() == []
    assert watch.faults == {}


@pytest.mark.parametrize(
    ("at", "every", "day", "hour", "due"),
    [
        (datetime(2026, 11, 16, 8, 59, tzinfo=UTC), "weekly", 1, 9, ""),
        (datetime(2026, 11, 16, 9, 0, tzinfo=UTC), "weekly", 1, 9, "2026-W46"),
        (datetime(2026, 11, 18, 8, 0, tzinfo=UTC), "weekly", 1, 9, "2026-W46"),
        (datetime(2026, 11, 18, 8, 0, tzinfo=UTC), "weekly", 3, 9, ""),
        (datetime(2026, 11, 1, 9, 0, tzinfo=UTC), "monthly", 2, 9, ""),
        (datetime(2026, 11, 2, 9, 0, tzinfo=UTC), "monthly", 2, 9, "2026-10"),
        (datetime(2027, 1, 2, 10, 0, tzinfo=UTC), "monthly", 2, 9, "2026-12"),
    ],
)
def test_a_review_is_due_from_its_hour_on(tmp_path: Path, at: datetime, every: str, day: int, hour: int, due: str):
    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    facts = LedgerFacts(ledger, FixedClock(us_from_datetime(at)), "UTC")
    assert facts.review_due(every, day, hour) == due
    ledger.close()


def test_statements_are_allocated_once_for_all_looks_and_asked_again_while_there_are_none(tmp_path: Path):
    asked: list[str] = []
    answers = [[], [("web", ReviewTold("Statement of web", "", ""))]]

    def state(by: str, of: str, month: str, *, closed_only: bool) -> list[tuple[str, ReviewTold]]:
        asked.append(f"{by} {of} {month} {closed_only}")
        return answers[min(len(asked), 2) - 1]

    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    facts = LedgerFacts(ledger, FixedClock(us_from_datetime(NOW)), "UTC", statements=state)
    seen = [len(facts.statements("team", "", "2026-10", closed_only=True)) for _ in range(3)]
    assert (seen, asked) == ([0, 1, 1], ["team  2026-10 True"] * 2)
    ledger.close()


def test_a_review_is_written_once_for_all_looks(tmp_path: Path):
    written: list[str] = []

    def write(period: str) -> ReviewTold:
        written.append(period)
        return ReviewTold(period, "", "")

    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    facts = LedgerFacts(ledger, FixedClock(us_from_datetime(NOW)), "UTC", reviews=write)
    assert [facts.review(name).title for name in ("2026-W46", "2026-W46", "2026-10", "2026-W46")] == [
        "2026-W46", "2026-W46", "2026-10", "2026-W46",
    ]  # fmt: skip
    assert written == ["2026-W46", "2026-10"]
    ledger.close()
