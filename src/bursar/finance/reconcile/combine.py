"""Money pages and usage pages of one bill, joined: a cost report says what classes cost, a usage report says whose.

Money without a quantity is shared over the usage lines that it is about, by their quantities, to the last pico. Usage
that no money is about is left out of the bill: it says nothing that could be compared in money.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from bursar.domain.money import EXACT
from bursar.finance.reconcile.bill import BillLine

_DIMENSIONS = ("project", "key", "model", "tier", "where", "account")
_Stated = tuple[str, ...]
_PLACES = Decimal(1).scaleb(-12)


def join_usage(lines: Sequence[BillLine]) -> tuple[list[BillLine], list[BillLine]]:
    """(lines with money, usage lines that stay beside money that isn't told by class, as OpenRouter's)."""
    usage = [line for line in lines if line.amount is None and line.kind == "usage" and (line.quantity or 0) > 0]
    money = [line for line in lines if line.amount is not None]
    if not usage:
        return money, []
    joined: list[BillLine] = []
    to_share: dict[_Stated, list[BillLine]] = defaultdict(list)
    coarse: set[tuple[object, ...]] = set()
    for line in money:
        if line.kind == "usage" and line.quantity is None and line.unit:
            to_share[_stated(line)].append(line)
        else:
            joined.append(line)
            if line.kind == "usage" and not line.unit:
                coarse.add(_about(line))
    for stated, wanting in to_share.items():
        by_value: dict[tuple[object, ...], list[BillLine]] = defaultdict(list)
        for line in usage:
            by_value[_value(line, stated)].append(line)
        same: dict[tuple[object, ...], list[BillLine]] = defaultdict(list)
        for line in wanting:
            same[_value(line, stated)].append(line)
        for value, parts in same.items():
            of = by_value.get(value, [])
            joined += _shared(parts, of) if of else parts
    return joined, [line for line in usage if _about(line) in coarse]


def _shared(parts: Sequence[BillLine], usage: Sequence[BillLine]) -> list[BillLine]:
    """Each money line's amount over the usage lines; the quantity goes with the first, a copy of it says it again."""
    found = []
    whole = sum((line.quantity or Decimal(0) for line in usage), Decimal(0))
    for at, part in enumerate(parts):
        given, so_far = Decimal(0), Decimal(0)
        for line in usage:
            so_far += line.quantity or Decimal(0)
            share = EXACT.divide(EXACT.multiply(part.amount or Decimal(0), so_far), whole)
            upto = part.amount or Decimal(0)
            if line is not usage[-1]:
                upto = share.quantize(_PLACES, context=EXACT)
            found.append(
                msgspec.structs.replace(
                    line, amount=upto - given, places=part.places, currency=part.currency, rate=part.rate,
                    text=part.text, quantity=line.quantity if at == 0 or part == parts[0] else Decimal(0),
                )
            )  # fmt: skip
            given = upto
    return found


def _stated(line: BillLine) -> _Stated:
    return tuple(name for name in _DIMENSIONS if getattr(line, name))


def _value(line: BillLine, stated: _Stated) -> tuple[object, ...]:
    return (line.start, line.end, line.provider, line.unit, *(getattr(line, name) for name in stated))


def _about(line: BillLine) -> tuple[object, ...]:
    return (line.start, line.end, line.provider, line.model, line.where, line.project, line.key)
