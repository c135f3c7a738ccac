"""The ledger's side of the checks: one look over the measured days, one for the newest call."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bursar.domain.charge import Operation
from bursar.domain.periods import Period
from bursar.domain.savings import COLUMNS
from bursar.explore.apart import APART
from bursar.explore.compile import period_params
from bursar.ledger.rollups import MEASURES
from bursar.ledger.store import Session
from bursar.maturity.coverage import Covered
from bursar.maturity.facts import ZERO, Books, Part

CACHES = ("prompt_cache", "response_cache", "semantic_cache")
ANSWERED = (Operation.CHAT, Operation.COMPLETION)  # whose answers a request can limit
ANSWERS = f"operation IN ({', '.join(repr(str(name)) for name in ANSWERED)})"

CONDITIONS = {
    "feature": "feature <> ''",
    "team": "(team <> '' OR scope_team <> '')",
    "environment": "environment <> ''",
    "whom": "(customer <> '' OR consumer_id <> '' OR agent <> '')",
    "customer": "customer <> ''",
    "owned_keys": "(credential_kind = 'virtual' AND scope_team <> '')",
    "doubtful": "quality IN ('estimated', 'assumed')",
    "answers": ANSWERS,
}
"""Part of `Books` → which charges are in it."""


def read_books(session: Session, period: Period, parts: Mapping[str, Covered]) -> Books:
    """The measured days. parts: by name, what budgets and policies are about; `limited` is of answers alone.

    What stands for no call (a commitment that wasn't used, a bill's line) isn't in it: nobody could tag or limit it.
    """
    conditions = dict(CONDITIONS)
    params: dict[str, Any] = period_params(period, None)
    for name, one in parts.items():
        condition = f"({one.condition})"
        conditions[name] = f"({ANSWERS} AND {condition})" if name == "limited" else condition
        params |= one.params
    names = list(conditions)
    asked = [
        f"SUM(effective_cost) FILTER ({where}) AS {name}_spent, SUM(weight) FILTER ({where}) AS {name}_attempts"
        for name, where in conditions.items()
    ]
    sums = {
        name: f"SUM({MEASURES[name][1]})"
        for name in ("unpriced_count", "estimated_count", "assumed_count", "counterfactual_cost", "retry_cost",
                     "saved_cost", *(COLUMNS[lever] for lever in CACHES))
    }  # fmt: skip
    sql = f"""
        SELECT SUM(effective_cost) AS whole_spent, SUM(weight) AS whole_attempts,
          count(DISTINCT date_trunc('day', received_at)) FILTER (weight > 0) AS days,
          {", ".join(f"{part} AS {name}" for name, part in sums.items())}, {", ".join(asked)}
        FROM charges WHERE received_at >= $start AND received_at < $end AND NOT {APART}
    """  # noqa: S608  # names and conditions are of this module; every value is bound
    found = session.query(sql, params)
    row = dict(zip(found.columns, found.rows[0], strict=True))
    return Books(
        whole=_part(row, "whole"),
        days=row["days"],
        newest=_newest(session),
        unpriced=int(row["unpriced_count"] or 0),
        doubtful=int((row["estimated_count"] or 0) + (row["assumed_count"] or 0)),
        caches=sum((_money(row[COLUMNS[lever]]) for lever in CACHES), ZERO),
        levers=_money(row["saved_cost"]),
        counterfactual=_money(row["counterfactual_cost"]),
        retries=_money(row["retry_cost"]),
        parts={name: _part(row, name) for name in names},
    )


def spent_in(session: Session, period: Period) -> Decimal:
    """What was spent in a period, USD, as far as it has a price."""
    sql = "SELECT SUM(effective_cost) FROM charges WHERE received_at >= $start AND received_at < $end"
    return _money(session.query(sql, period_params(period, None)).only())


def _newest(session: Session) -> datetime | None:
    found = session.query("SELECT max(received_at) FROM charges").only()
    return None if found is None else found.replace(tzinfo=UTC)


def _part(row: Mapping[str, Any], name: str) -> Part:
    return Part(_money(row[f"{name}_spent"]), int(row[f"{name}_attempts"] or 0))


def _money(amount: Decimal | None) -> Decimal:
    """Nothing where no charge has a price: how many have none is counted beside."""
    return amount or ZERO
