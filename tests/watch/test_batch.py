"""The hourly and the daily clock: spikes, shifts and creeps; weekends, holidays and youth left alone."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bursar.domain.watching import Change, Clock, SeriesKey, Signal
from bursar.watch.batch import TERMS, BatchDetector
from bursar.watch.rates import FIELDS
from bursar.watch.seasonal import median

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
KEYS = [SeriesKey("feature", f"feature-{number}") for number in range(6)]
WEEKS = 4


def starts_of(clock, steps):
    apart = timedelta(microseconds=TERMS[clock].step_us)
    return [int((MONDAY + number * apart).timestamp()) * 1_000_000 for number in range(steps)]


def made(clock, steps, seed, *, calls=1.0, length=1.0, errors=0.01, quiet_on=frozenset()):
    """Counts (series, steps, fields) of a business day's traffic. calls, length, errors: numbers, or one a step."""
    rng = np.random.default_rng(seed)
    at = [MONDAY + number * timedelta(microseconds=TERMS[clock].step_us) for number in range(steps)]
    shape = np.array([0.3 if one.weekday() > 4 or one.date() in quiet_on else 1.0 for one in at])
    if clock is Clock.HOUR:
        shape = shape * np.array([1.5 if 8 <= one.hour < 18 else 0.4 for one in at])
    mean = 400.0 * shape * np.exp(rng.normal(0, 0.08, (len(KEYS), steps))) * calls
    if clock is Clock.DAY:
        mean = mean * 24
    number = rng.poisson(mean)
    counts = np.zeros((*number.shape, len(FIELDS)), np.int64)
    per_call = np.exp(rng.normal(0, 0.02, number.shape)) * length
    for name, values in (
        ("calls", number),
        ("attempts", number),
        ("errors", rng.binomial(number, errors)),
        ("input_tokens", number * 1000 * per_call),
        ("output_tokens", number * 300),
        ("cost_pico", number * 5_000_000_000 * per_call),
    ):
        counts[..., FIELDS.index(name)] = values
    return counts


def look(clock, counts, holidays=frozenset()):
    return BatchDetector(holidays=holidays).look(clock, starts_of(clock, counts.shape[1]), KEYS, counts)


def after(steps, last, before, now):
    """`before` up to the last few steps, `now` in those."""
    return np.where(np.arange(steps) >= steps - last, now, before)


HOURS = WEEKS * 168
FRIDAY_EVENING = HOURS - 55  # steps up to then: what happens in the night of a Sunday isn't worth telling
DAYS = 60


@pytest.mark.parametrize("clock", [Clock.HOUR, Clock.DAY])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ordinary_weeks_are_ordinary(clock, seed):
    for steps in (TERMS[clock].steps_min, 170 if clock is Clock.HOUR else 20, HOURS if clock is Clock.HOUR else DAYS):
        assert look(clock, made(clock, steps, seed)) == []


SHIFTS = [
    (Clock.HOUR, 6, Signal.CALLS, {"calls": 2.0}),
    (Clock.HOUR, 24, Signal.CALLS, {"calls": 0.5}),
    (Clock.HOUR, 6, Signal.INPUT_PER_CALL, {"length": 1.3}),
    (Clock.HOUR, 6, Signal.ERRORS, {"errors": 0.3}),
    (Clock.DAY, 4, Signal.CALLS, {"calls": 3.0}),
    (Clock.DAY, 4, Signal.INPUT_PER_CALL, {"length": 1.3}),
    (Clock.DAY, 4, Signal.ERRORS, {"errors": 0.05}),
]


@pytest.mark.parametrize(("clock", "last", "signal", "change"), SHIFTS)
def test_a_shift_is_found_where_it_began_and_again_while_it_lasts(clock, last, signal, change):
    steps = FRIDAY_EVENING if clock is Clock.HOUR else DAYS
    (name, value), usual = next(iter(change.items())), {"calls": 1.0, "length": 1.0, "errors": 0.01}
    for longer in (0, 2):
        counts = made(clock, steps, 7, **{name: after(steps, last + longer, usual[name], value)})
        found = [one for one in look(clock, counts) if one.signal is signal]
        assert {one.series for one in found} == set(KEYS)
        for one in found:
            assert one.change is Change.SHIFT
            assert one.clock is clock
            began = (one.began_us - starts_of(clock, 1)[0]) // TERMS[clock].step_us
            assert abs(began - (steps - last - longer)) <= 1
            assert one.actual / one.expected == pytest.approx(value / usual[name], rel=0.6)


def test_an_hour_that_stands_out_is_a_spike():
    found = look(Clock.HOUR, made(Clock.HOUR, FRIDAY_EVENING, 8, calls=after(FRIDAY_EVENING, 1, 1.0, 6.0)))
    calls = [one for one in found if one.signal is Signal.CALLS]
    assert {one.series for one in calls} == set(KEYS)
    assert {one.change for one in calls} == {Change.SPIKE}
    assert {one.began_us for one in calls} == {starts_of(Clock.HOUR, FRIDAY_EVENING)[-1]}


def test_a_change_that_costs_little_of_a_day_is_not_told():
    for calls in (after(HOURS, 3, 1.0, 2.0), after(FRIDAY_EVENING, 1, 1.0, 2.0)):
        assert look(Clock.HOUR, made(Clock.HOUR, len(calls), 7, calls=calls)) == []


def test_a_level_that_was_seen_before_is_no_news():
    """Levels of many hours, up and down by no clock; a level that is higher than all of them is told."""
    levels = np.random.default_rng(13).uniform(np.log(0.2), 0.0, FRIDAY_EVENING)[np.arange(FRIDAY_EVENING) // 11]
    restless = np.exp(levels)
    assert look(Clock.HOUR, made(Clock.HOUR, FRIDAY_EVENING, 13, calls=restless)) == []
    higher = np.where(np.arange(FRIDAY_EVENING) >= FRIDAY_EVENING - 8, 12.0, restless)
    found = look(Clock.HOUR, made(Clock.HOUR, FRIDAY_EVENING, 13, calls=higher))
    assert {one.series for one in found if one.signal is Signal.CALLS} == set(KEYS)


def test_a_creep_of_five_percent_a_day_is_found_in_two_days():
    creep = 1.05 ** np.maximum(0.0, (np.arange(HOURS) - (HOURS - 48)) / 24.0)
    found = [one for one in look(Clock.HOUR, made(Clock.HOUR, HOURS, 9, length=creep)) if one.signal in LENGTHS]
    assert len({one.series for one in found}) >= 5
    assert {one.change for one in found} == {Change.GROWTH}


LENGTHS = {Signal.INPUT_PER_CALL}


def test_a_holiday_is_as_a_sunday():
    holiday = (MONDAY + timedelta(days=24)).date()
    steps = 25 * 24
    counts = made(Clock.HOUR, steps, 10, quiet_on={holiday})
    assert look(Clock.HOUR, counts, {holiday}) == []
    assert Signal.CALLS in {one.signal for one in look(Clock.HOUR, counts)}


def test_the_young_and_the_empty_are_left_alone():
    steps = HOURS
    counts = made(Clock.HOUR, steps, 11, calls=after(steps, 6, 1.0, 5.0))
    counts[:, : steps - 40] = 0
    assert look(Clock.HOUR, counts) == []
    assert look(Clock.HOUR, np.zeros_like(counts)) == []
    assert BatchDetector().look(Clock.HOUR, [], [], np.zeros((0, 0, len(FIELDS)), np.int64)) == []


def test_series_are_judged_alike_in_any_order():
    counts = made(Clock.HOUR, HOURS, 12, calls=after(HOURS, 12, 1.0, 3.0))
    found = look(Clock.HOUR, counts)
    turned = BatchDetector().look(Clock.HOUR, starts_of(Clock.HOUR, HOURS), KEYS[::-1], counts[::-1])
    assert {(one.series, one.signal, one.began_us) for one in found} == {
        (one.series, one.signal, one.began_us) for one in turned
    }


def test_the_median_is_numpys():
    rng = np.random.default_rng(1)
    values = np.where(rng.random((5, 9, 4)) < 0.3, np.nan, rng.standard_normal((5, 9, 4)))
    values[0, :, 0] = 1.0
    assert np.allclose(median(values, 1), np.nanmedian(values, axis=1))
