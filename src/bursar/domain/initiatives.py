"""Initiatives: what somebody means to make cheaper, by how much, and how that is to be measured.

The money is measured by `advisor.initiatives`; here is what an initiative says, and what it may not say.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

Status = Literal["planned", "running", "done", "stopped"]
GuardMetric = Literal["error_rate", "latency_p95_ms", "feedback"]

MEASURED: tuple[Status, ...] = ("running", "done", "stopped")
"""Whose savings are counted: from the start on, of a stopped one until it was stopped."""

GUARD_METRICS: tuple[GuardMetric, ...] = ("error_rate", "latency_p95_ms", "feedback")
CALLS, OK_CALLS, TAG_PREFIX, AUTO = "calls", "ok_calls", "tag:", "auto"
BASELINE_DAYS_MIN, BASELINE_DAYS_MAX = 7, 366
MIX_MAX, FILTERS_MAX, TEXT_CHARS_MAX = 3, 8, 2_000
TARGET_MAX = Decimal(10**9)
DAY_MIN, DAY_MAX = date(2000, 1, 1), date(2199, 12, 31)
MIX_DIMENSIONS = (
    "feature", "request_type", "team", "customer", "environment", "operation", "dialect", "model_asked", "agent",
    "project", "organization", "scope_team", "credential_id",
)  # fmt: skip
"""What calls may be told apart by: only what an application says of them. A model or a tier that served is what an
initiative changes: within it nothing would ever be saved."""


class Guard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must not get worse. limit: error_rate in percent of calls and latency_p95_ms at most; feedback (0 to 1) at
    least."""

    metric: GuardMetric
    limit: float


class InitiativeTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an initiative says.

    target:     USD a month that it shall save.
    filters:    whose calls, as an address writes it: `feature=checkout`, `tag:plan!=free`; none: every call.
    unit:       what cost is divided by: calls, ok_calls, any measure that adds up (total_input_tokens), or the number
                in a tag of each call (tag:pages).
    mix:        calls that are alike: cost per unit is compared within each combination of these.
    baseline_from, baseline_to: first and last day (UTC) of what is compared with.
    start:      the first day (UTC) whose savings count; None: not known yet.
    comparison: filters of calls that it doesn't touch, `("auto",)` to look for some, or none: before and after alone.
    """

    owner: str
    target: Decimal
    baseline_from: date
    baseline_to: date
    hypothesis: str = ""
    filters: tuple[str, ...] = ()
    unit: str = CALLS
    mix: tuple[str, ...] = ("feature", "request_type")
    start: date | None = None
    comparison: tuple[str, ...] = (AUTO,)
    guard: Guard | None = None

    @property
    def baseline_until(self) -> date:
        """The day after the last one."""
        return self.baseline_to + timedelta(days=1)


class Initiative(msgspec.Struct, frozen=True):
    """One that is kept. ended: the day from which on nothing is counted any more, of a stopped one."""

    initiative_id: str
    name: str
    terms: InitiativeTerms
    status: Status
    ended: date | None
    created_us: int
    created_by: str

    @property
    def is_measured(self) -> bool:
        return self.status in MEASURED and self.terms.start is not None

    @property
    def order(self) -> tuple[date, int, str]:
        """By which initiatives that share a charge take their turns."""
        return (self.terms.start or date.max, self.created_us, self.initiative_id)


class Booking(msgspec.Struct, frozen=True):
    """An entry: what a month's savings are, or by how much they differ from what was booked before.

    month: "2026-10". amount: USD. low, high: of the whole month's saving as it was then known; None: unknown.
    kind:  `booking` is a month's first, each later one an `adjustment`.
    """

    number: int
    initiative_id: str
    name: str
    month: str
    kind: str
    amount: Decimal
    low: Decimal | None
    high: Decimal | None
    method: str
    computed_us: int
    computed_by: str


def faults_of_initiative(terms: InitiativeTerms) -> Iterator[tuple[str, str]]:
    """(field, what is wrong) of what can be told without the books: scope and unit are read by whoever asks them."""
    for field, text, least in (("owner", terms.owner, 1), ("hypothesis", terms.hypothesis, 0)):
        if not least <= len(text.strip()) <= TEXT_CHARS_MAX:
            yield field, f"{least} to {TEXT_CHARS_MAX} characters"
    if not terms.owner.isprintable():
        yield "owner", "printable characters on one line"
    if not (terms.target.is_finite() and 0 < terms.target <= TARGET_MAX):
        yield "target", f"USD a month, more than 0 and at most {TARGET_MAX}"
    elif terms.target != terms.target.quantize(Decimal("0.01")):
        yield "target", "USD a month, to the cent"
    beyond = [
        field
        for field, day in (("baseline_from", terms.baseline_from), ("baseline_to", terms.baseline_to),
                           ("start", terms.start))
        if day is not None and not DAY_MIN <= day <= DAY_MAX
    ]  # fmt: skip
    if beyond:
        yield beyond[0], f"a day from {DAY_MIN} to {DAY_MAX}"
        return
    days = (terms.baseline_until - terms.baseline_from).days
    if not BASELINE_DAYS_MIN <= days <= BASELINE_DAYS_MAX:
        yield "baseline_to", f"the baseline is {days} days long; it needs {BASELINE_DAYS_MIN} to {BASELINE_DAYS_MAX}"
    elif terms.start is not None and terms.start < terms.baseline_until:
        yield "start", f"the baseline ends with {terms.baseline_to}, so it can start on {terms.baseline_until} or later"
    yield from _faults_of_mix(terms.mix)
    for field, filters in (("filters", terms.filters), ("comparison", terms.comparison)):
        if len(filters) > FILTERS_MAX:
            yield field, f"{len(filters)} filters; at most {FILTERS_MAX}"
    if AUTO in terms.comparison and len(terms.comparison) > 1:
        yield "comparison", "either auto or filters"
    if terms.guard is not None:
        yield from _faults_of_guard(terms.guard)


def _faults_of_mix(mix: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(mix) > MIX_MAX or len(set(mix)) != len(mix):
        yield "mix", f"at most {MIX_MAX} different dimensions"
    known = f"there are {', '.join(MIX_DIMENSIONS)} and tag:NAME"
    for name in mix:
        if name not in MIX_DIMENSIONS and not name.startswith(TAG_PREFIX):
            yield "mix", f"{name[:40]!r} isn't what an application says of its calls; {known}"


def _faults_of_guard(guard: Guard) -> Iterator[tuple[str, str]]:
    top = {"error_rate": 100.0, "latency_p95_ms": 3_600_000.0, "feedback": 1.0}[guard.metric]
    if not 0 <= guard.limit <= top:
        yield "guard.limit", f"{guard.metric} is from 0 to {top:g}"
