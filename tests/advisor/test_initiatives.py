"""Initiatives measured on a real ledger: every figure beside what the calls that were made say."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.ledger.records import call_facts, dispatched, failed, settled, unpriced

from bursar.advisor.initiatives import Standing, check_terms, measure
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BadControl
from bursar.domain.initiatives import Guard, Initiative, InitiativeTerms, Status
from bursar.domain.tags import Attribution
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.journal import Correction, post
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.spool.journal import Journal

AUGUST, SEPTEMBER = date(2026, 8, 1), date(2026, 9, 1)
TODAY = date(2026, 10, 11)
PICO = 10**12
TERMS = InitiativeTerms(
    owner="ada", target=Decimal(300), baseline_from=AUGUST, baseline_to=date(2026, 8, 31), start=SEPTEMBER,
    filters=("feature=checkout",), comparison=(),
)  # fmt: skip


class Books:
    """A ledger that calls are put into: each costs what is said."""

    def __init__(self, directory: Path) -> None:
        self.ledger: Ledger = open_ledger(directory / "ledger.duckdb", threads=1)
        self._spool = directory / "spool"
        self._journal = Journal(self._spool, "w0", sync=False)
        self._seq = 0

    def call(
        self, day: date, pico: int | None, feature: str = "checkout", request_type: str = "chat", *, tags: Any = None,
        customer: str = "", outcome: str = "ok", duration_ms: int = 900, retried_pico: int = 0, **changes: Any,
    ) -> str:  # fmt: skip
        at_us = us_from_datetime(datetime(day.year, day.month, day.day, 12, tzinfo=UTC)) + self._seq
        mark = Attribution(feature=feature, request_type=request_type, customer=customer, tags=tags or {})
        facts = call_facts(at_us, attribution=mark, **changes)
        if retried_pico:
            self._attempt(facts, failed, 1, list_pico=retried_pico, final=False)
        ended_us = at_us + duration_ms * 1_000
        if pico is None:
            attempt = self._attempt(facts, unpriced, 1)
        else:
            attempt = self._attempt(
                facts, settled, 2 if retried_pico else 1, list_pico=pico, lines=[],
                outcome=outcome, call_outcome=outcome, ended_us=ended_us,
            )  # fmt: skip
        return attempt

    def _attempt(self, facts: Any, made: Callable[..., Any], number: int, **changes: Any) -> str:
        self._seq += 1
        one = dispatched(self._seq, facts, attempt_number=number, dispatched_us=facts.received_us)
        self._journal.append(one)
        self._journal.append(made(one, **({"model_served": facts.model_asked} | changes)))
        return one.attempt_id

    def load(self) -> None:
        Loader(self.ledger, self._spool).load_all()

    def measure(self, *initiatives: Initiative, today: date = TODAY) -> list[Standing]:
        with self.ledger.reading() as session:
            return measure(session, self.ledger.dialect, initiatives, today)

    def close(self) -> None:
        self._journal.close()
        self.ledger.close()


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path)
    yield made
    made.close()


def initiative(name: str = "one", status: Status = "running", ended: date | None = None, **changes: Any) -> Initiative:
    return Initiative(f"in_{name}", name, msgspec.structs.replace(TERMS, **changes), status, ended, 1, "ada")


def days(first: date, until: date) -> Iterator[date]:
    while first < until:
        yield first
        first += timedelta(days=1)


def fill(books: Books, first: date, until: date, pico: int, count: int = 5, **more: Any) -> None:
    for day in days(first, until):
        for _ in range(count):
            books.call(day, pico, **more)


def test_what_a_call_cost_before_less_what_it_costs_now_by_month(books):
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, AUGUST, SEPTEMBER, 2 * PICO, request_type="sum", count=2)
    fill(books, SEPTEMBER, TODAY, 7 * PICO, count=10)  # twice as many, 3 USD less each
    fill(books, SEPTEMBER, TODAY, 2 * PICO, request_type="sum", count=9)  # another mix, at the same cost
    fill(books, SEPTEMBER, TODAY, 50 * PICO, feature="search")  # somebody else's
    fill(books, TODAY, TODAY + timedelta(days=1), 9 * PICO)  # today isn't over
    books.load()
    (found,) = books.measure(initiative())
    september, october = found.months
    assert [one.month for one in found.months] == ["2026-09", "2026-10"]
    assert (september.realised, october.realised) == (Decimal(900), Decimal(300))
    assert (september.margin, september.method) == (Decimal(0), "before_after")
    assert september.realised == september.expected - september.actual - september.handed
    assert (september.actual, september.handed) == (Decimal(10 * 7 * 30 + 9 * 2 * 30), Decimal(0))
    assert (september.calls, september.units) == (30 * 19, Decimal(30 * 19))
    assert (september.target, october.target) == (Decimal(300), Decimal("96.77"))  # ten of 31 days
    assert (october.first, october.until) == (date(2026, 10, 1), TODAY)
    assert (found.baseline_calls, found.baseline_kinds, found.flags) == (31 * 7, 2, [])
    assert found.realised == Decimal(1200)


def test_calls_without_a_price_are_counted_and_save_nothing_and_are_measured_once_they_have_one(books):
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, SEPTEMBER, TODAY, 10 * PICO)
    late = books.call(SEPTEMBER, None)
    books.load()
    (found,) = books.measure(initiative())
    assert found.realised == 0
    assert (found.months[0].unpriced, [flag.code for flag in found.flags]) == (1, ["unpriced"])
    post(books.ledger, [Correction(late, "price", "a price came", 4 * PICO)], 1_800_000_000_000_000)
    (found,) = books.measure(initiative())
    assert (found.realised, found.months[0].unpriced, found.flags) == (Decimal(6), 0, [])


def test_kinds_of_calls_that_the_baseline_does_not_know_are_counted_apart(books):
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, SEPTEMBER, TODAY, 10 * PICO)
    fill(books, SEPTEMBER, TODAY, 1, request_type="tiny", count=3)
    books.load()
    (found,) = books.measure(initiative())
    assert found.realised == 0
    assert (found.months[0].new_calls, found.months[0].new_cost) == (90, Decimal("0.00000000009"))
    assert [flag.code for flag in found.flags] == ["new_kinds"]


def test_what_the_lever_itself_costs_is_taken_off(books):
    """A shadow is paid and is nobody's call; a try that failed is paid too."""
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, SEPTEMBER, date(2026, 10, 1), 6 * PICO, retried_pico=PICO)
    fill(books, SEPTEMBER, date(2026, 10, 1), PICO, traffic="shadow", count=1)
    books.load()
    (found,) = books.measure(initiative())
    assert found.months[0].realised == 30 * (5 * (10 - 6 - 1) - 1)
    assert found.months[0].units == 150


@pytest.mark.parametrize(
    ("unit", "before", "after", "saved"),
    [
        ("ok_calls", {"outcome": "ok"}, {"outcome": "ok"}, Decimal(3 * 150)),
        ("tag:pages", {"tags": {"pages": "2"}}, {"tags": {"pages": "1.5"}}, Decimal("0.5") * 150),
        ("total_input_tokens", {}, {}, Decimal(3 * 150)),
    ],
)
def test_cost_is_divided_by_the_unit_that_was_chosen(books, unit, before, after, saved):
    fill(books, AUGUST, SEPTEMBER, 10 * PICO, **before)
    fill(books, SEPTEMBER, date(2026, 10, 1), 7 * PICO, **after)
    books.load()
    (found,) = books.measure(initiative(unit=unit))
    assert found.months[0].realised == saved


def test_of_successful_calls_failures_are_a_cost_without_a_unit(books):
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, SEPTEMBER, date(2026, 10, 1), 10 * PICO, count=4)
    fill(books, SEPTEMBER, date(2026, 10, 1), 10 * PICO, count=1, outcome="provider_error")
    books.load()
    assert books.measure(initiative(unit="ok_calls"))[0].realised == -300
    assert books.measure(initiative())[0].realised == 0


def test_two_that_share_calls_add_up_to_what_was_saved(books):
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, SEPTEMBER, date(2026, 9, 21), 6 * PICO)
    fill(books, date(2026, 9, 21), TODAY, 4 * PICO)
    fill(books, AUGUST, TODAY, 8 * PICO, feature="search")
    books.load()
    first = initiative("first", filters=())
    second = initiative(
        "second", baseline_from=SEPTEMBER, baseline_to=date(2026, 9, 20), start=date(2026, 9, 21)
    )  # fmt: skip
    one, two = books.measure(first, second)
    alone = books.measure(first)[0]
    assert one.realised + two.realised == alone.realised
    assert (one.realised, two.realised) == (Decimal(4 * 5 * 40), Decimal(2 * 5 * 20))
    assert one.months[0].handed == Decimal(6 * 5 * 10)
    too_early = initiative("second", start=date(2026, 9, 21))  # its baseline is from before the first began
    one, two = books.measure(first, too_early)
    assert (one.realised, two.realised, two.months) == (alone.realised, 0, [])


def test_what_was_stopped_counts_until_then_and_what_is_planned_not_at_all(books):
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, SEPTEMBER, TODAY, 9 * PICO)
    books.load()
    stopped, planned = initiative("stopped", "stopped", date(2026, 9, 11)), initiative("planned", "planned")
    one, two = books.measure(stopped, planned)
    assert (one.realised, one.months[0].until) == (Decimal(50), date(2026, 9, 11))
    assert (two.months, two.realised) == ([], 0)


def noisy(books: Books, rng: Any, feature: str, first: date, until: date, usd: float, shocks: Any, **more: Any) -> None:
    for day in days(first, until):
        for _ in range(6):
            books.call(day, round(usd * shocks[day] * rng.lognormal(0, 0.03) * PICO), feature, **more)


@pytest.fixture
def price_cut(books: Books) -> Books:
    """Everyone's calls cost a quarter less since September; checkout's a fifth less besides."""
    rng = np.random.default_rng(5)
    shocks = {day: float(rng.lognormal(0, 0.05)) for day in days(AUGUST, TODAY)}
    for feature, usd, factor in (("checkout", 10, 0.8), ("search", 4, 1), ("support", 20, 1)):
        noisy(books, rng, feature, AUGUST, SEPTEMBER, usd, shocks)
        noisy(books, rng, feature, SEPTEMBER, TODAY, usd * 0.75 * factor, shocks)
    books.load()
    return books


def test_a_price_cut_for_everyone_is_taken_off_by_untouched_features_that_went_the_same_way(price_cut):
    (found,) = price_cut.measure(initiative(comparison=("auto",)))
    assert found.comparison == "search, support"
    assert found.drift is not None
    assert found.drift < 0.1
    truth = 6 * 30 * 10 * 0.75 * 0.2
    september = found.months[0]
    assert (september.method, september.trend) == ("comparison", pytest.approx(0.75, rel=0.02))
    assert abs(float(september.realised) - truth) < float(september.margin) * 1.5
    assert float(september.realised) == pytest.approx(truth, rel=0.1)
    (blind,) = price_cut.measure(initiative(comparison=()))
    assert blind.months[0].realised > 2 * september.realised


def test_a_comparison_that_was_named_is_taken_and_one_without_calls_is_told(price_cut):
    (found,) = price_cut.measure(initiative(comparison=("feature=search",), mix=("request_type",)))
    assert (found.comparison, found.months[0].method) == ("feature=search", "comparison")
    (found,) = price_cut.measure(initiative(comparison=("feature=nowhere",)))
    assert "no calls of the same kinds" in found.comparison
    assert found.months[0].method == "before_after"


def test_touched_features_are_no_comparison_and_one_is_not_enough(price_cut):
    others = initiative("others", filters=("feature=search",), comparison=())
    found, _ = price_cut.measure(initiative(comparison=("auto",)), others)
    assert found.comparison == (
        "nothing: of 1 untouched features 0 have too few calls, 0 use other models, 0 didn't surely go the same way "
        "before, and 1 of 2 would do"
    )
    assert found.months[0].method == "before_after"


def test_features_that_went_another_way_before_or_use_other_models_are_no_comparison(books):
    rng = np.random.default_rng(6)
    shocks = dict.fromkeys(days(AUGUST, TODAY), 1.0)
    drifting = {day: 1.02 ** (day - AUGUST).days for day in days(AUGUST, TODAY)}
    for feature, course, model in (
        ("checkout", shocks, "gpt-5"), ("search", shocks, "claude-opus-5"), ("support", drifting, "gpt-5"),
        ("mail", shocks, "gpt-5"),
    ):  # fmt: skip
        noisy(books, rng, feature, AUGUST, TODAY, 10, course, model_asked=model)
    books.load()
    (found,) = books.measure(initiative(comparison=("auto",)))
    assert "of 3 untouched features 0 have too few calls, 1 use other models, 1 didn't surely" in found.comparison


def test_untouched_features_that_went_different_ways_since_are_no_comparison(books):
    rng = np.random.default_rng(7)
    shocks = dict.fromkeys(days(AUGUST, TODAY), 1.0)
    for feature, factor in (("checkout", 1), ("search", 1), ("support", 0.5)):
        noisy(books, rng, feature, AUGUST, SEPTEMBER, 10, shocks)
        noisy(books, rng, feature, SEPTEMBER, TODAY, 10 * factor, shocks)
    books.load()
    (found,) = books.measure(initiative(comparison=("auto",)))
    assert found.comparison.startswith("untouched features went different ways since")


def test_unit_cost_that_rises_again_is_told(books):
    rng = np.random.default_rng(8)
    shocks = dict.fromkeys(days(AUGUST, TODAY), 1.0)
    noisy(books, rng, "checkout", AUGUST, SEPTEMBER, 10, shocks)
    noisy(books, rng, "checkout", SEPTEMBER, TODAY - timedelta(days=7), 6, shocks)
    noisy(books, rng, "checkout", TODAY - timedelta(days=7), TODAY, 9.5, shocks)
    books.load()
    (found,) = books.measure(initiative())
    assert [flag.code for flag in found.flags] == ["rising"]
    assert "40% was saved before, 5% in the last 7 days" in found.flags[0].text
    (earlier,) = books.measure(initiative(), today=TODAY - timedelta(days=7))
    assert earlier.flags == []


def test_a_month_that_surely_cost_more_is_told(books):
    rng = np.random.default_rng(9)
    shocks = dict.fromkeys(days(AUGUST, TODAY), 1.0)
    noisy(books, rng, "checkout", AUGUST, SEPTEMBER, 10, shocks)
    noisy(books, rng, "checkout", SEPTEMBER, TODAY, 12, shocks)
    books.load()
    (found,) = books.measure(initiative())
    assert [flag.code for flag in found.flags] == ["not_saving"]
    assert found.realised < 0


@pytest.mark.parametrize(
    ("guard", "value", "is_past"),
    [
        (Guard("error_rate", 15.0), 20.0, True),
        (Guard("error_rate", 25.0), 20.0, False),
        (Guard("latency_p95_ms", 2_000.0), 3_000.0, True),
        (Guard("feedback", 0.5), 0.25, True),
        (Guard("feedback", 0.2), 0.25, False),
    ],
)
def test_a_guard_past_its_limit_is_told(books, guard, value, is_past):
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, SEPTEMBER, TODAY, 5 * PICO, count=4, duration_ms=3_000)
    fill(books, SEPTEMBER, TODAY, 5 * PICO, count=1, outcome="provider_error")
    books.load()
    with books.ledger.writing() as session:
        session.run(
            "INSERT INTO feedback SELECT call_id, credential_id, received_at, 0.25 FROM charges WHERE is_final AND "
            "received_at >= '2026-09-12' ORDER BY attempt_id LIMIT 60"
        )
    (found,) = books.measure(initiative(guard=guard))
    assert found.guard is not None
    assert (found.guard.value, found.guard.is_past) == (value, is_past)
    assert [flag.code for flag in found.flags] == (["guard"] if is_past else [])


def test_a_guard_says_nothing_of_too_few_calls(books):
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, SEPTEMBER, date(2026, 9, 4), 5 * PICO)
    books.load()
    (found,) = books.measure(initiative(guard=Guard("feedback", 0.9)))
    assert found.guard is not None
    assert (found.guard.value, found.guard.is_past) == (None, False)


def test_without_a_baseline_nothing_is_measured_and_that_is_told(books):
    fill(books, SEPTEMBER, TODAY, PICO)
    books.load()
    (found,) = books.measure(initiative(comparison=("auto",)))
    assert (found.realised, found.months[0].new_calls) == (0, 150)
    assert [flag.code for flag in found.flags] == ["no_baseline", "new_kinds"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"filters": ("colour=red",)}, "filters"),
        ({"filters": ("feature",)}, "filters"),
        ({"comparison": ("shade=red",)}, "comparison"),
        ({"unit": "effective_cost"}, "unit"),
        ({"unit": "duration_ms_p95"}, "unit"),
        ({"unit": "smiles"}, "unit"),
    ],
)
def test_what_the_books_can_not_be_asked_is_refused_with_its_field(changes, field):
    with pytest.raises(BadControl) as error:
        check_terms(msgspec.structs.replace(TERMS, **changes))
    assert error.value.field == field


def test_where_nothing_is_left_untouched_the_last_trend_is_carried_on(price_cut):
    """Everything is somebody's since October: what fell in September for all hasn't risen since."""
    mine = initiative(comparison=("auto",))
    all_of_it = initiative(
        "all", filters=(), comparison=(), baseline_from=SEPTEMBER, baseline_to=date(2026, 9, 30),
        start=date(2026, 10, 1),
    )  # fmt: skip
    found, other = price_cut.measure(mine, all_of_it)
    assert [month.method for month in found.months] == ["comparison", "carried"]
    assert found.months[0].trend == found.months[1].trend
    assert found.months[1].actual == 0  # handed on whole
    assert abs(other.realised) < other.months[0].margin * 2


@pytest.mark.parametrize("comparison", [("auto",), ("request_type=chat",)])
def test_the_rest_of_a_feature_that_is_touched_in_part_is_compared_with_the_same_rest_before(books, comparison):
    """One customer's calls cost five times as much as the others', everywhere and always: leaving them out of what is
    compared with since the start makes nothing cheaper."""
    for feature, usd in (("checkout", 2), ("search", 1), ("support", 3)):
        for customer, factor in (("acme", 5), ("others", 1)):
            fill(books, AUGUST, TODAY, usd * factor * PICO, count=3, feature=feature, customer=customer)
    books.load()
    (found,) = books.measure(initiative(filters=("customer=acme",), comparison=comparison))
    assert [(month.method, month.trend, month.realised) for month in found.months] == [("comparison", 1.0, 0)] * 2


def test_a_number_below_zero_in_a_tag_is_no_unit(books):
    for first, until in ((AUGUST, SEPTEMBER), (SEPTEMBER, TODAY)):
        fill(books, first, until, 8 * PICO, tags={"pages": "4"})
        fill(books, first, until, 8 * PICO, count=1, tags={"pages": "-40"})
    books.load()
    (found,) = books.measure(initiative(unit="tag:pages"))
    assert (found.months[0].units, found.months[0].realised) == (30 * 5 * 4, 0)


@pytest.mark.parametrize("before", [False, True])
def test_one_that_tells_its_calls_apart_too_finely_leaves_the_others_measured(books, monkeypatch, before):
    """Else one initiative would take all of them down, and the books of every month."""
    fill(books, AUGUST, SEPTEMBER, 10 * PICO)
    fill(books, SEPTEMBER, TODAY, 8 * PICO)
    for number, day in enumerate(days(AUGUST if before else SEPTEMBER, TODAY)):
        for at in range(9):
            books.call(day, 2 * PICO, feature="search", tags={"request": f"{number}-{at}"})
    books.load()
    monkeypatch.setattr("bursar.explore.unit_costs.CELLS_MAX", 200)
    fine = initiative("fine", filters=("feature=search",), mix=("tag:request",))
    one, other = books.measure(initiative(), fine)
    assert one.months[0].realised == 30 * 5 * 2
    assert (other.months, [flag.code for flag in other.flags]) == ([], ["too_fine"])
    assert "tell fewer of them apart" in other.flags[0].text
