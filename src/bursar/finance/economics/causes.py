"""What moved the cost of customers against the months before: exact parts, by `domain/factors.py`, that add up."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from bursar.domain.factors import Cell, CellKey, decompose
from bursar.domain.findings import Part
from bursar.domain.periods import Period
from bursar.explore.compile import naive
from bursar.ledger.store import Session

_PICO = 10**12
SPANS = 2
TOLD_APART = 6  # features and models with most cost; all others are one: a cell takes milliseconds to take apart
REST = "(others)"

Windows = tuple[dict[CellKey, Cell], dict[CellKey, Cell]]


def causes(
    session: Session, customers: Sequence[str], now: Period, before: Period, *, by: str = "customer"
) -> dict[str, list[Part]]:
    """Parts of each one's change of list cost, largest first: calls, tokens a call, price, mix of features and models.

    by: the column whose values `customers` are: customer or feature. Attempts without a price aren't in it. Only the
    charges can tell: a handful of customers is asked about, not all.
    """
    found: dict[str, Windows] = {name: ({}, {}) for name in customers}
    if not customers:
        return {}
    mixed = "feature" if by == "customer" else "customer"
    params = {
        "names": list(customers), "from0": naive(before.start), "to0": naive(before.end),
        "from1": naive(now.start), "to1": naive(now.end),
    }  # fmt: skip
    spans = " ".join(f"WHEN received_at >= $from{at} AND received_at < $to{at} THEN {at}" for at in range(SPANS))
    inside = " OR ".join(f"(received_at >= $from{at} AND received_at < $to{at})" for at in range(SPANS))
    mix = mixed if by == "customer" else "''"
    source = (
        f"(SELECT CASE {spans} END AS span, coalesce({by}, '') AS name, coalesce({mix}, '') AS mix, model, is_final, "
        f"weight, list_cost, lines FROM charges WHERE ({inside}) AND list_contains($names, coalesce({by}, '')) "
        "AND list_cost IS NOT NULL)"
    )
    sums = session.query(
        "SELECT span, name, mix, model, SUM(CASE WHEN is_final THEN weight ELSE 0 END)::BIGINT, SUM(list_cost), "
        f"SUM(CASE WHEN is_final THEN 0 ELSE list_cost END) FROM {source} GROUP BY 1, 2, 3, 4",
        params,
    ).rows
    mixes, models = _largest(sums, 2), _largest(sums, 3)

    def cell(span: int, name: str, mix_value: str, model: str) -> Cell:
        key = mix_value if mix_value in mixes[name] else REST, model if model in models[name] else REST
        return found[name][span].setdefault(key, Cell(units={}))

    for span, name, mix_value, model, calls, cost, wasted in sums:
        one = cell(span, name, mix_value, model)
        one.calls += int(calls)
        one.cost += Fraction(cost) * _PICO
        one.wasted += Fraction(wasted) * _PICO
    lines = session.query(
        "SELECT span, name, mix, model, line.unit, SUM(line.quantity)::HUGEINT, SUM(line.quantity * line.unit_price) "
        f"FROM (SELECT span, name, mix, model, unnest(lines) AS line FROM {source} WHERE is_final) "
        "GROUP BY 1, 2, 3, 4, 5",
        params,
    ).rows
    for span, name, mix_value, model, unit, quantity, cost in lines:
        units = cell(span, name, mix_value, model).units
        was_quantity, was_cost = units.get(unit, (Fraction(0), Fraction(0)))
        units[unit] = (was_quantity + int(quantity), was_cost + Fraction(cost) * _PICO)
    return {name: decompose(*windows) for name, windows in found.items()}


def _largest(sums: Sequence[tuple[Any, ...]], at: int) -> dict[str, set[str]]:
    """By name, the values in column `at` with most cost."""
    costs: dict[str, dict[str, Fraction]] = {}
    for row in sums:
        one = costs.setdefault(row[1], {})
        one[row[at]] = one.get(row[at], Fraction(0)) + Fraction(row[5])
    return {
        name: set(sorted(one, key=lambda value: (-one[value], str(value)))[:TOLD_APART]) for name, one in costs.items()
    }
