"""A budget: whose calls it holds, how much they may cost in a window, and what happens near the limit.

A budget is a value. What was spent of it is the authority's to know; which calls it touches is `matching.py`'s.
"""

from datetime import date
from decimal import Decimal
from typing import Literal, get_args

import msgspec

from bursar.budgets.limits import CarryOver, LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.thresholds import APPROVALS_MAX, Approval, Threshold
from bursar.domain.errors import BadBudget
from bursar.domain.money import EXACT
from bursar.domain.tags import TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX

Mode = Literal["strict", "expected", "clamp", "warn"]

MODES: tuple[Mode, ...] = get_args(Mode)
DIMENSIONS = (
    "organization",
    "scope_team",
    "project",
    "credential",
    "credential_kind",
    "upstream",
    "provider",
    "model",
    "operation",
    "feature",
    "team",
    "customer",
    "environment",
    "request_type",
    "session",
    "agent",
    "user",
)
"""What a budget can be about, named as in Explore; and any tag as `tag:plan`. `model` is the model asked for."""

TAG_PREFIX = "tag:"
NAME_CHARS_MAX = 120
CONDITIONS_MAX = 8
THRESHOLDS_MAX = 10
OVERSHOOT_PERCENT_DEFAULT = 10
PICO_PER_UNIT = 10**12
UNITS_MAX = (
    10**14
)  # a hundred trillion of any currency: 27 digits with the twelve places, which a Decimal holds exactly
PICO_MAX = UNITS_MAX * PICO_PER_UNIT


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one unit of the budget's currency is worth. usd_pico: in pico-USD. as_of, source: for the budget's page."""

    usd_pico: int
    source: str
    as_of: date

    def __post_init__(self) -> None:
        if self.usd_pico <= 0:
            raise BadBudget("an exchange rate is above zero: the USD that one unit buys", field="rate")
        if not self.source.strip():
            raise BadBudget("an exchange rate says where it is from", field="rate_source")


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One budget.

    match:        dimension → value; a call is touched if all are equal. Empty: every call.
    each:         a dimension whose every value has the whole limit for itself ("each customer $5 a day"), or "".
    limit:        in picos (1e-12) of `currency`.
    mode:         strict (no call that could go over), expected (holds what a call will likely cost; over by
                  `overshoot_pico` at most), clamp (lowers the call's output limit to what is left), warn (refuses
                  nothing, shows what strict would have refused).
    overshoot_pico: of `expected`: how far over the limit it may go at most; picos of `currency`.
    rate:         where `currency` isn't USD.
    approvals:    what people let past its `approve` thresholds, oldest first.
    contact:      whom to ask for more; part of a refusal.
    created_us:   windows before it carry nothing over.
    """

    budget_id: str
    name: str
    limit: LimitPlan
    window: Schedule
    match: dict[str, str] = {}
    each: str = ""
    mode: Mode = "strict"
    overshoot_pico: int | None = None
    currency: str = "USD"
    rate: Rate | None = None
    carry: CarryOver | None = None
    prorate_from_us: int | None = None
    thresholds: tuple[Threshold, ...] = (Threshold(50), Threshold(80), Threshold(100))
    approvals: tuple[Approval, ...] = ()
    contact: str = ""
    created_us: int = 0

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > NAME_CHARS_MAX or not self.name.isprintable():
            raise BadBudget(f"a budget's name has 1 to {NAME_CHARS_MAX} printable characters", field="name")
        if self.mode not in MODES:
            raise BadBudget(f"mode is one of {', '.join(MODES)}, not {self.mode!r}", field="mode")
        if len(self.match) > CONDITIONS_MAX:
            raise BadBudget(f"a budget has at most {CONDITIONS_MAX} conditions", field="match")
        for name, value in self.match.items():
            check_dimension(name, "match")
            if not value or len(value) > TAG_VALUE_CHARS_MAX:
                raise BadBudget(f"{name}: say a value of 1 to {TAG_VALUE_CHARS_MAX} characters", field="match")
        if self.each:
            check_dimension(self.each, "each")
            if self.each in self.match:
                raise BadBudget(f"{self.each} can't both be one value and each of them", field="each")
        if (self.currency == "USD") is not (self.rate is None):
            raise BadBudget(
                f"a budget in {self.currency} "
                + ("needs no exchange rate" if self.rate else "needs one: --rate, with --rate-source and --rate-date"),
                field="rate",
            )
        if self.overshoot_pico is not None and (self.mode != "expected" or self.overshoot_pico < 0):
            raise BadBudget("an overshoot bound is for mode expected, and not below zero", field="overshoot")
        if len(self.thresholds) > THRESHOLDS_MAX:
            raise BadBudget(f"a budget has at most {THRESHOLDS_MAX} thresholds", field="thresholds")
        if len(self.approvals) > APPROVALS_MAX:
            raise BadBudget(f"a budget remembers at most {APPROVALS_MAX} approvals", field="approvals")

    def usd_pico(self, amount_pico: int) -> int:
        """An amount of the budget's currency in pico-USD, rounded down: a limit never grows by rounding."""
        return amount_pico if self.rate is None else amount_pico * self.rate.usd_pico // PICO_PER_UNIT

    def overshoot_usd_pico(self, limit_usd_pico: int) -> int:
        """How far over its limit an `expected` budget may go, in pico-USD."""
        if self.overshoot_pico is not None:
            return self.usd_pico(self.overshoot_pico)
        return limit_usd_pico * OVERSHOOT_PERCENT_DEFAULT // 100


def check_dimension(name: str, field: str) -> None:
    """Raises BadBudget for a dimension that no call has."""
    if name.startswith(TAG_PREFIX):
        if not 1 <= len(name) - len(TAG_PREFIX) <= TAG_KEY_CHARS_MAX:
            raise BadBudget(f"a tag's name has 1 to {TAG_KEY_CHARS_MAX} characters, as in tag:plan", field=field)
    elif name not in DIMENSIONS:
        raise BadBudget(
            f"there is no dimension {name!r}; there are {', '.join(DIMENSIONS)}, and any tag as tag:NAME", field=field
        )


def pico_of(amount: Decimal, field: str) -> int:
    """An amount a person wrote, in picos. Raises BadBudget below zero, past twelve decimal places or UNITS_MAX."""
    if amount.is_finite() and amount > UNITS_MAX:
        raise BadBudget(f"an amount is {UNITS_MAX:,} at most", field=field)
    if (
        not amount.is_finite()
        or amount < 0
        or (scaled := amount.scaleb(12, EXACT)) != scaled.to_integral_value(context=EXACT)
    ):
        raise BadBudget(f"{amount} is not an amount of money: 0 or more, twelve decimal places at most", field=field)
    return int(scaled)


def check_fits(budget: Budget) -> None:
    """Raises BadBudget for a limit that is more US dollars than can be counted."""
    for limit_pico in (budget.limit.limit_pico, *(change.limit_pico for change in budget.limit.changes)):
        if budget.usd_pico(limit_pico) > PICO_MAX:
            raise BadBudget(f"a limit is worth ${UNITS_MAX:,} at most", field="limit")
