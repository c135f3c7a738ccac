"""OpenAI's two ways to report usage, and the dialects of it, split into disjoint classes.

`prompt_tokens` includes cached, audio and image tokens, `completion_tokens` includes reasoning and audio. Whatever the
details say, the classes sum to the totals: those are what is billed.
Source: tests/golden (OpenAI, Azure, Groq, Mistral, DeepSeek, OpenRouter, Cerebras, Hugging Face, Z.ai recordings) and
OpenAI's published schema, CompletionUsage and ResponseUsage.
"""

from decimal import Decimal, InvalidOperation

import msgspec

from bursar.domain.money import PICO_MAX, pico_from_usd
from bursar.domain.usage import Usage
from bursar.providers.reading import decode_answer
from bursar.providers.values import Count

NO_COST = msgspec.Raw()  # `Raw | None` would take nothing but null


class CachedDetails(msgspec.Struct, gc=False):
    audio_tokens: Count | None = None


class InputDetails(msgspec.Struct, gc=False):
    """`prompt_tokens_details` and `input_tokens_details`. Video tokens are billed as text: they stay in the rest."""

    cached_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cached_tokens_details: CachedDetails | None = None


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class ServerTools(msgspec.Struct, gc=False):
    web_search_requests: Count | None = None


class ChatUsage(msgspec.Struct, gc=False):
    """`usage` of chat, completions and embeddings."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: Count | None = None  # DeepSeek
    cached_tokens: Count | None = None  # Moonshot, Hugging Face's router
    server_tool_use_details: ServerTools | None = None  # OpenRouter
    citation_tokens: Count | None = None  # Perplexity's deep research, like the next two; all beside the totals
    num_search_queries: Count | None = None
    reasoning_tokens: Count | None = None
    cost: msgspec.Raw = NO_COST  # OpenRouter and Perplexity, USD; kept as text: no float may hold money


class StatedCost(msgspec.Struct, gc=False):
    """Perplexity's `cost`, which is taken apart."""

    total_cost: msgspec.Raw = NO_COST


class ResponseUsage(msgspec.Struct, gc=False):
    """`usage` of Responses."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use_details: ServerTools | None = None
    cost: msgspec.Raw = NO_COST


def usage_of_chat(seen: ChatUsage | None) -> Usage | None:
    """Disjoint classes; None if nothing was reported, a report of all zeros included: no answer costs nothing."""
    if seen is None:
        return None
    details = seen.prompt_tokens_details
    if seen.num_search_queries or seen.citation_tokens:
        return _usage_of_research(seen)
    cached = (details and details.cached_tokens) or seen.prompt_cache_hit_tokens or seen.cached_tokens or 0
    return _usage(
        seen.prompt_tokens,
        seen.completion_tokens,
        seen.total_tokens,
        cached,
        details or _NO_INPUT_DETAILS,
        seen.completion_tokens_details or _NO_OUTPUT_DETAILS,
        seen.server_tool_use_details,
    )


def _usage_of_research(seen: ChatUsage) -> Usage:
    """Perplexity's deep research: what it read is billed as input, what it thought stands beside the completion.

    Source: Perplexity's public API reference and price page, 2026; no recording could be had.
    """
    reasoning = seen.reasoning_tokens or 0
    return Usage(
        input=(seen.prompt_tokens or 0) + (seen.citation_tokens or 0),
        output=(seen.completion_tokens or 0) + reasoning,
        web_search=seen.num_search_queries or 0,
        reasoning=reasoning,
    )


def usage_of_response(seen: ResponseUsage | None, web_searches: int = 0) -> Usage | None:
    """The same for Responses. web_searches: counted from its output items, since its usage doesn't say."""
    if seen is None:
        return None
    details = seen.input_tokens_details or _NO_INPUT_DETAILS
    return _usage(
        seen.input_tokens,
        seen.output_tokens,
        seen.total_tokens,
        details.cached_tokens or 0,
        details,
        seen.output_tokens_details or _NO_OUTPUT_DETAILS,
        seen.server_tool_use_details,
        web_searches,
    )


def cost_pico(seen: ChatUsage | ResponseUsage | None) -> int | None:
    """The provider's own figure in pico-USD, from the digits it wrote; None if it gave none we can read."""
    if seen is None or not seen.cost:
        return None
    text = bytes(seen.cost).strip(b' "')
    if text[:1] == b"{":
        parts = decode_answer(_STATED_COST, text)
        text = bytes(parts.total_cost).strip(b' "') if parts else b""
    if len(text) > 64:
        return None
    try:
        pico = pico_from_usd(Decimal(text.decode("ascii")))
    except (InvalidOperation, UnicodeDecodeError, ValueError, OverflowError):  # null, NaN, 1e400, an object
        return None
    return pico if 0 <= pico <= PICO_MAX else None


def _usage(
    prompt: int | None,
    completion: int | None,
    total: int | None,
    cached: int,
    given: InputDetails,
    made: OutputDetails,
    tools: ServerTools | None,
    web_searches: int = 0,
) -> Usage | None:
    prompt = prompt or 0
    completion = completion or 0
    reasoning = made.reasoning_tokens or 0
    if total and total > prompt + completion:
        if not prompt and not completion:
            prompt = total  # Voyage's embeddings give the total alone
        else:  # thinking that is billed and left out of the completion (Gemini's and xAI's OpenAI-compatible answers)
            reasoning = max(reasoning, total - prompt - completion)
            completion = total - prompt
    if not prompt and not completion:
        return None
    if given.audio_tokens or given.image_tokens:
        text, cache_read, cache_write, audio, cached_audio, image = split_input(prompt, cached, given)
    else:  # the common case: text alone
        audio = cached_audio = image = cache_read = cache_write = 0
        text = prompt
        if cached:
            cache_read = min(prompt, cached)
            text -= cache_read
        if given.cache_write_tokens:
            cache_write = min(given.cache_write_tokens, text)
            text -= cache_write
    output_audio = output_image = 0
    if made.audio_tokens or made.image_tokens:
        output_audio = min(made.audio_tokens or 0, completion)
        output_image = min(made.image_tokens or 0, completion - output_audio)
    if tools is not None and tools.web_search_requests:
        web_searches = max(web_searches, tools.web_search_requests)
    return Usage(
        text,
        cache_read,
        cache_write,
        0,  # OpenAI's caches have one lifetime
        audio,
        cached_audio,
        image,
        completion - output_audio - output_image,
        output_audio,
        output_image,
        web_searches,
        0,
        reasoning=min(completion, reasoning) if reasoning else 0,
    )


def split_input(prompt: int, cached: int, given: InputDetails) -> tuple[int, int, int, int, int, int]:
    """(text, cache read, cache write, audio, cached audio, image): disjoint, and they sum to `prompt`.

    Where a provider doesn't say what was cached, text was: a prompt's fixed beginning is rarely sound. Details beyond
    the total are cut to it.
    """
    audio = min(given.audio_tokens or 0, prompt)
    image = min(given.image_tokens or 0, prompt - audio)
    text = prompt - audio - image
    cached = min(cached, prompt)
    told = given.cached_tokens_details.audio_tokens if given.cached_tokens_details else None
    cached_audio = min(told or 0, audio, cached)
    cached_text = min(cached - cached_audio, text)
    cached_image = min(cached - cached_audio - cached_text, image)
    cached_audio = cached - cached_text - cached_image
    written = min(given.cache_write_tokens or 0, text - cached_text)
    return (
        text - cached_text - written,
        cached_text + cached_image,
        written,
        audio - cached_audio,
        cached_audio,
        image - cached_image,
    )


_STATED_COST = msgspec.json.Decoder(StatedCost)
_NO_INPUT_DETAILS = InputDetails()
_NO_OUTPUT_DETAILS = OutputDetails()
