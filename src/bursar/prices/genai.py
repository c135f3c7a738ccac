"""The installed genai-prices catalogue as dated rows. Slow to import (0.2 s): only the compiler does.

Source: genai-prices 0.2.3 (MIT), `types.py`: a tier's threshold reprices the whole call, the last active dated price
wins, variants are chosen by request context and overlay the standard prices key by key.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.metadata import version
from itertools import pairwise

from genai_prices import types
from genai_prices.data_snapshot import get_snapshot

from bursar.domain.clock import us_from_datetime
from bursar.domain.money import femto_from_usd
from bursar.domain.usage import Unit
from bursar.prices.rows import STANDARD, Band, Clause, Fault, Period, PriceEntry, ProviderRow

SOURCE = "genai-prices"

UNIT_PRICES: dict[str, tuple[Unit, int]] = {
    "input_mtok": (Unit.INPUT, 6),
    "output_mtok": (Unit.OUTPUT, 6),
    "cache_read_mtok": (Unit.CACHE_READ, 6),
    "cache_write_mtok": (Unit.CACHE_WRITE_5M, 6),
    "cache_write_5m_mtok": (Unit.CACHE_WRITE_5M, 6),
    "cache_write_1h_mtok": (Unit.CACHE_WRITE_1H, 6),
    "input_audio_mtok": (Unit.INPUT_AUDIO, 6),
    "cache_audio_read_mtok": (Unit.CACHE_READ_AUDIO, 6),
    "input_image_mtok": (Unit.INPUT_IMAGE, 6),
    "output_audio_mtok": (Unit.OUTPUT_AUDIO, 6),
    "output_image_mtok": (Unit.OUTPUT_IMAGE, 6),
    "web_searches_kcount": (Unit.WEB_SEARCH, 3),
    "requests_kcount": (Unit.REQUEST, 3),
    "input_mchars": (Unit.CHARACTERS, 6),
}
"""Its price keys that we count: our unit, and the power of ten its price is for."""

HOUR_KEY = "input_audio_hours"
HOUR_S = 3_600
"""Of sound that is sent; counted in seconds. `audio_hours` alone are those of a live session, which nobody counts."""

REASONING_KEY = "output_reasoning_mtok"

FREE_PRICES = {Unit.INPUT: 0, Unit.OUTPUT: 0}
"""The catalogue writes "free" as no price at all. Only a model whose own name says free is taken to be so; the other
rows without prices (withdrawn, subscription-only, unknown) stay unpriced."""

CONTEXTS: dict[str, dict[str, str]] = {
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
    "batch": {"processing": "batch"},
}
"""Our tiers as the catalogue's request context. Its other contexts (search type, route) are not tiers."""

Listed = dict[str, Decimal | types.TieredPrices]
DAY_S = 86_400
_PLACES_15 = Decimal(1).scaleb(-15)


@dataclass
class Imported:
    """A catalogue's rows and what could not be taken as it stands."""

    catalogue: str
    providers: list[ProviderRow]
    faults: list[Fault] = field(default_factory=list)


def read_catalogue() -> Imported:
    """All providers and models of the installed package."""
    imported = Imported(f"{SOURCE} {version('genai-prices')}", [])
    for provider in get_snapshot().providers:
        row = ProviderRow(
            id=provider.id,
            name=provider.name,
            match=_clause(provider.provider_match) if provider.provider_match else None,
            model_match=_clause(provider.model_match) if provider.model_match else None,
            fallback=list(provider.fallback_model_providers or ()),
            models=[_entry(provider.id, model, imported.faults) for model in provider.models],
        )
        imported.providers.append(row)
    return imported


def _entry(provider: str, model: types.ModelInfo, faults: list[Fault]) -> PriceEntry:
    rounded: set[str] = set()
    unmetered: set[str] = set()
    tiers = {STANDARD: _periods(model, {}, rounded, unmetered)}
    contexts = [variant.when for variant in model.price_variants or ()]
    for tier, context in CONTEXTS.items():
        if any(when.items() <= context.items() for when in contexts):
            tiers[tier] = _periods(model, context, rounded, unmetered)
    where = f"{SOURCE} {provider}/{model.id}"
    faults += [Fault(where, 0, f"{key} has over 15 places; rounded half-even", "note") for key in sorted(rounded)]
    if not any(period.bands[0].prices for period in tiers[STANDARD]):
        faults.append(Fault(where, 0, "no price for any unit that Bursar counts: its calls are unpriced", "note"))
    return PriceEntry(
        provider=provider,
        model=model.id,
        name=model.name or model.id,
        match=_clause(model.match),
        tiers=tiers,
        unmetered=sorted(unmetered),
        comment=(model.price_comments or "").strip(),
        context_tokens=model.context_window,
    )


def _periods(model: types.ModelInfo, context: dict[str, str], rounded: set[str], unmetered: set[str]) -> list[Period]:
    """The dated prices under one request context; for a tier, only the stretches in which it has prices of its own."""
    constraints = [] if isinstance(model.prices, types.ModelPrice) else [row.constraint for row in model.prices]
    variants = [v for v in model.price_variants or () if context and v.when.items() <= context.items()]
    constraints += [variant.constraint for variant in variants]
    starts: list[date | None] = [
        None,
        *sorted({c.start_date for c in constraints if isinstance(c, types.StartDateConstraint)}),
    ]
    seconds = sorted({0, DAY_S} | {s for c in constraints for s in _window_edges(c)})
    periods = []
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        for from_s, to_s in pairwise(seconds):
            at = datetime.combine(start or date.min, time(from_s // 3600, from_s % 3600 // 60, from_s % 60), UTC)
            if context and not any(v.constraint is None or v.constraint.active(at) for v in variants):
                continue
            bands = _bands(model, model.get_prices(at, context), rounded, unmetered)
            periods.append(Period(_us(start), _us(end), from_s, to_s, bands, SOURCE))
    return periods


def _bands(model: types.ModelInfo, price: types.ModelPrice, rounded: set[str], unmetered: set[str]) -> list[Band]:
    listed: Listed = {key: value for key, value in price.__dict__.items() if value is not None}
    hours = {HOUR_KEY, "audio_hours"} if HOUR_KEY in listed else set()
    unmetered |= listed.keys() - UNIT_PRICES.keys() - {REASONING_KEY} - hours
    if not listed and _is_free(model.id):
        return [Band(-1, FREE_PRICES)]
    starts = {tier.start for value in listed.values() if isinstance(value, types.TieredPrices) for tier in value.tiers}
    return [_band(model, listed, above, rounded) for above in (-1, *sorted(starts))]


def _band(model: types.ModelInfo, listed: Listed, above: int, rounded: set[str]) -> Band:
    prices: dict[Unit, int] = {}
    for key, (unit, places) in UNIT_PRICES.items():
        if key in listed:
            prices[unit] = _femto(_at_band(listed[key], above), places, key, rounded)
    if HOUR_KEY in listed:
        prices[Unit.AUDIO_SECONDS] = _femto(_at_band(listed[HOUR_KEY], above) / HOUR_S, 0, HOUR_KEY, rounded)
    if "claude" in model.id and Unit.CACHE_WRITE_5M in prices and Unit.CACHE_WRITE_1H not in prices:
        # Anthropic bills a 1-hour write at twice the input price; the catalogue would bill it as a 5-minute one.
        prices[Unit.CACHE_WRITE_1H] = 2 * prices[Unit.INPUT]
    reasoning = listed.get(REASONING_KEY)
    return Band(above, prices, _femto(_at_band(reasoning, above), 6, REASONING_KEY, rounded) if reasoning else None)


def _at_band(value: Decimal | types.TieredPrices, above: int) -> Decimal:
    if isinstance(value, types.TieredPrices):
        price = value.base
        for tier in value.tiers:
            if tier.start <= above:
                price = tier.price
        return price
    return value


def _femto(usd: Decimal, places: int, key: str, rounded: set[str]) -> int:
    """A price per 10**places units as femto-USD for one. Digits below are artefacts of somebody's floats."""
    exact = usd.scaleb(-places)
    kept = exact.quantize(_PLACES_15, ROUND_HALF_EVEN)
    if kept != exact:
        rounded.add(key)
    return femto_from_usd(kept)


def _is_free(model_id: str) -> bool:
    return "free" in re.split("[-:/]", model_id)


def _window_edges(constraint: object) -> Iterable[int]:
    if not isinstance(constraint, types.TimeOfDateConstraint):
        return ()
    return (_second_of_day(constraint.start_time), _second_of_day(constraint.end_time))


def _second_of_day(at: time) -> int:
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    utc = datetime.combine(date(1970, 1, 2), aware).astimezone(UTC)
    return utc.hour * 3_600 + utc.minute * 60 + utc.second


def _us(start: date | None) -> int | None:
    return None if start is None else us_from_datetime(datetime.combine(start, time(), UTC))


def _clause(match: object) -> Clause:
    match match:
        case types.ClauseEquals():
            return Clause("equals", match.equals.lower())
        case types.ClauseStartsWith():
            return Clause("starts", match.starts_with.lower())
        case types.ClauseEndsWith():
            return Clause("ends", match.ends_with.lower())
        case types.ClauseContains():
            return Clause("contains", match.contains.lower())
        case types.ClauseRegex():
            return Clause("regex", match.regex)
        case types.ClauseOr():
            return Clause("or", parts=_clauses(match.or_))
        case types.ClauseAnd():
            return Clause("and", parts=_clauses(match.and_))
        case _:
            raise TypeError(f"unknown clause {match!r}")


def _clauses(parts: Sequence[object]) -> list[Clause]:
    return [_clause(part) for part in parts]
