"""What the journal holds: an attempt when its dispatch begins and when it ended, and calls that ended unsent.

Times are microseconds since the epoch, UTC. Money is pico-USD (1e-12) or femto-USD (1e-15) in integers. No prompt or
answer text, no key: only sizes, counts and keyed hashes.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from bursar.domain.savings import Saved, saved_by
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage

Traffic = Literal["live", "shadow", "cache_embedding"]
"""Who made a call: a client; a route, as a shadow of one, whose answer nobody is shown; the semantic cache, to compare
one."""

CostLineRow = tuple[str, int, int]
"""(unit, quantity, unit price in femto-USD)"""


class CallFacts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of a call once it is identified and attributed; the same for each of its attempts."""

    call_id: str
    received_us: int
    dialect: str
    operation: str
    scope: Scope
    credential_id: str  # "vk_…" a virtual key, "pt_…" a pass-through key's keyed hash
    credential_kind: Literal["virtual", "passthrough", "none"]
    model_asked: str
    stream: bool
    request_bytes: int
    fingerprint: str  # keyed hash of the request body, hex
    attribution: Attribution
    tags_dropped: int = 0
    client: str = ""  # the SDK or tool that called, from its user agent: "openai-python/2.7"
    client_retry: int = 0  # what the SDK says of its own retries (X-Stainless-Retry-Count)
    traffic: Traffic = "live"


class Dispatched(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="d"):
    """Written before the first byte goes to the provider."""

    seq: int  # 1, 2, 3 … per writer: a gap is a lost attempt
    attempt_id: str
    attempt_number: int
    dispatched_us: int
    provider: str
    upstream: str  # the configured name
    model_sent: str
    region: str
    tier_asked: str
    retry_cause: str  # why this is not the first attempt: "", "connect", "status_529", …
    bound_pico: int | None  # the most it can cost; None: no price is known
    sku_price_id: str  # the sheet the bound was computed with, "" if none
    call: CallFacts
    routing: str = ""  # why it went there, `domain.routes.Receipt` as JSON; "": no route was about the call


class Settled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="s"):
    """Written when the attempt ended, whatever the end."""

    attempt_id: str
    first_byte_us: int  # 0: none came
    ended_us: int
    http_status: int  # what the provider answered; 0: nothing
    outcome: str
    quality: str
    error_code: str  # "" or a stable code: the provider's error type, "stream_cut", "upstream_timeout" …
    finish_reason: str
    model_served: str
    tier_served: str
    upstream_id: str  # the provider's own id of the answer: evidence, never a key
    usage: Usage
    lines: Sequence[CostLineRow]
    list_pico: int | None  # None: unpriced
    counterfactual_pico: int | None  # what it would have cost without any lever: list_pico and all that was saved
    lever: str  # that made the most difference
    sku_id: str
    sku_price_id: str
    provider_cost_pico: int | None  # what the provider itself says it cost, where it does (OpenRouter)
    response_bytes: int
    final: bool  # the call ends with this attempt
    call_outcome: str  # meaningful when final
    client_status: int  # HTTP status the client got; 0: it was gone before one could be sent
    client_gone_percent: int = -1  # -1: the client stayed; else how much of the answer it took, if known
    saved: Saved | None = None  # by lever; None: written when a charge had one lever only
    kept_from_us: int = 0  # of a cached content: when it was made, or its lifetime changed, by the provider's word
    kept_until_us: int = 0  # until when it is kept, or when it was deleted; 0: the attempt is about no cached content
    price_is_guess: bool = False  # of one: the price is an assumption, so its charge stays estimated

    @property
    def saved_by_lever(self) -> Saved:
        """What each lever saved, of records of any age."""
        if self.saved is not None:
            return self.saved
        return saved_by(self.lever, (self.counterfactual_pico or 0) - (self.list_pico or 0))


class Ended(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="c"):
    """A call that ended without any attempt: refused by Bursar, unreadable, or its client left first."""

    ended_us: int
    outcome: str
    error_code: str
    client_status: int
    call: CallFacts


class Scored(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="f"):
    """What a user thought of an answer. score: 0 (bad) to 1 (good). It counts if the same key made the call."""

    scored_us: int
    call_id: str
    credential_id: str
    score: float


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="l"):
    """One line of a batch's results: a whole attempt, which its provider made on its own.

    The same line may be written twice, by whoever reads the results: its ids are made from what it is, and the books
    take the first. `dispatched.seq` is 0: it stands in no worker's sequence.
    """

    dispatched: Dispatched
    settled: Settled


class Late(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="t"):
    """How an attempt ended whose end wasn't known when its call was over: a batch, a response in the background.

    The same may be written twice; the books take the first.
    """

    settled: Settled


class Compared(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="x"):
    """How far a shadow's answer agrees with the one that the client got. Numbers only; None: it doesn't apply.

    What each of them means: `gateway.agreement`.
    """

    compared_us: int
    call_id: str  # of the shadow
    shadow_of: str  # the client's call
    finish: bool
    tool_names: bool | None
    tool_calls: bool | None
    json: bool | None
    text: bool | None
    words: float | None
    agreement: float


class Resembled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="m"):
    """A call that the semantic cache compared. Numbers only.

    rule_id, mark: of the cache rule, and of what it said of comparing then (`domain.caching.measured_as`).
    similarity: of the kept question whose answer it would have got; None: none means the same.
    agreement: of that answer with the one that its provider gave; None: there was none.
    cost_pico: what the provider's answer cost at its list price, so what the hit would have saved; None: unpriced.
    embed_pico: what comparing cost beside the attempts that were booked for it: nothing.
    is_live: the cache answered then, and this hit was asked anyway.
    """

    looked_us: int
    call_id: str
    rule_id: str
    mark: str
    similarity: float | None
    agreement: float | None
    cost_pico: int | None
    embed_pico: int | None
    is_live: bool = False


Record = Dispatched | Settled | Ended | Scored | Line | Late | Compared | Resembled

ENCODER = msgspec.msgpack.Encoder()
DECODER: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)
