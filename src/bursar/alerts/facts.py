"""What rules judge: plain values, and the protocol of whoever knows them.

`LedgerFacts` answers from the books, a test from a list. Costs are Decimal USD, None where all of it is unpriced.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from bursar.domain.findings import Finding as Anomaly  # alerts have findings of their own
from bursar.explore.filters import Filter
from bursar.finance.contracts.standing import Drawdown


class DayFacts(msgspec.Struct, frozen=True):
    """A day so far, and the complete days before it, oldest first, from the first one that had a call.

    day: its local date. unpriced: attempts that are not in `spent`.
    is_over: the day before, just over: its last calls come into the books after midnight, and may be those that count.
    """

    day: str
    spent: Decimal | None
    unpriced: int
    earlier: tuple[Decimal | None, ...]
    is_over: bool = False


class PeriodFacts(msgspec.Struct, frozen=True):
    """A period so far; `window` is its first local date, `name` how an address asks for it. is_over: as for a day."""

    window: str
    name: str
    spent: Decimal | None
    unpriced: int
    is_over: bool = False


class UnpricedModel(msgspec.Struct, frozen=True):
    """A model that was called within a day and has no price."""

    provider: str
    model: str
    attempts: int


class DoubtFacts(msgspec.Struct, frozen=True):
    """How sure a day's charges are."""

    day: str
    attempts: int
    estimated: int
    assumed: int


class ProviderErrors(msgspec.Struct, frozen=True):
    """Attempts at one provider that ended within ten minutes, and how many of them failed at the provider."""

    provider: str
    attempts: int
    failed: int


class CoverageFacts(msgspec.Struct, frozen=True):
    """What seven days cost, and how much of it doesn't say a dimension. window: the ISO week, `2026-W48`."""

    window: str
    total: Decimal
    untagged: Decimal


class BudgetStanding(msgspec.Struct, frozen=True):
    """How one budget stands in its window now; `value`: of which each ("acme"), "" for a budget of one.

    held_pico: not spent yet, and not part of spent_pico.
    exhausts_us: when it will be used up at this pace, None if that isn't within its window.
    """

    budget_id: str
    name: str
    value: str
    window_key: str
    limit_pico: int
    spent_pico: int
    held_pico: int
    exhausts_us: int | None


class LoopCut(msgspec.Struct, frozen=True):
    """Something that the loop breaker cut; `text` says what was seen and what it has cost."""

    id: str
    at_us: int
    text: str


class RetriesCapped(msgspec.Struct, frozen=True):
    """What retries of one value of the cap's scope have cost in a clock hour, and how many weren't made for that.

    scope: what the cap is counted by. hour: its start in UTC, "2026-11-26T15:00Z".
    """

    scope: str
    value: str
    hour: str
    spent_pico: int
    held_pico: int
    limit_pico: int
    refused: int


class ApprovalAsked(msgspec.Struct, frozen=True):
    """Calls that were refused within the running hour since a budget's threshold waits for a person's approval."""

    budget_id: str
    name: str
    value: str
    percent: int
    calls: int


class ReviewTold(msgspec.Struct, frozen=True):
    """A review as it is sent. address: its page, as a path."""

    title: str
    text: str
    address: str


class StepLost(msgspec.Struct, frozen=True):
    """A step of maturity that was lost: `before` and `after` as "step 3, cost attribution"; because: what turned."""

    at_us: int
    before: str
    after: str
    because: tuple[str, ...]


class Facts(Protocol):
    """What is known now. `filters` narrow a question to a part of all calls."""

    def days(self, filters: tuple[Filter, ...]) -> Sequence[DayFacts]: ...

    def periods(self, filters: tuple[Filter, ...], period: str) -> Sequence[PeriodFacts]: ...

    def unpriced(self, filters: tuple[Filter, ...]) -> Sequence[UnpricedModel]: ...

    def doubts(self, filters: tuple[Filter, ...]) -> DoubtFacts: ...

    def providers(self) -> Sequence[ProviderErrors]: ...

    def coverage(self, filters: tuple[Filter, ...], dimension: str) -> CoverageFacts: ...

    def budgets(self) -> Sequence[BudgetStanding]: ...

    def loops(self) -> Sequence[LoopCut]: ...

    def retries(self) -> Sequence[RetriesCapped]: ...

    def approvals(self) -> Sequence[ApprovalAsked]: ...

    def review_due(self, every: str, day: int, hour: int) -> str:
        """The week or month whose review is to be sent by now, "2026-W47"; "" where that hour hasn't come."""
        ...

    def review(self, period: str) -> ReviewTold: ...

    def report(self, kind: str, month: str) -> ReviewTold:
        """Made and kept, "board" or "pack" of "2026-10"."""
        ...

    def statements(self, by: str, of: str, month: str, *, closed_only: bool) -> Sequence[tuple[str, ReviewTold]]:
        """Who bears something of a month, with what is said of it; of: that one alone. None before it may be told."""
        ...

    def anomalies(self) -> Sequence[Anomaly]:
        """What the watch has found that goes on, or has just ended."""
        ...

    def commitments(self) -> Sequence[Drawdown]:
        """Where the credits and commitments of contracts stand."""
        ...

    def steps_lost(self) -> Sequence[StepLost]:
        """Steps of maturity that were lost in the last week and are lost still."""
        ...
