"""One row per customer over some months: what was brought in of them, joined with what their calls cost.

Money is whole pico of the currency that costs are in (USD): exact, and quick to add up for twenty thousand customers.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from bursar.domain.money import pico_from_usd
from bursar.finance.business.model import PlanPrice, PricePlan
from bursar.finance.business.tables import CUSTOMERS, REVENUE, SEATS, SPANS
from bursar.finance.economics.model import Rate
from bursar.finance.economics.sources import Params, customer_rows, token_columns
from bursar.finance.economics.spans import MonthSpan
from bursar.ledger.store import Session

RATE_PLACES = Decimal("1e-12")
Basis = Literal["booked", "price", "free", "unknown", "no_rate"]
"""Where revenue is from: lines that were brought in; the plan's price, an estimate; nothing is paid; unknown."""


class Row(msgspec.Struct):
    """One customer over the months. revenue_pico: None: unknown. other_pico: cost of goods beside AI; None: not given.

    is_known: whether anything was brought in of them; customer "" are calls without a customer.
    missing: currencies without a rate. signed_up …: as brought in.
    """

    customer: str
    name: str
    segment: str
    plan: str
    is_known: bool
    is_free: bool
    signed_up: date | None
    converted_on: date | None
    cancelled_on: date | None
    basis: Basis
    revenue_pico: int | None
    other_pico: int | None
    ai_pico: int
    list_pico: int
    calls: int
    tokens: int
    unpriced: int
    missing: list[str] | None

    @property
    def without_ai_pico(self) -> int | None:
        return None if self.revenue_pico is None else self.revenue_pico - (self.other_pico or 0)

    @property
    def margin_pico(self) -> int | None:
        return None if self.revenue_pico is None else self.revenue_pico - (self.other_pico or 0) - self.ai_pico


class Rated(msgspec.Struct, frozen=True):
    """Rates that a question needs, and what there were none for: (currency, month) → rate."""

    rates: dict[tuple[str, date], Decimal | None]

    @property
    def missing(self) -> list[str]:
        return sorted({currency for (currency, _), rate in self.rates.items() if rate is None})


def customer_rows_of(
    session: Session, span: MonthSpan, plans: Sequence[PricePlan], rate: Rate, *, only: Sequence[str] | None = None
) -> list[Row]:
    """Every customer with a call, with revenue, or with a record and not gone; those of `only`, if given.

    They add up: the AI cost of all rows is that of all charges of these months.
    """
    rated = rates_needed(session, span, plans, rate)
    text, params = _query(session, span, plans, rated, only)
    return [Row(*row) for row in session.query(text, params).rows]


def rates_needed(session: Session, span: MonthSpan, plans: Sequence[PricePlan], rate: Rate) -> Rated:
    """Of every currency that revenue or prices of these months are in."""
    text = f"SELECT DISTINCT currency FROM {REVENUE.current} WHERE month >= $first AND month < $until"
    currencies = {row[0] for row in session.query(text, {"first": span.first, "until": span.until}).rows}
    currencies |= {price.currency for plan in plans for price in plan.prices}
    return Rated(
        {(one, month): rate(one, span.rate_day(month)) for one in sorted(currencies) for month in span.month_list}
    )


def _query(
    session: Session, span: MonthSpan, plans: Sequence[PricePlan], rated: Rated, only: Sequence[str] | None
) -> tuple[str, Params]:
    summed = ("customer", "calls", *token_columns(), "effective_cost", "list_cost", "unpriced_count")
    charges, params = customer_rows(session, span.period, summed)
    params |= {f"plan{at}": plan.name for at, plan in enumerate(plans) if any(_prices_of(plan, span))}
    which = "true"
    params |= {"first": span.first, "until": span.until}
    if only is not None:
        which, params["only"] = "list_contains($only, customer)", list(only)
    tokens = " + ".join(token_columns())
    text = f"""
    WITH months(month, after) AS (VALUES {_months(span)}),
    fx(currency, month, rate) AS (VALUES {rates_sql(rated)}),
    priced(plan, month, price, other, is_per_seat, currency) AS (VALUES {_prices(span, plans, rated)}),
    cost AS (
      SELECT coalesce(customer, '') AS customer, SUM(calls)::BIGINT AS calls, SUM({tokens})::BIGINT AS tokens,
        coalesce(SUM(effective_cost) * 1000000000000, 0)::HUGEINT AS ai,
        coalesce(SUM(list_cost) * 1000000000000, 0)::HUGEINT AS list, SUM(unpriced_count)::BIGINT AS unpriced
      FROM ({charges}) WHERE {which} GROUP BY 1
    ),
    booked AS (
      SELECT customer, (SUM(amount * rate)::DECIMAL(38,12) * 1000000000000)::HUGEINT AS revenue,
        list_sort(list(DISTINCT currency) FILTER (WHERE rate IS NULL)) AS missing,
        count(*) FILTER (WHERE rate IS NULL) AS unrated
      FROM {REVENUE.current} LEFT JOIN fx USING (currency, month)
      WHERE month >= $first AND month < $until AND {which} GROUP BY customer
    ),
    placed AS (
      SELECT customer, months.month, arg_max(plan, since) AS plan FROM {SPANS.current}
      JOIN months ON since < months.after AND ("until" IS NULL OR "until" > months.month)
      WHERE {which} GROUP BY customer, months.month
    ),
    terms AS (
      SELECT customer, arg_max(plan, month) AS plan,
        SUM(price * CASE WHEN is_per_seat THEN coalesce(seats, 1) ELSE 1 END)::HUGEINT AS price,
        count(*) FILTER (WHERE price IS NULL) AS unknown, SUM(other)::HUGEINT AS other,
        bool_and(coalesce(price = 0, false)) AS is_free,
        list_sort(list(DISTINCT currency) FILTER (WHERE price IS NULL AND currency IS NOT NULL)) AS missing
      FROM placed LEFT JOIN priced USING (plan, month) LEFT JOIN {SEATS.current} USING (customer, month)
      GROUP BY customer
    ),
    back AS (
      SELECT customer, max(since) AS since FROM {SPANS.current} WHERE "until" IS NULL AND {which} GROUP BY customer
    ),
    known AS (
      SELECT c.* REPLACE (CASE WHEN back.since >= c.cancelled_on THEN NULL ELSE c.cancelled_on END AS cancelled_on)
      FROM (SELECT * FROM {CUSTOMERS.current} WHERE {which}) c LEFT JOIN back USING (customer)
    ),
    joined AS (
      SELECT customer, coalesce(name, '') AS name, coalesce(segment, '') AS segment, coalesce(terms.plan, '') AS plan,
        known.name IS NOT NULL OR known.signed_up IS NOT NULL OR known.import_no IS NOT NULL
          OR booked.customer IS NOT NULL OR terms.customer IS NOT NULL AS is_known,
        CASE WHEN booked.customer IS NULL OR booked.revenue = 0 THEN coalesce(known.is_free, terms.is_free, false)
          ELSE false END AS is_free,
        signed_up, converted_on, cancelled_on,
        CASE WHEN booked.unrated > 0 THEN 'no_rate' WHEN booked.customer IS NOT NULL THEN 'booked'
          WHEN coalesce(known.is_free, terms.is_free, false) THEN 'free'
          WHEN len(terms.missing) > 0 THEN 'no_rate'
          WHEN terms.customer IS NOT NULL AND terms.unknown = 0 THEN 'price' ELSE 'unknown' END AS basis,
        booked.revenue AS booked, terms.price AS price, terms.other AS other,
        coalesce(ai, 0) AS ai, coalesce(list, 0) AS list, coalesce(calls, 0) AS calls, coalesce(tokens, 0) AS tokens,
        coalesce(unpriced, 0) AS unpriced,
        coalesce(booked.missing, CASE WHEN booked.customer IS NULL THEN terms.missing END) AS missing,
        cost.customer IS NOT NULL OR booked.customer IS NOT NULL OR (
          (signed_up IS NULL OR signed_up < $until) AND (cancelled_on IS NULL OR cancelled_on > $first)
          AND (known.customer IS NOT NULL OR terms.customer IS NOT NULL)) AS counts
      FROM cost FULL JOIN booked USING (customer) FULL JOIN terms USING (customer) FULL JOIN known USING (customer)
    )
    SELECT customer, name, segment, plan, is_known, is_free, signed_up, converted_on, cancelled_on, basis,
      CASE basis WHEN 'booked' THEN booked WHEN 'price' THEN price WHEN 'free' THEN 0 END, other,
      ai, list, calls, tokens, unpriced, missing
    FROM joined WHERE counts ORDER BY ai DESC, customer
    """
    return text, params


def _months(span: MonthSpan) -> str:
    months = span.month_list
    return ", ".join(
        f"(DATE '{one}', DATE '{after}')" for one, after in zip(months, [*months[1:], span.until], strict=True)
    )


def rates_sql(rated: Rated) -> str:
    """Nothing here is anybody's text: currencies were read as three letters, rates are numbers."""
    rows = [
        f"('{_letters(currency)}', DATE '{month}', {_decimal(rate)})" for (currency, month), rate in rated.rates.items()
    ]
    return ", ".join(rows or ["('', DATE '1990-01-01', CAST(NULL AS DECIMAL(18,12)))"])


def _decimal(rate: Decimal | None) -> str:
    value = "NULL" if rate is None else format(rate.quantize(RATE_PLACES), "f")
    return f"CAST({value} AS DECIMAL(18,12))"


def _prices(span: MonthSpan, plans: Sequence[PricePlan], rated: Rated) -> str:
    """Each plan's price and other cost in each month, in pico; NULL where it has none, or there is no rate."""
    rows = []
    for at, plan in enumerate(plans):
        for month, found in zip(span.month_list, _prices_of(plan, span), strict=True):
            if found is None:
                continue
            rate = rated.rates.get((found.currency, month))
            price = _pico(found.price, rate)
            other = None if found.other_cost_of_goods is None else _pico(found.other_cost_of_goods, rate)
            rows.append(
                f"($plan{at}, DATE '{month}', {_whole(price)}, {_whole(other)}, {found.is_per_seat}, "
                f"'{_letters(found.currency)}')"
            )
    return ", ".join(rows or ["('', DATE '1990-01-01', CAST(NULL AS HUGEINT), CAST(NULL AS HUGEINT), false, '')"])


def _prices_of(plan: PricePlan, span: MonthSpan) -> list[PlanPrice | None]:
    """In each month; None: before its first price."""
    return [plan.at(span.rate_day(month)) for month in span.month_list]


def _pico(amount: Decimal, rate: Decimal | None) -> int | None:
    if not amount:
        return 0
    return None if rate is None else pico_from_usd((amount * rate).quantize(RATE_PLACES))


def _whole(pico: int | None) -> str:
    return f"CAST({'NULL' if pico is None else pico} AS HUGEINT)"


def _letters(currency: str) -> str:
    if not (currency.isascii() and currency.isalpha()):
        raise ValueError(currency)
    return currency
