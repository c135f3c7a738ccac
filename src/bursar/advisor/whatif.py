"""What last month's calls would have cost otherwise: another model, provider, tier or price list, batches, caches.

Pure: groups of real calls in, groups with both costs out. A call that can't move is left where it is, at what it cost,
and counted with its reason; unknown is never zero.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from bursar.advisor.tokens import SAME, Ratio, Tokenizers
from bursar.domain.money import usd_from_femto
from bursar.domain.usage import Unit, Usage
from bursar.explore.portfolio import Group
from bursar.prices.book import BATCH, PriceBook
from bursar.prices.sheet import PriceSheet

MOVED_OPERATIONS = frozenset({"chat", "text_completion"})
TEXT_UNITS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What would be otherwise for the groups that it is about; nothing given is as it was.

    provider, model: "" is the one that was called. tier: None, or "" for the standard one, "flex", "priority".
    batch_percent:   of the calls that may wait, this share as a batch.
    cached_percent:  of all input tokens, this share is read from the provider's cache; None: as it was.
    written_percent: and this share is written to it (five minutes), where `cached_percent` is given.
    output_percent:  output tokens, of what they were.
    from_provider, from_models: which groups; empty: all. Models are names as charged.
    """

    provider: str = ""
    model: str = ""
    tier: str | None = None
    batch_percent: float = 0.0
    cached_percent: float | None = None
    written_percent: float = 0.0
    output_percent: float = 100.0
    from_provider: str = ""
    from_models: tuple[str, ...] = ()


class Moved(msgspec.Struct, frozen=True):
    """A group under a change. why: "" if it moved, else why it stays: `other` (not meant), `operation`, `context`,
    `no_usage` (refused, answered by a cache, or assumed at its bound), `unpriced` (here), `no_price` (there),
    `no_batch_price`, `unit` (something used has no price there).

    was, would: effective USD as it was, and as it would be; None: unknown.
    """

    group: Group
    provider: str
    model: str
    why: str
    was: Decimal | None
    would: Decimal | None
    ratio: Ratio = SAME


class WhatIf(msgspec.Struct, frozen=True):
    """All groups, and their sums. was, would: of what is priced; attempts and cost that stay, by reason."""

    moved: list[Moved]
    was: Decimal
    would: Decimal
    attempts: int
    attempts_moved: int
    stays: dict[str, tuple[int, Decimal]]
    unpriced_count: int
    assumed_ratios: list[tuple[str, str]]  # (from, to) whose tokens couldn't be compared

    @property
    def saved(self) -> Decimal:
        """Less than nothing: it would cost more."""
        return self.was - self.would


def what_if(groups: Sequence[Group], changes: Sequence[Change], book: PriceBook, at_us: int) -> WhatIf:
    """Re-price the groups. The first change that is about a group holds for it. at_us: whose prices there."""
    tokens = Tokenizers(groups)
    moved = [_under(group, changes, book, at_us, tokens) for group in groups]
    zero = Decimal(0)
    stays: dict[str, tuple[int, Decimal]] = {}
    for one in moved:
        if one.why:
            count, cost = stays.get(one.why, (0, zero))
            stays[one.why] = (count + one.group.attempts, cost + (one.was or zero))
    guesses = {
        (f"{one.group.provider}/{one.group.model}", f"{one.provider}/{one.model}")
        for one in moved
        if not one.why and not one.ratio.is_measured
    }
    return WhatIf(
        moved,
        sum((one.was for one in moved if one.was is not None), zero),
        sum((one.would for one in moved if one.would is not None), zero),
        sum(one.group.attempts for one in moved),
        sum(one.group.attempts for one in moved if not one.why),
        stays,
        sum(one.group.attempts for one in moved if one.was is None),
        sorted(guesses),
    )


def bands_of(book: PriceBook, groups: Iterable[tuple[str, str]], changes: Sequence[Change], at_us: int) -> list[int]:
    """Input sizes at which a price changes, of the models that are called or would be."""
    called = set(groups)
    named = called | {(one.provider or provider, one.model or model) for provider, model in called for one in changes}
    found = set[int]()
    for provider, model in named:
        sheet = book.at(provider, model, at_us, input_tokens=10**9)
        while sheet is not None and sheet.band_above > 0:
            found.add(sheet.band_above)
            sheet = book.at(provider, model, at_us, input_tokens=sheet.band_above)
    return sorted(found)


def _under(group: Group, changes: Sequence[Change], book: PriceBook, at_us: int, tokens: Tokenizers) -> Moved:
    change = next((one for one in changes if _is_about(one, group)), None)
    was = group.effective_cost
    if change is None:
        return Moved(group, group.provider, group.model, "other", was, was)
    provider, model = change.provider or group.provider, change.model or group.model
    if why := _why_not(group, provider, model, book):
        return Moved(group, group.provider, group.model, why, was, was)
    ratio = tokens.ratio((group.provider, group.model), (provider, model))
    usage = _usage_there(group.usage, change, ratio.value)
    would, why = _cost_there(group, change, provider, model, usage, book, at_us)
    if would is None:
        return Moved(group, group.provider, group.model, why, was, was)
    return Moved(group, provider, model, "", was, would, ratio)


def _is_about(change: Change, group: Group) -> bool:
    if change.from_provider and change.from_provider != group.provider:
        return False
    return not change.from_models or group.model in change.from_models


def _why_not(group: Group, provider: str, model: str, book: PriceBook) -> str:
    """What keeps a group where it is, whatever it would cost elsewhere."""
    if group.effective_cost is None:
        return "unpriced"
    if not any(msgspec.structs.astuple(group.usage)):  # an assumed cost without tokens would become nothing elsewhere
        return "no_usage"
    if (provider, model) == (group.provider, group.model):
        return ""
    if group.operation not in MOVED_OPERATIONS:
        return "operation"
    context = book.context_tokens(provider, model)
    if context is not None and (group.size_to == 0 or group.size_to > context):
        return "context"
    return ""


def _usage_there(usage: Usage, change: Change, ratio: float) -> Usage:
    """The same texts in the other model's tokens, cached and answered as the change says."""
    counts = {name: getattr(usage, name) * ratio for name in TEXT_UNITS}
    counts["output"] *= change.output_percent / 100
    if change.cached_percent is not None:
        total = sum(counts[name] for name in TEXT_UNITS[:-1])
        read, written = total * change.cached_percent / 100, total * change.written_percent / 100
        counts |= {
            "cache_read": read, "cache_write_5m": written, "cache_write_1h": 0.0, "input": total - read - written,
        }  # fmt: skip
    there = {name: round(count) for name, count in counts.items()}
    there["reasoning"] = round(usage.reasoning * ratio * change.output_percent / 100)
    return msgspec.structs.replace(usage, **there)


def _cost_there(
    group: Group, change: Change, provider: str, model: str, usage: Usage, book: PriceBook, at_us: int
) -> tuple[Decimal | None, str]:
    """(USD, "") or (None, why there is no such price)."""
    tier = group.tier if change.tier is None else change.tier
    share = Fraction(change.batch_percent) / 100 if group.operation in MOVED_OPERATIONS else Fraction(0)
    cost = Fraction(0)
    for part, named in ((1 - share, tier), (share, BATCH)):
        if not part:
            continue
        sheet = book.at(
            provider, model, at_us, tier=named, input_tokens=group.band_above + 1,
            region=group.region if provider == group.provider else "",
        )  # fmt: skip
        if sheet is None:
            return None, "no_price"
        if named == BATCH and not sheet.tier_known:
            return None, "no_batch_price"
        if change.tier and named == change.tier and not sheet.tier_known:  # the standard price would be a guess
            return None, "no_price"
        femto = femto_of(usage, group.attempts, sheet)
        if femto is None:
            return None, "unit"
        cost += part * femto
    discount = _paid_share(group)
    return usd_from_femto(round(cost * discount)), ""


def femto_of(usage: Usage, attempts: int, sheet: PriceSheet) -> int | None:
    """What sums of usage cost by one sheet, in femto-USD: exact, for within a sheet a price is one. None: unpriced."""
    femto = 0
    for unit, quantity in usage.nonzero():
        if unit is Unit.REQUEST:
            continue
        price = sheet.unit_prices.get(unit)
        if price is None:
            return None
        femto += quantity * price
    if sheet.reasoning_price is not None:
        femto += usage.reasoning * (sheet.reasoning_price - sheet.unit_prices.get(Unit.OUTPUT, 0))
    if sheet.request_price is not None:
        femto += attempts * sheet.request_price
    return femto


def _paid_share(group: Group) -> Fraction:
    """What is paid of the list price: a contract's discount is assumed to hold there too, as it does here."""
    if not group.list_cost or group.effective_cost is None:
        return Fraction(1)
    return Fraction(group.effective_cost) / Fraction(group.list_cost)
