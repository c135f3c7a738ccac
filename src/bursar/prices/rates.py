"""Pricing of a usage by a sheet. Exact integers: femto-dollars are added up and rounded once to pico-dollars."""

from itertools import compress

import msgspec
from msgspec.structs import astuple

from bursar.domain.money import FEMTO_PER_PICO, PICO_MAX, pico_from_femto
from bursar.domain.storage import HOUR_US, storage_lines
from bursar.domain.usage import Unit, Usage
from bursar.prices.sheet import NO_LINE, ImplausibleUsage, PriceSheet, UnpricedUnit

__all__ = ["CostLine", "ImplausibleUsage", "Priced", "UnpricedUnit", "bound_pico", "list_without_cache", "price_usage"]

CostLine = tuple[str, int, int]
"""unit (a `Unit`, or `storage.PART`), quantity, femto-USD per one unit."""


FEMTO_MAX = PICO_MAX * FEMTO_PER_PICO


class Priced(msgspec.Struct, frozen=True, gc=False):
    """What a usage costs at list price.

    lines: one per unit billed; two of unit `output` where reasoning tokens have a price of their own.
    list_pico: their exact sum, rounded once, half-even, to pico-USD.
    """

    lines: list[CostLine]
    list_pico: int


def price_usage(usage: Usage, sheet: PriceSheet) -> Priced:
    """List cost of one attempt, with its lines.

    usage: disjoint counts. sheet: the prices in force when the call was dispatched (`PriceBook.at`).
    A per-request fee of the sheet is charged once even where the provider doesn't count requests; a counted request
    without such a fee costs nothing, since then the tokens are all that is sold. What is kept in a cache is priced by
    its exact tokens and time.
    Raises UnpricedUnit if a unit was used that has no price, or if the counts can't be believed (ImplausibleUsage); the
    caller posts the charge as `unpriced`.
    """
    if usage.kept_tokens:
        return _price_storage(usage, sheet)
    lines: list[CostLine] = []
    femto = 0
    counts = astuple(usage)  # `compress` leaves out what wasn't used without running Python
    for at, unit, price in compress(sheet.row, counts):  # a `zip` with `strict` costs 0.2 µs more
        if not price:
            if price is None:
                raise UnpricedUnit(sheet.sku_id, unit)
            if unit is NO_LINE:
                continue
        quantity = counts[at]
        lines.append((unit, quantity, price))
        femto += quantity * price
    if not sheet.is_plain:
        _split_reasoning(lines, usage, sheet)
        if sheet.request_price is not None:
            lines.append((Unit.REQUEST, usage.request or 1, sheet.request_price))
        femto = sum(quantity * price for _, quantity, price in lines)
    return _checked(lines, femto, sheet)


def _checked(lines: list[CostLine], femto: int, sheet: PriceSheet) -> Priced:
    if femto > FEMTO_MAX:
        unit, quantity, _ = max(lines, key=_line_cost)
        raise ImplausibleUsage(sheet.sku_id, unit, quantity)
    return Priced(lines, pico_from_femto(femto))


def _price_storage(usage: Usage, sheet: PriceSheet) -> Priced:
    """What is kept by its exact tokens and time, beside everything else of the usage."""
    price = sheet.unit_prices.get(Unit.CACHE_STORAGE)
    if price is None:
        raise UnpricedUnit(sheet.sku_id, Unit.CACHE_STORAGE)
    rest = msgspec.structs.replace(usage, cache_storage=0, kept_tokens=0, kept_us=0)
    beside = price_usage(rest, sheet).lines
    lines = [*beside, *storage_lines(usage.kept_tokens, usage.kept_us, price, femto_of(beside))]
    return _checked(lines, femto_of(lines), sheet)


def femto_of(lines: list[CostLine]) -> int:
    """What lines come to, exactly, in femto-USD."""
    return sum(quantity * price for _, quantity, price in lines)


def list_without_cache(usage: Usage, sheet: PriceSheet) -> int:
    """What the same tokens would have cost had none of them been read from or written to a cache, in pico-USD.

    Raises UnpricedUnit like `price_usage`.
    """
    uncached = msgspec.structs.replace(
        usage,
        input=usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h,
        input_audio=usage.input_audio + usage.cache_read_audio,
        cache_read=0,
        cache_write_5m=0,
        cache_write_1h=0,
        cache_read_audio=0,
    )
    return price_usage(uncached, sheet).list_pico


def saved_by_cache(usage: Usage, sheet: PriceSheet, list_pico: int) -> int:
    """What the provider's prompt cache saved, in pico-USD; negative where its writes cost more than its reads saved.

    list_pico: what the usage costs by the same sheet. No plain price for a cached token: nothing is claimed.
    """
    try:
        return list_without_cache(usage, sheet) - list_pico
    except UnpricedUnit:
        return 0


def saved_by_tier(usage: Usage, sheet: PriceSheet, standard: PriceSheet | None) -> int:
    """What a cheaper service tier saved on plain tokens, in pico-USD; 0 where one of the two prices isn't known."""
    if standard is None:
        return 0
    try:
        return list_without_cache(usage, standard) - list_without_cache(usage, sheet)
    except UnpricedUnit:
        return 0


def bound_pico(sheet: PriceSheet, input_bytes: int, max_output: int, searches: int = 0) -> int:
    """The most a call can cost, in pico-USD, rounded up.

    sheet: taken with `input_tokens=input_bytes`, so that the dearest band the call can reach is in it.
    input_bytes: a token is at least one byte, so there are at most so many; each at the dearest input-class price,
        cache writes included. What a request only refers to (an image by address) is not in its bytes.
    max_output: tokens, over all choices. searches: paid ones, that the provider may make.
    No more than a charge can hold.
    Raises UnpricedUnit if input, or output or searches where some are allowed, have no price.
    """
    return bounds_pico(sheet, input_bytes, max_output, max_output, searches)[0]


def bounds_pico(
    sheet: PriceSheet, input_bytes: int, max_output: int, likely_output: int, searches: int = 0
) -> tuple[int, int]:
    """The same, and what a call costs whose answer has `likely_output` tokens and no more, in one go."""
    if sheet.dearest_input is None:
        raise UnpricedUnit(sheet.sku_id, Unit.INPUT)
    femto = input_bytes * sheet.dearest_input + (sheet.request_price or 0)
    output_price = 0
    if max_output:
        if sheet.dearest_output is None:
            raise UnpricedUnit(sheet.sku_id, Unit.OUTPUT)
        output_price = sheet.dearest_output
    if searches:
        price = sheet.unit_prices.get(Unit.WEB_SEARCH)
        if price is None:
            raise UnpricedUnit(sheet.sku_id, Unit.WEB_SEARCH)
        femto += searches * price
    bound = -(-(femto + max_output * output_price) // FEMTO_PER_PICO)
    likely = -(-(femto + likely_output * output_price) // FEMTO_PER_PICO)
    return min(bound, PICO_MAX), min(likely, PICO_MAX)


def storage_bound_pico(sheet: PriceSheet, tokens: int, kept_us: int, input_tokens: int = 0) -> int:
    """The most that keeping so many tokens for so long can cost, in pico-USD, rounded up.

    input_tokens: billed for making the cache.
    Raises UnpricedUnit if storage, or input where there is some, has no price.
    """
    price = sheet.unit_prices.get(Unit.CACHE_STORAGE)
    if price is None:
        raise UnpricedUnit(sheet.sku_id, Unit.CACHE_STORAGE)
    made = bound_pico(sheet, input_tokens, 0) if input_tokens else 0
    return min(made - (-tokens * kept_us * price // (HOUR_US * FEMTO_PER_PICO)), PICO_MAX)


def _line_cost(line: CostLine) -> int:
    return line[1] * line[2]


def _split_reasoning(lines: list[CostLine], usage: Usage, sheet: PriceSheet) -> None:
    """Bill reasoning tokens at their own price, taken out of the output line: never twice."""
    if sheet.reasoning_price is None or not usage.reasoning:
        return
    for at, (unit, quantity, price) in enumerate(lines):
        if unit is Unit.OUTPUT:
            reasoning = min(usage.reasoning, quantity)
            rest = [(unit, quantity - reasoning, price)] if quantity > reasoning else []
            lines[at : at + 1] = [*rest, (unit, reasoning, sheet.reasoning_price)]
            return
