"""From customers' months, and what their models cost, to what simulations stand on. Pure but for one question."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from bursar.domain.money import pico_from_usd
from bursar.domain.periods import Period
from bursar.explore.compile import period_params
from bursar.finance.economics.model import CustomerMonth
from bursar.finance.scenarios.payers import Grounds, PastMonth, Payer
from bursar.ledger.store import Session

ModelCosts = Mapping[str, Mapping[str, int]]
"""customer → "provider/model" → pico."""


def model_costs(session: Session, period: Period) -> dict[str, dict[str, int]]:
    """Effective cost of each customer's models, all charges of a period, corrections included."""
    rows = session.query(
        """
        SELECT coalesce(customer, ''), provider || '/' || model, (SUM(effective_cost) * 1000000000000)::HUGEINT
        FROM charges WHERE received_at >= $start AND received_at < $end
        GROUP BY ALL HAVING SUM(effective_cost) <> 0 ORDER BY ALL
        """,
        period_params(period, None),
    ).rows
    found: dict[str, dict[str, int]] = {}
    for customer, model, pico in rows:
        found.setdefault(customer, {})[model] = pico
    return found


def grounds_of(
    rows: Iterable[CustomerMonth], models: Mapping[date, ModelCosts], base: Sequence[date], currency: str
) -> Grounds:
    """Customers of the last of these months, each as the mean of those months that they were on the same plan.

    rows:   each customer in each month of `base`, oldest month first; "" are calls without a customer.
    models: of each month; empty where no scenario asks for models.
    """
    by_customer: dict[str, dict[date, CustomerMonth]] = {}
    past = {month: [0, 0, 0] for month in base}
    unpriced = 0
    for row in rows:
        by_customer.setdefault(row.customer_id, {})[row.month] = row
        unpriced += row.unpriced
        if is_known(row):
            sums = past[row.month]
            sums[0] += _pico(row.revenue)
            sums[1] += _pico(row.ai_cost)
            sums[2] += _pico(row.other_cost_of_goods)
    payers, without_other, unknown, unknown_pico = [], 0, 0, 0
    for customer, months in by_customer.items():
        last = months.get(base[-1])
        if last is None:
            continue  # gone, or not there in the last month
        if not is_known(last):
            unknown += customer != ""
            unknown_pico += _pico(last.ai_cost)
            continue
        without_other += last.other_cost_of_goods is None
        alike = [one for one in months.values() if is_known(one) and _kind(one) == _kind(last)]
        payers.append(_mean(last, alike, [models.get(one.month, {}).get(customer, {}) for one in alike]))
    return Grounds(
        payers=payers,
        months=list(base),
        past=[PastMonth(month, *sums) for month, sums in past.items()],
        currency=currency,
        unknown_customers=unknown,
        unknown_ai_cost=unknown_pico,
        unpriced=unpriced,
        without_other_cost=without_other,
    )


def is_known(row: CustomerMonth) -> bool:
    """Whether a margin can be told: there is a customer, and revenue is known."""
    return row.customer_id != "" and row.revenue is not None


def _kind(row: CustomerMonth) -> tuple[str, bool]:
    return row.plan, row.is_free


def _mean(last: CustomerMonth, months: Sequence[CustomerMonth], models: Sequence[Mapping[str, int]]) -> Payer:
    """Each amount rounded once, half-even, to the pico; of one month it is that month, exactly."""
    count = len(months)

    def mean(values: Iterable[int]) -> int:
        return round(Fraction(sum(values), count))

    names = sorted({name for one in models for name in one})
    return Payer(
        customer=last.customer_id,
        plan=last.plan,
        segment=last.segment,
        is_free=last.is_free,
        revenue=mean(_pico(one.revenue) for one in months),
        ai_cost=mean(_pico(one.ai_cost) for one in months),
        other_cost=mean(_pico(one.other_cost_of_goods) for one in months),
        calls=mean(one.calls for one in months),
        tokens=mean(one.tokens for one in months),
        cost_by_model={name: mean(one.get(name, 0) for one in models) for name in names},
    )


def _pico(amount: Decimal | None) -> int:
    """What isn't given is left out here, and said by `Grounds`."""
    return 0 if amount is None else pico_from_usd(amount)
