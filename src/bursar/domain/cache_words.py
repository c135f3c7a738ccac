"""What a cache rule says, in words: a phrase for each cache."""

from collections.abc import Iterable

from bursar.domain.caching import LOCAL, CacheTerms, ExactCaching, PromptCaching, SemanticCaching, Share
from bursar.domain.display import count, size

NOTHING = "no cache at all"
_SHARED: dict[Share, str] = {
    "credential": "for the same key",
    "project": "within the project",
    "team": "within the team",
    "organization": "within the organization",
}
_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_DIGITS_MAX = 9


def cache_phrases(terms: CacheTerms) -> list[str]:
    """One phrase for each cache, the provider's first: "the same request is answered again for 1 hour, within the
    team"."""
    return list(_phrases(terms)) or [NOTHING]


def span_words(seconds: int) -> str:
    """
    >>> [span_words(seconds) for seconds in (1, 90, 3_600, 172_800)]
    ['1 second', '90 seconds', '1 hour', '2 days']
    """
    number, unit = _in_unit(seconds)
    return f"{count(number)} {unit}{'' if number == 1 else 's'}"


def span_text(seconds: int) -> str:
    """As people write it.

    >>> [span_text(seconds) for seconds in (1, 90, 3_600, 172_800)]
    ['1s', '90s', '1h', '2d']
    """
    number, unit = _in_unit(seconds)
    return f"{number}{unit[0]}"


def span_seconds(text: str) -> int | None:
    """The other way of `span_text`; None: it can't be read.

    >>> span_seconds("30m"), span_seconds("30"), span_seconds("soon")
    (1800, None, None)
    """
    number = text[:-1]
    seconds = next((unit_s for unit_s, unit in _SPANS if unit[0] == text[-1:]), 0)
    if not (seconds and number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX):
        return None
    return int(number) * seconds


def _phrases(terms: CacheTerms) -> Iterable[str]:
    if terms.prompt is not None:
        yield _prompt(terms.prompt)
    if terms.exact is not None:
        yield _exact(terms.exact)
    if terms.semantic is not None:
        yield _semantic(terms.semantic)


def _prompt(prompt: PromptCaching) -> str:
    kept = {
        "auto": "kept as long as its reuse pays",
        "5m": "kept for 5 minutes",
        "1h": "kept for 1 hour",
    }[prompt.ttl]
    return f"marks for the provider's cache, {kept}{', coding agents too' if prompt.agents else ''}"


def _exact(exact: ExactCaching) -> str:
    tools = ", with tools too" if exact.with_tools else ""
    most = (
        ""
        if exact.entry_bytes_max == ExactCaching().entry_bytes_max
        else f", answers up to {size(exact.entry_bytes_max)}"
    )
    return f"the same request is answered again for {span_words(exact.ttl_s)}, {_SHARED[exact.share]}{tools}{most}"


def _semantic(semantic: SemanticCaching) -> str:
    by = "" if semantic.embedder == LOCAL else f" by {semantic.embedder}"
    like = f"a request that means the same (cosine from {semantic.similarity_min:g}{by})"
    rest = f"answered again for {span_words(semantic.ttl_s)}, {_SHARED[semantic.share]}"
    if semantic.mode == "shadow":
        return f"only measures whether {like} could be {rest}"
    return f"{like} is {rest}, but for {semantic.sample_percent:g} % to compare"


def _in_unit(seconds: int) -> tuple[int, str]:
    """In the largest unit that it is whole in."""
    unit_s, unit = next(one for one in _SPANS if seconds % one[0] == 0)
    return seconds // unit_s, unit
