"""Prices of service tiers that the main catalogue doesn't list, from a second one, where both agree on the base."""

from collections.abc import Iterable

import msgspec

from bursar.domain.usage import Unit
from bursar.prices.catalogue import Catalogue, Cell
from bursar.prices.rows import STANDARD, Band, Period, PriceEntry, ProviderRow

TierCells = dict[str, dict[int, dict[Unit, int]]]
"""tier → band → unit → femto-USD."""


def add_tiers(providers: list[ProviderRow], second: Catalogue) -> list[ProviderRow]:
    """The same providers, with the tiers that only `second` knows, valid from the day it was published.

    A tier is taken over only where both catalogues have the same standard prices of input and output in every band on
    that day, and only as long as that standard price holds: a tier's price is no better than its base.
    """
    cells: dict[tuple[str, str], list[Cell]] = {}
    for cell in second.cells:
        cells.setdefault((cell.provider, cell.model), []).append(cell)
    return [
        msgspec.structs.replace(
            row, models=[_with_tiers(e, cells.get((e.provider, e.model.lower()), []), second) for e in row.models]
        )
        for row in providers
    ]


def _with_tiers(entry: PriceEntry, cells: list[Cell], second: Catalogue) -> PriceEntry:
    by_tier = _by_tier(cells)
    base = next((p for p in entry.tiers[STANDARD] if _is_whole(p) and _covers(p, second.at_us)), None)
    if len(by_tier) < 2 or base is None or not _agree(base, by_tier.pop(STANDARD, {})):
        return entry
    tiers = dict(entry.tiers)
    for tier, bands in by_tier.items():
        own = tiers.get(tier, [])
        if any(_covers(period, second.at_us) for period in own) or bands.keys() != {b.above for b in base.bands}:
            continue
        ends = [p.valid_from_us for p in own if p.valid_from_us is not None and p.valid_from_us > second.at_us]
        ends += [base.valid_to_us] if base.valid_to_us is not None else []
        laid = [Band(b.above, b.prices | bands[b.above], b.reasoning) for b in base.bands]
        tiers[tier] = [Period(second.at_us, min(ends, default=None), 0, 86_400, laid, second.name), *own]
    return msgspec.structs.replace(entry, tiers=tiers)


def _by_tier(cells: Iterable[Cell]) -> TierCells:
    tiers: TierCells = {}
    for cell in cells:
        tiers.setdefault(cell.tier, {}).setdefault(cell.above, {})[cell.unit] = cell.femto
    return tiers


def _agree(base: Period, bands: dict[int, dict[Unit, int]]) -> bool:
    return all(
        band.prices.get(unit) is not None and band.prices.get(unit) == bands.get(band.above, {}).get(unit)
        for band in base.bands
        for unit in (Unit.INPUT, Unit.OUTPUT)
    )


def _is_whole(period: Period) -> bool:
    return (period.day_from_s, period.day_to_s) == (0, 86_400)


def _covers(period: Period, at_us: int) -> bool:
    return (period.valid_from_us is None or period.valid_from_us <= at_us) and (
        period.valid_to_us is None or at_us < period.valid_to_us
    )
