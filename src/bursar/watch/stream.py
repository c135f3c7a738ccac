"""The minute clock: thousands of series, judged together once a minute, in memory that doesn't grow with time."""

import math
from collections.abc import Container, Mapping
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from bursar.domain.watching import Bucket, Change, Clock, Detection, SeriesKey, Signal
from bursar.watch.baseline import SLOT_MINUTES, place_of
from bursar.watch.discovery import discoveries
from bursar.watch.episodes import Ended, end_episodes
from bursar.watch.evidence import Evidence, weigh
from bursar.watch.expected import Bools, Expected, end_slot, expect, learn
from bursar.watch.newcomers import end_newcomers, new_spenders
from bursar.watch.rates import (
    CALLS,
    COST,
    FIELDS,
    IN_POINTS,
    IS_LENGTH,
    IS_VOLUME,
    SIGNALS,
    as_array,
    shown,
    signals,
)
from bursar.watch.records import (
    at_work,
    fade_records,
    is_steady,
    learn_records,
    learn_rests,
    quiet_surprise,
    record_surprise,
)
from bursar.watch.settings import MINUTES_A_WEEK, SERIES_A_BUDGET, STREAM_SHARE, WatchSettings
from bursar.watch.silence import learn_gaps, silence_surprise
from bursar.watch.stream_state import G, StreamState
from bursar.watch.tails import START, Floats
from bursar.watch.worth import learn_worth, worth_missing, worth_telling

MINUTE_US = 60_000_000
YOUNG_MINUTES = 60
HOLE_MINUTES = 5
"""Of no observation at all, after which sums of deviations begin anew."""

LATE_MINUTES = 30
IDLE_MINUTES = 35 * 1440
SERIES_MAX = 20_000
"""More aren't followed: sessions live for minutes, and make room for what comes after them."""

ENDED_MAX = 10_000
TIMES_MIN = 1.2  # a smaller rise of a volume or mean isn't worth a person's time, however certain
POINTS_MIN = 0.02  # nor one of a share
BEYOND_JUMPS = 1.25  # times the largest rise of some days
JUMP_MAX = 12.0
JUMPS_FADE = 0.5 ** (SLOT_MINUTES / MINUTES_A_WEEK)  # a slot: in a week a jump's log is half as much
CAUTION = 2.0  # decades: volumes of real traffic have heavier tails than a week teaches
DEARER_CAUTION = 1.0  # and lengths and prices, a little
COST_WAITS = 4  # minutes: dearer or longer calls, and more of them, have signals of their own, which say why
CALLS_MIN = 2.5  # in the last five minutes or so: one odd call isn't an episode, nor are two

HEAVY = np.where(IS_VOLUME, CAUTION, np.where(IN_POINTS, 0.0, DEARER_CAUTION))


class StreamDetector:
    """Says once when a signal of a series leaves what is expected of it, and once when that has ended.

    Not thread-safe. A restart goes on from `to_bytes`; minutes in between are unknown, and not silence.
    """

    def __init__(
        self,
        settings: WatchSettings | None = None,
        holidays: Container[date] = frozenset(),
        state: StreamState | None = None,
    ) -> None:
        """holidays: dates in the settings' zone on which less is to be expected, as on a Sunday."""
        self.settings = settings or WatchSettings()
        self.holidays = holidays
        self.late = 0
        self._late_together = 0
        self._zone = ZoneInfo(self.settings.zone)
        self._state = state or StreamState()
        self._ended: list[Ended] = []

    def __len__(self) -> int:
        return len(self._state)

    @property
    def bytes_a_series(self) -> float:
        return self._state.bytes_a_series

    def to_bytes(self) -> bytes:
        """All that was learned, and the episodes that are open."""
        return self._state.to_bytes()

    @classmethod
    def from_bytes(
        cls, data: bytes, settings: WatchSettings | None = None, holidays: Container[date] = frozenset()
    ) -> "StreamDetector":
        """Raises ValueError if these aren't bytes of `to_bytes` of this version: begin anew, and learn again."""
        return cls(settings, holidays, StreamState.from_bytes(data))

    def take_ended(self) -> list[Ended]:
        """Episodes that ended since this was last asked; the last ENDED_MAX of them."""
        ended, self._ended = self._ended, []
        return ended

    def observe(self, minute_us: int, buckets: Mapping[SeriesKey, Bucket]) -> list[Detection]:
        """Take the minute that began at minute_us; a series that isn't in it had no call.

        Minutes come in order. One that isn't later than the last is dropped and counted in `late` (LATE_MINUTES in a
        row are a clock that was set back, and it goes on from there); one that never
        comes is unknown. Returns the episodes that began, most surprising first, and costs last: the others say why.
        """
        state, minute = self._state, minute_us // MINUTE_US
        if minute <= state.minute:
            self.late += 1
            self._late_together += 1
            if self._late_together < LATE_MINUTES:
                return []
            state.move(minute - 1)  # so many can't be stragglers: the clock was set back
        self._late_together = 0
        self._turn(minute)
        sums = self._rows(minute, buckets)
        state.minute = minute
        if not len(state):
            return []
        amounts, units = signals(sums)
        called = sums[:, FIELDS.index("calls")] > 0
        expected = expect(state, minute, units, self._zone, self.holidays)
        evidence = weigh(state, amounts, expected)
        silent = silence_surprise(state, minute, called, expected)
        found = self._judge(minute, evidence, silent, amounts, expected)
        self._ended += end_episodes(state, minute, evidence, called) + end_newcomers(state, minute)
        del self._ended[:-ENDED_MAX]
        self._learn(minute, amounts, expected, evidence, called)
        return found + new_spenders(state, minute, sums)

    def _turn(self, minute: int) -> None:
        """What a new minute ends: a slot of the week, sums across a hole, series that are long idle."""
        state = self._state
        place = place_of(minute, self._zone)
        if place.slot != state.slot and len(state):
            if state.slot >= 0:
                end_slot(state, minute, place_of(state.minute, self._zone, self.holidays).holiday)
            state["jump"][...] *= JUMPS_FADE
            fade_records(state)
            idle = minute - state["last_call"] > IDLE_MINUTES
            if idle.any():
                state.keep(~idle)
        if len(state) > SERIES_MAX:
            state.keep(self._liveliest(minute))
        state.slot = place.slot
        if minute - state.minute > HOLE_MINUTES:
            state["sums"][...] = 0.0
            state["gap"][...] = 0.0
            state["last_call"][...] += minute - state.minute - 1  # nobody knows that they were without a call

    def _liveliest(self, minute: int) -> Bools:
        """Whom to go on with where there are too many: who lived longest for the time idle, and who has an episode."""
        state = self._state
        idle = minute - state["last_call"]
        lived = state["last_call"] - state["born"] + YOUNG_MINUTES
        staying = np.argsort(idle / lived, kind="stable")[: SERIES_MAX * 3 // 4]
        kept: Bools = np.any(state["opened"] > 0, axis=1)
        kept[staying] = True
        return kept

    def _rows(self, minute: int, buckets: Mapping[SeriesKey, Bucket]) -> Floats:
        """Sums of each series, (series, fields); those that weren't known are added."""
        state, rows = self._state, []
        for key in buckets:
            row = state.keys.get(key)
            if row is None:
                row = state.add(key)
                state["born"][row] = minute
                state["last_call"][row] = minute
                state.arrivals.setdefault(key.dimension, (minute, minute, 0.0))
            rows.append(row)
        sums = np.zeros((len(state), len(FIELDS)))
        sums[rows] = as_array(buckets.values())
        return sums

    def _judge(
        self, minute: int, evidence: Evidence, silent: Floats, amounts: Floats, expected: Expected
    ) -> list[Detection]:
        state = self._state
        opened = state["opened"]
        chance = self.settings.chance_a_step(STREAM_SHARE, MINUTES_A_WEEK, len(state))
        told = math.log10(opened.size / chance)
        surprise = np.where(self._worth_a_look(minute, evidence, expected), self._surprise(evidence, expected, told), 0)
        surprise[:, COST] = self._after_a_while(surprise[:, COST], told)
        at_rest = np.where(worth_missing(state, expected), quiet_surprise(state, minute, expected, told), 0.0)
        quiet = np.maximum(silent, at_rest)
        surprises = np.concatenate([surprise, quiet[:, None]], axis=1)
        surprises[opened > 0] = 0.0
        rows, columns = np.nonzero(discoveries(surprises, chance, surprises.size))
        began = state["began"]
        rise = began[:, :G]
        rise[(rise == 0) & (evidence.statistic > START)] = minute
        over = evidence.seen & (evidence.statistic < 0.5 * START) & (opened[:, :G] == 0)
        self._learn_jumps(evidence, rise > 0, over)
        rise[over] = 0
        began[:, G] = state["last_call"] + 1
        opened[rows, columns] = minute
        learn_records(state, minute, evidence)
        state["calm"][rows, columns] = 0
        looks = math.log10(SERIES_A_BUDGET * (G + 1) * MINUTES_A_WEEK)
        keys = list(state.keys) if len(rows) else []
        found = [
            self._detection(
                keys[row],
                minute,
                int(began[row, column]),
                (row, column),
                surprises[row, column] - looks,
                amounts,
                expected,
            )
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        return sorted(found, key=lambda one: (one.signal is Signal.COST, -one.surprise))

    def _worth_a_look(self, minute: int, evidence: Evidence, expected: Expected) -> Bools:
        """Whether a signal says anything: calls lately, of a series that is known, was at work, and is dear enough."""
        state = self._state
        lately = state["sums"][:, CALLS, 0, 0] >= CALLS_MIN
        known = evidence.seen & lately[:, None] & (state["seen"] >= YOUNG_MINUTES)
        working = ~(IS_VOLUME | IS_LENGTH) | at_work(state, minute)[:, None]
        found: Bools = known & working & worth_telling(state, evidence, expected)
        return found

    def _surprise(self, evidence: Evidence, expected: Expected, told: float) -> Floats:
        """Of each signal, (series, channels); told: how much is enough for one alone."""
        points = (evidence.times - 1.0) * expected.mean
        matters = np.where(IN_POINTS, points >= POINTS_MIN, evidence.times >= TIMES_MIN)
        matters[:, IS_VOLUME] &= self._beyond_jumps(evidence)
        surprise = self._state.tail().surprise(evidence.statistic, alike=True)
        surprise = np.where(matters, surprise - HEAVY, 0.0)
        records = record_surprise(self._state, evidence, told)
        surprise[:, IS_VOLUME] = np.maximum(surprise[:, IS_VOLUME], records)
        return surprise

    def _after_a_while(self, cost: Floats, told: float) -> Floats:
        """The surprise of costs that have been out of the ordinary for COST_WAITS minutes."""
        up = np.where(cost > told, self._state["cost_up"] + 1, 0)
        self._state["cost_up"][...] = np.minimum(up, COST_WAITS)
        return np.where(up >= COST_WAITS, cost, 0.0)

    def _beyond_jumps(self, evidence: Evidence) -> Bools:
        """Whether volumes rose by more than they do by themselves."""
        now, usual = evidence.lately[:, IS_VOLUME], evidence.expected_lately[:, IS_VOLUME]
        found: Bools = now - usual > self._state["jump"] + math.log(BEYOND_JUMPS)
        return found & is_steady(self._state)[:, None]

    def _learn_jumps(self, evidence: Evidence, rising: Bools, over: Bools) -> None:
        """A rise is learned when it is over: how many times the expected it was."""
        known, current = self._state["jump"], self._state["rise"]
        rising, over = rising[:, IS_VOLUME], over[:, IS_VOLUME]
        rise = np.minimum(evidence.lately[:, IS_VOLUME] - evidence.expected_lately[:, IS_VOLUME], JUMP_MAX)
        current[...] = np.where(rising, np.maximum(current, rise), current)
        known[...] = np.where(over, np.maximum(known, current), known)
        current[over] = 0.0

    def _detection(
        self,
        key: SeriesKey,
        minute: int,
        began: int,
        at: tuple[int, int],
        surprise: float,
        amounts: Floats,
        usual: Expected,
    ) -> Detection:
        row, column = at
        signal, change = Signal.SILENCE, Change.SILENCE
        expected, actual = float(usual.silent_calls[row]), 0.0
        if column < G:
            signal, change = SIGNALS[column], Change.SPIKE
            units = float(usual.units[row, column])
            expected = shown(signal, float(usual.amount[row, column]) / units)
            actual = shown(signal, float(amounts[row, column]) / units)
        seen_us = (minute + 1) * MINUTE_US
        return Detection(
            key, signal, Clock.MINUTE, change, began * MINUTE_US, seen_us, expected, actual, max(0.0, float(surprise))
        )

    def _learn(self, minute: int, amounts: Floats, expected: Expected, evidence: Evidence, called: Bools) -> None:
        """What is out of the ordinary now isn't taken for usual: open episodes teach nothing."""
        state = self._state
        closed = state["opened"] == 0
        learnable = (expected.units > 0) & closed[:, :G]
        learnable &= ~IS_VOLUME | closed[:, G:]
        if expected.holiday:
            learnable &= ~IS_VOLUME
        learn(state, amounts, expected, learnable)
        learn_worth(state, minute, amounts)
        learn_rests(state, minute, called, expected)
        learn_gaps(state, minute, called, expected)
        state.tail().learn(evidence.statistic, evidence.learned)
