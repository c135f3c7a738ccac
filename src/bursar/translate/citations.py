"""Where an answer's passages are from: what the dialects share, and OpenAI's annotations, which two of them have.

A citation is of a span of its text. OpenAI says spans, Gemini too, in bytes; Anthropic and Bedrock cite whole blocks,
so there a text is cut at the ends of its spans. What has no address (a passage of a document) nobody else can name.
Source: OpenAI's published schema (url_citation); OpenRouter's public reference (`content`, the words of the source).
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec

from bursar.translate.conversation import Citation, Losses, Part, Text

CITATIONS_MAX = 256
"""Of one text; a stream can't fill more."""

TEXT_CHARS_MAX = 65_536  # of a title, an address, a quote

URL_CITATION = "url_citation"


def citations_of(annotations: Any) -> tuple[Citation, ...]:
    """`annotations` of a chat message, or of a part of a Responses message, which has their fields one level higher."""
    if not isinstance(annotations, list):
        return ()
    found = [citation_of(one) for one in annotations[:CITATIONS_MAX]]
    return tuple([one for one in found if one is not None])


def citation_of(annotation: Any) -> Citation | None:
    """One of them; None for what is none."""
    if not isinstance(annotation, dict):
        return None
    inner = annotation.get(URL_CITATION)
    said = inner if isinstance(inner, dict) else annotation
    url = word_of(said, "url") if annotation.get("type") == URL_CITATION else ""
    start, end = said.get("start_index"), said.get("end_index")
    if type(start) is not int or type(end) is not int or not 0 <= start < end:
        start = end = 0
    return Citation(url, word_of(said, "title"), word_of(said, "content"), start, end)


def word_of(said: dict[str, Any], *names: str) -> str:
    """The first of these fields that is a text; "" where none is."""
    found = (said.get(name) for name in names)
    return next((one[:TEXT_CHARS_MAX] for one in found if isinstance(one, str)), "")


def sayable(citations: Iterable[Citation], losses: Losses) -> list[Citation]:
    """Those that have an address; the others are lost."""
    found = []
    for one in citations:
        if one.url:
            found.append(one)
        else:
            losses.lose("citations")
    return found


def annotation_fields(citation: Citation, offset: int = 0) -> dict[str, Any]:
    """The fields of a `url_citation`. offset: of its text in what the spans count from."""
    is_known = citation.end > 0
    fields: dict[str, Any] = {
        "start_index": citation.start + offset if is_known else 0,
        "end_index": citation.end + offset if is_known else 0,
        "url": citation.url,
        "title": citation.title,
    }
    return {**fields, "content": citation.quote} if citation.quote else fields


def chat_annotation(citation: Citation, offset: int = 0) -> dict[str, Any]:
    """As a chat message has it."""
    return {"type": URL_CITATION, URL_CITATION: annotation_fields(citation, offset)}


def chat_annotations(parts: Iterable[Part], losses: Losses) -> list[dict[str, Any]]:
    """Of a whole message, whose texts stand there as one."""
    found, offset = [], 0
    for part in parts:
        if isinstance(part, Text):
            found += [chat_annotation(one, offset) for one in sayable(part.citations, losses)]
            offset += len(part.text)
    return found


def annotation(citation: Citation) -> dict[str, Any]:
    """As a part of a Responses message has it."""
    return {"type": URL_CITATION, **annotation_fields(citation)}


def pieces_of(part: Text, losses: Losses) -> list[tuple[str, list[Citation]]]:
    """A text in pieces, each with the citations of all of it; those whose span isn't known are of the last one."""
    citations = sayable(part.citations, losses)
    if not citations:
        return [(part.text, [])]
    text, size = part.text, len(part.text)
    known = [one for one in citations if 0 <= one.start < one.end <= size]
    cuts = sorted({0, size, *(one.start for one in known), *(one.end for one in known)})
    pieces = [
        (text[start:end], [one for one in known if one.start <= start and end <= one.end])
        for start, end in pairwise(cuts)
    ] or [(text, [])]
    pieces[-1][1].extend(one for one in citations if not 0 <= one.start < one.end <= size)
    return pieces


def moved(citation: Citation, by: int) -> Citation:
    """The same counted from elsewhere; its span is unknown where it would lie before that."""
    start, end = citation.start + by, citation.end + by
    if not by or not citation.end:
        return citation
    return msgspec.structs.replace(citation, start=start, end=end) if start >= 0 else over(citation, 0)


def over(citation: Citation, size: int) -> Citation:
    """The same about a whole text of so many characters."""
    return msgspec.structs.replace(citation, start=0, end=size)
