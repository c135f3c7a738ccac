"""What the books know, for the rules: few and cheap questions, the past remembered for a while."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from bursar.alerts.facts import (
    ApprovalAsked,
    BudgetStanding,
    CoverageFacts,
    DayFacts,
    DoubtFacts,
    LoopCut,
    PeriodFacts,
    ProviderErrors,
    RetriesCapped,
    ReviewTold,
    StepLost,
    UnpricedModel,
)
from bursar.alerts.judge import FINDINGS_MAX, STORM_MINUTES, USUAL_DAYS
from bursar.domain.clock import Clock, datetime_from_us, us_from_datetime
from bursar.domain.findings import Finding as Anomaly
from bursar.domain.periods import Period, buckets, parse_period, zone
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer, Query
from bursar.finance.contracts.standing import Drawdown
from bursar.ledger.store import Ledger

EARLIER_AGAIN_S = 900  # days that are over change only by corrections
EARLIER_MAX = 200
CALL_MAX = timedelta(hours=1)  # a call takes no longer: bounds how far back the storm's question reads
LOOPS_DAYS = 1
REVIEWS_REMEMBERED = 4
JUST_OVER = timedelta(hours=6)  # so long a period that has ended is judged too: its last calls come in late
PERIOD_NAMES = {"day": "today", "week": "", "month": "mtd"}

_ERRORS = """
    SELECT provider, SUM(weight)::BIGINT AS attempts,
      SUM(CASE WHEN outcome IN ('provider_error', 'timeout') THEN weight ELSE 0 END)::BIGINT AS failed
    FROM charges WHERE received_at >= $received AND ended_at >= $start AND ended_at <= $now
    GROUP BY provider HAVING SUM(weight) > 0 ORDER BY failed DESC, provider LIMIT 50
"""


def no_review(period: str) -> ReviewTold:
    """For an installation without a console to write one."""
    return ReviewTold(f"Review of {period}", "", f"/reviews/{period}")


def no_report(kind: str, month: str) -> ReviewTold:
    """What is said where nobody makes reports."""
    return ReviewTold(f"Report {kind} of {month}", "", f"/reports/{kind}/{month}")


class StatementsOf(Protocol):
    """What each bears of a month, in words: (by, of, month), and whether only a closed month is told."""

    def __call__(self, by: str, of: str, month: str, *, closed_only: bool) -> Sequence[tuple[str, ReviewTold]]: ...


def no_statements(by: str, of: str, month: str, *, closed_only: bool) -> Sequence[tuple[str, ReviewTold]]:
    """Where nobody allocates."""
    return ()


class LedgerFacts:
    """`Facts` from one ledger, in one time zone.

    budgets, loops, retries, approvals, reviews, anomalies, reports, commitments, statements, steps_lost: who knows of
    those; they aren't in the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        timezone: str,
        budgets: Callable[[], Sequence[BudgetStanding]] = tuple,
        loops: Callable[[int], Sequence[LoopCut]] = lambda since_us: (),
        retries: Callable[[], Sequence[RetriesCapped]] = tuple,
        approvals: Callable[[], Sequence[ApprovalAsked]] = tuple,
        reviews: Callable[[str], ReviewTold] = no_review,
        anomalies: Callable[[], Sequence[Anomaly]] = tuple,
        reports: Callable[[str, str], ReviewTold] = no_report,
        commitments: Callable[[], Sequence[Drawdown]] = tuple,
        statements: StatementsOf = no_statements,
        steps_lost: Callable[[], Sequence[StepLost]] = tuple,
    ) -> None:
        self._explorer = Explorer(ledger)
        self._ledger = ledger
        self._clock = clock
        self._timezone = timezone
        self._budgets = budgets
        self._loops = loops
        self._retries = retries
        self._approvals = approvals
        self._reviews = reviews
        self._reviewed: dict[str, ReviewTold] = {}  # the last ones that were written, by their period
        self._anomalies = anomalies
        self._reports = reports
        self._commitments = commitments
        self._statements = statements
        self._stated: dict[tuple[str, str, str, bool], Sequence[tuple[str, ReviewTold]]] = {}
        self._steps_lost = steps_lost
        self._earlier: dict[tuple[tuple[Filter, ...], str], tuple[datetime, tuple[Decimal | None, ...]]] = {}

    def days(self, filters: tuple[Filter, ...]) -> list[DayFacts]:
        return [self._day(filters, at, is_over) for at, is_over in self._now_and_just_over("day")]

    def periods(self, filters: tuple[Filter, ...], period: str) -> list[PeriodFacts]:
        return [self._one_period(filters, period, at, is_over) for at, is_over in self._now_and_just_over(period)]

    def unpriced(self, filters: tuple[Filter, ...]) -> list[UnpricedModel]:
        end = self._period("today").end
        table = self._explorer.run(
            Query(
                Period(end - timedelta(days=1), end, timezone=self._timezone), ("unpriced_count",),
                ("provider", "model"), (*filters, Filter("quality", ("unpriced",))),
                order="unpriced_count", limit=FINDINGS_MAX,
            ),
            rows_only=True,
        )  # fmt: skip
        rows = table.dicts()
        return [
            UnpricedModel(row["provider"], row["model"], row["unpriced_count"]) for row in rows if row["unpriced_count"]
        ]

    def doubts(self, filters: tuple[Filter, ...]) -> DoubtFacts:
        sums = self._sums(self._period("today"), filters)
        day = self._local().date().isoformat()
        return DoubtFacts(day, sums["attempts"], sums["estimated_count"], sums["assumed_count"])

    def providers(self) -> list[ProviderErrors]:
        now = self._now().replace(tzinfo=None)
        start = now - timedelta(minutes=STORM_MINUTES)
        with self._ledger.reading() as session:
            rows = session.query(_ERRORS, {"received": start - CALL_MAX, "start": start, "now": now}).rows
        return [ProviderErrors(*row) for row in rows]

    def coverage(self, filters: tuple[Filter, ...], dimension: str) -> CoverageFacts:
        week = self._period("7d")
        total = self._sums(week, filters)["effective_cost"] or Decimal(0)
        untagged = self._sums(week, (*filters, Filter(dimension, ("",))))["effective_cost"] or Decimal(0)
        return CoverageFacts(self._local().strftime("%G-W%V"), total, untagged)

    def budgets(self) -> Sequence[BudgetStanding]:
        return self._budgets()

    def loops(self) -> Sequence[LoopCut]:
        return self._loops(us_from_datetime(self._now() - timedelta(days=LOOPS_DAYS)))

    def retries(self) -> Sequence[RetriesCapped]:
        return self._retries()

    def approvals(self) -> Sequence[ApprovalAsked]:
        return self._approvals()

    def review_due(self, every: str, day: int, hour: int) -> str:
        """`["weekly", 1, 9]` on a Monday at nine: the week before."""
        local = self._local()
        if every == "weekly":
            first = local.date() - timedelta(days=local.weekday())
            over = first - timedelta(days=1)
            name = f"{over:%G-W%V}"
        else:
            first = local.date().replace(day=1)
            name = f"{first - timedelta(days=1):%Y-%m}"
        since = (local.date() - first).days, local.hour
        return name if since >= (day - 1, hour) else ""

    def review(self, period: str) -> ReviewTold:
        if period not in self._reviewed:  # it is asked for at each look, and a rule of each kind may ask
            while len(self._reviewed) >= REVIEWS_REMEMBERED:
                del self._reviewed[next(iter(self._reviewed))]
            self._reviewed[period] = self._reviews(period)
        return self._reviewed[period]

    def report(self, kind: str, month: str) -> ReviewTold:
        return self._reports(kind, month)

    def statements(self, by: str, of: str, month: str, *, closed_only: bool) -> Sequence[tuple[str, ReviewTold]]:
        key = (by, of, month, closed_only)
        if key not in self._stated:  # it is asked for at each look, and allocating a month takes a second
            found = self._statements(by, of, month, closed_only=closed_only)
            if not found:
                return ()
            while len(self._stated) >= REVIEWS_REMEMBERED:
                del self._stated[next(iter(self._stated))]
            self._stated[key] = found
        return self._stated[key]

    def anomalies(self) -> Sequence[Anomaly]:
        return self._anomalies()

    def commitments(self) -> Sequence[Drawdown]:
        return self._commitments()

    def steps_lost(self) -> Sequence[StepLost]:
        return self._steps_lost()

    def _now_and_just_over(self, period: str) -> list[tuple[datetime, bool]]:
        """Now; and the last instant of the period before, while its last calls may still come in."""
        now = self._now()
        start = self._calendar(period, now).start
        return [(now, False), *([(start - timedelta(microseconds=1), True)] if now - start < JUST_OVER else [])]

    def _calendar(self, period: str, at: datetime) -> Period:
        """The day, ISO week or month that an instant is in, until then."""
        local = at.astimezone(zone(self._timezone)).date()
        name = PERIOD_NAMES[period] or f"{(local - timedelta(days=local.weekday())).isoformat()}.."
        return parse_period(name, at, self._timezone)

    def _day(self, filters: tuple[Filter, ...], at: datetime, is_over: bool) -> DayFacts:
        sums = self._sums(self._calendar("day", at), filters)
        day = at.astimezone(zone(self._timezone)).date().isoformat()
        earlier = self._days_before(filters, day, at)
        return DayFacts(day, sums["effective_cost"], sums["unpriced_count"], earlier, is_over)

    def _one_period(self, filters: tuple[Filter, ...], period: str, at: datetime, is_over: bool) -> PeriodFacts:
        asked = self._calendar(period, at)
        sums = self._sums(asked, filters)
        first = asked.start.astimezone(zone(self._timezone)).date()
        over_names = {"day": first.isoformat(), "week": first.strftime("%G-W%V"), "month": first.strftime("%Y-%m")}
        name = over_names[period] if is_over else asked.name
        return PeriodFacts(first.isoformat(), name, sums["effective_cost"], sums["unpriced_count"], is_over)

    def _now(self) -> datetime:
        return datetime_from_us(self._clock.now_us())

    def _local(self) -> datetime:
        return self._now().astimezone(zone(self._timezone))

    def _period(self, name: str) -> Period:
        return parse_period(name, self._now(), self._timezone)

    def _sums(self, period: Period, filters: tuple[Filter, ...]) -> dict[str, Any]:
        measures = ("effective_cost", "attempts", "unpriced_count", "estimated_count", "assumed_count")
        return self._explorer.run(Query(period, measures, (), filters)).totals

    def _days_before(self, filters: tuple[Filter, ...], day: str, at: datetime) -> tuple[Decimal | None, ...]:
        """What each complete day cost, from the first one with a call on."""
        known = self._earlier.get((filters, day))
        if known and self._now() - known[0] < timedelta(seconds=EARLIER_AGAIN_S):
            return known[1]
        whole = parse_period(f"{USUAL_DAYS + 1}d", at, self._timezone)
        before = Period(whole.start, self._calendar("day", at).start, timezone=self._timezone)
        table = self._explorer.run(
            Query(before, ("effective_cost", "attempts"), ("day",), filters, self._timezone), rows_only=True
        )
        costs = {row["day"]: row["effective_cost"] for row in table.dicts() if row["attempts"]}
        days = [bucket.label for bucket in buckets(before, "day")]
        first = next((at for at, label in enumerate(days) if label in costs), len(days))
        found = tuple(costs.get(label, Decimal(0)) for label in days[first:])
        if len(self._earlier) >= EARLIER_MAX:
            self._earlier.clear()
        self._earlier[filters, day] = (self._now(), found)
        return found
