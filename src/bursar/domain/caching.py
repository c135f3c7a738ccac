"""Cache rules as an operator wrote them: which calls may be answered from a cache, or be cheaper by their provider's.

Nothing is cached unless a rule says so. Of the rules that match a call, the one with the lowest position decides, of
equals the older; it decides alone.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Literal

import msgspec

from bursar.domain.controls import Match

Ttl = Literal["auto", "5m", "1h"]
Share = Literal["credential", "project", "team", "organization"]
SemanticMode = Literal["shadow", "on"]

TTL_S_MAX = 30 * 86_400
ENTRY_BYTES_MAX = 16 * 1024 * 1024
POSITION_MAX = 1_000_000
NO_UPSTREAM = "(cache)"
"""Stands where the attempt of a kept answer names its upstream: nothing was sent to any."""

LOCAL = "local"
"""The embedder that runs on this machine; another one is written as `upstream/model`."""
EMBEDDER_CHARS_MAX = 200

WhyNot = Callable[[str], str]
"""Why an upstream of that name can't embed, in words; "": it can."""
GUARDED = 2
"""Which guards stand behind the cosine: with others, measurements begin anew."""


class PromptCaching(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Marks for the provider's own prompt cache, set where the caller set none.

    ttl:    how long a written block is kept; auto: by the gaps between reuses that were seen.
    agents: coding agents too, which set their own marks and whose `system` is otherwise left alone.
    """

    ttl: Ttl = "auto"
    agents: bool = False


class ExactCaching(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The same request, asked again within `ttl_s`, gets the same answer without its provider.

    share: whose equal requests share an answer: of one key, or of all keys of its project, team or organization.
    with_tools: calls that offer tools too: an answer that has something done would have it done twice.
    entry_bytes_max: an answer above it isn't kept.
    """

    ttl_s: int = 3_600
    share: Share = "credential"
    with_tools: bool = False
    entry_bytes_max: int = 1024 * 1024


class SemanticCaching(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A request that means the same gets the answer of the earlier one.

    mode: shadow: only measured, every call goes to its provider. on: answers come from the cache.
    embedder: `local`, or `upstream/model`, whose calls are charged. similarity_min: the cosine from which two are one.
    sample_percent: of calls that would be hits, how many are asked anyway and compared.
    agreement_min: a kept answer that agrees less with the provider's is a false hit (`gateway.agreement`, 0 to 1).
    false_hits_max: the share of false hits that its measurement must be sure to be below, to be switched on.
    """

    mode: SemanticMode = "shadow"
    embedder: str = LOCAL
    similarity_min: float = 0.95
    ttl_s: int = 3_600
    share: Share = "credential"
    sample_percent: float = 10.0
    agreement_min: float = 0.6
    false_hits_max: float = 0.03


class CacheTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a rule says about the calls that it matches. None: no such cache. All None: none at all for these calls."""

    match: Match = {}
    position: int = 0
    prompt: PromptCaching | None = None
    exact: ExactCaching | None = None
    semantic: SemanticCaching | None = None


class CacheRule(msgspec.Struct, frozen=True):
    """rule_id: "ca_" and 12 characters. stopped: why its prompt caching was turned off by what it cost; "": it wasn't.

    measured: what its semantic cache's shadow has shown, as JSON (`domain.resemblance.Measured`); "": nothing yet.
    cleared_us: when what it had kept was cleared last; 0: never. Each time it keeps in another space than before.
    One that is off does nothing.
    """

    rule_id: str
    name: str
    terms: CacheTerms
    is_on: bool
    created_us: int
    created_by: str
    stopped: str = ""
    measured: str = ""
    cleared_us: int = 0


def keeps_answers(terms: CacheTerms) -> bool:
    """Whether answers of its calls may be given to others: marks for a provider's cache keep nothing here."""
    return terms.exact is not None or terms.semantic is not None


def measured_as(terms: CacheTerms) -> str:
    """What a measurement of the semantic cache is about: rules that compare other calls, or otherwise, have another."""
    semantic = terms.semantic
    if semantic is None:
        return ""
    said = (sorted(terms.match.items()), semantic.embedder, semantic.similarity_min, semantic.ttl_s, semantic.share)
    return blake2b(msgspec.json.encode((GUARDED, said)), digest_size=8).hexdigest()


def upstream_of_embedder(embedder: str) -> tuple[str, str]:
    """(upstream, model) of an embedder that isn't local; a model's own name may have slashes.

    >>> upstream_of_embedder("openrouter/openai/text-embedding-3-small")
    ('openrouter', 'openai/text-embedding-3-small')
    """
    upstream, _, model = embedder.partition("/")
    return upstream, model


def faults_of_caching(terms: CacheTerms, why_no_embeddings: WhyNot | None = None) -> list[tuple[str, str]]:
    """(field, what is wrong) of a rule's terms, but for its match. why_no_embeddings: None: it isn't known here."""
    faults = []
    if not -POSITION_MAX <= terms.position <= POSITION_MAX:
        faults.append(("position", f"a position is from -{POSITION_MAX} to {POSITION_MAX}"))
    for place, kept in (("exact", terms.exact), ("semantic", terms.semantic)):
        if kept is not None and not 1 <= kept.ttl_s <= TTL_S_MAX:
            faults.append((f"{place}.ttl_s", f"an answer is kept for 1 to {TTL_S_MAX} seconds"))
    if terms.exact is not None and not 1 <= terms.exact.entry_bytes_max <= ENTRY_BYTES_MAX:
        faults.append(("exact.entry_bytes_max", f"an answer has 1 to {ENTRY_BYTES_MAX} bytes"))
    semantic = terms.semantic
    if semantic is not None:
        if not 0.5 <= semantic.similarity_min <= 1:
            faults.append(("semantic.similarity_min", "a similarity is from 0.5 to 1"))
        if not 0 < semantic.sample_percent <= 100:
            faults.append(("semantic.sample_percent", "a sample is above 0 and up to 100 percent"))
        if not 0 < semantic.agreement_min <= 1:
            faults.append(("semantic.agreement_min", "an agreement is above 0 and up to 1"))
        if not 0 < semantic.false_hits_max <= 0.2:
            faults.append(("semantic.false_hits_max", "the share of false hits is above 0 and up to 0.2"))
        if wrong := _fault_of_embedder(semantic.embedder, why_no_embeddings):
            faults.append(("semantic.embedder", wrong))
    return faults


def _fault_of_embedder(embedder: str, why_no_embeddings: WhyNot | None) -> str:
    if embedder == LOCAL:
        return ""
    upstream, model = upstream_of_embedder(embedder)
    if not (upstream and model and embedder.isprintable() and len(embedder) <= EMBEDDER_CHARS_MAX):
        return f"write {LOCAL}, or an embedding model as UPSTREAM/MODEL, such as openai/text-embedding-3-small"
    return why_no_embeddings(upstream) if why_no_embeddings is not None else ""
