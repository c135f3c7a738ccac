"""What a contract with a vendor says, in words that can be rated: discounts, prices, credits, commitments, capacity.

Source: shared shapes of enterprise agreements, prepaid credits and reserved capacity as vendors publish them (OpenAI
help 8264778 on credits, 2026-11; AWS Bedrock and Azure pages on provisioned throughput, 2026); the four costs as FOCUS
1.2 defines them.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from bursar.domain.money import PICO_PER_USD, InexactMoney, femto_from_usd_per_million
from bursar.domain.usage import Unit

PERCENT_PLACES = 4
PARTS = 1_000_000  # a whole, in the parts that a percentage is an integer of
ITEMS_MAX = 100
STEPS_MAX = 20
TEXT_MAX = 200
USD_MAX = Decimal(10) ** 12
STANDARD = "standard"
_STANDARD_TIERS = frozenset({"", "default", "auto", STANDARD})


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which charges of the vendor: names or patterns (`gpt-5*`) of models, tiers (`batch`, `flex`, `priority`,
    `standard`); none given: all."""

    models: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()

    def covers(self, model: str, tier: str) -> bool:
        if self.tiers and tier_name(tier) not in self.tiers:
            return False
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)


class Discount(Scope, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """percent off the list price. The first discount that covers a charge counts."""

    percent: Decimal


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From so much of a month on (USD at list, or tokens), percent off."""

    above: Decimal
    percent: Decimal


class Volume(Scope, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Steps by what a month brought (UTC months), on what is left after discounts.

    by:   `list_cost` (USD) or `tokens`.
    mode: `graduated`: each step's percentage for what lies in it, in the order of time; `all_units`: the step that the
          month has reached holds for all of it, from its first call on.
    """

    name: str
    steps: tuple[Step, ...]
    by: Literal["list_cost", "tokens"] = "list_cost"
    mode: Literal["graduated", "all_units"] = "graduated"


class UnitPrice(Scope, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A fixed price: unit as in `lines` (`input`, `output`, `cache_read`, …), USD per million of them.

    It takes the place of the list price; no discount comes off it.
    """

    unit: str
    usd_per_million: Decimal


class Credit(Scope, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """amount: what it pays for, USD. paid: what it cost; 0: it was given. From `granted` to `expires`, both included.

    Given ones are used before paid ones, of those whichever expires first (as OpenAI does).
    """

    name: str
    amount: Decimal
    granted: date
    expires: date | None = None
    paid: Decimal = Decimal(0)


class Commitment(Scope, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """amount, USD, to be spent from `start` to `end`, both included.

    counts:  what draws it down: cost after negotiated prices, or at list prices.
    payment: `arrears`: as used, and what is missing at the end; `upfront`: all of it at the start.
    """

    name: str
    amount: Decimal
    start: date
    end: date
    counts: Literal["contracted_cost", "list_cost"] = "contracted_cost"
    payment: Literal["arrears", "upfront"] = "arrears"


class Capacity(Scope, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Reserved capacity at a flat cost (Bedrock provisioned throughput, Azure PTU, Vertex), used or not.

    usd: per `per`, from `start` to `end`, both included. tokens_per_minute: what it can do; what isn't used of it is
    idle, by the hour. Without it, only hours without any call are idle.
    """

    name: str
    usd: Decimal
    start: date
    per: Literal["hour", "month"] = "hour"
    end: date | None = None
    tokens_per_minute: int | None = None

    def holds_on(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day <= self.end)


class ContractTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that was agreed with one vendor.

    provider:  as charges say it: `openai`. upstreams: only what went to these; none given: all of the vendor.
    until:     the last day; none: it goes on.
    owner:     who owns the relation.
    entity:    the company that bills, as its documents say.
    """

    provider: str
    upstreams: tuple[str, ...] = ()
    until: date | None = None
    owner: str = ""
    entity: str = ""
    note: str = ""
    discounts: tuple[Discount, ...] = ()
    volumes: tuple[Volume, ...] = ()
    prices: tuple[UnitPrice, ...] = ()
    credits: tuple[Credit, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    capacities: tuple[Capacity, ...] = ()

    def covers_day(self, day: date) -> bool:
        return self.until is None or day <= self.until

    def is_reserved(self, day: date, model: str, tier: str) -> bool:
        """Whether calls of a model on a tier are on reserved capacity that day: they aren't paid by use."""
        return any(one.holds_on(day) and one.covers(model, tier) for one in self.capacities)


class Version(msgspec.Struct, frozen=True):
    """Terms from a day on, as somebody recorded them. number: from 1; a later one holds from its own first day on."""

    number: int
    since: date
    terms: ContractTerms
    recorded_us: int
    recorded_by: str
    why: str = ""


class Contract(msgspec.Struct, frozen=True):
    """One agreement, all versions of it, oldest first."""

    contract_id: str
    name: str
    versions: tuple[Version, ...]

    @property
    def latest(self) -> Version:
        return self.versions[-1]

    @property
    def since(self) -> date:
        return min(version.since for version in self.versions)

    def on(self, day: date) -> Version | None:
        """The version that holds on a day: of those that begin by then, the one recorded last; None: none does."""
        held = [version for version in self.versions if version.since <= day]
        return held[-1] if held and held[-1].terms.covers_day(day) else None


def tier_name(tier: str) -> str:
    """A service tier as contracts say it: what vendors call default or auto is `standard`."""
    return STANDARD if tier in _STANDARD_TIERS else tier


def parts_of(percent: Decimal) -> int:
    """A percentage as an integer of millionths: 12.5 → 125,000."""
    return int(percent * (PARTS // 100))


def pico(usd: Decimal) -> int:
    """Exact: terms are checked to have at most 12 places."""
    return int(usd * PICO_PER_USD)


def faults_of_terms(terms: ContractTerms) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it)."""
    if not terms.provider or len(terms.provider) > TEXT_MAX:
        yield "provider", f"1 to {TEXT_MAX} characters, as charges say it: openai"
    for field in ("owner", "entity"):
        if len(getattr(terms, field)) > TEXT_MAX:
            yield field, f"at most {TEXT_MAX} characters"
    for field in ("discounts", "volumes", "prices", "credits", "commitments", "capacities", "upstreams"):
        if len(getattr(terms, field)) > ITEMS_MAX:
            yield field, f"at most {ITEMS_MAX}"
    for place, discount in enumerate(terms.discounts):
        yield from _percent(f"discounts[{place}].percent", discount.percent)
    for place, volume in enumerate(terms.volumes):
        yield from _steps(f"volumes[{place}]", volume)
    for place, price in enumerate(terms.prices):
        yield from _price(f"prices[{place}]", price)
    for place, credit in enumerate(terms.credits):
        yield from _usd(f"credits[{place}].amount", credit.amount)
        yield from _usd(f"credits[{place}].paid", credit.paid, zero=True)
        yield from _days(f"credits[{place}].expires", credit.granted, credit.expires)
    for place, one in enumerate(terms.commitments):
        yield from _usd(f"commitments[{place}].amount", one.amount)
        yield from _days(f"commitments[{place}].end", one.start, one.end)
    for place, capacity in enumerate(terms.capacities):
        yield from _usd(f"capacities[{place}].usd", capacity.usd)
        yield from _days(f"capacities[{place}].end", capacity.start, capacity.end)
        if capacity.tokens_per_minute is not None and capacity.tokens_per_minute <= 0:
            yield f"capacities[{place}].tokens_per_minute", "above 0"
    for field in ("volumes", "credits", "commitments", "capacities"):
        yield from _names(field, [one.name for one in getattr(terms, field)])


def _percent(field: str, percent: Decimal) -> Iterator[tuple[str, str]]:
    if not (percent.is_finite() and 0 <= percent <= 100) or percent != round(percent, PERCENT_PLACES):
        yield field, f"from 0 to 100, with at most {PERCENT_PLACES} places"


def _steps(field: str, volume: Volume) -> Iterator[tuple[str, str]]:
    if not 1 <= len(volume.steps) <= STEPS_MAX:
        yield f"{field}.steps", f"1 to {STEPS_MAX} steps"
    for place, step in enumerate(volume.steps):
        yield from _percent(f"{field}.steps[{place}].percent", step.percent)
        yield from _usd(f"{field}.steps[{place}].above", step.above, zero=True)
        if volume.by == "tokens" and step.above != int(step.above):
            yield f"{field}.steps[{place}].above", "a whole number of tokens"
    bounds = [step.above for step in volume.steps]
    if sorted(set(bounds)) != bounds:
        yield f"{field}.steps", "each above the one before"


def _price(field: str, price: UnitPrice) -> Iterator[tuple[str, str]]:
    if price.unit not in list(Unit):
        yield f"{field}.unit", f"one of {', '.join(Unit)}"
    yield from _usd(f"{field}.usd_per_million", price.usd_per_million, zero=True)
    try:
        femto_from_usd_per_million(price.usd_per_million)
    except (InexactMoney, ArithmeticError, ValueError):
        yield f"{field}.usd_per_million", "at most 9 places"


def _usd(field: str, usd: Decimal, *, zero: bool = False) -> Iterator[tuple[str, str]]:
    if not (usd.is_finite() and (usd > 0 or (zero and usd == 0)) and usd <= USD_MAX) or usd != round(usd, 12):
        yield field, f"{'from 0' if zero else 'above 0'} to {USD_MAX:,}, with at most 12 places"


def _days(field: str, first: date, last: date | None) -> Iterator[tuple[str, str]]:
    if last is not None and last < first:
        yield field, "not before the first day"


def _names(field: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for place, name in enumerate(names):
        if not name or len(name) > TEXT_MAX or not name.isprintable():
            yield f"{field}[{place}].name", f"1 to {TEXT_MAX} printable characters"
        elif name in names[:place]:
            yield f"{field}[{place}].name", f"{name!r} is there already; its balance is kept by its name"
