"""The economics of some months, whole: what a page, the API and the command line tell."""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar

import msgspec

from bursar.domain.calendar import zone
from bursar.domain.errors import UnknownCustomer
from bursar.domain.findings import Part
from bursar.domain.periods import Period, is_cut
from bursar.explore import about
from bursar.explore.compile import period_params
from bursar.explore.query import Explorer
from bursar.finance.business.book import BusinessBook
from bursar.finance.business.model import PricePlan
from bursar.finance.economics.causes import causes
from bursar.finance.economics.cohorts import Grid, cohort_grid, last_months
from bursar.finance.economics.events import EventKind, event_kinds
from bursar.finance.economics.features import FeatureRow, feature_rows
from bursar.finance.economics.figures import Sum, Usual, grouped, sum_of, usual_of
from bursar.finance.economics.levers import Lever, PlanFacts, levers_of, plan_facts
from bursar.finance.economics.model import Rate
from bursar.finance.economics.moved import Moved, Volume, moved
from bursar.finance.economics.rows import Row, customer_rows_of, rates_needed
from bursar.finance.economics.spans import MonthSpan
from bursar.ledger.store import Session

KEPT_MAX = 24
T = TypeVar("T")


class Economics(msgspec.Struct):
    """rows: customers, "" (calls without one) among them. total: all of them. ai cost of `total` is the ledger's."""

    span: MonthSpan
    rows: list[Row]
    total: Sum
    unattributed: Sum
    unknown: Sum
    plans: dict[str, list[Row]]
    usual: Usual
    facts: dict[str, PlanFacts]
    missing_rates: list[str]

    def levers(self, row: Row) -> list[Lever]:
        return levers_of(row, self.facts, self.span.months)

    def row(self, customer: str) -> Row | None:
        return next((row for row in self.rows if row.customer == customer), None)


class EconomicsDesk:
    """Answers from one ledger; what was found of months is kept until a charge, an import or a rate is another one.

    Charges are only ever appended, so that their number in a period tells whether a sum still holds.
    """

    def __init__(self, explorer: Explorer, book: BusinessBook, rate: Rate) -> None:
        self._explorer = explorer
        self._book = book
        self._rate = rate
        self._lock = Lock()
        self._kept: dict[Any, Any] = {}

    def economics(self, span: MonthSpan) -> Economics:
        """All customers of these months."""
        plans = self._book.plans()
        with self._explorer.ledger.reading() as session:
            return self._once(session, span, plans, "rows", lambda: self._economics(session, span, plans))

    def forget(self) -> None:
        """Keep nothing: for measuring."""
        with self._lock:
            self._kept.clear()

    def features(self, found: Economics) -> list[FeatureRow]:
        """Of the same months, dearest first."""
        plans = self._book.plans()
        with self._explorer.ledger.reading() as session:
            return self._once(
                session, found.span, plans, "features",
                lambda: feature_rows(session, found.span, found.rows, plans, self._rate),
            )  # fmt: skip

    def events(self, found: Economics) -> list[EventKind]:
        costs = {row.customer: row.ai_pico for row in found.rows if row.customer}
        plans = self._book.plans()
        with self._explorer.ledger.reading() as session:
            return self._once(
                session, found.span, plans, "events",
                lambda: event_kinds(session, found.span.period, costs),
            )  # fmt: skip

    def cohorts(self, span: MonthSpan) -> Grid:
        """Customers by month of sign-up over the months since: the twelve up to the span's last one."""
        months = [msgspec.structs.replace(span, first=first, months=1) for first in last_months(span.last_month)]
        rows = {one.first: self.economics(one).rows for one in months}
        with self._explorer.ledger.reading() as session:
            first = about.first_call(session)
        counted = None if first is None else first.astimezone(zone(span.timezone)).date().replace(day=1)
        return cohort_grid(self._book.signed_up(months[0].first, span.until), rows, counted)

    def before(self, span: MonthSpan, customers: Sequence[str]) -> dict[str, Row]:
        """Some customers in the months before, by id; who wasn't there then isn't in it."""
        plans = self._book.plans()
        with self._explorer.ledger.reading() as session:
            rows = customer_rows_of(session, span.before(), plans, self._rate, only=customers)
        return {row.customer: row for row in rows}

    def is_before_cut(self, span: MonthSpan) -> bool:
        """Whether the books begin within the months before, or after them: there is nothing to hold against."""
        with self._explorer.ledger.reading() as session:
            first = about.first_call(session)
        return is_cut(span.before().period.start, first)

    def moved(self, span: MonthSpan, rows: Sequence[Row]) -> dict[str, Moved]:
        """What moved the AI cost of some customers."""
        before = self.before(span, [row.customer for row in rows])
        return {
            row.customer: moved(_volume(before.get(row.customer)), Volume(row.calls, row.tokens, row.ai_pico))
            for row in rows
        }

    def causes(self, span: MonthSpan, customer: str) -> list[Part]:
        """The finer parts of one customer's change, that add up."""
        with self._explorer.ledger.reading() as session:
            return causes(session, [customer], span.period, span.before().period)[customer]

    def course(self, customer: str, spans: Sequence[MonthSpan]) -> list[Row | None]:
        """One customer over several spans; None: not there. Raises UnknownCustomer where that is so of all."""
        plans = self._book.plans()
        found: list[Row | None] = []
        with self._explorer.ledger.reading() as session:
            for span in spans:
                rows = customer_rows_of(session, span, plans, self._rate, only=[customer])
                found.append(next((row for row in rows if row.customer == customer), None))
        if not any(found) and self._book.customer(customer) is None:
            raise UnknownCustomer(f"no call and no record is of a customer {customer[:200]!r}", field="customer")
        return found

    def _economics(self, session: Session, span: MonthSpan, plans: Sequence[PricePlan]) -> Economics:
        rows = customer_rows_of(session, span, plans, self._rate)
        named = [row for row in rows if row.customer]
        by_plan = grouped(named, lambda row: row.plan)
        return Economics(
            span=span,
            rows=rows,
            total=sum_of(rows),
            unattributed=sum_of(row for row in rows if not row.customer),
            unknown=sum_of(row for row in named if not row.is_known),
            plans=by_plan,
            usual=usual_of(named),
            facts={name: plan_facts(inside) for name, inside in by_plan.items()},
            missing_rates=sorted({currency for row in rows for currency in row.missing or ()}),
        )

    def _once(
        self, session: Session, span: MonthSpan, plans: Sequence[PricePlan], what: str, make: Callable[[], T]
    ) -> T:
        key = self._key(session, span, plans)
        with self._lock:
            kept = self._kept.get((what, span))
        if kept is not None and kept[0] == key:
            answer: T = kept[1]
            return answer
        made = make()
        with self._lock:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[what, span] = (key, made)
        return made

    def _key(self, session: Session, span: MonthSpan, plans: Sequence[PricePlan]) -> tuple[Any, ...]:
        charges = "SELECT count(*) FROM charges WHERE received_at >= $start AND received_at < $end"
        imports = "SELECT coalesce(max(number), 0) FROM business_imports"
        rated = rates_needed(session, span, plans, self._rate)
        return (
            session.query(charges, period_params(span.period, None)).only(),
            session.query(imports).only(),
            tuple(rated.rates.items()),
        )


def ledger_cost(session: Session, period: Period) -> Mapping[str, Any]:
    """What all charges of a period come to, straight from them: what economics ties to."""
    text = (
        "SELECT coalesce(SUM(effective_cost) * 1000000000000, 0)::HUGEINT AS ai, "
        "SUM(CASE WHEN quality = 'unpriced' THEN weight ELSE 0 END)::BIGINT AS unpriced, "
        "SUM(CASE WHEN is_final THEN weight ELSE 0 END)::BIGINT AS calls "
        "FROM charges WHERE received_at >= $start AND received_at < $end"
    )
    (row,) = session.query(text, period_params(period, None)).dicts()
    return {name: int(value or 0) for name, value in row.items()}


def _volume(row: Row | None) -> Volume:
    return Volume(0, 0, 0) if row is None else Volume(row.calls, row.tokens, row.ai_pico)
