"""What the books know, for the rules: few and cheap questions, the past remembered for a while."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bursar.alerts.facts import (
    BudgetStanding,
    CoverageFacts,
    DayFacts,
    DoubtFacts,
    LoopCut,
    PeriodFacts,
    ProviderErrors,
    UnpricedModel,
)
from bursar.alerts.judge import FINDINGS_MAX, STORM_MINUTES, USUAL_DAYS
from bursar.domain.clock import Clock, datetime_from_us, us_from_datetime
from bursar.domain.periods import Period, buckets, parse_period, zone
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer, Query
from bursar.ledger.store import Ledger

EARLIER_AGAIN_S = 900  # days that are over change only by corrections
EARLIER_MAX = 200
CALL_MAX = timedelta(hours=1)  # a call takes no longer: bounds how far back the storm's question reads
LOOPS_DAYS = 1
PERIOD_NAMES = {"day": "today", "week": "", "month": "mtd"}

_ERRORS = """
    SELECT provider, SUM(weight)::BIGINT AS attempts,
      SUM(CASE WHEN outcome IN ('provider_error', 'timeout') THEN weight ELSE 0 END)::BIGINT AS failed
    FROM charges WHERE received_at >= $received AND ended_at >= $start AND ended_at <= $now
    GROUP BY provider HAVING SUM(weight) > 0 ORDER BY failed DESC, provider LIMIT 50
"""


class LedgerFacts:
    """`Facts` from one ledger, in one time zone.

    budgets, loops: who knows of those; they aren't in the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        timezone: str,
        budgets: Callable[[], Sequence[BudgetStanding]] = tuple,
        loops: Callable[[int], Sequence[LoopCut]] = lambda since_us: (),
    ) -> None:
        self._explorer = Explorer(ledger)
        self._ledger = ledger
        self._clock = clock
        self._timezone = timezone
        self._budgets = budgets
        self._loops = loops
        self._earlier: dict[tuple[tuple[Filter, ...], str], tuple[datetime, tuple[Decimal | None, ...]]] = {}

    def day(self, filters: tuple[Filter, ...]) -> DayFacts:
        today = self._period("today")
        sums = self._sums(today, filters)
        day = self._local().date().isoformat()
        return DayFacts(day, sums["effective_cost"], sums["unpriced_count"], self._days_before(filters, day))

    def period(self, filters: tuple[Filter, ...], period: str) -> PeriodFacts:
        today = self._local().date()
        monday = today - timedelta(days=today.weekday())
        name = PERIOD_NAMES[period] or f"{monday.isoformat()}.."
        asked = self._period(name)
        sums = self._sums(asked, filters)
        window = asked.start.astimezone(zone(self._timezone)).date().isoformat()
        return PeriodFacts(window, name, sums["effective_cost"], sums["unpriced_count"])

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

    def _now(self) -> datetime:
        return datetime_from_us(self._clock.now_us())

    def _local(self) -> datetime:
        return self._now().astimezone(zone(self._timezone))

    def _period(self, name: str) -> Period:
        return parse_period(name, self._now(), self._timezone)

    def _sums(self, period: Period, filters: tuple[Filter, ...]) -> dict[str, Any]:
        measures = ("effective_cost", "attempts", "unpriced_count", "estimated_count", "assumed_count")
        return self._explorer.run(Query(period, measures, (), filters)).totals

    def _days_before(self, filters: tuple[Filter, ...], day: str) -> tuple[Decimal | None, ...]:
        """What each complete day cost, from the first one with a call on."""
        known = self._earlier.get((filters, day))
        if known and self._now() - known[0] < timedelta(seconds=EARLIER_AGAIN_S):
            return known[1]
        whole = self._period(f"{USUAL_DAYS + 1}d")
        before = Period(whole.start, self._period("today").start, timezone=self._timezone)
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
