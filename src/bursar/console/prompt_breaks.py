"""What breaks prompt caches and what that costs a month: as the workers' hashes saw it, in words and money."""

from datetime import timedelta
from decimal import Decimal

import msgspec

from bursar.advisor.prompt_breaks import PromptBreak
from bursar.console.context import ConsoleContext
from bursar.domain.clock import us_from_datetime
from bursar.domain.money import plain, usd_from_pico
from bursar.domain.periods import Period
from bursar.explore.portfolio import models_called
from bursar.gateway.prompt_cache.news import SeriesBreaks, lost_a_month, monthly_pico, read_told, say
from bursar.gateway.prompt_cache.prices import CachePrices, cache_prices

PRICED_DAYS = 30


class PlaceTold(msgspec.Struct, frozen=True):
    """One part that breaks it. lost_tokens_a_month, usd_a_month (decimal text): None where too little was measured,
    or no price is known."""

    says: str
    part: str
    cause: str
    calls: int
    lost_tokens_a_month: int | None
    usd_a_month: str | None


class BreaksTold(msgspec.Struct, frozen=True):
    """Calls that are alike, of one key, model, feature and request type: how many had a break, and what it loses."""

    credential_id: str
    model: str
    feature: str
    request_type: str
    calls: int
    broken: int
    lost_tokens_a_month: int | None
    usd_a_month: str | None
    places: list[PlaceTold]


def breaks_told(context: ConsoleContext) -> list[BreaksTold]:
    """Series with a break, the dearest first; those whose price isn't known by their tokens, behind them."""
    found = [one for one in read_told(context.run_dir).series if one.breaks.broken]
    if not found:
        return []
    providers = _providers(context)
    told = [_told(one, _prices_of(context, providers.get(one.model, ""), one.model)) for one in found]
    return sorted(told, key=lambda one: (-Decimal(one.usd_a_month or 0), -(one.lost_tokens_a_month or 0), one.feature))


def prompt_breaks(context: ConsoleContext) -> list[PromptBreak]:
    """The same a part each, as advice is given them."""
    return [
        PromptBreak(
            series.model,
            series.feature,
            series.request_type,
            place.part,
            place.cause,
            place.says,
            None if place.usd_a_month is None else Decimal(place.usd_a_month),
        )
        for series in breaks_told(context)
        for place in series.places
    ]


def _told(series: SeriesBreaks, prices: CachePrices | None) -> BreaksTold:
    breaks = series.breaks
    places = [
        PlaceTold(
            say(place, breaks),
            place.part,
            place.cause,
            place.calls,
            lost_a_month(breaks, place.lost_tokens),
            _usd(None if prices is None else monthly_pico(breaks, prices, place.lost_tokens)),
        )
        for place in sorted(breaks.places, key=lambda place: -place.lost_tokens)
    ]
    return BreaksTold(
        series.credential_id,
        series.model,
        series.feature,
        series.request_type,
        breaks.calls,
        breaks.broken,
        lost_a_month(breaks),
        _usd(None if prices is None else monthly_pico(breaks, prices)),
        places,
    )


def _providers(context: ConsoleContext) -> dict[str, str]:
    """Who served a model lately: its price list is the one that counts."""
    now = context.now()
    with context.ledger.reading() as session:
        called = models_called(session, Period(now - timedelta(days=PRICED_DAYS), now))
    return {model: provider for provider, model in called}


def _prices_of(context: ConsoleContext, provider: str, model: str) -> CachePrices | None:
    sheet = context.prices().at(provider, model, us_from_datetime(context.now())) if provider else None
    return None if sheet is None else cache_prices(sheet)


def _usd(pico: int | None) -> str | None:
    return None if pico is None else plain(usd_from_pico(pico))
