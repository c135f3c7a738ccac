"""What a review is written from: figures of a stretch of time beside those of the one before."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from bursar.explore.filters import Filter

Kind = Literal["weekly", "monthly"]
ZERO = Decimal(0)


class Opens(msgspec.Struct, frozen=True):
    """Where a sentence's number opens to what is behind it: a page of the console, narrowed to these filters.

    before: the figure is of the period before. extra: the page's own parameters, as `(name, value)`.
    """

    path: str = "/calls"
    filters: tuple[Filter, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    has_period: bool = True


class Spend(msgspec.Struct, frozen=True):
    """Sums over charges. cost: USD, effective; what is unpriced is counted and adds nothing to it."""

    cost: Decimal = ZERO
    calls: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    unpriced: int = 0
    estimated: int = 0
    assumed: int = 0
    errors: int = 0
    saved: Decimal = ZERO

    @property
    def per_call(self) -> Decimal | None:
        """USD; None without calls, or where nothing has a price."""
        return self.cost / self.calls if self.calls and self.cost else None


class Group(msgspec.Struct, frozen=True):
    """One value of one dimension, or of two (`keys` as `of`): now, and in the period before."""

    of: tuple[str, ...]
    keys: tuple[str, ...]
    now: Spend
    before: Spend

    @property
    def delta(self) -> Decimal:
        return self.now.cost - self.before.cost

    @property
    def filters(self) -> tuple[Filter, ...]:
        return tuple(Filter(name, (key,)) for name, key in zip(self.of, self.keys, strict=True))


class Wasted(msgspec.Struct, frozen=True):
    """What one cause of waste cost. feature: the one that has most of it, with `of_feature` USD."""

    cause: str
    label: str
    cost: Decimal
    before: Decimal
    attempts: int
    filters: tuple[Filter, ...]
    feature: str = ""
    of_feature: Decimal = ZERO


class Repeated(msgspec.Struct, frozen=True):
    """One request that was sent again and again, by its fingerprint."""

    fingerprint: str
    feature: str
    calls: int
    cost: Decimal


class Advised(msgspec.Struct, frozen=True):
    """One advice. monthly: USD that it saves beside those before it; None: no figure is claimed.

    low, high: between what it lies; with no `monthly`, what it may save if it is tried and proves good enough.
    """

    advice_id: str
    title: str
    effort: str
    confidence: str
    monthly: Decimal | None
    low: Decimal | None = None
    high: Decimal | None = None


class BudgetFact(msgspec.Struct, frozen=True):
    """A budget; value: of its `each`, the one with least left.

    used: share of its limit. exhausted_on: the day on which it will be, at this pace.
    """

    name: str
    value: str
    spent: Decimal
    limit: Decimal
    used: Decimal
    overrun: Decimal = ZERO
    exhausted_on: date | None = None


class InitiativeFact(msgspec.Struct, frozen=True):
    """One initiative in the month of the review. flags: what speaks against it, in words."""

    initiative_id: str
    name: str
    owner: str
    status: str
    realised: Decimal | None
    target: Decimal | None
    flags: tuple[str, ...] = ()


class AnomalyFact(msgspec.Struct, frozen=True):
    """One finding of the watch. excess: USD above what was expected; cause: in words."""

    finding_id: str
    title: str
    cause: str
    began: date
    is_open: bool
    excess: Decimal
    per_month: Decimal | None
    label: str = ""


class Waiting(msgspec.Struct, frozen=True):
    """Something that waits for a person's decision. money: what hangs on it, if that is known."""

    text: str
    opens: Opens
    money: Decimal | None = None


class MonthSpend(msgspec.Struct, frozen=True):
    """A calendar month. first: its first day. is_cut: the books begin within it. is_running: it isn't over yet."""

    first: date
    spend: Spend
    is_cut: bool = False
    is_running: bool = False


class Outlook(msgspec.Struct, frozen=True):
    """What this month will have cost when it ends; error: of the back-test, a share.

    low, high: its 80 % band; None where the history is too short for one.
    """

    expected: Decimal
    low: Decimal | None
    high: Decimal | None
    error: Decimal | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. period, before: in words, "16–22 Nov 2026". Lists may be in any order: rules rank them.

    is_before_cut: the books begin within the period before, so it is no measure, and all figures of it are zero.
    """

    kind: Kind
    period: str
    before: str
    now: Spend
    then: Spend
    is_before_cut: bool = False
    features: Sequence[Group] = ()
    models: Sequence[Group] = ()
    customers: Sequence[Group] = ()
    prompts: Sequence[Group] = ()
    wasted: Sequence[Wasted] = ()
    repeated: Sequence[Repeated] = ()
    advised: Sequence[Advised] = ()
    budgets: Sequence[BudgetFact] = ()
    initiatives: Sequence[InitiativeFact] = ()
    anomalies: Sequence[AnomalyFact] = ()
    waiting: Sequence[Waiting] = ()
    months: Sequence[MonthSpend] = ()
    outlook: Outlook | None = None
