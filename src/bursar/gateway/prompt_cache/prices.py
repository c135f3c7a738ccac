"""What a model's cache costs by its price sheet; femto-USD for one token, exact."""

import msgspec

from bursar.domain.usage import Unit, Usage
from bursar.gateway.prompt_cache.rates import CacheRates
from bursar.prices.sheet import PriceSheet

FEMTO_PER_PICO = 1_000


class CachePrices(msgspec.Struct, frozen=True):
    """write_1h: None where an hour has no price of its own: nothing is kept for one then."""

    input: int
    read: int
    write_5m: int
    write_1h: int | None

    def rates(self) -> CacheRates:
        """The same as multiples of the input price, for the odds."""
        hour = None if self.write_1h is None else self.write_1h / self.input
        return CacheRates(self.read / self.input, self.write_5m / self.input, hour)

    def premium_pico(self, usage: Usage) -> int:
        """What a call's writes cost more than the same tokens as input."""
        hour = self.write_5m if self.write_1h is None else self.write_1h
        femto = usage.cache_write_5m * (self.write_5m - self.input) + usage.cache_write_1h * (hour - self.input)
        return femto // FEMTO_PER_PICO

    def saved_pico(self, usage: Usage) -> int:
        """What a call's reads cost less than the same tokens as input."""
        return usage.cache_read * (self.input - self.read) // FEMTO_PER_PICO


def cache_prices(sheet: PriceSheet) -> CachePrices | None:
    """None where the model has no price for reads and writes of its own, or reads save nothing: it isn't marked."""
    prices = sheet.unit_prices
    if Unit.CACHE_READ not in sheet.listed or Unit.CACHE_WRITE_5M not in sheet.listed or not prices.get(Unit.INPUT):
        return None
    if prices[Unit.CACHE_READ] >= prices[Unit.INPUT]:
        return None
    hour = prices[Unit.CACHE_WRITE_1H] if Unit.CACHE_WRITE_1H in sheet.listed else None
    return CachePrices(prices[Unit.INPUT], prices[Unit.CACHE_READ], prices[Unit.CACHE_WRITE_5M], hour)
