"""The minute clock: what it finds and how soon, what it leaves alone, and that it goes on after a restart."""

from collections import Counter
from datetime import UTC, date, datetime

import numpy as np
import pytest
from tests.watch.traffic import DAY, FEATURES, MONDAY, Traffic, signals_of, watch

from bursar.domain.watching import Bucket, Change, Clock, SeriesKey, Signal
from bursar.watch.baseline import DAY_SLOTS
from bursar.watch.free_days import FreeDays
from bursar.watch.settings import Sensitivity, WatchSettings
from bursar.watch.stream import LATE_MINUTES, MINUTE_US, SERIES_MAX, StreamDetector
from bursar.watch.stream_state import StreamState

LEARNED = 2 * DAY
TODAY = MONDAY + LEARNED
WEDNESDAY, SUNDAY = slice(2 * DAY_SLOTS, 3 * DAY_SLOTS), slice(6 * DAY_SLOTS, 7 * DAY_SLOTS)


@pytest.fixture(scope="module")
def learned():
    """Bytes of a detector that knows eight features of 60 calls a minute, for which no hour of the week is special.

    The weeks that would teach it that take too long here: it is told of four of them, and learns two days more.
    """
    traffic, first = Traffic(1), StreamDetector()
    watch(first, traffic, MONDAY, 1)
    state = StreamState.from_bytes(first.to_bytes())
    state["born"][...] -= 28 * DAY
    state["volume_profile"][...] = 0.0
    state["steady"][...] = 1.0
    state.arrivals = {name: (first - 28 * DAY, last, count) for name, (first, last, count) in state.arrivals.items()}
    detector = StreamDetector(state=state)
    assert watch(detector, traffic, MONDAY + 1, LEARNED - 1) == []
    return detector.to_bytes()


CHANGES = [
    (Signal.RETRIES, {"retries": 0.8}),
    (Signal.ERRORS, {"errors": 0.5}),
    (Signal.OUTPUT_PER_CALL, {"output": 2.0}),
    (Signal.INPUT_PER_CALL, {"input": 3.0}),
    (Signal.CACHE_HITS, {"cached": 0.2}),
    (Signal.DEAR_MODELS, {"dear": 0.5}),
    (Signal.COST_PER_TOKEN, {"price": 2.0}),
    (Signal.CALLS, {"calls": 20.0}),
    (Signal.COST, {"calls": 20.0}),
]


@pytest.mark.parametrize(("signal", "change"), CHANGES, ids=[signal for signal, _ in CHANGES])
def test_a_change_is_found_within_five_minutes_and_said_once(learned, signal, change):
    detector = StreamDetector.from_bytes(learned)
    traffic = Traffic(2)
    found = watch(detector, traffic, TODAY, 5, change)
    assert len({one.series for one in found if one.signal is signal}) >= len(FEATURES) - 1
    found += watch(detector, traffic, TODAY + 5, 25, change)
    assert Counter((one.series, one.signal) for one in found).most_common(1)[0][1] == 1
    first = next(one for one in found if one.signal is signal)
    assert first.clock is Clock.MINUTE
    assert first.change is Change.SPIKE
    assert TODAY * MINUTE_US <= first.began_us < first.seen_us <= (TODAY + 5) * MINUTE_US
    worse = first.actual < first.expected if signal is Signal.CACHE_HITS else first.actual > first.expected
    assert worse
    assert first.surprise > 0


def test_calls_that_stop_are_silence_within_five_minutes_and_it_ends_when_they_are_back(learned):
    detector = StreamDetector.from_bytes(learned)
    found = watch(detector, Traffic(3), TODAY, 5, {"calls": 0.0})
    assert {one.series for one in found} == set(FEATURES)
    assert {(one.signal, one.change) for one in found} == {(Signal.SILENCE, Change.SILENCE)}
    assert {one.began_us for one in found} == {TODAY * MINUTE_US}
    back = watch(detector, Traffic(3), TODAY + 5, 20)
    ended = detector.take_ended()
    assert back == []
    assert {one.series for one in ended} == set(FEATURES)
    assert {one.ended_us for one in ended} == {(TODAY + 5) * MINUTE_US}
    assert not any(one.accepted for one in ended)


def test_a_doubling_of_calls_is_found_within_the_hour(learned):
    found = watch(StreamDetector.from_bytes(learned), Traffic(4, overdispersion=0.01), TODAY, 60, {"calls": 2.0})
    assert len({one.series for one in found if one.signal is Signal.CALLS}) >= len(FEATURES) - 1


def test_an_episode_ends_once_when_it_is_over_and_may_come_again(learned):
    detector = StreamDetector.from_bytes(learned)
    traffic = Traffic(5)
    began = watch(detector, traffic, TODAY, 10, {"errors": 0.5})
    assert watch(detector, traffic, TODAY + 10, 30) == []
    ended = [one for one in detector.take_ended() if one.signal is Signal.ERRORS]
    assert {one.series for one in ended} == {one.series for one in began if one.signal is Signal.ERRORS}
    assert all((TODAY + 10) * MINUTE_US <= one.ended_us <= (TODAY + 20) * MINUTE_US for one in ended)
    assert detector.take_ended() == []
    again = watch(detector, traffic, TODAY + 40, 10, {"errors": 0.6})
    assert Signal.ERRORS in signals_of(again)


@pytest.mark.slow
def test_what_lasts_a_day_is_what_is_expected_from_then_on(learned):
    detector = StreamDetector.from_bytes(learned)
    traffic = Traffic(6)
    changed = {"output": 2.0}
    watch(detector, traffic, TODAY, DAY + 30, changed)
    ended = [one for one in detector.take_ended() if one.signal is Signal.OUTPUT_PER_CALL]
    assert {one.series for one in ended} == set(FEATURES)
    assert all(one.accepted for one in ended)
    assert Signal.OUTPUT_PER_CALL not in signals_of(watch(detector, traffic, TODAY + DAY + 30, 300, changed))


def test_a_new_spender_is_told_once_and_only_where_newcomers_are_rare(learned):
    detector = StreamDetector.from_bytes(learned)
    traffic = Traffic(7)
    newcomer, agent = SeriesKey("feature", "runaway"), SeriesKey("agent", "first of its dimension")
    spends = Bucket(calls=40, attempts=40, input_tokens=40_000, output_tokens=20_000, cost_pico=10**12)
    found = []
    for minute in range(TODAY, TODAY + 30):
        found += detector.observe(minute * MINUTE_US, traffic.minute(minute) | {newcomer: spends, agent: spends})
    assert [(one.series, one.signal, one.change) for one in found] == [(newcomer, Signal.NEW_SPENDER, Change.NEW)]
    assert found[0].began_us == TODAY * MINUTE_US
    assert found[0].seen_us <= (TODAY + 5) * MINUTE_US


def test_a_new_session_is_no_news(learned):
    """Each one comes once: also where sessions were known for days, and none came lately."""
    detector = StreamDetector.from_bytes(learned)
    traffic = Traffic(9)
    spends = Bucket(calls=40, attempts=40, input_tokens=40_000, output_tokens=20_000, cost_pico=10**12)
    found, old = [], SeriesKey("session", "old")
    for minute in range(TODAY, TODAY + DAY + 60):
        new = {SeriesKey("session", "new"): spends} if minute >= TODAY + DAY + 30 else {}
        buckets = traffic.minute(minute) | ({old: spends} if minute < TODAY + 5 else {}) | new
        found += detector.observe(minute * MINUTE_US, buckets)
    assert Signal.NEW_SPENDER not in signals_of(found)


def test_a_restart_goes_on_as_if_there_had_been_none(learned):
    one, other = StreamDetector.from_bytes(learned), StreamDetector.from_bytes(learned)
    traffic, same = Traffic(8), Traffic(8)
    change = {"output": 1.7, "errors": 0.2}
    found, again = [], []
    for minute in range(TODAY, TODAY + 30):
        found += one.observe(minute * MINUTE_US, traffic.minute(minute, change))
        again += other.observe(minute * MINUTE_US, same.minute(minute, change))
        other = StreamDetector.from_bytes(other.to_bytes())
    assert found == again
    assert found
    assert one.to_bytes() == other.to_bytes()


@pytest.mark.parametrize("data", [b"", b"\x80", b"nonsense"])
def test_bytes_that_are_no_state_are_refused(data):
    with pytest.raises(ValueError, match="state"):
        StreamDetector.from_bytes(data)


def test_minutes_that_nobody_looked_at_are_no_silence(learned):
    detector = StreamDetector.from_bytes(learned)
    assert watch(detector, Traffic(9), TODAY + 300, 30) == []


def test_a_rest_across_minutes_that_nobody_looked_at_is_as_long_as_what_was_seen_of_it(learned):
    detector = StreamDetector.from_bytes(learned)
    assert watch(detector, Traffic(9), TODAY + 300, 2, {"calls": 0.0}) == []


def on_and_off(minute):
    """Two hours of work, then four without a call; what an hour of the day is like changes from day to day."""
    return 1.0 if (minute + 77 * (minute // DAY)) % 360 < 120 else 1e-9


@pytest.mark.slow
def test_who_switches_on_and_off_is_told_of_neither(learned):
    traffic = Traffic(17, shape=on_and_off)
    assert watch(StreamDetector(), traffic, MONDAY, 3 * DAY) == []


@pytest.mark.slow
def test_who_comes_and_goes_is_told_when_it_is_more_than_ever_or_quiet_for_longer():
    """Levels that change tenfold by no clock: nothing is expected of an hour, but all of it has been seen before."""
    levels = np.random.default_rng(18).uniform(np.log(0.1), 0.0, 10_000)
    traffic = Traffic(18, shape=lambda minute: float(np.exp(levels[(minute // 47) % len(levels)])))
    detector = StreamDetector()
    assert watch(detector, traffic, MONDAY, 3 * DAY) == []
    data = detector.to_bytes()
    found = watch(detector, traffic, MONDAY + 3 * DAY, 60, {"calls": 40.0})
    assert {one.series for one in found if one.signal is Signal.CALLS} == set(FEATURES)
    quiet = StreamDetector.from_bytes(data)
    assert watch(quiet, traffic, MONDAY + 3 * DAY, 65, {"calls": 0.0}) == []  # not yet a tenth of a day's money
    found = watch(quiet, traffic, MONDAY + 3 * DAY + 65, 235, {"calls": 0.0})
    assert {(one.series, one.signal) for one in found} == {(key, Signal.SILENCE) for key in FEATURES}


def test_late_minutes_are_dropped_and_a_clock_set_back_is_followed(learned):
    detector = StreamDetector.from_bytes(learned)
    traffic = Traffic(10)
    watch(detector, traffic, TODAY, 3)
    assert watch(detector, traffic, TODAY - 5, 5, {"errors": 0.8}) == []
    assert detector.late == 5
    assert watch(detector, traffic, TODAY + 3, 30) == []
    assert watch(detector, traffic, TODAY - 600, LATE_MINUTES + 30) == []
    assert detector.late == 5 + LATE_MINUTES
    found = watch(detector, traffic, TODAY - 600 + LATE_MINUTES + 30, 10, {"errors": 0.8})
    assert Signal.ERRORS in signals_of(found)


def test_series_of_nothing_and_no_series_are_nothing():
    detector = StreamDetector()
    for minute in range(MONDAY, MONDAY + 200):
        buckets = {SeriesKey("feature", "idle"): Bucket()} if minute > MONDAY + 50 else {}
        assert detector.observe(minute * MINUTE_US, buckets) == []
    assert len(detector) == 1
    assert np.isfinite(detector.bytes_a_series)


def test_a_young_series_is_left_alone():
    detector = StreamDetector()
    traffic = Traffic(11)
    assert watch(detector, traffic, MONDAY, 30) == []
    assert watch(detector, traffic, MONDAY + 30, 30, {"calls": 3.0, "output": 2.0, "errors": 0.2}) == []


def test_more_sensitive_finds_no_less(learned):
    found = {}
    for sensitivity in Sensitivity:
        detector = StreamDetector.from_bytes(learned, WatchSettings(sensitivity))
        told = watch(detector, Traffic(12), TODAY, 20, {"output": 1.5})
        found[sensitivity] = {(one.series, one.signal) for one in told}
    assert found[Sensitivity.LOW] <= found[Sensitivity.NORMAL] <= found[Sensitivity.HIGH]
    assert len(found[Sensitivity.LOW]) < len(found[Sensitivity.HIGH])


def test_a_series_takes_less_than_two_kilobytes():
    assert StreamDetector().bytes_a_series < 1815


def test_sessions_make_room_for_those_after_them_and_features_stay(learned):
    detector = StreamDetector.from_bytes(learned)
    once = Bucket(calls=1, attempts=1, input_tokens=10, output_tokens=10, cost_pico=10**6)
    traffic = Traffic(13)
    for minute in range(5):
        sessions = {SeriesKey("session", f"{minute}-{number}"): once for number in range(SERIES_MAX // 4 + 1000)}
        detector.observe((TODAY + minute) * MINUTE_US, traffic.minute(TODAY + minute) | sessions)
    assert len(detector) <= 1.5 * SERIES_MAX
    found = watch(detector, traffic, TODAY + 5, 8, {"errors": 0.8})
    assert {one.series for one in found} == set(FEATURES)


def test_a_quiet_holiday_is_no_silence_and_is_not_learned(learned):
    """The day after what was learned is Holi, with as few calls as a Sunday has."""
    state = StreamState.from_bytes(learned)
    state["volume_profile"][:, SUNDAY] = np.log(1 / 600)
    quiet, told, profiles = Traffic(17, shape=lambda minute: 1 / 600), {}, {}
    for name, holidays in (("working", FreeDays([])), ("holiday", FreeDays(["US-CA", "IN"]))):
        detector = StreamDetector.from_bytes(state.to_bytes(), holidays=holidays)
        told[name] = watch(detector, quiet, TODAY, 130)
        profiles[name] = StreamState.from_bytes(detector.to_bytes())["volume_profile"][:, WEDNESDAY]
    assert {one.series for one in told["working"] if one.signal is Signal.SILENCE} == set(FEATURES)
    assert told["holiday"] == []
    assert np.array_equal(profiles["holiday"], state["volume_profile"][:, WEDNESDAY])
    assert not np.array_equal(profiles["working"], state["volume_profile"][:, WEDNESDAY])


def test_more_than_a_working_day_is_told_on_a_holiday_too(learned):
    detector = StreamDetector.from_bytes(learned, holidays=FreeDays(["IN"]))
    found = watch(detector, Traffic(18), TODAY, 5, {"calls": 20.0})
    assert {one.series for one in found if one.signal is Signal.CALLS} == set(FEATURES)


def office(minute, hours_earlier=0):
    """Ten times as many calls between 9 and 18 o'clock UTC on working days; less on others."""
    at = datetime.fromtimestamp((minute + 60 * hours_earlier) * 60, UTC)
    working = at.weekday() < 5 and 9 <= at.hour < 18
    return 1.0 if working else 0.1


@pytest.mark.slow
def test_weeks_holidays_and_a_changed_clock_are_no_alarm():
    holiday = date(2026, 3, 16)
    detector = StreamDetector(holidays={holiday})
    weeks = Traffic(14, shape=office)
    found = watch(detector, weeks, MONDAY, 14 * DAY, every=5)
    assert len(found) <= 1, "two weeks of eight features, with their weekends"
    idle = Traffic(15, shape=lambda minute: 0.1)
    assert watch(detector, idle, MONDAY + 14 * DAY, DAY, every=5) == []
    earlier = Traffic(16, shape=lambda minute: office(minute, 1))
    assert watch(detector, earlier, MONDAY + 15 * DAY, DAY, every=5) == []
    found = watch(detector, weeks, MONDAY + 16 * DAY + 600, 8, {"errors": 0.8})
    assert {one.series for one in found} == set(FEATURES)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "overdispersion"), [(1, 0.0), (2, 0.3), (3, 0.05)])
def test_calm_traffic_of_any_rate_raises_few_alarms(seed, overdispersion):
    """Eight features over three days are 0.03 of the hundred series' weeks in which one false alarm is accepted."""
    rates = np.geomspace(0.02, 200.0, len(FEATURES))
    assert watch(StreamDetector(), Traffic(100 + seed, rates, overdispersion), MONDAY, 3 * DAY, every=2) == []
