"""What a client's headers mean: who it is, what it tags, and the head of the request that goes out.

Worked out once for heads that are remembered (`heads.py`): nothing instead of 8 µs. Anew whenever keys change.
"""

import re

import msgspec

from bursar.budgets.holds import Touching
from bursar.cache.wishes import NO_WISHES, Wishes, wishes_of
from bursar.domain.ids import ATTEMPT_NUMBER_MAX
from bursar.domain.snapshot import Snapshot
from bursar.gateway.attribute import Attributed, attribute
from bursar.gateway.heads import Head, Headers
from bursar.gateway.identify import Credential, identify, split_query
from bursar.gateway.route import Route
from bursar.providers.base import Asked, Dialect
from bursar.translate.codec import Codec
from bursar.translate.embeddings import Embedder

PLANS_MAX = 64
TOUCHED_MAX = 64

RETRY_HEADERS = {
    b"x-litellm-num-retries": 1,
    b"x-portkey-retry-count": 1,
    b"helicone-retry-num": 1,
    b"cf-aig-max-attempts": 0,
}
"""Headers of other gateways that say how often to try again, and what to add to make that attempts in all."""

MODE_HEADERS = (b"x-bursar-mode", b"x-prism-mode")
MODE_BYTES_MAX = 40

SAYS_NOTHING = Asked(model="")

_AWS_ATTEMPT = re.compile(rb"\battempt=(\d{1,3})\b")
_CLIENT = re.compile(rb"[\w.-]{1,40}(?:/[\w.+-]{1,24})?", re.ASCII)


class Elsewhere(msgspec.Struct, frozen=True, gc=False):
    """An upstream of another dialect than the caller's: its codec, and how it is asked, plain and for a stream.

    is_strict: the caller rather hears a refusal than that something was left out. takes_events: False for Google's
    JSON array of a stream. output_tokens: what a provider is told that must be told a limit.
    """

    codec: Codec | Embedder
    plain: tuple[Dialect, bytes]  # what its answer is read by, and the head of the request
    streamed: tuple[Dialect, bytes]
    is_strict: bool
    takes_events: bool
    output_tokens: int


class Plan(msgspec.Struct, frozen=True, gc=False):
    """Where a call with certain headers goes, and the head it goes out with (all but `content-length`).

    other: it has to be translated, and its head stands there.
    """

    route: Route
    head: bytes
    other: Elsewhere | None = None


class Envelope(msgspec.Struct, frozen=True):
    """One client's headers, read by the keys of `snapshot`.

    plans: decided already, by (path, query, upstream named, model).
    touched: the budgets that calls touch, by (version of the budgets, upstream, model, operation).
    """

    snapshot: Snapshot
    headers: Headers
    credential: Credential
    attributed: Attributed
    client: str
    client_retry: int
    query: bytes  # without a key
    attempts_max: int  # what the client allows; it can't allow more than the settings do
    mode: str = ""  # asked for with `x-bursar-mode`
    wishes: Wishes = NO_WISHES  # of caches
    plans: dict[tuple[str, bytes, str, str], Plan] = {}
    touched: dict[tuple[int, str, str, str], Touching] = {}


class Envelopes:
    """Reads heads."""

    def __init__(self, secret: bytes, organization: str) -> None:
        self._secret = secret
        self._organization = organization
        self._snapshot = Snapshot(0)

    def use(self, snapshot: Snapshot) -> None:
        """Keys changed: what was worked out from the old ones no longer counts."""
        self._snapshot = snapshot

    def open(self, head: Head) -> Envelope:
        """Raises Unauthenticated or KeyRevoked."""
        envelope = head.reading
        if isinstance(envelope, Envelope) and envelope.snapshot is self._snapshot:
            return envelope
        envelope = head.reading = self._read(head.headers, head.query)
        return envelope

    def _read(self, headers: Headers, query: bytes) -> Envelope:
        query, query_key = split_query(query)
        credential = identify(headers, self._snapshot, self._secret, self._organization, query_key)
        attributed = attribute(headers, SAYS_NOTHING, credential.defaults)
        client, client_retry, attempts_max = "", 0, ATTEMPT_NUMBER_MAX
        for name, value in headers:
            if name == b"user-agent":
                found = _CLIENT.match(
                    value.replace(b" ", b"-", 1) if value.startswith((b"OpenAI", b"Anthropic")) else value
                )
                client = found.group().decode("ascii") if found else ""
            elif name == b"amz-sdk-request" and (attempt := _AWS_ATTEMPT.search(value)):
                client_retry = max(0, int(attempt[1]) - 1)
            elif name == b"x-stainless-retry-count" and value.isdigit():
                client_retry = min(int(value[:6]), 999)
            elif name in RETRY_HEADERS and value.isdigit():
                attempts_max = min(attempts_max, max(1, int(value[:6]) + RETRY_HEADERS[name]))
        return Envelope(
            self._snapshot,
            headers,
            credential,
            attributed,
            client,
            client_retry,
            query,
            attempts_max,
            mode_of(headers),
            wishes_of(headers),
        )


def mode_of(headers: Headers) -> str:
    """The mode that a client asks for: `eco`, `balanced`, `sport`, or a name of the operator's."""
    for name, value in headers:
        if name in MODE_HEADERS:
            return value[:MODE_BYTES_MAX].decode("ascii", "replace").strip().lower()
    return ""
