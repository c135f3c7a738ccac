"""One call: its receipt, its attempts in time, what it was for, every id, and how sure its cost is."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.call_entries import adjusted, book_entries
from bursar.console.pages.prices import since
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.money import plain
from bursar.domain.routes import RECEIPTS, receipt_words, traffic_of
from bursar.explore.calls import CallSummary
from bursar.explore.detail import AttemptDetail, CallDetail
from bursar.ledger.adjusting import ENTRY
from bursar.prices.book import STANDARD_TIERS, PriceBook

DIMENSIONS = (
    "feature", "team", "customer", "environment", "request_type", "session", "agent", "user", "model", "provider",
    "credential_id", "project",
)  # fmt: skip
COUNTED_SINGLY = {
    "web_search": "searches", "request": "requests", "characters": "characters", "audio_seconds": "seconds",
    "images": "images", "cache_storage": "token-hours", "cache_storage_part": "",
}  # fmt: skip
LEAST_WIDTH = 0.6  # per cent of the waterfall: what happened shows, however short


class ReceiptLine(msgspec.Struct, frozen=True):
    unit: str
    quantity: int
    noun: str
    unit_price: Decimal
    unit_price_exact: str
    amount: Decimal
    amount_exact: str


class Receipt(msgspec.Struct, frozen=True):
    """What one attempt cost. `places`: decimals to line the amounts up at."""

    title: str
    lead: str
    lines: list[ReceiptLine]
    reasoning: int
    total: Decimal | None
    total_label: str
    is_estimated: bool
    places: int
    notes: list[str]
    why_empty: str


class Step(msgspec.Struct, frozen=True):
    """A bar of the waterfall; `x` and `width` in per cent of the whole call."""

    label: str
    kind: str
    x: float
    width: float
    ms: float


class Trouble(msgspec.Struct, frozen=True):
    title: str
    text: str
    bad: bool


class ShownAttempt(msgspec.Struct, frozen=True):
    number: int
    outcome: str
    quality: str
    facts: list[tuple[str, Any]]
    ids: list[tuple[str, str]]


def call_page(context: ConsoleContext, view: View, f: Format, call_id: str) -> dict[str, Any]:
    """Everything the template reads. Raises UnknownCall."""
    detail = context.explorer.call(call_id)
    call = detail.call
    book = context.prices()
    shown = [attempt for attempt in detail.attempts if not is_unbilled(attempt)] or detail.attempts[-1:]
    return {
        "data": {
            "call": call or _placeholder(detail),
            "in_flight": detail.in_flight,
            "trouble": _trouble(detail, f),
            "receipts": [receipt(attempt, book, f, alone=len(shown) == 1) for attempt in shown],
            "unbilled": [_unbilled(attempt) for attempt in detail.attempts if attempt not in shown],
            "dimensions": _dimensions(view, call) if call else [],
            "tags": _tags(view, call) if call else [],
            "went": _went(detail),
            "waterfall": waterfall(detail),
            "attempts": [_shown_attempt(attempt, f) for attempt in detail.attempts],
            "entries": book_entries(detail),
            "who": _who(call, f) if call else [],
            "ids": [("Call", detail.call_id), *([("Request fingerprint", call.request_fingerprint)] if call else [])],
        }
    }  # fmt: skip


def receipt(attempt: AttemptDetail, book: PriceBook, f: Format, *, alone: bool) -> Receipt:
    """An attempt's lines, its total, and in words where the prices come from and what isn't sure."""
    lines = [
        ReceiptLine(line.unit, line.quantity, COUNTED_SINGLY.get(line.unit, "tokens"), line.unit_price,
                    plain(line.unit_price), line.amount, f"{plain(line.amount)} {attempt.currency}")
        for line in attempt.lines
    ]  # fmt: skip
    amounts = [line.amount for line in lines] + ([attempt.list_cost] if attempt.list_cost is not None else [])
    model = attempt.model_served or attempt.model_sent
    return Receipt(
        title="What it cost" if alone else f"Attempt {attempt.attempt_number} cost",
        lead=", ".join(
            part
            for part in (f"{model} from {attempt.provider}", _tier_words(attempt), _price_row(attempt, book))
            if part
        ),
        lines=lines,
        reasoning=attempt.reasoning_tokens,
        total=attempt.list_cost,
        total_label={"estimated": "List cost, estimated", "assumed": "Assumed cost"}.get(attempt.quality, "List cost"),
        is_estimated=attempt.quality in ("estimated", "assumed"),
        places=max((_decimals(amount) for amount in amounts), default=2),
        notes=_notes(attempt, f),
        why_empty=_why_empty(attempt, f),
    )


def is_unbilled(attempt: AttemptDetail) -> bool:
    """Whether an attempt surely cost nothing: it ended, and its charge is a known zero."""
    return attempt.state == "settled" and not attempt.list_cost and attempt.quality != "unpriced" and not attempt.lines


def _unbilled(attempt: AttemptDetail) -> str:
    return f"Attempt {attempt.attempt_number} ended with {display_outcome(attempt)}: nothing was billed."


def waterfall(detail: CallDetail) -> list[Step]:
    """When things happened, from the call's arrival on: waiting inside, for the first byte, the stream, retries."""
    started = detail.call.received_at if detail.call else detail.attempts[0].dispatched_at
    ends = [attempt.ended_at for attempt in detail.attempts if attempt.ended_at]
    whole = max(((detail.call.ended_at if detail.call else max(ends, default=started)) - started), _TICK)
    steps: list[Step] = []
    at = started
    for attempt in detail.attempts:
        several = len(detail.attempts) > 1
        name = f"attempt {attempt.attempt_number}: " if several else ""
        if attempt.dispatched_at > at:
            steps.append(
                _step(
                    "back-off before retry" if steps else "inside Bursar",
                    "queue",
                    at,
                    attempt.dispatched_at,
                    started,
                    whole,
                )
            )
        failed = attempt.outcome in ("provider_error", "timeout", "client_error")
        end = attempt.ended_at or attempt.dispatched_at
        if attempt.first_byte_at is None:
            words = f"{name}{display_outcome(attempt)}"
            steps.append(_step(words, "fail" if failed else "wait", attempt.dispatched_at, end, started, whole))
        else:
            kind = "fail" if failed else "wait"
            steps.append(
                _step(f"{name}to first byte", kind, attempt.dispatched_at, attempt.first_byte_at, started, whole)
            )
            if end - attempt.first_byte_at > _SHOWN_FROM:
                kind = "fail" if failed else "stream"
                steps.append(_step(f"{name}answer", kind, attempt.first_byte_at, end, started, whole))
        at = max(at, end)
    return steps


def display_outcome(attempt: AttemptDetail) -> str:
    """`529 overloaded_error`, `time-out`: how an attempt without an answer ended."""
    status = f"{attempt.http_status} " if attempt.http_status else ""
    return f"{status}{attempt.error_code or attempt.outcome.replace('_', ' ') or 'in flight'}"


def _step(label: str, kind: str, start: datetime, end: datetime, origin: datetime, whole: timedelta) -> Step:
    x = max(0.0, min(100 - LEAST_WIDTH, (start - origin) / whole * 100))
    width = max(LEAST_WIDTH, min((end - start) / whole * 100, 100 - x))
    return Step(label, kind, round(x, 2), round(width, 2), max((end - start) / timedelta(milliseconds=1), 0.0))


def _price_row(attempt: AttemptDetail, book: PriceBook) -> str:
    if not attempt.sku_price_id:
        return ""
    sheets = book.describe(attempt.sku_price_id)
    if not sheets:
        return f"price row {attempt.sku_price_id}"
    known_since = "" if sheets[0].valid_from_us is None else f", in force since {since(sheets[0])}"
    return f"price of {sheets[0].source or 'the catalogue'}{known_since}"


def _notes(attempt: AttemptDetail, f: Format) -> list[str]:
    if not attempt.lines and not attempt.list_cost and len(attempt.entries) < 2:
        return []
    notes = []
    if attempt.saved and attempt.counterfactual_cost is not None:
        steps = [
            f"{f.word(lever)} {'saved' if amount > 0 else 'cost'} {f.plain_money(abs(amount))}"
            for lever, amount in attempt.saved.items()
        ]
        notes.append(f"Without any lever: {f.plain_money(attempt.counterfactual_cost)}; {', '.join(steps)}.")
    notes.append((_SURE_OF_KEPT if attempt.kept_tokens else _SURE).get(attempt.quality, ""))
    if attempt.bound_cost is not None and attempt.quality != "assumed":
        notes.append(f"The most it could have cost was {f.plain_money(attempt.bound_cost)}.")
    if attempt.provider_cost is not None:
        notes.append(f"The provider itself says {f.plain_money(attempt.provider_cost)}.")
    notes += adjusted(attempt, f)
    posted = [entry for entry in attempt.entries if entry.entry != ENTRY]
    if len(posted) > 1:
        times = sum(entry.entry == "correction" for entry in posted)
        reasons = "; ".join(entry.reason for entry in posted if entry.reason and entry.entry != "reversal")
        often = "once" if times == 1 else f"{times} times"
        notes.append(f"Corrected in the books {often}: {reasons}." if times else "Reversed in the books.")
    return [note for note in notes if note]


def _why_empty(attempt: AttemptDetail, f: Format) -> str:
    if attempt.state == "in_flight":
        return "Still in flight: the receipt is written when it ends."
    if attempt.quality == "unpriced":
        used = ", ".join(f"{f.count(number)} {f.word(unit)}" for unit, number in attempt.usage.items())
        return f"No price is known, so the cost is unknown and not zero. Used: {used or 'nothing reported'}."
    if attempt.list_cost:
        return "No usage was reported, so there are no lines."
    return "Nothing was billed."


def _trouble(detail: CallDetail, f: Format) -> Trouble | None:
    call = detail.call
    if call is None:
        return Trouble("In flight", "This call has been sent and hasn't ended. Reload to see its end.", False)
    if call.outcome in ("ok", ""):
        return None
    last = detail.attempts[-1] if detail.attempts else None
    code = call.error_code or (last.error_code if last else "")
    said = f" ({code})" if code else ""
    spent = f.plain_money(call.effective_cost, estimated=call.quality == "estimated")
    cost = f"It still cost {spent}." if call.effective_cost else "Nothing was billed."
    if call.quality == "assumed":
        most = f.plain_money(call.effective_cost)
        cost = f"It may have been billed: booked at the most it can cost, {most}, until reconciled."
    titles = {
        "truncated": ("The answer was cut by its token limit", "The whole answer was paid for up to there."),
        "refused": (f"Refused before anything was sent{said}", "No provider was asked."),
        "client_error": (f"The provider refused the request{said}", cost),
        "provider_error": (f"The provider failed{said}", cost),
        "timeout": (f"No answer in time{said}", cost),
        "aborted": ("The client hung up", f"Bursar read on for the usage, to book what was spent. {cost}"),
    }
    title, text = titles.get(call.outcome, (f"Ended as {call.outcome}", cost))
    return Trouble(title, text, call.outcome in ("provider_error", "timeout", "client_error", "refused"))


def _dimensions(view: View, call: CallSummary) -> list[tuple[str, str, str]]:
    values = {name: getattr(call, "consumer_id" if name == "user" else name) for name in DIMENSIONS}
    return [
        (name, value, view.with_filter(name, value, "/explore"))
        for name, value in values.items()
        if value or name in ("feature", "team", "customer")
    ]


def _tags(view: View, call: CallSummary) -> list[tuple[str, str, str]]:
    return [
        (name, value, view.with_filter(f"tag:{name}", value, "/explore")) for name, value in sorted(call.tags.items())
    ]


def _went(detail: CallDetail) -> str:
    count = len(detail.attempts)
    words = "nothing was sent" if not count else "1 attempt" if count == 1 else f"{count} attempts"
    return f"{words}, {display.latency(detail.call.duration_ms)}" if detail.call else words


def _shown_attempt(attempt: AttemptDetail, f: Format) -> ShownAttempt:
    facts: list[tuple[str, Any]] = [
        ("Model", _arrow(attempt.model_sent, attempt.model_served)),
        ("Upstream", f"{attempt.upstream}{f', {attempt.region}' if attempt.region else ''}"),
        ("Tier", _tier_words(attempt)),
        ("Answer", f"{attempt.http_status or 'none'}{f', {attempt.error_code}' if attempt.error_code else ''}"),
        ("Ended by", attempt.finish_reason),
        ("Retried because", attempt.retry_cause.replace("_", " ")),
        ("Went there by", _way(attempt)),
        ("Bytes", f"{f.size(attempt.request_bytes)} out, {f.size(attempt.response_bytes)} back"),
        ("Speed", _speed(attempt)),
        ("Sent", f.moment(attempt.dispatched_at, millis=True)),
        ("Price row", attempt.sku_price_id),
        ("Kept", _kept(attempt, f)),
    ]
    ids = [("Attempt", attempt.attempt_id), ("Provider's id", attempt.upstream_id)]
    quality = "" if attempt.quality == "reported" and not attempt.lines else attempt.quality
    return ShownAttempt(
        attempt.attempt_number, attempt.outcome, quality,
        [(name, value) for name, value in facts if value], [(name, value) for name, value in ids if value],
    )  # fmt: skip


def _who(call: CallSummary, f: Format) -> list[tuple[str, Any]]:
    kind = {"virtual": "virtual key", "passthrough": "the client's own key", "none": "no key"}.get(
        call.credential_kind, ""
    )
    facts = [
        ("Key", f"{call.credential_id} ({kind})" if call.credential_id else kind),
        ("Client", call.client),
        ("Organization", "/".join(part for part in (call.organization, call.scope_team, call.project) if part)),
        ("Asked", f"{call.model_asked}, {call.operation.replace('_', ' ')}{', streamed' if call.is_stream else ''}"),
        ("Dialect", call.dialect),
        ("Client got", str(call.client_status) if call.client_status else "nothing, it was gone"),
        ("Client left", f"after {call.client_gone_percent} % of the answer" if call.client_gone_percent >= 0 else ""),
        ("Client's own retries", f.count(call.client_retry) if call.client_retry else ""),
        ("Worker", call.writer),
    ]
    return [(name, value) for name, value in facts if value]


def _kept(attempt: AttemptDetail, f: Format) -> str:
    """Of a cached content: its tokens, and the time that this attempt bears."""
    if not attempt.kept_tokens:
        return ""
    time = display.latency(attempt.kept_us / 1000) if attempt.kept_us else "no more time"
    return f"{f.count(attempt.kept_tokens)} tokens, {time}, until {f.moment(attempt.kept_until)}"


def _way(attempt: AttemptDetail) -> str:
    if not attempt.routing:
        return ""
    return receipt_words(RECEIPTS.decode(attempt.routing), attempt.upstream, attempt.model_sent)


def _tier_words(attempt: AttemptDetail) -> str:
    """The tier, if it isn't the ordinary one: `priority tier`, `flex → standard tier`."""
    asked, served = ("" if tier in STANDARD_TIERS else tier for tier in (attempt.tier_asked, attempt.tier_served))
    if attempt.tier_served and asked != served:
        return f"{asked or 'standard'} → {served or 'standard'} tier"
    return f"{asked} tier" if asked else ""


def _arrow(asked: str, served: str) -> str:
    return asked if not served or served == asked else f"{asked or 'default'} → {served}"


def _speed(attempt: AttemptDetail) -> str:
    streamed = (attempt.duration_ms or 0) - (attempt.first_byte_ms or 0)
    tokens = attempt.usage.get("output", 0)
    return f"{tokens * 1000 / streamed:,.0f} tokens/s after the first byte" if streamed > 50 and tokens else ""


def _decimals(amount: Decimal) -> int:
    return max(2, -int(amount.normalize().as_tuple().exponent))


def _placeholder(detail: CallDetail) -> dict[str, Any]:
    """What the head of the page says of a call that hasn't ended."""
    first = detail.attempts[0]
    receipt = RECEIPTS.decode(first.routing) if first.routing else None
    traffic = "live" if receipt is None else traffic_of(receipt)
    return {
        "call_id": detail.call_id, "outcome": "in flight", "traffic": traffic,
        "quality": "", "received_at": first.dispatched_at,
        "feature": "", "customer": "", "model": first.model_sent, "effective_cost": None, "tags_dropped": 0,
    }  # fmt: skip


_TICK = timedelta(microseconds=1)
_SHOWN_FROM = timedelta(microseconds=50)
_SURE_OF_KEPT = {
    "reported": "Tokens and times as the provider reported them; its time is over.",
    "estimated": "For the time that it is expected to be kept: a deletion or a shorter lifetime gives the rest back.",
    "assumed": "It wasn't made through Bursar, so its end before isn't known: the most that this call can have added.",
    "reconciled": "Corrected to the provider's own bill.",
}
_SURE = {
    "reported": "Usage as the provider reported it, at a known price.",
    "estimated": "The answer carried no whole usage: counted from its bytes.",
    "assumed": "The end was never heard: the most it can cost, until reconciled.",
    "unpriced": "",
    "reconciled": "Corrected to the provider's own bill.",
}
