"""The watch at work on a ledger that grows: what is told once, followed, ended, and not told again after a restart."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.watch.conftest import BAD, DAY_US, HOUR_US, UNTIL, Watched

from bursar.domain.clock import FixedClock
from bursar.domain.findings import Finding
from bursar.domain.watching import Bucket, Change, Clock, Detection, Label, SeriesKey, Signal
from bursar.watch.episodes import Ended
from bursar.watch.findings import Investigator
from bursar.watch.long_sums import Long
from bursar.watch.run import MINUTE_US, Stream, Watcher

SEARCH, WHOLE = SeriesKey("feature", "search"), SeriesKey()

DIMENSIONS = ("feature", "team", "model")


class Shelf:
    """Findings in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Finding] = {}

    def add(self, finding: Finding) -> None:
        assert finding.finding_id not in self.kept
        self.kept[finding.finding_id] = finding

    def change(self, finding: Finding) -> None:
        assert finding.finding_id in self.kept
        self.kept[finding.finding_id] = finding

    def all(
        self, *, open_only: bool = False, since_us: int = 0, limit: int = 500, parts: bool = False
    ) -> list[Finding]:
        found = [one for one in self.kept.values() if one.is_open or (not open_only and one.found_us >= since_us)]
        return [one for one in found if parts or not one.part_of]


class Scripted:
    """Detectors that say what they were told to say at a minute, and remember the minutes that they saw."""

    def __init__(self, script: dict[int, list[Detection]], ends: dict[int, list[Ended]] | None = None) -> None:
        self.script, self.ends = script, ends or {}
        self.minutes: list[int] = []
        self.calls = 0
        self.started_from: list[bytes | None] = []
        self.long_asked: list[tuple[Clock, int]] = []
        self.long_says: list[Detection] = []
        self._ended: list[Ended] = []

    def stream(self, state: bytes | None) -> Stream:
        self.started_from.append(state)
        return self

    def observe(self, minute_us: int, buckets: dict[SeriesKey, Bucket]) -> list[Detection]:
        self.minutes.append(minute_us)
        self.calls += buckets[WHOLE].calls if buckets else 0
        self._ended += self.ends.get(minute_us, [])
        return self.script.get(minute_us, [])

    def take_ended(self) -> list[Ended]:
        ended, self._ended = self._ended, []
        return ended

    def to_bytes(self) -> bytes:
        return json.dumps(len(self.minutes)).encode()

    def long(self, clock: Clock, found: Long) -> list[Detection]:
        self.long_asked.append((clock, len(found.starts_us)))
        return [one for one in self.long_says if one.clock is clock]


def seen(minute_us: int, series: SeriesKey = SEARCH, **changes: object) -> Detection:
    own = {"clock": Clock.MINUTE, "signal": Signal.COST, "change": Change.SPIKE, "surprise": 9.0}
    own |= {"seen_us": minute_us + MINUTE_US} | changes
    return Detection(series=series, began_us=minute_us, expected=1.0, actual=9.0, **own)


class World:
    """One watcher over the watched ledger, with a clock that the test moves."""

    def __init__(self, watched: Watched, directory: Path, detectors: Scripted, shelf: Shelf | None = None) -> None:
        self.clock = FixedClock(BAD)
        self.shelf = shelf or Shelf()
        self.detectors = detectors
        self.told: list[str] = []
        self.shifts: dict[Signal, float] = {}
        self.loaded_us: int | None = None  # None: all of it
        self.watcher = Watcher(
            watched.ledger, self.shelf, Investigator(watched.ledger, DIMENSIONS), detectors, self.clock, directory,
            dimensions=DIMENSIONS, shifts=lambda: self.shifts,
            loaded_us=lambda: self.clock.now_us() if self.loaded_us is None else self.loaded_us,
            on_new=lambda one: self.told.append(one.finding_id),
        )  # fmt: skip

    def look(self, at_us: int) -> list[Finding]:
        self.clock.at_us = at_us
        return self.watcher.look()


FIRST = BAD + 5 * MINUTE_US  # search is called in it


@pytest.fixture
def make_world(watched: Watched, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Worlds over one directory; each is closed at the end, as often as a test likes."""
    made: list[World] = []

    def make(detectors: Scripted, shelf: Shelf | None = None, of: Watched = watched) -> World:
        made.append(World(of, tmp_path / "watch", detectors, shelf))
        return made[-1]

    yield make
    for world in made:
        world.watcher.close()


Make = Callable[..., World]


def test_every_minute_is_seen_once_and_in_order_also_after_a_restart(watched: Watched, make_world: Make):
    detectors = Scripted({})
    world = make_world(detectors)
    world.look(BAD + 6 * MINUTE_US)
    world.look(BAD + 10 * MINUTE_US)
    world.look(BAD + 10 * MINUTE_US)
    world.watcher.close()
    again = make_world(detectors, world.shelf)
    again.look(BAD + HOUR_US)
    minutes = detectors.minutes
    assert minutes == list(range(minutes[0], minutes[-1] + MINUTE_US, MINUTE_US))
    assert minutes[0] < BAD - 23 * HOUR_US  # the first start learns from a day
    assert minutes[-1] + MINUTE_US <= BAD + HOUR_US - 5_000_000
    assert detectors.started_from == [None, b"1444"]
    ended = [one for one in watched.calls if minutes[0] <= one.at_us + 900_150 < minutes[-1] + MINUTE_US]
    assert detectors.calls == len(ended)
    assert [clock for clock, _ in detectors.long_asked] == ["hour", "day"]  # not again in the same hour


def test_a_second_watcher_is_refused(watched: Watched, make_world: Make):
    world = make_world(Scripted({}))
    with pytest.raises(BlockingIOError):
        make_world(Scripted({}))
    world.watcher.close()
    make_world(Scripted({}))


def test_a_finding_is_told_once_grows_and_ends(watched: Watched, make_world: Make):
    ends = {BAD + 100 * MINUTE_US: [Ended(SEARCH, Signal.COST, FIRST, BAD + 90 * MINUTE_US)]}
    world = make_world(Scripted({FIRST: [seen(FIRST), seen(FIRST, WHOLE)]}, ends))
    assert world.look(BAD + 2 * MINUTE_US) == []
    (new,) = world.look(FIRST + 2 * MINUTE_US)
    assert (new.series, new.nested, new.is_open) == (SEARCH, (WHOLE,), True)
    assert world.told == [new.finding_id]
    world.look(BAD + HOUR_US)
    (grown,) = world.shelf.all()
    assert grown.actual_pico == watched.cost(FIRST, grown.until_us, feature="search") > new.actual_pico
    world.look(BAD + 110 * MINUTE_US)
    (over,) = world.shelf.all()
    assert over.ended_us == over.until_us == BAD + 90 * MINUTE_US
    assert over.actual_pico == watched.cost(FIRST, BAD + 90 * MINUTE_US, feature="search")
    assert sum(part.pico for part in over.cause.parts) == over.excess_pico
    assert over.per_month_pico == 0
    assert world.told == [new.finding_id]


def test_what_was_everything_is_named_once_it_is_known_whose_it_is(watched: Watched, make_world: Make):
    later = FIRST + 5 * MINUTE_US
    world = make_world(Scripted({FIRST: [seen(FIRST, WHOLE)], later: [seen(later)]}))
    (new,) = world.look(FIRST + 2 * MINUTE_US)
    assert new.series == WHOLE
    assert world.look(later + 2 * MINUTE_US) == []
    (named,) = world.shelf.all()
    assert (named.finding_id, named.series, named.began_us) == (new.finding_id, SEARCH, FIRST)
    assert sum(part.pico for part in named.cause.parts) == named.excess_pico


def test_two_findings_that_turn_out_to_be_one_thing_become_one(watched: Watched, make_world: Make):
    early, later = FIRST - 40 * MINUTE_US, FIRST + 2 * MINUTE_US
    web = seen(FIRST + MINUTE_US, SeriesKey("team", "web"), seen_us=FIRST + 6 * MINUTE_US)
    script = {
        FIRST: [seen(early, WHOLE, seen_us=FIRST + MINUTE_US)],
        later: [seen(later)],
        FIRST + 5 * MINUTE_US: [web],
    }
    world = make_world(Scripted(script))
    (whole,) = world.look(FIRST + 2 * MINUTE_US)
    (search,) = world.look(later + 2 * MINUTE_US)
    assert world.look(FIRST + 7 * MINUTE_US) == []
    (one,) = world.shelf.all()
    assert (one.finding_id, one.series) == (whole.finding_id, SEARCH)
    assert one.began_us == later  # what was wider rose earlier by itself
    part = world.shelf.kept[search.finding_id]
    assert (part.part_of, part.is_open) == (one.finding_id, False)
    assert len(set(one.detections)) == len(one.detections) == 3
    assert world.told == [whole.finding_id, search.finding_id]


def test_what_somebody_spoke_of_stays_a_finding_of_its_own(watched: Watched, make_world: Make):
    early, later = FIRST - 40 * MINUTE_US, FIRST + 2 * MINUTE_US
    web = seen(FIRST + MINUTE_US, SeriesKey("team", "web"), seen_us=FIRST + 6 * MINUTE_US)
    first = seen(early, WHOLE, seen_us=FIRST + MINUTE_US)
    world = make_world(Scripted({FIRST: [first], later: [seen(later)], FIRST + 5 * MINUTE_US: [web]}))
    world.look(FIRST + 2 * MINUTE_US)
    (search,) = world.look(later + 2 * MINUTE_US)
    world.shelf.change(msgspec.structs.replace(search, label=Label.TRUE))
    world.look(FIRST + 7 * MINUTE_US)
    assert world.shelf.kept[search.finding_id].part_of == ""


def test_hours_don_t_tell_again_what_minutes_told(watched: Watched, make_world: Make):
    detectors = Scripted({FIRST: [seen(FIRST)]})
    world = make_world(detectors)
    world.look(FIRST + 2 * MINUTE_US)
    detectors.long_says = [seen(BAD, clock=Clock.HOUR, change=Change.SHIFT, seen_us=BAD + HOUR_US)]
    assert world.look(BAD + HOUR_US + 6 * MINUTE_US) == []
    (one,) = world.shelf.all()
    assert one.seen_us == BAD + HOUR_US


def test_hours_that_say_the_same_each_time_are_told_once(watched: Watched, make_world: Make):
    detectors = Scripted({})
    detectors.long_says = [seen(BAD, clock=Clock.HOUR, change=Change.SHIFT, seen_us=BAD + HOUR_US)]
    world = make_world(detectors)
    assert len(world.look(BAD + HOUR_US + 6 * MINUTE_US)) == 1
    assert world.look(UNTIL + 6 * MINUTE_US) == []


def test_a_spike_of_hours_that_is_seen_no_more_is_over(watched: Watched, make_world: Make):
    detectors = Scripted({})
    detectors.long_says = [seen(BAD, clock=Clock.HOUR, seen_us=BAD + HOUR_US)]
    world = make_world(detectors)
    world.look(BAD + HOUR_US + 6 * MINUTE_US)
    world.look(BAD + 5 * HOUR_US)
    (one,) = world.shelf.all()
    assert one.ended_us == BAD + HOUR_US
    assert one.actual_pico == watched.cost(BAD, BAD + HOUR_US, feature="search")


def test_a_shift_goes_on_while_it_costs_and_ends_when_it_doesn_t(watched: Watched, make_world: Make):
    detectors = Scripted({})
    detectors.long_says = [seen(BAD, clock=Clock.HOUR, change=Change.SHIFT, seen_us=BAD + HOUR_US)]
    world = make_world(detectors)
    world.look(BAD + HOUR_US + 6 * MINUTE_US)
    world.look(UNTIL + 2 * HOUR_US + 6 * MINUTE_US)  # the last three hours have an hour of it
    (one,) = world.shelf.all()
    assert one.is_open
    world.look(UNTIL + 8 * HOUR_US)  # nothing comes any more
    (one,) = world.shelf.all()
    assert not one.is_open


def test_false_labels_make_a_signal_need_more(watched: Watched, make_world: Make):
    world = make_world(Scripted({FIRST: [seen(FIRST, surprise=0.9)]}))
    world.shifts = {Signal.COST: 1.0}
    assert world.look(FIRST + 2 * MINUTE_US) == []


def test_what_is_labelled_false_is_followed_no_longer(watched: Watched, make_world: Make):
    world = make_world(Scripted({FIRST: [seen(FIRST)]}))
    (new,) = world.look(FIRST + 2 * MINUTE_US)
    world.shelf.change(msgspec.structs.replace(new, label=Label.FALSE))
    world.look(FIRST + 5 * MINUTE_US)
    assert not world.shelf.all()[0].is_open


def test_what_can_t_be_kept_is_told_once_it_can(watched: Watched, make_world: Make, monkeypatch: pytest.MonkeyPatch):
    world = make_world(Scripted({FIRST: [seen(FIRST)]}))
    world.look(FIRST)

    def down(finding: Finding) -> None:
        raise OSError("the control store is down")

    with monkeypatch.context() as patched:
        patched.setattr(world.shelf, "add", down)
        with pytest.raises(OSError, match="down"):
            world.look(FIRST + 2 * MINUTE_US)
    (new,) = world.look(FIRST + 3 * MINUTE_US)
    assert (new.series, new.began_us) == (SEARCH, FIRST)


def test_what_isn_t_loaded_yet_is_waited_for(make_world: Make):
    world = make_world(Scripted({FIRST: [seen(FIRST)]}))
    world.loaded_us = 0
    assert world.look(FIRST + 2 * MINUTE_US) == []
    assert (world.detectors.minutes, world.detectors.long_asked) == ([], [])
    world.loaded_us = BAD - DAY_US
    world.look(FIRST + 2 * MINUTE_US)
    assert world.detectors.minutes[-1] < BAD - DAY_US
    world.loaded_us = None
    assert len(world.look(FIRST + 2 * MINUTE_US)) == 1
    assert len(world.detectors.long_asked) == 4  # hours and days, again with what came in


def test_an_empty_ledger_is_watched_without_a_word(make_world: Make, empty: Watched):
    world = make_world(Scripted({}), of=empty)
    assert world.look(BAD + DAY_US) == []
    assert world.detectors.minutes == []
