"""Gemini's `groundingMetadata` as citations: its chunks are the sources, its supports say which span is from which.

Spans are counted in bytes of UTF-8, of one of the content's parts; `segment.text` says the same, and is believed: a
span that doesn't hold it has no place.
Source: Vertex's discovery document, revision 20261106; tests/golden/gemini and /vertex.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from bursar.providers.reading import decode_answer
from bursar.translate.citations import CITATIONS_MAX, sayable, word_of
from bursar.translate.conversation import Citation, Losses, Part, Text, ToolResult

_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_SOURCES = ("web", "maps", "retrievedContext")

Block = dict[str, Any]


def citations_in(metadata: msgspec.Raw, texts: Sequence[tuple[int, str]]) -> list[tuple[int, Citation]]:
    """(which of the texts, the citation). texts: the answer's, each with its place among the content's parts."""
    said = decode_answer(_ANY, bytes(metadata)) if metadata and texts else None
    if not isinstance(said, dict):
        return []
    sources = [_source(chunk) for chunk in _list(said, "groundingChunks")[:CITATIONS_MAX]]
    found: list[tuple[int, Citation]] = []
    cited: set[int] = set()
    for support in _list(said, "groundingSupports"):
        at, start, end = _span(support.get("segment"), texts) if isinstance(support, dict) else (0, 0, 0)
        for index in _list(support, "groundingChunkIndices") if isinstance(support, dict) else ():
            if type(index) is int and 0 <= index < len(sources) and len(found) < CITATIONS_MAX:
                cited.add(index)
                found.append((at, msgspec.structs.replace(sources[index], start=start, end=end)))
    last = len(texts) - 1
    found += [(last, source) for index, source in enumerate(sources) if index not in cited]
    return found[:CITATIONS_MAX]


def _list(said: Block, name: str) -> list[Any]:
    value = said.get(name)
    return value if isinstance(value, list) else []


def _source(chunk: Any) -> Citation:
    for name in _SOURCES:
        seen = chunk.get(name) if isinstance(chunk, dict) else None
        if isinstance(seen, dict):
            url = word_of(seen, "uri")
            is_address = url.startswith(("https://", "http://"))
            return Citation(url if is_address else "", word_of(seen, "title"))
    return Citation("")


def _span(segment: Any, texts: Sequence[tuple[int, str]]) -> tuple[int, int, int]:
    """Which text, and from where to where in it; (_, 0, 0) where that can't be said."""
    if not isinstance(segment, dict):
        return len(texts) - 1, 0, 0
    wanted, start, end = (segment.get(name) or 0 for name in ("partIndex", "startIndex", "endIndex"))
    at = next((at for at, (place, _) in enumerate(texts) if place == wanted), 0)
    text = texts[at][1]
    if type(start) is not int or type(end) is not int or not 0 <= start < end:
        return at, 0, 0
    if not text.isascii():
        encoded = text.encode("utf-8", "surrogatepass")
        start, end = (len(encoded[:place].decode("utf-8", "ignore")) for place in (start, end))
    told = segment.get("text")
    is_there = text[start:end] == told if isinstance(told, str) else end <= len(text)
    return (at, start, end) if is_there else (at, 0, 0)


def grounding_of(parts: Sequence[Part], losses: Losses) -> Block:
    """`groundingMetadata` of an answer; empty where nothing is cited."""
    chunks: dict[tuple[str, str], int] = {}
    supports: list[Block] = []
    place = -1  # among the parts that are written
    for part in parts:
        place += not isinstance(part, ToolResult)
        if not isinstance(part, Text):
            continue
        for one in sayable(part.citations, losses):
            if one.quote:
                losses.lose("citations.quote")
            index = chunks.setdefault((one.url, one.title), len(chunks))
            if 0 <= one.start < one.end <= len(part.text):
                supports.append({"segment": _segment(part.text, one, place), "groundingChunkIndices": [index]})
    return written(chunks, supports)


def written(chunks: dict[tuple[str, str], int], supports: list[Block]) -> Block:
    """The object, of sources by their index."""
    if not chunks:
        return {}
    found: Block = {"groundingChunks": [{"web": {"uri": url, "title": title}} for url, title in chunks]}
    return {**found, "groundingSupports": supports} if supports else found


def _segment(text: str, citation: Citation, place: int) -> Block:
    start, end = (len(text[:at].encode("utf-8", "surrogatepass")) for at in (citation.start, citation.end))
    segment: Block = {"startIndex": start, "endIndex": end, "text": text[citation.start : citation.end]}
    return {"partIndex": place, **segment} if place else segment
