"""When two requests are the same: for the same tenant, to the same place, with the same meaning.

Each cache rule keeps in a space of its own, which begins its keys, and in a new one whenever what it had kept is
cleared: from then on no key leads to what was. Within it the tenant stands first, so no request can meet another
tenant's answer, whatever else it says. Bodies are compared without what only labels a call, the order of their fields
and the white space between them. Below the top the order counts: a schema's says in which order its answer is written,
and a field that is given twice stays so.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b, sha256

import msgspec

from bursar.domain.caching import Share
from bursar.domain.scope import Scope

SPACE_BYTES = 8
DIGEST_BYTES = 24
SPACES_MAX = 1 << 14
MEANINGS_MAX = 4_096
LABELS = frozenset({"user", "safety_identifier", "metadata", "prompt_cache_key", "labels"})
"""Fields at the top of a body that say whose call it is or what it is called, and change nothing in its answer."""

_HEADERS = (b"anthropic-", b"openai-", b"x-goog-", b"x-amzn-", b"x-openrouter-")
"""How the headers begin that a provider reads: betas, versions, organizations."""
_SECRETS = frozenset({b"x-goog-api-key"})

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ENCODE = msgspec.json.Encoder(order="sorted").encode


def tenant_of(share: Share, scope: Scope, credential_id: str, kind: str) -> str:
    """Whose answers a call may meet; "": nobody's, for a caller that can't be told from others.

    Only a Bursar key belongs to a team for sure: a provider's own key shares with itself alone, whatever a rule says.
    """
    if not credential_id or kind == "none":
        return ""
    if share == "credential" or kind != "virtual":
        return f"credential\0{credential_id}"
    places = {"project": 3, "team": 2, "organization": 1}
    named = (scope.organization, scope.team, scope.project)[: places[share]]
    return "\0".join((share, *named)) if named[-1] else f"credential\0{credential_id}"


def provider_headers(headers: Iterable[tuple[bytes, bytes]], forwarded: Iterable[str] = ()) -> bytes:
    """Those that change what a provider answers, in one order.

    forwarded: names of those that the operator passes on beside the usual ones: what they do there isn't known.
    """
    more = frozenset(name.lower().encode("latin-1") for name in forwarded)
    return b"\n".join(
        sorted(
            b"%b: %b" % header
            for header in headers
            if (header[0].startswith(_HEADERS) or header[0] in more) and header[0] not in _SECRETS
        )
    )


def meaning_of(body: bytes) -> bytes:
    """The body without what says nothing; its values as they were written, but for white space between their parts.

    Raises msgspec.DecodeError for what isn't one JSON object.
    """
    fields = _FIELDS(msgspec.json.format(body, indent=-1))
    return _ENCODE({name: value for name, value in fields.items() if name not in LABELS})


class Meanings:
    """Digests of what bodies mean, remembered by their bytes: a body that came before costs one pass of SHA-256.

    Of 98 KB that is 60 µs; to read it as JSON and write it in order takes 280. `read` says what a body means, or that
    nothing may be kept of it (None). A cryptographic hash: two bodies that collide would be one request.
    """

    def __init__(self, read: Callable[[bytes], bytes | None]) -> None:
        self._read = read
        self._seen: dict[bytes, bytes | None] = {}

    def of(self, body: bytes) -> bytes | None:
        """None: nothing may be kept of it."""
        raw = sha256(body).digest()
        try:
            return self._seen[raw]
        except KeyError:
            pass
        meaning = self._read(body)
        found = None if meaning is None else sha256(meaning).digest()
        if len(self._seen) >= MEANINGS_MAX:
            self._seen.clear()
        self._seen[raw] = found
        return found


@lru_cache(SPACES_MAX)
def space_of(secret: bytes, rule_id: str, cleared_us: int) -> bytes:
    """How all keys of a cache rule begin, since what it had kept was cleared last (0: never). A keyed hash."""
    said = f"{rule_id}\0{cleared_us}".encode()
    return blake2b(said, key=secret, digest_size=SPACE_BYTES, person=b"bursar-space").digest()


def spaces_of(secret: bytes, kept: Mapping[str, int]) -> frozenset[bytes]:
    """Where something may be kept. kept: rule id → when it was cleared last."""
    return frozenset(space_of(secret, rule_id, cleared_us) for rule_id, cleared_us in kept.items())


def key_of(secret: bytes, space: bytes, tenant: str, *parts: bytes) -> bytes:
    """The space, and DIGEST_BYTES that only a holder of the site's secret can make of the tenant and the parts, each by
    its length: none runs into the next. space: b"" for what isn't an answer, and is never cleared.
    """
    digest = blake2b(key=secret, digest_size=DIGEST_BYTES, person=b"bursar-answer")
    for part in (tenant.encode(), *parts):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return space + digest.digest()
