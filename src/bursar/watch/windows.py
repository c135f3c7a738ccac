"""Which earlier stretches of time a finding is compared with, and how much each of them counts."""

from collections.abc import Sequence
from fractions import Fraction

import msgspec

DAY_US = 86_400_000_000
WEEK_US = 7 * DAY_US
AROUND_US = 3_600_000_000
WEEKS = 4
DAYS = 7
LEVEL_MIN, LEVEL_MAX = Fraction(1, 4), Fraction(4)


class Earlier(msgspec.Struct, frozen=True):
    """One stretch [start, end) before a finding; weight: how much of it is to be expected of the finding's own time."""

    start_us: int
    end_us: int
    weight: Fraction


def earlier_windows(began_us: int, until_us: int, first_us: int) -> list[Earlier]:
    """The same time of the week, in up to four weeks before; where the books don't go back two such weeks, the same
    time of the day in up to seven days before; where not even that, what came right before.

    A finding of several days or weeks is compared with as many of them, so that nothing of it is compared with itself;
    one of minutes with the hour around them (AROUND_US), because a minute of four weeks is few calls.
    first_us: of the first call in the books. Weights times lengths add up to the finding's own length. Nothing is known
    before the first call: an empty list.
    """
    length_us = max(until_us - began_us, 1)
    weeks = _shifted(began_us, length_us, first_us, WEEK_US, WEEKS)
    if len(weeks) >= 2:
        return weeks
    days = _shifted(began_us, length_us, first_us, DAY_US, DAYS)
    if days:
        return days
    start_us = max(began_us - min(max(length_us, DAY_US), WEEKS * WEEK_US), first_us)
    if start_us >= began_us:
        return []
    return [Earlier(start_us, began_us, Fraction(length_us, began_us - start_us))]


def level_windows(windows: Sequence[Earlier], began_us: int, length_us: int, first_us: int) -> list[tuple[int, int]]:
    """The week before the finding, and the one before each window that lies whole weeks back; [] where one of them
    isn't whole in the books: then nothing is said of how the level moved."""
    backs = [began_us - (one.start_us + one.end_us - length_us) // 2 for one in windows]
    if not backs or any(back % WEEK_US for back in backs):
        return []
    found = [(began_us - back - WEEK_US, began_us - back) for back in (0, *backs)]
    return found if all(start >= first_us for start, _ in found) else []


def at_level(windows: Sequence[Earlier], levels: Sequence[Fraction]) -> list[Earlier]:
    """The windows, each counted at the level of now: what grows by a tenth a week is expected to have grown.

    levels: what the weeks of `level_windows` cost, in their order. A factor of four at most, either way.
    """
    if not levels or levels[0] <= 0:
        return list(windows)
    now = levels[0]
    return [
        msgspec.structs.replace(one, weight=one.weight * min(max(now / then, LEVEL_MIN), LEVEL_MAX))
        if then > 0
        else one
        for one, then in zip(windows, levels[1:], strict=True)
    ]


def _shifted(began_us: int, length_us: int, first_us: int, step_us: int, most: int) -> list[Earlier]:
    shift_us = -(-length_us // step_us) * step_us
    around_us = max(AROUND_US - length_us, 0) // 2
    starts = [began_us - count * shift_us for count in range(1, most + 1)]
    kept = [start for start in starts if start - around_us >= first_us]
    share = Fraction(length_us, length_us + 2 * around_us)
    return [Earlier(start - around_us, start + length_us + around_us, share / len(kept)) for start in kept]
