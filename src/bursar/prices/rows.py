"""The rows of a compiled price book, as they lie in its file: providers, models, dated periods, bands, overrides."""

import fnmatch
from typing import Literal

import msgspec

from bursar.domain.usage import Unit

FORMAT_VERSION = 3
"""Part of the digest of the book's inputs: raise it when a row's shape or the meaning of a field changes."""

STANDARD = "default"
"""The tier of an ordinary call, as it is written in a `sku_price_id`."""


class Clause(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """When a name matches. `text` is lower case, but for a regular expression."""

    kind: Literal["equals", "starts", "ends", "contains", "regex", "or", "and"]
    text: str = ""
    parts: list["Clause"] = []


class Band(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Prices of a call whose total input is above `above` tokens; the whole call is priced by one band.

    prices: femto-USD per ONE unit, only what the source lists. An absent unit is unknown; a zero is a price.
    reasoning: the price of a reasoning token where it differs from other output.
    """

    above: int
    prices: dict[Unit, int]
    reasoning: int | None = None


class Period(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The prices of one tier over `[valid_from_us, valid_to_us)`, perhaps only in a daily UTC window.

    day_from_s, day_to_s: seconds of the UTC day, half-open; 0 and 86_400 are the whole day.
    bands: ascending by `above`; the first starts at -1, so it holds for every call.
    """

    valid_from_us: int | None
    valid_to_us: int | None
    day_from_s: int
    day_to_s: int
    bands: list[Band]
    source: str


class PriceEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All prices of one model at one provider.

    tiers: periods by tier (`STANDARD`, "flex", "priority", "batch", …), each ascending in time.
    context_tokens: what goes in and out at most, together; None: the source doesn't say.
    unmetered: what the source prices by a unit that Bursar doesn't count (audio hours, pages), as the source names it.
    """

    provider: str
    model: str
    name: str
    match: Clause
    tiers: dict[str, list[Period]]
    unmetered: list[str] = []
    comment: str = ""
    context_tokens: int | None = None


class ProviderRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A provider and how it is recognised. `fallback`: providers whose prices hold for models not listed here."""

    id: str
    name: str
    match: Clause | None
    model_match: Clause | None
    fallback: list[str]
    models: list[PriceEntry]


class Override(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A local price, from the operator's dated file. It wins over every catalogue, unit by unit.

    provider: a provider's id, or `*`. model: a name, or a pattern with `*` and `?`. tier: a tier, or `*` for all.
    above: holds for calls whose total input is above so many tokens; -1: for all calls.
    line: where it stands in the file.
    """

    provider: str
    model: str
    tier: str
    valid_from_us: int | None
    valid_to_us: int | None
    above: int
    prices: dict[Unit, int]
    note: str = ""
    approved: bool = False
    line: int = 0

    @property
    def is_pattern(self) -> bool:
        return "*" in self.model or "?" in self.model

    def names(self, provider: str, model: str) -> bool:
        """Is this row about that model? Both lower case; `provider` the catalogue's id."""
        if self.provider not in ("*", provider):
            return False
        return fnmatch.fnmatchcase(model, self.model) if self.is_pattern else model == self.model


class Accepted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A disagreement or a jump that a person has looked at and accepted. `unit`, `kind`: empty for all."""

    provider: str
    model: str
    unit: str
    kind: str
    reason: str
    line: int = 0

    def covers(self, provider: str, model: str, unit: str, kind: str) -> bool:
        return (
            self.provider in ("*", provider)
            and fnmatch.fnmatchcase(model, self.model)
            and self.unit in ("", unit)
            and self.kind in ("", kind)
        )


class Fault(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something in an input that could not be used as it stands. `line` is 0 where there is none."""

    where: str
    line: int
    what: str
    severity: Literal["error", "note"] = "error"

    def __str__(self) -> str:
        return f"{self.where}:{self.line}: {self.what}" if self.line else f"{self.where}: {self.what}"


class Compiled(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The whole file."""

    format_version: int
    inputs_digest: str
    catalogue: str
    providers: list[ProviderRow]
    overrides: list[Override]
    accepted: list[Accepted]
    faults: list[Fault]
