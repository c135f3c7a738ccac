"""Layers of dated prices laid over each other: catalogue, tier, local overrides become the sheets of one SKU."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import msgspec

from bursar.domain.clock import datetime_from_us
from bursar.domain.usage import UNITS, Unit
from bursar.prices.regions import FEES, raised
from bursar.prices.rows import STANDARD, Band, Override, Period
from bursar.prices.sheet import NO_LINE, ROW_UNITS, PriceSheet, dearest_input, dearest_output, with_fallbacks

BEGIN_US, END_US = -(2**63), 2**63 - 1
DAY_S = 86_400
OVERRIDE_SOURCE = "override"


class Slot(NamedTuple):
    """A stretch of time and day with its sheets by band, ascending."""

    from_us: int
    to_us: int
    is_all_day: bool
    day_from_s: int
    day_to_s: int
    bands: tuple[tuple[int, PriceSheet], ...]


class Schedule:
    """The sheets of one SKU and tier over time."""

    __slots__ = ("slots",)

    def __init__(self, slots: tuple[Slot, ...]) -> None:
        self.slots = slots

    def at(self, at_us: int, input_tokens: int) -> PriceSheet | None:
        """The sheet in force at an instant for a call of that size. None: not sold then."""
        for from_us, to_us, is_all_day, day_from_s, day_to_s, bands in self.slots:
            if from_us <= at_us < to_us and (is_all_day or day_from_s <= at_us // 1_000_000 % DAY_S < day_to_s):
                sheet = bands[0][1]
                for above, dearer in bands:
                    if input_tokens > above:
                        sheet = dearer
                return sheet
        return None


class Sku(msgspec.Struct, frozen=True):
    """What a schedule is built for. `match` and `assumption`: see PriceSheet.

    asked, guess: the name that was asked for, and why the catalogue's entry is a guess for it; where a local price
        names it, nothing is guessed.
    factor: on the catalogue's token prices, for the region; local prices are taken as they are written.
    """

    provider: str
    model: str
    tier: str
    match: str
    assumption: str
    asked: str = ""
    guess: str = ""
    region: str = ""
    factor: Fraction = Fraction(1)


def build_schedule(
    sku: Sku, standard: Sequence[Period], tiered: Sequence[Period], overrides: Sequence[Override]
) -> Schedule | None:
    """Lay `overrides` (weakest first) over the tier's own periods, and those over the standard ones.

    Where a tier has no price of its own, the standard price stands in and the sheet says `tier_known=False`.
    None: nothing has a price at any time.
    """
    layers: list[Period | Override] = [*standard, *tiered, *overrides]
    cuts = sorted({BEGIN_US, END_US} | {t for p in layers for t in (p.valid_from_us, p.valid_to_us) if t is not None})
    days = sorted({0, DAY_S} | {t for p in (*standard, *tiered) for t in (p.day_from_s, p.day_to_s)})
    slots: list[Slot] = []
    for from_us, to_us in pairwise(cuts):
        active = [row for row in overrides if _covers(row, from_us)]
        for day_from_s, day_to_s in pairwise(days):
            own = _pick(tiered, from_us, day_from_s)
            base = own or _pick(standard, from_us, day_from_s)
            is_known = sku.tier == STANDARD or own is not None or any(row.tier == sku.tier for row in active)
            chosen = [row for row in active if _applies(row, sku.tier, stands_in=own is None)]
            if base is None and not chosen:
                continue
            slots.append(
                Slot(from_us, to_us, len(days) == 2, day_from_s, day_to_s, _sheets(sku, base, chosen, is_known))
            )
    return Schedule(tuple(slots)) if slots else None


def _covers(row: Period | Override, from_us: int) -> bool:
    return (row.valid_from_us is None or row.valid_from_us <= from_us) and (
        row.valid_to_us is None or from_us < row.valid_to_us
    )


def _pick(periods: Sequence[Period], from_us: int, day_from_s: int) -> Period | None:
    for period in periods:
        if _covers(period, from_us) and period.day_from_s <= day_from_s < period.day_to_s:
            return period
    return None


def _applies(row: Override, tier: str, *, stands_in: bool) -> bool:
    """An override of the standard price holds for another tier only where the standard price stands in for it."""
    return row.tier in (tier, "*") or (row.tier == STANDARD and stands_in)


def _sheets(
    sku: Sku, base: Period | None, overrides: Sequence[Override], is_known: bool
) -> tuple[tuple[int, PriceSheet], ...]:
    participants: list[Period | Override] = [*([base] if base else []), *overrides]
    from_us = max((p.valid_from_us for p in participants if p.valid_from_us is not None), default=None)
    to_us = min((p.valid_to_us for p in participants if p.valid_to_us is not None), default=None)
    source = OVERRIDE_SOURCE if overrides else base.source if base else ""
    since = stamp(from_us, base.day_from_s if base else 0, base.day_to_s if base else DAY_S)
    billed = sku.tier if is_known else STANDARD
    if sku.factor != 1:
        billed += f"+{sku.region}"
    unknown = "" if is_known else f"no price of tier {sku.tier} is known; the standard price stands in"
    guess = "" if any(row.model == sku.asked for row in overrides) else sku.guess
    assumption = "; ".join(filter(None, (unknown, guess, sku.assumption)))
    sheets: list[tuple[int, PriceSheet]] = []
    top_input: int | None = None
    top_output: int | None = None
    for above in sorted({-1} | {b.above for b in (base.bands if base else [])} | {row.above for row in overrides}):
        listed, reasoning = _listed(base, overrides, above, sku.factor)
        full = with_fallbacks(listed)
        top_input = _most(top_input, dearest_input(full))
        top_output = _most(top_output, dearest_output(full, reasoning))
        request_price = full.get(Unit.REQUEST)
        sheets.append(
            (
                above,
                PriceSheet(
                    sku_id=f"{sku.provider}/{sku.model}",
                    sku_price_id=f"{source}:{sku.provider}/{sku.model}@{since}#{billed}",
                    provider=sku.provider,
                    model=sku.model,
                    tier=sku.tier,
                    tier_known=is_known,
                    region=sku.region,
                    match=OVERRIDE_SOURCE if overrides else sku.match,
                    assumption=assumption,
                    source=_sources(base, overrides),
                    valid_from_us=from_us,
                    valid_to_us=to_us,
                    daily=_daily(base),
                    band_above=above,
                    unit_prices=full,
                    listed=frozenset(listed),
                    row=_row(full),
                    request_price=request_price,
                    reasoning_price=reasoning,
                    is_plain=request_price is None and reasoning is None,
                    dearest_input=top_input,
                    dearest_output=top_output,
                ),
            )
        )
    return tuple(sheets)


def _row(prices: Mapping[Unit, int]) -> tuple[tuple[int, Unit, int | None], ...]:
    return tuple((at, unit, 0 if unit is NO_LINE else prices.get(unit)) for at, unit in enumerate(ROW_UNITS))


def _listed(
    base: Period | None, overrides: Sequence[Override], above: int, factor: Fraction
) -> tuple[dict[Unit, int], int | None]:
    """Listed prices of one band: the base's band that holds above `above`, and each override's units on top."""
    band = Band(-1, {})
    for candidate in base.bands if base else []:
        if candidate.above <= above:
            band = candidate
    listed = {unit: price if unit in FEES else raised(price, factor) for unit, price in band.prices.items()}
    reasoning = None if band.reasoning is None else raised(band.reasoning, factor)
    for row in overrides:
        if row.above <= above:
            listed.update(row.prices)
            if Unit.OUTPUT in row.prices:
                reasoning = None  # the local price of output holds for all of it
    return {unit: listed[unit] for unit in UNITS if unit in listed}, reasoning


def _sources(base: Period | None, overrides: Sequence[Override]) -> str:
    """Who says so, the strongest first: `prices.toml:12, genai-prices`."""
    said = [f"prices.toml:{row.line}" for row in reversed(overrides)]
    return ", ".join([*said, *([base.source] if base else [])])


def stamp(from_us: int | None, day_from_s: int, day_to_s: int) -> str:
    """Since when, as a `sku_price_id` writes it: `origin`, `2026-03-13`, `2025-02-08T0030` for a daily window."""
    if from_us is None:
        date = "origin"
    else:
        at = datetime_from_us(from_us)
        date = at.strftime("%Y-%m-%d") if from_us % (DAY_S * 1_000_000) == 0 else at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if (day_from_s, day_to_s) == (0, DAY_S):
        return date
    return f"{date}+{day_from_s // 3600:02d}{day_from_s % 3600 // 60:02d}"


def _daily(base: Period | None) -> str:
    if base is None or (base.day_from_s, base.day_to_s) == (0, DAY_S):
        return ""
    return f"{_clock(base.day_from_s)}-{_clock(base.day_to_s)}"


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}"


def _most(left: int | None, right: int | None) -> int | None:
    return right if left is None else left if right is None else max(left, right)
