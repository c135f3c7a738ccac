"""One question to the ledger: what a month's charges cost by whom they belong to and which rule takes them.

Tags are given as a view, first; then the first split whose filter fits takes a charge; the rest is direct cost. All of
it is one pass over the month's charges, whichever rules there are.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.money import pico_from_usd
from bursar.explore import compile as sql
from bursar.explore.filters import Filter
from bursar.finance.allocation.rules import BY, DRIVERS, InForce
from bursar.finance.books.booked import Closings, booked_where, month_span
from bursar.ledger.store import Session

COST = "effective_cost"
DETAILS = ("provider", "model", "feature", "team", "customer")


class Gathered(msgspec.Struct, frozen=True):
    """What charges of one recipient and one rule add up to. rule: its place among the splits; -1: direct cost.

    recipient: "" where nobody is named. drivers: of `rules.DRIVERS`.
    """

    rule: int
    recipient: str
    cost_pico: int
    attempts: int
    unpriced: int
    drivers: Mapping[str, int]


class Detail(msgspec.Struct, frozen=True):
    """A line of a statement: direct cost by a value of a dimension."""

    value: str
    cost_pico: int
    attempts: int


def gather(
    session: Session,
    dialect: str,
    month: str,
    by: str,
    closings: Closings,
    tagging: Sequence[InForce],
    splits: Sequence[InForce],
) -> list[Gathered]:
    """By rule and recipient. by: team, customer or feature."""
    source, params = _source(dialect, month, by, closings, tagging, splits)
    drivers = ", ".join(f"coalesce(SUM({part}), 0)::BIGINT" for part in DRIVERS.values())
    rows = session.query(
        f"""
        SELECT rule, recipient, coalesce(SUM({COST}), 0)::DECIMAL(38,12), SUM(weight)::BIGINT,
          SUM(CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END)::BIGINT, {drivers}
        FROM ({source}) GROUP BY 1, 2 ORDER BY 1, 2""",
        params,
    ).rows
    return [
        Gathered(int(rule), recipient, _pico(cost), attempts, unpriced, dict(zip(DRIVERS, rest, strict=True)))
        for rule, recipient, cost, attempts, unpriced, *rest in rows
    ]


def details(
    session: Session,
    dialect: str,
    month: str,
    by: str,
    closings: Closings,
    tagging: Sequence[InForce],
    splits: Sequence[InForce],
    recipient: str,
    dimension: str,
) -> list[Detail]:
    """One recipient's direct cost by a dimension of DETAILS, largest first; the lines add up to it."""
    source, params = _source(dialect, month, by, closings, tagging, splits)
    rows = session.query(
        f"""
        SELECT coalesce({dimension}, ''), coalesce(SUM({COST}), 0)::DECIMAL(38,12) AS cost, SUM(weight)::BIGINT
        FROM ({source}) WHERE rule = -1 AND recipient = $recipient GROUP BY 1 ORDER BY cost DESC, 1""",
        {**params, "recipient": recipient},
    ).rows
    return [Detail(value, _pico(cost), attempts) for value, cost, attempts in rows]


def _source(
    dialect: str,
    month: str,
    by: str,
    closings: Closings,
    tagging: Sequence[InForce],
    splits: Sequence[InForce],
) -> tuple[str, dict[str, Any]]:
    """Rows of charges with `rule` and `recipient`, and the values that the text has by name."""
    rules = [*tagging, *splits]
    filters: list[Filter] = []
    spans: list[tuple[int, int]] = []
    for rule in rules:
        own = rule.terms.filters
        spans.append((len(filters), len(filters) + len(own)))
        filters += own
    asked = [one.sql(dialect=dialect) for one in sql.conditions(sql.filter_shapes(filters))]
    fits = [" AND ".join(asked[first:last]) or "true" for first, last in spans]
    start, end = month_span(month)
    params: dict[str, Any] = {"start": start, "end": end, **sql.filter_params(filters)}
    tagged = []
    for column in BY:
        cases = []
        for at, rule in enumerate(tagging):
            if column not in rule.terms.tags:
                continue
            params |= {
                f"from{at}": rule.first,
                f"to{at}": rule.last + timedelta(days=1),
                f"{column}{at}": rule.terms.tags[column],
            }
            days = f"dispatched_at >= $from{at} AND dispatched_at < $to{at}"
            cases.append(f"WHEN coalesce({column}, '') = '' AND {days} AND {fits[at]} THEN ${column}{at}")
        tagged.append(f"CASE {' '.join(cases)} ELSE coalesce({column}, '') END AS {column}" if cases
                      else f"coalesce({column}, '') AS {column}")  # fmt: skip
    taken = " ".join(f"WHEN {fit} THEN {at}" for at, fit in enumerate(fits[len(tagging) :]))
    inner = f"SELECT * REPLACE ({', '.join(tagged)}) FROM charges WHERE {booked_where(closings)}"
    rule_sql = f"CASE {taken} ELSE -1 END" if taken else "-1"
    return f"SELECT *, {rule_sql} AS rule, {by} AS recipient FROM ({inner})", params


def _pico(cost: Decimal) -> int:
    return pico_from_usd(cost)
