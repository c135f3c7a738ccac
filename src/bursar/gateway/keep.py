"""What becomes of an answer when it is whole: kept for its equals, if it is a good one; what its caller hears of it."""

import msgspec

from bursar.cache.entry import Entry
from bursar.cache.wishes import Wishes
from bursar.domain.charge import Operation, Outcome, Quality
from bursar.domain.money import usd_text
from bursar.domain.savings import Saved
from bursar.gateway.call import Call, Worker
from bursar.gateway.heads import Headers
from bursar.gateway.meter import Meter, Metered
from bursar.providers.base import Answer

HITS = ("exact", "semantic")
_SAID = {kind: (b"x-bursar-cache", kind.encode()) for kind in ("miss", "provider", *HITS)}

ENDS = frozenset(
    {
        "stop", "length", "tool_calls", "function_call",  # OpenAI's chat and those like it
        "completed", "max_output_tokens",  # Responses
        "end_turn", "max_tokens", "stop_sequence", "tool_use",  # Anthropic, Converse; Gemini's MAX_TOKENS and STOP
        "complete", "finish", "eos", "eos_token", "endoftext", "model_length",  # others behind Bedrock's door, Mistral
    }
)  # fmt: skip
"""How an answer ends that its model has ended, or its own limit. A filter, a pause, an error, a word that isn't known:
the next one may be another."""
_VECTORS = b'"embedding'


def drop_if_elsewhere(call: Call) -> None:
    """An answer of another upstream or model than its key says isn't kept, and nobody waits for its end: the call took
    another way of its route, or a budget's threshold sent it to a cheaper model."""
    keeping = call.keeping
    if keeping is not None and (keeping.upstream, keeping.model) != (call.route.name, call.asked.model):
        keeping.drop()


def is_cut_by_us(call: Call, answer: Answer) -> bool:
    """Whether an answer ended at a limit that a budget set: its equals, under other budgets, ask for all of it."""
    keeping = call.keeping
    return keeping is not None and answer.truncated and keeping.output_max != call.asked.max_output_tokens


def is_good(call: Call, answer: Answer, body: bytes) -> bool:
    """Whether an answer is one to give again: a 200 may hold a provider's apology, or nothing."""
    if not answer.complete or answer.is_pending or answer.error_code or answer.also:
        return False
    if call.facts.operation == Operation.EMBEDDINGS:
        return _VECTORS in body
    if answer.finish_reason.lower() not in ENDS:
        return False
    return not (call.asked.stream and call.asked.choices > 1)  # the first choice's end isn't that of all


def keep_answer(
    worker: Worker,
    call: Call,
    answer: Answer,
    metered: Metered,
    status: int,
    content_type: bytes,
    body: bytes | None,
) -> None:
    """Keep what the caller has, if it is a whole and good answer. body: None: a stream's pieces."""
    keeping = call.keeping
    if keeping is None or keeping.is_over:
        return
    whole = body if body is not None else b"".join(keeping.pieces)
    is_kept = status == 200 and is_good(call, answer, whole) and not is_cut_by_us(call, answer)
    if not is_kept or len(whole) > keeping.bytes_max:
        keeping.drop()
        return
    now_us = worker.clock.now_us()
    list_pico, saved = cost_again(worker.meter, call, answer, metered)
    keeping.keep(
        Entry(
            now_us,
            now_us + keeping.ttl_us,
            status,
            content_type,
            body is None,
            whole,
            call.route.provider,
            answer.model,
            answer.finish_reason,
            Outcome.TRUNCATED if answer.truncated else Outcome.OK,
            list_pico,
            saved,
            metered.sku_id,
            metered.sku_price_id,
        )
    )


def cost_again(meter: Meter, call: Call, answer: Answer, metered: Metered) -> tuple[int | None, Saved]:
    """What the same answer would cost asked again, and what the other levers would save of that.

    What was written to the provider's cache would be read the next time: to say less than it may be is the rule here.
    """
    usage = metered.usage
    written = usage.cache_write_5m + usage.cache_write_1h
    if metered.list_pico is None or not written:
        return metered.list_pico, metered.saved
    read = msgspec.structs.replace(usage, cache_read=usage.cache_read + written, cache_write_5m=0, cache_write_1h=0)
    again = meter.price(
        read,
        Quality.ESTIMATED,
        call.route.provider,
        answer.model or call.asked.model,
        call.asked.model,
        answer.tier or call.asked.tier,
        answer.region,
        call.facts.received_us,
    )
    if again.list_pico is None:
        return None, Saved()
    return again.list_pico, msgspec.structs.replace(again.saved, routing=metered.saved.routing)


def said_of_cache(kind: str, saved_pico: int, wishes: Wishes) -> Headers:
    """`x-bursar-cache` and `x-bursar-saved`, and the same in Prism's words to who speaks them."""
    headers: Headers = [_SAID[kind]]
    if saved_pico:
        headers.append((b"x-bursar-saved", usd_text(saved_pico)))
    if wishes.prism:
        hit = kind in HITS
        headers.append((b"x-prism-cache-status", b"HIT" if hit else b"MISS"))
        headers.append((b"x-prism-cache-saved-cents", usd_text(saved_pico * 100 if hit else 0)))
    return headers
