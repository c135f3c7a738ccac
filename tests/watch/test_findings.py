"""What a detection becomes: measured, explained, merged; every sum is that of the calls."""

import itertools
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.watch.conftest import BAD, DAY_US, HOUR_US, START, UNTIL, Watched

from bursar.domain.findings import Factor, Finding
from bursar.domain.watching import Change, Clock, Detection, Marker, SeriesKey, Signal
from bursar.watch.findings import Investigator, began_of
from bursar.watch.telling import title_of
from bursar.watch.windows import WEEK_US, earlier_windows

SEARCH = SeriesKey("feature", "search")


def seen(series: SeriesKey, signal: Signal = Signal.COST, surprise: float = 9.0, **changes: object) -> Detection:
    own = {"began_us": BAD, "seen_us": BAD + HOUR_US, "change": Change.SPIKE, "clock": Clock.HOUR}
    return Detection(series=series, signal=signal, expected=1.0, actual=9.0, surprise=surprise, **(own | changes))


MARKERS = [
    Marker("mk_1", BAD - 300_000_000, "search 4.2", scope=SEARCH),
    Marker("mk_2", BAD - HOUR_US, "a new policy", kind="policy", source="audit"),
    Marker("mk_3", BAD - 60_000_000, "checkout 9", scope=SeriesKey("feature", "checkout")),
    Marker("mk_4", BAD - DAY_US, "yesterday's"),
    Marker("mk_5", BAD - 60_000_000, "a kill of everything", kind="kill", source="audit"),
]


@pytest.fixture(scope="module")
def investigator(watched: Watched) -> Investigator:
    return Investigator(watched.ledger, markers=lambda start, end: [one for one in MARKERS if start <= one.at_us < end])


@pytest.fixture(scope="module")
def finding(investigator: Investigator) -> Finding:
    nested = [SeriesKey(), SeriesKey("team", "web"), SeriesKey("model", "gpt-5"), SEARCH, SeriesKey("customer", "acme")]
    (group,) = investigator.groups([seen(one) for one in nested], UNTIL)
    return investigator.finding(group, UNTIL, UNTIL)


def test_nested_series_are_one_finding_named_by_the_narrowest_word(finding: Finding):
    assert finding.series in (SEARCH, SeriesKey("model", "gpt-5"))
    assert finding.series == SEARCH  # the model's calls are the feature's: the feature is the better word
    assert set(finding.nested) == {
        SeriesKey(), SeriesKey("team", "web"), SeriesKey("model", "gpt-5"), SeriesKey("customer", "acme"),
    }  # fmt: skip


def test_money_is_what_the_ledger_has_and_what_weeks_before_lead_to_expect(finding: Finding, watched: Watched):
    assert finding.actual_pico == watched.cost(BAD, UNTIL, feature="search")
    weeks = [(BAD - count * WEEK_US, UNTIL - count * WEEK_US) for count in (1, 2, 3)]
    assert finding.evidence.windows_us == tuple(weeks)
    usual = [watched.cost(start, end, feature="search") for start, end in weeks]
    assert min(usual) * Fraction(8, 10) < finding.expected_pico < max(usual) * Fraction(12, 10)
    assert finding.excess_pico == finding.actual_pico - finding.expected_pico
    assert finding.excess_per_hour_pico == finding.excess_pico // 2
    assert finding.per_month_pico == finding.excess_per_hour_pico * 730


def test_parts_and_movements_add_up_to_the_excess_to_the_last_pico(finding: Finding):
    assert sum(part.pico for part in finding.cause.parts) == finding.excess_pico
    outer = [one for one in finding.cause.movements if not one.within]
    assert outer
    for movement in outer:
        assert sum(value.excess_pico for value in movement.values) == finding.excess_pico
        assert sum(value.actual_pico for value in movement.values) == finding.actual_pico


def test_more_calls_and_a_swapped_model_are_told_and_who_moved_it(finding: Finding):
    parts = {part.factor: part.pico for part in finding.cause.parts}
    assert parts[Factor.CALLS] > 0
    assert parts[Factor.MODELS] + parts.get(Factor.MIX, 0) > 0
    small = [Factor.INPUT, Factor.OUTPUT, Factor.OTHER, Factor.PRICE, Factor.CACHE, Factor.RETRIES]
    assert all(abs(parts.get(name, 0)) * 20 < finding.excess_pico for name in small)
    first = finding.cause.movements[0]
    assert (first.dimension, first.values[0].value) == ("customer", "acme") or first.dimension == "model"
    assert finding.cause.before
    assert finding.cause.after
    assert finding.cause.after.calls == 32
    assert finding.cause.before.calls == pytest.approx(8, rel=0.1)
    assert finding.cause.after.models == (("gpt-5", 32.0),)


def test_evidence_is_calls_around_it_and_what_was_deployed_nearby(finding: Finding, watched: Watched):
    calls = {one.call_id: one for one in watched.calls}
    assert all(calls[one].at_us < BAD and calls[one].feature == "search" for one in finding.evidence.before)
    assert all(calls[one].model == "gpt-5" for one in finding.evidence.after)
    bad = [one for one in watched.calls if one.at_us >= BAD and one.feature == "search"]
    assert finding.evidence.first_bad == bad[0].call_id
    assert finding.evidence.first_bad_us == bad[0].at_us
    assert [one.marker_id for one in finding.evidence.markers] == ["mk_1", "mk_5", "mk_2"]  # its own first


def test_what_has_an_excess_of_its_own_is_another_finding(investigator: Investigator):
    """checkout is as ever: errors seen on it aren't search's."""
    odd = seen(SeriesKey("feature", "checkout"), Signal.INPUT_PER_CALL)
    groups = investigator.groups([seen(SEARCH), seen(SeriesKey("team", "web")), odd], UNTIL)
    assert {one.series for one in groups} == {SEARCH, SeriesKey("feature", "checkout")}


def test_signals_of_one_series_are_one_finding(investigator: Investigator):
    both = [seen(SEARCH), seen(SEARCH, Signal.ERRORS, 12.0), seen(SeriesKey("team", "web"), Signal.CALLS)]
    (group,) = investigator.groups(both, UNTIL)
    assert group.series == SEARCH
    assert {one.signal for one in group.detections} == {"cost", "error_ratio", "calls"}


def test_a_weak_sign_that_rose_before_moves_no_beginning():
    weak = seen(SEARCH, Signal.INPUT_PER_CALL, surprise=0.1, began_us=BAD - 18 * 60_000_000)
    assert began_of([seen(SEARCH), weak]) == BAD
    clear = seen(SEARCH, Signal.CALLS, surprise=6.0, began_us=BAD - 120_000_000)
    assert began_of([seen(SEARCH), clear, weak]) == clear.began_us
    assert began_of([weak]) == weak.began_us


def test_what_began_at_another_time_is_another_finding(investigator: Investigator):
    earlier = seen(SEARCH, began_us=BAD - DAY_US, seen_us=BAD - DAY_US + HOUR_US)
    assert len(investigator.groups([earlier, seen(SEARCH)], UNTIL)) == 2


def test_who_was_there_before_is_not_new(investigator: Investigator):
    new, known = SeriesKey("customer", "acme"), SeriesKey("customer", "customer-1")
    told = [seen(one, Signal.NEW_SPENDER, change=Change.NEW) for one in (new, known, SeriesKey())]
    assert [investigator.is_news(one) for one in told] == [True, False, True]
    assert investigator.is_news(seen(known))


def test_earlier_windows_never_overlap_the_finding_or_each_other():
    for length in (60_000_000, HOUR_US, 3 * DAY_US, 9 * DAY_US):
        windows = earlier_windows(BAD, BAD + length, START - 90 * DAY_US)
        assert len(windows) == 4
        assert sum(one.weight * (one.end_us - one.start_us) for one in windows) == length
        edges = [*sorted((one.start_us, one.end_us) for one in windows), (BAD, BAD + length)]
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(edges))
        assert all((2 * BAD + length - one.start_us - one.end_us) % (2 * WEEK_US) == 0 for one in windows)


def test_with_little_history_days_are_compared_and_with_none_nothing():
    assert len(earlier_windows(BAD, UNTIL, BAD - 3 * DAY_US)) == 3
    (whole,) = earlier_windows(BAD - 10 * DAY_US, UNTIL, BAD - 22 * DAY_US + HOUR_US)
    assert (whole.start_us, whole.weight) == (BAD - 21 * DAY_US, 1)  # eleven days back: as long as it lasts
    (before,) = earlier_windows(BAD, UNTIL, BAD - 5 * HOUR_US)
    assert (before.start_us, before.end_us, before.weight) == (BAD - 5 * HOUR_US, BAD, Fraction(2, 5))
    assert earlier_windows(BAD, UNTIL, BAD) == []


@pytest.mark.parametrize(
    ("series", "ended_us", "title"),
    [
        (SeriesKey(), None, "all calls cost $2.00 an hour more than usual (2.0×)"),
        (SeriesKey("feature", "search"), None, "feature search costs $2.00 an hour more than usual (2.0×)"),
        (SeriesKey("feature", "search"), 3_600_000_000, "feature search cost $2.00 an hour more than usual (2.0×)"),
    ],
)
def test_a_title_is_a_sentence(series: SeriesKey, ended_us: int | None, title: str):
    finding = Finding(
        finding_id="an_1", series=series, signals=(Signal.COST,), change=Change.SPIKE, clock=Clock.HOUR, began_us=0,
        seen_us=0, found_us=0, until_us=3_600_000_000, surprise=9.0, ended_us=ended_us, expected_pico=2 * 10**12,
        actual_pico=4 * 10**12,
    )  # fmt: skip
    assert title_of(finding) == title


@pytest.mark.parametrize(
    ("actual", "told"), [("2.052", "+2.6\u202f%"), ("3.98", "+99.0\u202f%"), ("4", "2.0×"), ("6000", "over 1,000×")]
)
def test_less_than_twice_is_told_as_a_share(actual: str, told: str):
    finding = Finding(
        finding_id="an_1", series=SeriesKey("feature", "search"), signals=(Signal.COST,), change=Change.SPIKE,
        clock=Clock.HOUR, began_us=0, seen_us=0, found_us=0, until_us=3_600_000_000, surprise=9.0,
        expected_pico=2 * 10**12, actual_pico=int(Decimal(actual) * 10**12),
    )  # fmt: skip
    assert title_of(finding).endswith(f" an hour more than usual ({told})")
