"""Gemini's usage, split into disjoint classes.

`promptTokenCount` includes what was read from a cache; `toolUsePromptTokenCount` (what the provider's own tools put
into the prompt) and `thoughtsTokenCount` are in neither of the two main counts, and are billed as input and output.
Details say how much of each is sound, pictures (documents are billed as these) or video (billed as text, as in the
price list). Grounding is billed beside the tokens: a search per grounded answer up to Gemini 2.5, per query after.
Source: tests/golden/gemini and /vertex; the schemas of google-genai 3.4.0; Google's price page as of 2026-09.
"""

import msgspec

from bursar.domain.usage import Usage
from bursar.providers.reading import clip
from bursar.providers.values import Count

MAPS_GROUNDING = "google-maps-grounding"
DATA_GROUNDING = "vertex-data-grounding"
"""Billed by answer, at prices that no catalogue lists: models of their own, so a local price can be laid for each."""

_GROUNDED_BY_ANSWER = ("gemini-1", "gemini-2")
_TRAFFIC = {"ON_DEMAND": "", "ON_DEMAND_PRIORITY": "priority", "ON_DEMAND_FLEX": "flex"}
_NO_TIER = ("unspecified", "service_tier_unspecified", "traffic_type_unspecified")


class Modality(msgspec.Struct, gc=False, rename="camel"):
    modality: str = ""
    token_count: Count | None = None


class UsageMetadata(msgspec.Struct, rename="camel"):
    """`usageMetadata`. In a stream each chunk has one, cumulative: what the last says holds."""

    prompt_token_count: Count | None = None
    cached_content_token_count: Count | None = None
    candidates_token_count: Count | None = None
    thoughts_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    total_token_count: Count | None = None
    prompt_tokens_details: list[Modality] | None = None
    cache_tokens_details: list[Modality] | None = None
    candidates_tokens_details: list[Modality] | None = None
    tool_use_prompt_tokens_details: list[Modality] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


class _Chunk(msgspec.Struct, gc=False, rename="camel"):
    """A source; which kind, is all we look at."""

    maps: msgspec.Raw = msgspec.Raw()
    retrieved_context: msgspec.Raw = msgspec.Raw()


class Grounding(msgspec.Struct, rename="camel"):
    """`groundingMetadata` of a candidate."""

    web_search_queries: list[str] | None = None
    image_search_queries: list[str] | None = None
    retrieval_queries: list[str] | None = None
    search_entry_point: msgspec.Raw = msgspec.Raw()
    google_maps_widget_context_token: str | None = None
    grounding_chunks: list[_Chunk] | None = None


def merge_usage(seen: UsageMetadata | None, report: UsageMetadata) -> UsageMetadata:
    """Two reports of one stream: the later one, and of the earlier what the later leaves out."""
    if seen is None:
        return report
    later = msgspec.structs.astuple(report)
    before = msgspec.structs.astuple(seen)
    return UsageMetadata(*(new if new is not None else old for new, old in zip(later, before, strict=True)))


def usage_of_gemini(seen: UsageMetadata | None, searches: int) -> Usage | None:
    """Disjoint classes that sum to the totals; None if nothing was reported, or only zeros."""
    if seen is None:
        return None
    prompt = (seen.prompt_token_count or 0) + (seen.tool_use_prompt_token_count or 0)
    made, thoughts = seen.candidates_token_count or 0, seen.thoughts_token_count or 0
    beyond = (seen.total_token_count or 0) - prompt - made - thoughts
    if beyond > 0:  # a count that this version doesn't know: in the total, so in the bill
        if made or thoughts:
            thoughts += beyond
        else:
            prompt += beyond
    if not prompt and not made and not thoughts:
        return None
    sent = [*(seen.prompt_tokens_details or ()), *(seen.tool_use_prompt_tokens_details or ())]
    audio = min(_of(sent, "AUDIO"), prompt)
    image = min(_of(sent, "IMAGE", "DOCUMENT"), prompt - audio)
    text = prompt - audio - image
    cached = min(seen.cached_content_token_count or 0, prompt)
    told = seen.cache_tokens_details or ()
    cached_audio = min(_of(told, "AUDIO"), audio, cached)
    cached_image = min(_of(told, "IMAGE", "DOCUMENT"), image, cached - cached_audio)
    cached_text = min(cached - cached_audio - cached_image, text)
    more = cached - cached_audio - cached_image - cached_text  # of what nobody said what it was, nor can it be text
    cached_image, more = min(cached_image + more, image), max(0, cached_image + more - image)
    cached_audio += more
    spoken = min(_of(seen.candidates_tokens_details or (), "AUDIO"), made)
    drawn = min(_of(seen.candidates_tokens_details or (), "IMAGE"), made - spoken)
    return Usage(
        input=text - cached_text,
        cache_read=cached_text + cached_image,
        input_audio=audio - cached_audio,
        cache_read_audio=cached_audio,
        input_image=image - cached_image,
        output=made - spoken - drawn + thoughts,
        output_audio=spoken,
        output_image=drawn,
        web_search=searches,
        reasoning=thoughts,
    )


def searches_of(grounding: Grounding, model: str) -> int:
    """Searches that are billed: one for the answer, or one for each query that wasn't empty."""
    queries = [query for query in (grounding.web_search_queries or ()) if query.strip()]
    queries += [query for query in (grounding.image_search_queries or ()) if query.strip()]
    if not queries and not _is_there(grounding.search_entry_point):
        return 0
    return 1 if model.startswith(_GROUNDED_BY_ANSWER) else max(1, len(queries))


def billed_beside(grounding: Grounding, family: str) -> tuple[str, ...]:
    """What else this grounding is billed as. Gemini's own file search costs nothing but tokens; on Vertex, one's own
    data is billed."""
    chunks = grounding.grounding_chunks or ()
    beside = []
    if grounding.google_maps_widget_context_token or any(_is_there(chunk.maps) for chunk in chunks):
        beside.append(MAPS_GROUNDING)
    if family == "vertex" and (
        grounding.retrieval_queries or any(_is_there(chunk.retrieved_context) for chunk in chunks)
    ):
        beside.append(DATA_GROUNDING)
    return tuple(beside)


def tier_of(seen: UsageMetadata | None) -> str:
    """The tier served, in the price list's words; a tier of reserved capacity keeps its own name and is estimated."""
    if seen is None:
        return ""
    said = (seen.service_tier or "").lower()
    if not said and seen.traffic_type:
        said = _TRAFFIC.get(seen.traffic_type, seen.traffic_type.lower())
    return "" if said in _NO_TIER else clip(said)


def _of(details: list[Modality] | tuple[()], *kinds: str) -> int:
    return sum(one.token_count or 0 for one in details if one.modality in kinds)


def _is_there(value: msgspec.Raw) -> bool:
    return bytes(value) not in (b"", b"null")
