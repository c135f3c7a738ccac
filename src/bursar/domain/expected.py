"""What is expected of the hours to come: made by whoever reads the past, read by whoever counts against a limit."""

from collections.abc import Sequence
from typing import NamedTuple


class HoursAhead(NamedTuple):
    """expected: pico-dollars of each hour, the running one first. low, high: of the sum of all hours up to each, as a
    share of what is expected of it: four times in five it is between these.

    has_band: False with so little history that nothing is said of how sure it is; low and high are 1 then.
    per_day: pico-dollars, over the next week. hours: of history behind it. said_by: the model, in words.
    """

    expected: Sequence[int]
    low: Sequence[float]
    high: Sequence[float]
    has_band: bool
    per_day: int
    hours: int
    said_by: str


NOTHING_KNOWN = HoursAhead((), (), (), False, 0, 0, "")
