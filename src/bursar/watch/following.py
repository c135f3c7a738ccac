"""When two looks are at one thing, and when a thing is over."""

from collections.abc import Callable, Collection, Iterable

import msgspec

from bursar.domain.findings import DETECTIONS_MAX, NESTED_MAX, Finding
from bursar.domain.watching import Change, Clock, Detection
from bursar.watch.buckets import STEP_US
from bursar.watch.episodes import Ended

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
APART_US = HOUR_US  # of two looks at one series that are one finding
BEGAN_APART_US = 15 * 60_000_000  # a wider series that rose longer before rose for other reasons
FORGOTTEN_US = 28 * DAY_US  # what goes on for so long is how it is now
UNSEEN_US = {Clock.MINUTE: 26 * HOUR_US, Clock.HOUR: 3 * HOUR_US, Clock.DAY: 2 * DAY_US}
"""So long without being seen again, and a finding may be over. The minute clock says itself when one is; only what it
forgot about (a restart without its state) ends by this."""

LOOK_BACK_US = {Clock.MINUTE: HOUR_US, Clock.HOUR: 3 * HOUR_US, Clock.DAY: DAY_US}
GOES_ON_SHARE = 4  # an excess of a quarter of what it was per hour goes on
CALM_US = 20 * 60_000_000  # of calls after an episode's end, to say that the others are over too

ExcessOf = Callable[[int, int], tuple[int, int]]
"""(expected, actual) in pico USD, of a part [start, end) of a finding's time."""


def is_same(told: Finding, before: Finding) -> bool:
    """Whether a new finding is of what is going on already: the same series, or one that was merged into it."""
    if told.series != before.series and told.series not in before.nested:
        return False
    return told.began_us - before.seen_us <= APART_US or told.began_us <= before.began_us


def is_over(finding: Finding, now_us: int, excess: ExcessOf) -> bool:
    """Whether nothing of it is left: long unseen, and calm lately. The ledger is asked only if it may be over."""
    if now_us - finding.began_us > FORGOTTEN_US:
        return True
    if now_us - finding.seen_us <= UNSEEN_US[finding.clock]:
        return False
    if finding.change is Change.SPIKE or not finding.excess_pico:
        return True
    return is_calm(finding, max(now_us - LOOK_BACK_US[finding.clock], finding.began_us), now_us, excess)


def when_over(finding: Finding, over: Iterable[Ended]) -> int | None:
    """When the minute clock's word is that all of its own series' episodes are over; None while one of them goes on."""
    if finding.clock is not Clock.MINUTE:
        return None
    ends = {(one.series, one.signal, one.began_us): one.ended_us for one in over}
    own = [(one.series, one.signal, one.began_us) for one in finding.detections if one.series == finding.series]
    if not own or any(key not in ends for key in own):
        return None
    return max(finding.began_us + 1, *(ends[key] for key in own))


def partly_over(finding: Finding, over: Iterable[Ended]) -> int | None:
    """When the last of its own series' episodes that are over ended; None while all of them go on.

    A ratio may take long to be sure that it is as it was: whether the thing is over is then for its cost to say.
    """
    ends = {(one.series, one.signal, one.began_us): one.ended_us for one in over}
    own = [(one.series, one.signal, one.began_us) for one in finding.detections if one.series == finding.series]
    return max((ends[key] for key in own if key in ends), default=None)


def is_calm(finding: Finding, since_us: int, now_us: int, excess: ExcessOf) -> bool:
    """Whether what it costs lately is near what was to be expected: less than a quarter of its excess an hour is left.

    Of what has no excess nothing is calm: its cost says nothing.
    """
    if now_us <= since_us or not finding.excess_pico:
        return False
    expected, actual = excess(since_us, now_us)
    per_hour = (actual - expected) * HOUR_US // (now_us - since_us)
    sign = 1 if finding.excess_pico > 0 else -1
    return sign * per_hour * GOES_ON_SHARE < abs(finding.excess_per_hour_pico)


def is_again(detection: Detection, before: Detection) -> bool:
    """Whether the same was told before. Where it began may be found a step earlier or later when more is known, and the
    hours tell of what the minutes told already."""
    if (detection.series, detection.signal) != (before.series, before.signal):
        return False
    step_us = max(STEP_US[detection.clock], STEP_US[before.clock])
    near = abs(detection.began_us - before.began_us) <= 2 * step_us
    both_grow = detection.change is Change.GROWTH and before.change is Change.GROWTH
    return near or (both_grow and before.began_us <= detection.seen_us and detection.began_us <= before.seen_us)


def owners_of(detections: Collection[Detection], young: Iterable[Finding]) -> list[Finding]:
    """The young findings that some of these detections are of already."""
    return [one for one in young if any(each in detections for each in one.detections)]


def is_all_in(finding: Finding, detections: Collection[Detection]) -> bool:
    """Whether nothing of it is left without these, and nobody has said or done anything about it."""
    untouched = finding.label is None and not finding.deeds
    return untouched and all(each in detections for each in finding.detections)


def absorbed(part: Finding, whole: Finding, now_us: int) -> Finding:
    """A finding that turned out to be one with another: over, and in no sum from now on."""
    return msgspec.structs.replace(part, part_of=whole.finding_id, ended_us=max(now_us, part.began_us + 1))


def renamed(before: Finding, told: Finding) -> Finding:
    """A young finding as another look sees all of it; it is still the same one.

    It began when it was first seen, but for what was wider and rose long before by itself.
    """
    near = before.series == told.series or told.began_us - before.began_us <= BEGAN_APART_US
    began_us = min(before.began_us, told.began_us) if near else told.began_us
    return msgspec.structs.replace(told, finding_id=before.finding_id, found_us=before.found_us, began_us=began_us)


def joined(into: Finding, told: Finding) -> Finding:
    """A finding with what another look at the same thing adds; its name and its birth stay."""
    others = (one for one in (told.series, *told.nested) if one != into.series)
    return msgspec.structs.replace(
        into,
        signals=tuple(dict.fromkeys((*into.signals, *told.signals))),
        nested=tuple(dict.fromkeys((*into.nested, *others)))[:NESTED_MAX],
        detections=tuple(dict.fromkeys((*into.detections, *told.detections)))[:DETECTIONS_MAX],
        seen_us=max(into.seen_us, told.seen_us),
        surprise=max(into.surprise, told.surprise),
    )
