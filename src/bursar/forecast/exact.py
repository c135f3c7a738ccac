"""From floats to money: whole micro-dollars as pico-dollars, parts that add up to their whole to the last one."""

from collections.abc import Sequence

from bursar.forecast.models import Floats

MICRO = 10**6  # pico-dollars; a forecast has no more digits than that


def pico_of(usd: float) -> int:
    """Rounded to a micro-dollar."""
    return round(usd * 1e6) * MICRO


def split_exactly(whole: Sequence[int], parts: Floats) -> list[list[int]]:
    """The whole's amounts (days,), in pico, split as `parts` are, (parts, days): each column adds up to the whole.

    What rounding leaves goes to the parts that lost most by it.
    """
    columns = [_split(amount, list(parts[:, at])) for at, amount in enumerate(whole)]
    return [list(row) for row in zip(*columns, strict=True)]


def _split(amount: int, weights: list[float]) -> list[int]:
    total = sum(weights)
    if total <= 0:
        return [amount, *(0 for _ in weights[1:])] if weights else []
    micros = amount // MICRO
    exact = [micros * (weight / total) for weight in weights]
    found = [int(one) for one in exact]
    left = micros - sum(found)
    order = sorted(range(len(found)), key=lambda at: found[at] - exact[at])
    for turn in range(abs(left)):
        found[order[turn % len(order)]] += 1 if left > 0 else -1
    return [one * MICRO for one in found]
