"""From customers' months, and what their models cost, to what simulations stand on."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from bursar.domain.periods import Period
from bursar.explore.compile import period_params
from bursar.finance.economics.figures import rounded
from bursar.finance.economics.rows import Row
from bursar.finance.scenarios.payers import Grounds, PastMonth, Payer
from bursar.ledger.store import Session

ModelCosts = Mapping[str, Mapping[str, int]]
"""customer → "provider/model" → pico."""


def model_costs(session: Session, period: Period, wanted: Collection[str]) -> dict[str, dict[str, int]]:
    """Effective cost of each customer's models, all charges of a period, corrections included.

    wanted: "provider/model" or "provider"; others aren't told: over a million pairs of a customer and a model take
    seconds to carry over.
    """
    rows = session.query(
        """
        WITH sums AS MATERIALIZED (
          SELECT customer, provider, model, SUM(effective_cost) AS cost FROM charges
          WHERE received_at >= $start AND received_at < $end GROUP BY ALL
        )
        SELECT coalesce(customer, ''), provider || '/' || model, (SUM(cost) * 1000000000000)::HUGEINT FROM sums
        WHERE cost <> 0
          AND (list_contains($wanted, provider) OR list_contains($wanted, provider || '/' || model))
        GROUP BY ALL ORDER BY ALL
        """,
        period_params(period, None) | {"wanted": sorted(wanted)},
    ).rows
    found: dict[str, dict[str, int]] = {}
    for customer, model, pico in rows:
        found.setdefault(customer, {})[model] = pico
    return found


def grounds_of(months: Mapping[date, Sequence[Row]], models: Mapping[date, ModelCosts], currency: str) -> Grounds:
    """Customers of the last of these months, each as the mean of those months that they were on the same plan.

    months: every customer of each, oldest month first; "" are calls without a customer.
    models: of each month, those that scenarios name; empty where none does.
    """
    known: dict[str, dict[date, Row]] = {}
    past = []
    for month, rows in months.items():
        theirs = {row.customer: row for row in rows if is_known(row)}
        for customer, row in theirs.items():
            known.setdefault(customer, {})[month] = row
        past.append(
            PastMonth(
                month,
                sum(row.revenue_pico or 0 for row in theirs.values()),
                sum(row.ai_pico for row in theirs.values()),
                sum(row.other_pico or 0 for row in theirs.values()),
            )
        )
    end = list(months)[-1]
    payers, without_other, unknown, unknown_pico = [], 0, 0, 0
    for last in months[end]:
        if not is_known(last):
            unknown += last.customer != ""
            unknown_pico += last.ai_pico
            continue
        without_other += last.other_pico is None
        alike = [(month, row) for month, row in known[last.customer].items() if _kind(row) == _kind(last)]
        by_model = [models.get(month, {}).get(last.customer, {}) for month, _ in alike]
        payers.append(_mean(last, [row for _, row in alike], by_model))
    return Grounds(
        payers=payers,
        months=list(months),
        past=past,
        currency=currency,
        unknown_customers=unknown,
        unknown_ai_cost=unknown_pico,
        unpriced=sum(row.unpriced for rows in months.values() for row in rows),
        without_other_cost=without_other,
    )


def is_known(row: Row) -> bool:
    """Whether a margin can be told: there is a customer, and revenue is known."""
    return row.customer != "" and row.revenue_pico is not None


def _kind(row: Row) -> tuple[str, bool]:
    return row.plan, row.is_free


def _mean(last: Row, months: Sequence[Row], models: Sequence[Mapping[str, int]]) -> Payer:
    """Each amount rounded once, half-even, to the pico; of one month it is that month, exactly."""
    count = len(months)
    revenue = ai_cost = other = calls = tokens = 0
    for one in months:
        revenue += one.revenue_pico or 0
        ai_cost += one.ai_pico
        other += one.other_pico or 0
        calls += one.calls
        tokens += one.tokens
    names = sorted({name for one in models for name in one})
    return Payer(
        customer=last.customer,
        plan=last.plan,
        segment=last.segment,
        is_free=last.is_free,
        revenue=rounded(revenue, count),
        ai_cost=rounded(ai_cost, count),
        other_cost=rounded(other, count),
        calls=rounded(calls, count),
        tokens=rounded(tokens, count),
        cost_by_model={name: rounded(sum(one.get(name, 0) for one in models), count) for name in names},
    )
