"""Reference catalogues: other people's price lists, read into cells of one shape to compare the book with.

Each reader takes the catalogue's own format and gives `(cells, faults)`. The files under `data/` are cuts in that
format; their sources, dates and licences are in `data/README.md`.
"""

import gzip
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from bursar.domain.clock import us_from_datetime
from bursar.domain.money import femto_from_usd
from bursar.domain.usage import Unit
from bursar.prices.rows import STANDARD, Fault

USD_PER_UNIT_MAX = Decimal(1)
"""A price of over a dollar for one token is a slip of units somewhere."""


class Cell(NamedTuple):
    """One price of one catalogue: femto-USD per unit, for calls whose total input is above `above` (-1: all)."""

    provider: str
    model: str
    tier: str
    above: int
    unit: Unit
    femto: int


class Catalogue(NamedTuple):
    """A catalogue as of the day it was published."""

    name: str
    at_us: int
    cells: list[Cell]
    faults: list[Fault]


LITELLM_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "groq": "groq",
    "xai": "x-ai",
    "together_ai": "together",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "perplexity": "perplexity",
    "openrouter": "openrouter",
    "fireworks_ai": "fireworks",
    "cerebras": "cerebras",
    "moonshot": "moonshotai",
    "azure": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
}
"""litellm's `litellm_provider` as the book's provider ids."""

LITELLM_UNITS = {
    "input_cost_per_token": Unit.INPUT,
    "output_cost_per_token": Unit.OUTPUT,
    "cache_read_input_token_cost": Unit.CACHE_READ,
    "cache_creation_input_token_cost": Unit.CACHE_WRITE_5M,
    "cache_creation_input_token_cost_above_1hr": Unit.CACHE_WRITE_1H,
    "input_cost_per_audio_token": Unit.INPUT_AUDIO,
    "output_cost_per_audio_token": Unit.OUTPUT_AUDIO,
}
LITELLM_TIERS = {"": STANDARD, "_flex": "flex", "_priority": "priority", "_batches": "batch"}

MODELS_DEV_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "groq": "groq",
    "xai": "x-ai",
    "togetherai": "together",
    "cohere": "cohere",
    "perplexity": "perplexity",
    "openrouter": "openrouter",
    "fireworks-ai": "fireworks",
    "cerebras": "cerebras",
    "moonshotai": "moonshotai",
    "amazon-bedrock": "aws",
    "azure": "azure",
    "minimax": "minimax",
    "zhipuai": "zhipuai",
}
MODELS_DEV_UNITS = {
    "input": Unit.INPUT,
    "output": Unit.OUTPUT,
    "cache_read": Unit.CACHE_READ,
    "cache_write": Unit.CACHE_WRITE_5M,
    "input_audio": Unit.INPUT_AUDIO,
}

_BAND = re.compile(r"_above_(\d+)k_tokens")
_PLACES_15 = Decimal(1).scaleb(-15)
_DECODER = msgspec.json.Decoder(dict[str, dict[str, Any]], float_hook=Decimal)


def read_litellm(data: bytes, where: str) -> tuple[list[Cell], list[Fault]]:
    """litellm's price map: USD per one token, a row a model, fields by unit, band and tier."""
    cells: list[Cell] = []
    faults: list[Fault] = []
    for name, row in _decode(data, where, faults).items():
        provider = LITELLM_PROVIDERS.get(str(row.get("litellm_provider")))
        if provider is None:
            continue
        model = _litellm_model(name, str(row["litellm_provider"]))
        for field, value in row.items():
            read = _litellm_field(field)
            if read is not None:
                unit, above, tier = read
                _add(cells, faults, f"{where} {name}.{field}", (provider, model, tier, above, unit), value, 0)
    return cells, faults


def read_models_dev(data: bytes, where: str) -> tuple[list[Cell], list[Fault]]:
    """models.dev's catalogue: USD per million tokens, by provider and model."""
    cells: list[Cell] = []
    faults: list[Fault] = []
    for name, models in _decode(data, where, faults).items():
        provider = MODELS_DEV_PROVIDERS.get(name)
        if provider is None:
            continue
        for model, row in models.items():
            for field, unit in MODELS_DEV_UNITS.items():
                if field in row.get("cost", {}):
                    place = f"{where} {name}.{model}.{field}"
                    _add(cells, faults, place, (provider, model.lower(), STANDARD, -1, unit), row["cost"][field], 6)
    return cells, faults


def litellm_catalogue() -> Catalogue:
    """The shipped cut of litellm 1.100.0, built 2026-09-06."""
    name = "litellm-1.100.0"
    return Catalogue(name, _day(2026, 9, 6), *read_litellm(_shipped(f"{name}.json.gz"), name))


def reference_catalogues() -> list[Catalogue]:
    """The shipped catalogues, newest first. The last is a year old on purpose: what a stale one looks like."""
    models_dev, tokencost = "models-dev-2026-07-02", "tokencost-2025-09-05"
    return [
        litellm_catalogue(),
        Catalogue(models_dev, _day(2026, 7, 2), *read_models_dev(_shipped(f"{models_dev}.json.gz"), models_dev)),
        Catalogue(tokencost, _day(2025, 9, 5), *read_litellm(_shipped(f"{tokencost}.json.gz"), tokencost)),
    ]


def _litellm_model(name: str, prefix: str) -> str:
    return name.removeprefix(f"{prefix}/").lower()


def _litellm_field(field: str) -> tuple[Unit, int, str] | None:
    """Unit, band and tier of a field's name; None for what we don't compare."""
    band = _BAND.search(field)
    plain = _BAND.sub("", field)
    for suffix, tier in LITELLM_TIERS.items():
        unit = LITELLM_UNITS.get(plain.removesuffix(suffix) if suffix and plain.endswith(suffix) else plain)
        if unit is not None and (not suffix or plain.endswith(suffix)):
            return unit, int(band[1]) * 1_000 if band else -1, tier
    return None


def _add(
    cells: list[Cell], faults: list[Fault], place: str, key: tuple[str, str, str, int, Unit], value: object, places: int
) -> None:
    """Append a cell, or the fault of its value."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        faults.append(Fault(place, 0, f"not a number: {value!r}"))
        return
    usd = Decimal(value).scaleb(-places)
    if not 0 <= usd <= USD_PER_UNIT_MAX:
        faults.append(Fault(place, 0, f"not a believable price for one unit: {value} USD"))
        return
    cells.append(Cell(*key, femto_from_usd(usd.quantize(_PLACES_15, ROUND_HALF_EVEN))))


def _decode(data: bytes, where: str, faults: list[Fault]) -> Mapping[str, dict[str, Any]]:
    try:
        return _DECODER.decode(data)
    except msgspec.MsgspecError as error:
        faults.append(Fault(where, 0, f"can't be read: {error}"))
        return {}


def _shipped(name: str) -> bytes:
    return gzip.decompress(files("bursar.prices").joinpath("data", name).read_bytes())


def _day(year: int, month: int, day: int) -> int:
    return us_from_datetime(datetime(year, month, day, tzinfo=UTC))
