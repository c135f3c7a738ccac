"""The compiled price book: which dated prices hold for a model, in under a microsecond."""

import fnmatch
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import ConfigError
from bursar.prices.match import Found, Names
from bursar.prices.regions import UNMETERED, uplift
from bursar.prices.rows import (
    FORMAT_VERSION,
    STANDARD,
    Accepted,
    Band,
    Clause,
    Compiled,
    Fault,
    Override,
    Period,
    PriceEntry,
)
from bursar.prices.schedule import BEGIN_US, DAY_S, END_US, OVERRIDE_SOURCE, Schedule, Sku, build_schedule
from bursar.prices.sheet import PriceSheet

MEMO_MAX = 4_096
"""Names remembered. A model's name is a client's free text, so what is remembered of it must have a bound."""

STANDARD_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "on-demand", "ondemand"})
"""What providers call the ordinary tier. `auto` is what is asked; what was served has another name."""

BATCH = "batch"


class PriceBook:
    """Prices by provider, model, tier, instant and size of the call. Immutable once loaded, but for its memory."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._names = Names(compiled.providers)
        self._exact_overrides: dict[str, list[Override]] = {}
        self._pattern_overrides: list[tuple[re.Pattern[str], Override]] = []
        for row in compiled.overrides:
            if row.is_pattern:
                self._pattern_overrides.append((re.compile(fnmatch.translate(row.model)), row))
            else:
                self._exact_overrides.setdefault(row.model, []).append(row)
        self._memo: dict[tuple[str, str, str, bool, str], Schedule | PriceSheet] = {}
        self._contexts: dict[tuple[str, str], int | None] = {}

    @classmethod
    def load(cls, path: Path) -> "PriceBook":
        """Read a compiled book. Raises ConfigError if there is none, or one of another version of Bursar."""
        try:
            return cls(decode(path.read_bytes()))
        except OSError as error:
            raise ConfigError(f"can't read the price book {path}: {error.strerror}", field="prices") from error
        except msgspec.MsgspecError as error:
            raise ConfigError(f"{path} is not a price book of this version: {error}", field="prices") from error

    def without_overrides(self) -> "PriceBook":
        """The catalogue alone."""
        return PriceBook(msgspec.structs.replace(self._compiled, overrides=[]))

    @property
    def inputs_digest(self) -> str:
        """Of what the book was compiled from; compare with `compile.inputs_digest`."""
        return self._compiled.inputs_digest

    @property
    def catalogue(self) -> str:
        """The catalogue and its version, `genai-prices 0.2.3`."""
        return self._compiled.catalogue

    @property
    def faults(self) -> list[Fault]:
        """What could not be used of the inputs, notes included."""
        return self._compiled.faults

    @property
    def overrides(self) -> list[Override]:
        return self._compiled.overrides

    @property
    def accepted(self) -> list[Accepted]:
        return self._compiled.accepted

    def at(
        self,
        provider: str,
        model: str,
        at_us: int,
        *,
        tier: str = "",
        input_tokens: int = 0,
        batch: bool = False,
        region: str = "",
    ) -> PriceSheet | None:
        """The prices in force for one call, or None for a model nobody has priced: then the charge is `unpriced`.

        at_us: when the call was dispatched. tier: as served, or as asked before that is known.
        input_tokens: all input, cached or not; it chooses the context band.
        region: where it was served, in the provider's word (`us` of Anthropic's `inference_geo`).
        """
        found = self._memo.get((provider, model, tier, batch, region)) or self._recall(
            provider, model, tier, batch, region
        )
        if found.__class__ is PriceSheet:
            return found  # one price for all times and sizes, the common case
        return found.at(at_us, input_tokens)  # type: ignore[union-attr]

    def context_tokens(self, provider: str, model: str) -> int | None:
        """What a model takes and gives at most, together, by the catalogue; None: unknown."""
        key = (provider, model)
        if key not in self._contexts:
            if len(self._contexts) >= MEMO_MAX:
                self._contexts.clear()
            entry = self._names.find(provider, model).entry
            self._contexts[key] = None if entry is None else entry.context_tokens
        return self._contexts[key]

    def find(self, provider: str, model: str) -> Found:
        """Which catalogue entry a name means, and how it was found."""
        return self._names.find(provider, model)

    def models_of(self, provider: str) -> list[str]:
        """The models that have a price at a provider, by name; those with a local price among them."""
        names = {row.model for row in self._compiled.overrides if row.provider == provider and not row.is_pattern}
        for row in self._compiled.providers:
            if row.id == provider:
                names.update(entry.model for entry in row.models)
        return sorted(names)

    def entries(self) -> Iterator[PriceEntry]:
        """Every model with all its dated prices: local overrides first, then the catalogue in its own order."""
        yield from override_entries(self._compiled.overrides)
        for row in self._compiled.providers:
            yield from row.models

    def describe(self, sku_price_id: str) -> list[PriceSheet]:
        """The sheets of one dated price, a band each, ascending. Empty: this book has no such price (any more)."""
        head, _, variant = sku_price_id.rpartition("#")
        tier, _, region = variant.partition("+")
        sku, _, stamp = head.partition(":")[2].rpartition("@")
        provider, _, model = sku.partition("/")
        at_us = _us_of_stamp(stamp)
        if at_us is None or not model:
            return []
        found = self._resolve(provider, model, tier, region)
        for slot in found.slots:
            if slot.from_us <= at_us < slot.to_us and slot.day_from_s <= at_us // 1_000_000 % DAY_S < slot.day_to_s:
                sheets = [sheet for _, sheet in slot.bands]
                return sheets if sheets[0].sku_price_id == sku_price_id else []
        return []

    def history(self, provider: str, model: str, tier: str = "") -> list[PriceSheet]:
        """Every dated sheet of a model and tier, all bands, in order of time."""
        slots = self._resolve(provider, model, tier).slots
        return [sheet for slot in slots for _, sheet in slot.bands]

    def tiers(self, provider: str, model: str) -> list[str]:
        """The tiers that have prices of their own, the standard one first."""
        entry = self._names.find(provider, model).entry
        named = {row.tier for row in self._matching(self._names.find(provider, model))} - {"*", STANDARD}
        listed = list(entry.tiers) if entry is not None else []
        return [STANDARD, *sorted(({*listed} | named) - {STANDARD})]

    def _recall(self, provider: str, model: str, tier: str, batch: bool, region: str) -> Schedule | PriceSheet:
        if len(self._memo) >= MEMO_MAX:
            self._memo.clear()
        schedule = self._resolve(provider, model, BATCH if batch else tier, region)
        found = self._memo[provider, model, tier, batch, region] = _sole_sheet(schedule) or schedule
        return found

    def _resolve(self, provider: str, model: str, tier: str, region: str = "") -> Schedule:
        """The slow path: find, layer, build. A model without any price has an empty schedule."""
        tier = tier.lower().strip()
        tier = STANDARD if tier in STANDARD_TIERS else tier
        found = self._names.find(provider, model)
        entry = found.entry
        standard = _tier_periods(entry, STANDARD)
        own_provider = entry is not None and entry.provider == found.provider
        tiered = _tier_periods(entry, tier) if tier != STANDARD and own_provider else []
        sku = _in_region(
            Sku(
                found.provider,
                entry.model if entry else found.model,
                tier,
                found.match,
                "",
                asked=found.model,
                guess=found.assumption,
            ),
            region,
        )
        return build_schedule(sku, standard, tiered, self._matching(found)) or _NEVER

    def _matching(self, found: Found) -> list[Override]:
        """The overrides that name this model, weakest first: patterns, the catalogue's name, the asked one."""
        names = [found.model] if found.entry is None else [found.entry.model.lower(), found.model]
        rows = [r for pattern, r in reversed(self._pattern_overrides) if any(map(pattern.match, names))]
        for name in dict.fromkeys(names):
            rows += self._exact_overrides.get(name, [])
        mine = [row for row in rows if row.provider == "*" or self._is_provider(row.provider, found.provider)]
        return sorted(mine, key=lambda row: (not row.is_pattern, row.provider != "*", row.tier != "*"))

    def _is_provider(self, named: str, provider: str) -> bool:
        if named == provider:
            return True
        row = self._names.provider(named)
        return row is not None and row.id == provider


def decode(data: bytes) -> Compiled:
    """Read the bytes of a compiled book. Raises msgspec.MsgspecError for anything else."""
    version = msgspec.msgpack.decode(data, type=_Head).format_version
    if version != FORMAT_VERSION:
        raise msgspec.ValidationError(f"format {version}, not {FORMAT_VERSION}")
    return _DECODER.decode(data)


def override_entries(overrides: Iterable[Override]) -> Iterator[PriceEntry]:
    """Local prices in the shape of catalogue entries, for listings."""
    from_rows: dict[tuple[str, str], dict[str, list[Period]]] = {}
    for row in overrides:
        period = Period(row.valid_from_us, row.valid_to_us, 0, DAY_S, [_band(row)], f"prices.toml:{row.line}")
        from_rows.setdefault((row.provider, row.model), {}).setdefault(row.tier, []).append(period)
    for (provider, model), tiers in from_rows.items():
        yield PriceEntry(provider, model, model, _ANY, tiers, comment=OVERRIDE_SOURCE)


class _Head(msgspec.Struct, array_like=True):
    """The first field of a book's file, whatever follows it."""

    format_version: int


def _band(row: Override) -> Band:
    return Band(row.above, row.prices)


def _tier_periods(entry: PriceEntry | None, tier: str) -> list[Period]:
    return entry.tiers.get(tier, []) if entry is not None else []


def _in_region(sku: Sku, region: str) -> Sku:
    """The same SKU where it is served: at the region's price, or saying that there is none known."""
    region = region.lower().strip()
    if region in UNMETERED:
        return sku
    known = uplift(sku.provider, sku.model, region)
    if known is not None:
        return msgspec.structs.replace(sku, region=region, factor=known.factor)
    unknown = f"no price for region {region} is known; the price without a region stands in"
    return msgspec.structs.replace(sku, region=region, assumption="; ".join(filter(None, (sku.assumption, unknown))))


def _sole_sheet(schedule: Schedule) -> PriceSheet | None:
    """The sheet that holds for all times and sizes, if there is one."""
    if len(schedule.slots) != 1:
        return None
    slot = schedule.slots[0]
    whole = (slot.from_us, slot.to_us, slot.day_from_s, slot.day_to_s) == (BEGIN_US, END_US, 0, DAY_S)
    return slot.bands[0][1] if whole and len(slot.bands) == 1 else None


def _us_of_stamp(stamp: str) -> int | None:
    """An instant within the dated price of a `sku_price_id`; None if the stamp is none."""
    date, _, window = stamp.partition("+")
    try:
        at_us = 0 if date == "origin" else us_from_datetime(_aware(datetime.fromisoformat(date)))
        return at_us + (int(window[:2]) * 3_600 + int(window[2:]) * 60) * 1_000_000 if window else at_us
    except ValueError:
        return None


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


_ANY = Clause("contains", "")
_NEVER = Schedule(())
_DECODER = msgspec.msgpack.Decoder(Compiled)
