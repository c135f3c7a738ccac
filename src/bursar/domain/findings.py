"""What the watch has found, as people read it: what it costs, why it happened, and what was said and done about it.

Money is whole pico USD. What was paid is a sum of the ledger; what was to be expected is an estimate from earlier
charges, rounded to the pico, so that both and their difference add up to the last place.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from bursar.domain.watching import Change, Clock, Detection, Label, Marker, SeriesKey, Signal

HOUR_US = 3_600_000_000
HOURS_A_MONTH = 730
DETECTIONS_MAX = 20  # of one finding that are kept
NESTED_MAX = 20


class Factor(StrEnum):
    """What a change of cost is put down to; `domain/factors.py` says how each is measured."""

    CALLS = "calls"
    INPUT = "input_length"
    OUTPUT = "output_length"
    CACHE = "cache"
    RETRIES = "retries"
    PRICE = "price"
    MODELS = "models"
    MIX = "mix"
    OTHER = "other"


class Part(msgspec.Struct, frozen=True):
    """How much of an excess one factor is. Below 0: it made calls cheaper."""

    factor: Factor
    pico: int


class Moved(msgspec.Struct, frozen=True):
    """One value of a dimension, or the rest of them (`is_rest`): what was to be expected of it, and what it cost."""

    value: str
    expected_pico: int
    actual_pico: int
    is_rest: bool = False

    @property
    def excess_pico(self) -> int:
        return self.actual_pico - self.expected_pico


class Movement(msgspec.Struct, frozen=True):
    """Onto which values of one dimension an excess falls; they add up to it. Largest share first, the rest last.

    within: the values that were taken out before, one of each dimension: all of this is inside them.
    score: 0 to 1, how much more of the excess the first value has than its share of what was to be expected.
    """

    dimension: str
    values: tuple[Moved, ...]
    score: float
    within: tuple[SeriesKey, ...] = ()


class PerCall(msgspec.Struct, frozen=True):
    """What calls of a stretch of time looked like, scaled to the finding's own length where it was before it.

    tokens and cost are sums; models: of the calls, those with most first.
    """

    calls: float
    input_tokens: float
    cache_read_tokens: float
    output_tokens: float
    cost_pico: int
    models: tuple[tuple[str, float], ...] = ()


class Cause(msgspec.Struct, frozen=True):
    """Why. `parts` add up to the excess, and so does each movement that is within nothing.

    mixed_by: the dimension whose values the factor `mix` is about.
    """

    parts: tuple[Part, ...] = ()
    movements: tuple[Movement, ...] = ()
    mixed_by: str = ""
    before: PerCall | None = None
    after: PerCall | None = None


class Evidence(msgspec.Struct, frozen=True):
    """Calls to look at, by their ids: dearest ones before and after, and the first that was out of the ordinary.

    windows_us: the stretches of time that the expected was taken from, [start, end) each.
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    first_bad: str = ""
    first_bad_us: int = 0
    windows_us: tuple[tuple[int, int], ...] = ()
    markers: tuple[Marker, ...] = ()


class Deed(msgspec.Struct, frozen=True):
    """What was done about a finding. state: `draft` (made, but off), `applied`, or `failed` (`detail` says why).

    kind: limit, policy or budget; control_id: its id, "" where nothing was made.
    """

    offer: str
    kind: str
    state: str
    control_id: str
    at_us: int
    by: str
    detail: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing out of the ordinary: everything nested in it is in it once.

    series:     the narrowest one that explains it; nested: the others that showed it too.
    signals:    what of it was seen, the surest first; detections: the numbers, as detectors gave them.
    began_us, seen_us: its first step, and the end of the step that it was last seen in; found_us: when it was told.
    until_us:   up to when its money is counted; ended_us: None while it goes on.
    part_of:    the id of the finding that it turned out to be one with: it is over then, and in no list or sum.
    expected_pico: an estimate from calls before (see `Evidence.windows_us`); actual_pico: what the ledger has.
    unpriced:   attempts of it without a price, which are in neither.
    """

    finding_id: str
    series: SeriesKey
    signals: tuple[Signal, ...]
    change: Change
    clock: Clock
    began_us: int
    seen_us: int
    found_us: int
    until_us: int
    surprise: float
    ended_us: int | None = None
    part_of: str = ""
    expected_pico: int = 0
    actual_pico: int = 0
    unpriced: int = 0
    nested: tuple[SeriesKey, ...] = ()
    detections: tuple[Detection, ...] = ()
    cause: Cause = Cause()
    evidence: Evidence = Evidence()
    deeds: tuple[Deed, ...] = ()
    label: Label | None = None
    labelled_us: int = 0
    labelled_by: str = ""
    label_note: str = ""

    @property
    def excess_pico(self) -> int:
        """What it has cost more than was to be expected; below 0: less."""
        return self.actual_pico - self.expected_pico

    @property
    def is_open(self) -> bool:
        return self.ended_us is None

    @property
    def excess_per_hour_pico(self) -> int:
        """Over the time in which it was counted, rounded down towards 0."""
        length_us = max(self.until_us - self.began_us, 1)
        sign = -1 if self.excess_pico < 0 else 1
        return sign * (abs(self.excess_pico) * HOUR_US // length_us)

    @property
    def per_month_pico(self) -> int:
        """What it would cost in a month (HOURS_A_MONTH) if it goes on at this pace; of one that is over: nothing."""
        return self.excess_per_hour_pico * HOURS_A_MONTH if self.is_open else 0


def ranked(found: Sequence[Finding]) -> list[Finding]:
    """By money: what goes on by what a month of it would cost, then what is over by what it did cost."""
    return sorted(
        found, key=lambda one: (not one.is_open, -one.per_month_pico, -one.excess_pico, -one.surprise, one.finding_id)
    )


class Precision(msgspec.Struct, frozen=True):
    """How often a detector was right: of its findings that somebody labelled. `expected`: right, and wanted.

    shift: how much its threshold of surprise is moved by these labels (`threshold_shift`).
    """

    signal: Signal
    true: int
    false: int
    expected: int
    shift: float

    @property
    def labelled(self) -> int:
        return self.true + self.false + self.expected

    @property
    def precision(self) -> float | None:
        """The share of labelled findings that weren't false; None: nothing is labelled."""
        return (self.true + self.expected) / self.labelled if self.labelled else None
