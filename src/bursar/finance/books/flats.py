"""Whether a month's flat costs are in the books: one of the checks before it is closed."""

from collections.abc import Sequence
from typing import NamedTuple

from bursar.domain.money import usd_from_pico


class OpenFlat(NamedTuple):
    """A flat cost of which something isn't booked. open_pico: how much, below zero where too much is; None: unknown,
    since no exchange rate is known."""

    rule: str
    by: str
    open_pico: int | None


def unbooked_flats(flats: Sequence[OpenFlat]) -> str:
    """What isn't booked, in words; "": all is."""
    return "; ".join(f"{one.rule} (by {one.by}), {_how_much(one.open_pico)}" for one in flats)


def _how_much(pico: int | None) -> str:
    if pico is None:
        return "unknown: no exchange rate is known"
    return f"{usd_from_pico(pico):,.2f} USD" if pico else "split otherwise by now"
