"""One price sheet: every unit's price for one call, with where it comes from."""

from collections.abc import Mapping

import msgspec

from bursar.domain.errors import Unpriced
from bursar.domain.usage import INPUT_UNITS, OUTPUT_UNITS, UNITS, Unit, Usage

FALLBACKS: dict[Unit, tuple[Unit, ...]] = {
    Unit.CACHE_READ: (Unit.INPUT,),
    Unit.CACHE_WRITE_5M: (Unit.INPUT,),
    Unit.CACHE_WRITE_1H: (Unit.CACHE_WRITE_5M, Unit.INPUT),
    Unit.INPUT_AUDIO: (Unit.INPUT,),
    Unit.CACHE_READ_AUDIO: (Unit.INPUT_AUDIO, Unit.CACHE_READ, Unit.INPUT),
    Unit.INPUT_IMAGE: (Unit.INPUT,),
    Unit.OUTPUT_AUDIO: (Unit.OUTPUT,),
    Unit.OUTPUT_IMAGE: (Unit.OUTPUT,),
}
"""A unit without a price of its own is billed as the unit it is a kind of, first listed first. Source: genai-prices
0.2.3, `decompose.py`: a count without its own price stays in its ancestor's count."""

NO_LINE = Unit.REQUEST
"""In ROW_UNITS: what has no line by its count. A request's fee needs none; reasoning is in the output, and what is kept
for how long is cache storage."""

_DETAILS = ("reasoning", "kept_tokens", "kept_us")

ROW_UNITS = tuple(Unit(name) if name not in _DETAILS else NO_LINE for name in Usage.__struct_fields__)
"""The units of `PriceSheet.row`, in the order of `Usage`'s fields."""


class UnpricedUnit(Unpriced):
    """A unit was used that the sheet has no price for. The caller posts the charge as `unpriced`."""

    code = "unpriced_unit"

    def __init__(self, sku_id: str, unit: str, message: str = "") -> None:
        super().__init__(message or f"{sku_id} has no price for {unit}", field=str(unit))
        self.sku_id = sku_id
        self.unit = unit


class ImplausibleUsage(UnpricedUnit):
    """The counts come to more than a charge can hold, a million dollars: a counter is broken. Posted as `unpriced`."""

    code = "implausible_usage"

    def __init__(self, sku_id: str, unit: str, quantity: int) -> None:
        super().__init__(sku_id, unit, f"{quantity} of {unit} at {sku_id}: over a million dollars for one call")


class PriceSheet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The prices in force for one call: tier, context band and time of day are already chosen.

    sku_price_id: names the dated price and tier, `genai-prices:openai/gpt-4o@origin#default`.
    tier: the tier asked for. tier_known: False if no price of that tier is known and the standard one stands in.
    region: where it is served, if that is priced by; empty where it isn't.
    match: how the name was found: "exact", "pattern", "override" or "undated" (the dated name is unknown and the
        undated model's price stands in).
    assumption: empty, or why this sheet is a guess (unknown tier, region or date of a model); the charge is then
        `estimated`, never silently right.
    daily: the part of the UTC day it holds in, `00:30-16:30`; empty: all day.
    band_above: the band holds for calls whose total input is above so many tokens; -1: the first band.
    unit_prices: femto-USD per one unit, fallbacks filled in. An absent unit has no price.
    listed: the units that have a price of their own; the others of `unit_prices` are billed as what they are a kind of.
    row: (place in `Usage`, unit, price) for each of ROW_UNITS, what the hot path reads. The price is None where there
        is none, and 0 for NO_LINE.
    reasoning_price: where reasoning tokens have a price of their own; they are then taken out of plain output.
    dearest_input, dearest_output: the most one token can cost in this band or a lower one; None: unknown.
    """

    sku_id: str
    sku_price_id: str
    provider: str
    model: str
    tier: str
    tier_known: bool
    region: str
    match: str
    assumption: str
    source: str
    valid_from_us: int | None
    valid_to_us: int | None
    daily: str
    band_above: int
    unit_prices: dict[Unit, int]
    listed: frozenset[Unit]
    row: tuple[tuple[int, Unit, int | None], ...]
    request_price: int | None
    reasoning_price: int | None
    is_plain: bool
    dearest_input: int | None
    dearest_output: int | None


def with_fallbacks(listed: Mapping[Unit, int]) -> dict[Unit, int]:
    """Prices of all units that can be billed, from those that are listed. Order of UNITS."""
    full: dict[Unit, int] = {}
    for unit in UNITS:
        for source in (unit, *FALLBACKS.get(unit, ())):
            if source in listed:
                full[unit] = listed[source]
                break
    return full


def dearest(prices: Mapping[Unit, int], units: tuple[Unit, ...]) -> int | None:
    """The highest price among `units`, or None if none has one."""
    return max((prices[unit] for unit in units if unit in prices), default=None)


def dearest_input(prices: Mapping[Unit, int]) -> int | None:
    """The most one input token can cost, cache writes included."""
    return dearest(prices, INPUT_UNITS)


def dearest_output(prices: Mapping[Unit, int], reasoning: int | None) -> int | None:
    """The most one output token can cost."""
    plain = dearest(prices, OUTPUT_UNITS)
    return plain if plain is None or reasoning is None else max(plain, reasoning)
