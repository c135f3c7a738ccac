"""genai-prices' own `calc_price` as the oracle for what we compile from it."""

from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
from genai_prices import types
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.units import _get_registry

from bursar.domain.clock import us_from_datetime
from bursar.domain.usage import Usage

FEMTO = Decimal(10) ** 15
REPORTED = _get_registry()._reported_usage_keys_in_order


def at_us(text: str) -> int:
    """`2026-03-01`, `2026-03-01T12:00:00Z` as microseconds."""
    at = datetime.fromisoformat(text)
    return us_from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))


def to_genai(usage: Usage) -> genai_prices.Usage:
    """Our disjoint counts as its nested ones, every key said, so that it infers nothing."""
    counts = dict.fromkeys(REPORTED, 0)
    counts |= {
        "input_tokens": usage.total_input,
        "output_tokens": usage.total_output,
        "cache_read_tokens": usage.cache_read + usage.cache_read_audio,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_5m_tokens": usage.cache_write_5m,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "input_audio_tokens": usage.input_audio + usage.cache_read_audio,
        "cache_audio_read_tokens": usage.cache_read_audio,
        "input_image_tokens": usage.input_image,
        "output_audio_tokens": usage.output_audio,
        "output_image_tokens": usage.output_image,
        "output_reasoning_tokens": usage.reasoning,
        "web_searches": usage.web_search,
    }
    return genai_prices.Usage(**counts)


def from_genai(counts: dict[str, int]) -> Usage:
    """Its nested counts as our disjoint ones. Text, video, tool and citation tokens stay in plain input and output."""
    cache_read_audio = counts.get("cache_audio_read_tokens", 0)
    cache_write_1h = counts.get("cache_write_1h_tokens", 0)
    input_image = counts.get("input_image_tokens", 0) - counts.get("cache_image_read_tokens", 0)
    input_audio = counts.get("input_audio_tokens", 0) - cache_read_audio
    cache_read, cache_write = counts.get("cache_read_tokens", 0), counts.get("cache_write_tokens", 0)
    output_audio, output_image = counts.get("output_audio_tokens", 0), counts.get("output_image_tokens", 0)
    return Usage(
        input=counts.get("input_tokens", 0) - cache_read - cache_write - input_audio - input_image,
        cache_read=cache_read - cache_read_audio,
        cache_write_5m=cache_write - cache_write_1h,
        cache_write_1h=cache_write_1h,
        input_audio=input_audio,
        cache_read_audio=cache_read_audio,
        input_image=input_image,
        output=counts.get("output_tokens", 0) - output_audio - output_image,
        output_audio=output_audio,
        output_image=output_image,
        reasoning=counts.get("output_reasoning_tokens", 0),
    )


def find(provider: str, model: str) -> types.ModelInfo | None:
    """The model it prices by, or None where it knows none."""
    row = find_provider_by_id(get_snapshot().providers, provider)
    return row.find_model(model, all_providers=get_snapshot().providers) if row else None


def price_femto(
    provider: str, model: str, usage: genai_prices.Usage, at: datetime, context: dict[str, str] | None = None
) -> Decimal:
    """Its total in femto-dollars. Raises LookupError where it knows no such model."""
    calculated = genai_prices.calc_price(
        usage, model, provider_id=provider, genai_request_timestamp=at, price_context=context
    )
    return calculated.total_price * FEMTO


def price_keys(provider: str, model: str, at: datetime, context: dict[str, str] | None = None) -> set[str]:
    """The price keys it has for that model then."""
    info = find(provider, model)
    assert info is not None
    return {key for key, value in info.get_prices(at, context).__dict__.items() if value is not None}
