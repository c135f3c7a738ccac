"""Made-up calls whose every circumstance is known, and the ledger that a gateway would have made of them.

What the ledger can't hold (which part of an input is the same text, how long another model's answers are) is kept
beside each call, so that what a change really saves can be told without asking the advisor.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bursar.domain.charge import Quality
from bursar.domain.ids import Ids
from bursar.domain.routes import SHADOW, Candidate, Receipt
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.gateway.meter import Meter
from bursar.spool.journal import Journal
from bursar.spool.records import CallFacts, Compared, Dispatched, Scored, Settled

DAY_US = 86_400_000_000
BYTES_PER_TOKEN = 4.2
BYTES_SPREAD = 0.06  # of that, from text to text
ENVELOPE_BYTES = 600
RECEIPTS = msgspec.json.Encoder()


class Tried(msgspec.Struct):
    """A shadow of a call: where, what it used, and how far its answer agreed."""

    upstream: str
    model: str
    usage: Usage
    agreement: float


class Made(msgspec.Struct):
    """A call, and what only its maker knows.

    fixed: tokens at the start of the input that are the same text as in the calls before.
    there: what another model, or another way of asking, would have used.
    arm: of an experiment; score: of feedback on the answer.
    """

    at_us: int
    feature: str
    request_type: str
    provider: str
    model: str
    usage: Usage
    operation: str = "chat"
    tier: str = ""
    region: str = ""
    stream: bool = False
    session: str = ""
    user: str = ""
    fingerprint: str = ""
    outcome: str = "ok"
    client_retry: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    duration_ms: int = 3_000
    fixed: int = 0
    there: Usage | None = None
    tried: Tried | None = None
    arm: str = ""
    score: float | None = None


class Pricer:
    """What calls cost by the gateway's own meter: none of the advisor's arithmetic is in it."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def pico(self, call: Made, usage: Usage | None = None, **otherwise: str) -> int:
        """Of a call, or of it with another usage, provider, model, tier or region. All of these have prices."""
        own = {name: otherwise.get(name, getattr(call, name)) for name in ("provider", "model", "tier", "region")}
        used = call.usage if usage is None else usage
        found = self.meter.price(
            used, Quality.REPORTED, own["provider"], own["model"], own["model"], own["tier"], own["region"], call.at_us
        )
        if found.list_pico is None:
            raise ValueError(f"no price for {own}")
        return found.list_pico

    def all(self, calls: Iterable[Made]) -> int:
        """Together, as they were."""
        return sum(self.pico(call) for call in calls)


def text_bytes(rng: np.random.Generator, tokens: int) -> int:
    """How many bytes a text of so many tokens has: other texts, other numbers."""
    return round(tokens * max(rng.normal(BYTES_PER_TOKEN, BYTES_SPREAD * BYTES_PER_TOKEN), 1.0))


def write_ledger(calls: list[Made], spool: Path, meter: Meter) -> int:
    """Journal records of calls, as a worker would have written them; how many charges there are."""
    ids = Ids()
    journal = Journal(spool, "made", sync=False)
    for record in _records(calls, ids, meter):
        if isinstance(record, Dispatched):
            journal.seq += 1
            record = msgspec.structs.replace(record, seq=journal.seq)
        journal.append(record)
    journal.close()
    return journal.seq


def _records(calls: list[Made], ids: Ids, meter: Meter) -> Iterator[Dispatched | Settled | Compared | Scored]:
    for number, call in enumerate(calls):
        facts = _facts(call, ids.new(call.at_us), number)
        why = Receipt("made", "ordered", [Candidate(call.provider, call.model)], experiment="trial", arm=call.arm)
        routing = RECEIPTS.encode(why).decode() if call.arm else ""
        yield from _attempt(call, facts, ids, meter, call.usage, call.provider, call.model, routing)
        if call.score is not None:
            yield Scored(call.at_us + 9_000_000, facts.call_id, facts.credential_id, call.score)
        if call.tried is not None:
            tried = call.tried
            shadow = msgspec.structs.replace(facts, call_id=ids.new(call.at_us), traffic="shadow")
            why = Receipt("made", "ordered", [Candidate(tried.upstream, tried.model)], experiment="trial", arm=SHADOW,
                          shadow_of=facts.call_id)  # fmt: skip
            routing = RECEIPTS.encode(why).decode()
            yield from _attempt(call, shadow, ids, meter, tried.usage, tried.upstream, tried.model, routing)
            yield Compared(
                call.at_us + 5_000_000, shadow.call_id, facts.call_id, finish=True, tool_names=None, tool_calls=None,
                json=None, text=None, words=None, agreement=tried.agreement,
            )  # fmt: skip


def _facts(call: Made, call_id: str, number: int) -> CallFacts:
    return CallFacts(
        call_id, call.at_us, "openai-chat", call.operation, Scope("acme", "core", call.feature), f"vk_{call.feature}",
        "virtual", call.model, call.stream, call.request_bytes, call.fingerprint or f"{number:032x}",
        Attribution(feature=call.feature, team="core", request_type=call.request_type, session=call.session,
                    user=call.user),
        client_retry=call.client_retry,
    )  # fmt: skip


def _attempt(
    call: Made, facts: CallFacts, ids: Ids, meter: Meter, usage: Usage, provider: str, model: str, routing: str
) -> Iterator[Dispatched | Settled]:
    attempt_id = ids.new(call.at_us)
    yield Dispatched(
        0, attempt_id, 1, call.at_us + 200, provider, provider, model, call.region, call.tier, "", None, "", facts,
        routing,
    )  # fmt: skip
    is_shadow = facts.traffic == "shadow"
    quality = Quality.ESTIMATED if call.outcome == "aborted" and not is_shadow else Quality.REPORTED
    priced = meter.price(usage, quality, provider, model, model, call.tier, call.region, call.at_us)
    outcome = "ok" if is_shadow else call.outcome
    finish = {"ok": "stop", "truncated": "length"}.get(outcome, "")
    own: dict[str, Any] = {"saved": priced.saved}
    yield Settled(
        attempt_id, call.at_us + 400_000, call.at_us + call.duration_ms * 1000, 200, outcome, priced.quality, "",
        finish, model, call.tier or "default", "", usage, list(priced.lines), priced.list_pico,
        priced.counterfactual_pico, priced.lever, priced.sku_id, priced.sku_price_id, None,
        call.response_bytes or usage.output * 4 + ENVELOPE_BYTES, True, outcome, 200, -1, **own,
    )  # fmt: skip
