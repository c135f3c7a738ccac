"""A viral moment: free users that come, cost, leave, and in part begin to pay. Pure and exact.

All is linear in the share that converts: so each month has three numbers, and any share can be put in later.
"""

import calendar
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from bursar.finance.scenarios.steps import Viral


class Wave(NamedTuple):
    """One month of it. free: users there if nobody converts; all: if everybody does; paying: of whom then pay.

    With a share c converting, `(1 - c) × free + c × all` are there, and `c × paying` pay.
    """

    free: Fraction
    all: Fraction
    paying: Fraction

    def there(self, share: Fraction) -> Fraction:
        return (1 - share) * self.free + share * self.all


def waves(step: Viral, months: Sequence[date]) -> list[Wave]:
    """Month by month. Of the month they come in, the first ones are there from their day on."""
    since = step.since or months[0]
    each = Fraction(step.users, step.ramp)
    stay = 1 - Fraction(step.decay) / 100
    found = []
    for month in months:
        now = (month.year - since.year) * 12 + month.month - since.month
        free = here = paying = Fraction(0)
        for came in range(step.ramp):
            age = now - came
            if age < 0:
                continue
            part = _of_first_month(since) if age == 0 and came == 0 else Fraction(1)
            free += each * part * stay**age
            here += each * part
            paying += each * part if age >= step.after else 0
        found.append(Wave(free, here, paying))
    return found


def middle(step: Viral) -> Fraction:
    """The share that converts, as an amount is told by."""
    return Fraction(step.convert_low + step.convert_high) / 200


def paying_off(step: Viral, found: Sequence[Wave], cost: Sequence[Fraction], price: int) -> Fraction | None:
    """The share that must convert for the months together to cost nothing; None: no share does.

    cost: of one such user, pico by month. price: pico.
    """
    lost = sum((wave.free * one for wave, one in zip(found, cost, strict=True)), Fraction(0))
    won = sum(
        (wave.paying * price + (wave.free - wave.all) * one for wave, one in zip(found, cost, strict=True)), Fraction(0)
    )
    if lost == 0:
        return Fraction(0)
    share = lost / won if won > 0 else None
    return share if share is not None and share <= 1 else None


def _of_first_month(since: date) -> Fraction:
    days = calendar.monthrange(since.year, since.month)[1]
    return Fraction(days - since.day + 1, days)
