"""The answer's way back: plain answers whole, streams as they come, each metered from the bytes that pass."""

import asyncio
from collections.abc import Awaitable

import msgspec

from bursar.domain.charge import Operation, Outcome
from bursar.domain.errors import BursarError, UpstreamBroken, UpstreamTimeout
from bursar.domain.money import usd_text
from bursar.domain.savings import CHEAPER_TIERS, Saved
from bursar.gateway.cache_memory import remember_cache
from bursar.gateway.call import Attempt, Call, Worker
from bursar.gateway.client import Client
from bursar.gateway.forward import NOT_RETURNED
from bursar.gateway.heads import Headers
from bursar.gateway.heard import Feed
from bursar.gateway.keep import drop_if_elsewhere, keep_answer, said_of_cache
from bursar.gateway.meter import Metered, not_billed, unanswered, with_saved
from bursar.gateway.response_begin import keep_pending
from bursar.gateway.settle import settle
from bursar.gateway.translation import Interpreter, Translation, kept_headers, notes_of, translated_answer
from bursar.gateway.upstream import Reply
from bursar.providers.base import Answer, read_reply, said_in_headers
from bursar.providers.sse import StreamReader
from bursar.spool.records import Traffic

ANSWER_BYTES_MAX = 64 * 1024 * 1024
EVENT_STREAMS = (b"text/event-stream", b"application/vnd.amazon.eventstream")
EMBEDDINGS, OK = Operation.EMBEDDINGS, Outcome.OK  # an enum's attribute costs 0.13 µs


def relay(worker: Worker, call: Call, attempt: Attempt, reply: Reply, client: Client) -> Awaitable[None]:
    """Bring the answer to the client, then settle. Raises UpstreamBroken or UpstreamTimeout if a plain one breaks off.

    The caller closes the reply.
    """
    if call.keeping is not None:
        drop_if_elsewhere(call)
    if call.asked.stream and reply.status < 400 and (call.asked.streams_array or _is_event_stream(reply)):
        return relay_stream(worker, call, attempt, reply, client)
    return relay_plain(worker, call, attempt, reply, client)


async def relay_plain(worker: Worker, call: Call, attempt: Attempt, reply: Reply, client: Client) -> None:
    """A whole answer: metered and in the journal before the client sees a byte, so its headers know the cost."""
    body = reply.content
    if body is None:
        try:
            body = await reply.body(ANSWER_BYTES_MAX)
        except BursarError as error:
            settle_cut(worker, call, attempt, reply, client, error)
            raise
    status, received = reply.status, len(body)
    answer = read_reply(call.dialect, body, status, reply.headers)
    text_bytes = len(body) if answer.usage is None else 0  # a whole JSON body teaches nothing of tokens per text byte
    if answer.is_pending:
        metered = unanswered(attempt.bound_pico, attempt.sku_price_id)
    else:
        metered = meter(worker, call, answer, status, text_bytes)
    outcome = outcome_of(status, answer)
    if call.heard is not None and status < 400:
        call.heard.keep(body)
    if call.translation is not None:
        status, body = translated_answer(call.translation, status, body, answer.usage)
    gone = client.gone
    settle(
        worker,
        call,
        attempt,
        metered,
        outcome,
        answer=answer,
        http_status=reply.status,
        response_bytes=received,
        call_outcome=Outcome.ABORTED if gone else None,
        client_status=0 if gone else status,
        client_gone_percent=0 if gone else -1,
    )
    if answer.is_pending:
        await keep_pending(worker, call, attempt, answer)
    if answer.kept is not None:
        await remember_cache(worker, call, attempt, answer, answer.kept)
    headers = answer_headers(call, reply, streams=False)
    if call.keeping is not None:
        keep_answer(worker, call, answer, metered, status, content_type_of(headers), body)
    if gone:
        return
    headers += said_of_cache("provider" if metered.usage.cache_read else "miss", metered.saved.total, call.wishes)
    headers.append((b"x-bursar-cost-quality", metered.quality.encode()))
    if metered.list_pico is not None:
        headers.append((b"x-bursar-cost", usd_text(metered.list_pico)))
    headers.append((b"content-length", b"%d" % len(body)))
    await client.reply(status, headers, body)


async def relay_stream(worker: Worker, call: Call, attempt: Attempt, reply: Reply, client: Client) -> None:
    """A stream: each piece goes on as it came, while the dialect's reader watches for usage in bounded memory."""
    reader = call.dialect.reader(call.asked, strip_usage=call.strips_usage)
    translation = call.translation
    interpreter = Interpreter(translation, reader, call.facts.call_id) if isinstance(translation, Translation) else None
    feed = feed_of(call, reader.feed if interpreter is None else interpreter.feed)
    broken: BursarError | None = None
    gone_at: int | None = None  # bytes the client had taken when it left
    drain_until = 0.0
    received = 0
    loop = asyncio.get_running_loop()

    def pass_on(chunk: bytes) -> bool:
        """Straight from one socket's callback to the other socket: no task wakes for an event. Saves 4 µs each."""
        nonlocal received
        if not client.takes_at_once:
            return False
        received += len(chunk)
        piece = feed(chunk)
        if piece:
            client.pass_on(piece)
        return True

    try:
        while chunk := await (reply.chunk(pass_on) if not drain_until else _until(reply, drain_until, loop)):
            received += len(chunk)
            piece = feed(chunk)
            if gone_at is None and client.gone:
                gone_at = client.bytes_sent
                drain_until = loop.time() + worker.settings.drain_after_hangup_s
            if call.holding is not None and call.holding.is_open:
                settle_hold(worker, call, reply, reader, chunk)
            if gone_at is None and piece:
                try:
                    if not client.started:
                        await client.start(reply.status, answer_headers(call, reply, streams=True))
                    await client.send(piece)
                except TimeoutError:  # it holds the line but doesn't read: as good as gone
                    gone_at = client.bytes_sent
                    drain_until = loop.time() + worker.settings.drain_after_hangup_s
    except BursarError as error:
        broken = error
    tail = reader.end()
    if interpreter is not None:
        tail = interpreter.end()
        if interpreter.is_over:
            broken = None
        elif broken is None:
            broken = UpstreamBroken("the provider's stream ended before its answer did")
    answer = said_in_headers(call.dialect, reader.answer(), reply.status, reply.headers)
    gone_at = client.bytes_sent if gone_at is None and client.gone and not answer.complete else gone_at
    metered = settle_stream(worker, call, attempt, reply, reader, answer, broken, received, gone_at)
    keep_stream(worker, call, reply, answer, metered, tail, broken)
    await keep_pending(worker, call, attempt, answer)
    if gone_at is None:
        await _finish(call, reply, reader, client, tail, broken)


def feed_of(call: Call, feed: Feed) -> Feed:
    """What takes the stream's pieces: kept on the way, where the answer will be compared, or given out again."""
    if call.heard is not None:
        feed = call.heard.beside(feed)
    return feed if call.keeping is None else call.keeping.beside(feed)


def keep_stream(
    worker: Worker, call: Call, reply: Reply, answer: Answer, metered: Metered, tail: bytes, broken: BursarError | None
) -> None:
    """A stream whose end its caller had, or would have had if it had stayed."""
    if call.keeping is None:
        return
    if broken is not None:
        call.keeping.drop()
        return
    call.keeping.add(tail)
    kind = content_type_of(answer_headers(call, reply, streams=True))
    keep_answer(worker, call, answer, metered, reply.status, kind, None)


def settle_hold(worker: Worker, call: Call, reply: Reply, reader: StreamReader, chunk: bytes) -> None:
    """Free a hold when the stream's last event came, before the client has it: it may send its next call at once."""
    if any(map(chunk.__contains__, reader.last_marks)) and call.holding is not None:
        answer = said_in_headers(call.dialect, reader.answer(), reply.status, reply.headers)
        if not answer.complete:
            return
        cost_pico = meter(worker, call, answer, reply.status, 0).list_pico
        if cost_pico is not None:
            worker.budgeting.settle(call.holding, call.cost_pico + cost_pico)


def settle_stream(
    worker: Worker,
    call: Call,
    attempt: Attempt,
    reply: Reply,
    reader: StreamReader,
    answer: Answer,
    broken: BursarError | None,
    received: int,
    gone_at: int | None,
) -> Metered:
    """What it costs. A stream that ended as its dialect says is `ok`; one that stopped before is an error."""
    text_bytes = reader.output_bytes if worker.meter.needs_text(answer) else 0
    metered = meter(worker, call, answer, reply.status, text_bytes)
    outcome, code = outcome_of(reply.status, answer), ""
    if not answer.complete:
        outcome = Outcome.TIMEOUT if isinstance(broken, UpstreamTimeout) else Outcome.PROVIDER_ERROR
        code = answer.error_code or (broken.code if isinstance(broken, UpstreamTimeout) else "stream_cut")
    if gone_at is not None:
        outcome, code = Outcome.ABORTED, "" if answer.complete else "client_gone"
    settle(
        worker,
        call,
        attempt,
        metered,
        outcome,
        answer=answer,
        http_status=reply.status,
        error_code=code,
        response_bytes=received,
        client_status=reply.status if gone_at is None or gone_at else 0,
        client_gone_percent=-1 if gone_at is None else min(100, gone_at * 100 // max(1, received)),
    )
    return metered


def settle_cut(worker: Worker, call: Call, attempt: Attempt, reply: Reply, client: Client, error: BursarError) -> None:
    """A plain answer that broke off after its head: a success is estimated from what came, a refusal costs nothing."""
    metered = meter(worker, call, Answer(), reply.status, reply.bytes_received)
    outcome = Outcome.TIMEOUT if isinstance(error, UpstreamTimeout) else Outcome.PROVIDER_ERROR
    settle(
        worker,
        call,
        attempt,
        metered,
        outcome,
        http_status=reply.status,
        error_code=error.code,
        response_bytes=reply.bytes_received,
        call_outcome=Outcome.ABORTED if client.gone else outcome,
        client_status=0 if client.gone else error.status,
    )


def meter(worker: Worker, call: Call, answer: Answer, status: int, out_bytes: int) -> Metered:
    """A success costs what it used; what the provider refused costs nothing, by its own word."""
    if status >= 400:
        return not_billed()
    if call.dialect.operation == EMBEDDINGS:
        out_bytes = 0  # vectors, not tokens
    metered = worker.meter.answered(
        call.asked,
        answer,
        call.dialect.operation,
        call.route.provider,
        call.facts.received_us,
        len(call.body),
        out_bytes,
        call.route.name,
    )
    if call.routing is None:
        return cost_of_lever(metered, call.facts.traffic) if call.receipt else metered
    return beside_default(worker, call, metered)


def cost_of_lever(metered: Metered, traffic: Traffic) -> Metered:
    """A charge that no client asked for: without the lever nothing would have been spent. A shadow is what finding a
    cheaper route costs, an embedding what comparing by meaning does."""
    pico = metered.list_pico
    if pico is None:
        return metered
    return with_saved(metered, Saved(semantic_cache=-pico) if traffic == "cache_embedding" else Saved(routing=-pico))


def beside_default(worker: Worker, call: Call, metered: Metered) -> Metered:
    """With what plain tokens would have cost where the call had gone without its route, if that is elsewhere."""
    routing = call.routing
    if routing is None or routing.default is None or metered.list_pico is None:
        return metered
    provider, model = routing.default.provider, routing.default_model
    if (provider, model) == (call.route.provider, call.asked.model):
        return metered
    tier = "" if call.asked.tier in CHEAPER_TIERS else call.asked.tier
    there = worker.meter.plain_pico(metered.usage, provider, model, tier, call.facts.received_us)
    if there is None:  # unknown: no saving is claimed
        return metered
    here = metered.list_pico + metered.saved.total
    return with_saved(metered, msgspec.structs.replace(metered.saved, routing=there - here))


def outcome_of(status: int, answer: Answer) -> Outcome:
    """What a whole answer was. A 200 may say inside that it failed: a Responses answer whose status is `failed`."""
    if status < 400:
        if answer.error_code:
            return Outcome.PROVIDER_ERROR
        return Outcome.TRUNCATED if answer.truncated else OK
    return Outcome.CLIENT_ERROR if status < 500 else Outcome.PROVIDER_ERROR


def content_type_of(headers: Headers) -> bytes:
    return next((value for name, value in headers if name == b"content-type"), b"application/json")


def answer_headers(call: Call, reply: Reply, *, streams: bool) -> Headers:
    """The provider's headers as they came, but for the hop-by-hop ones, and ours."""
    if call.translation is None:
        headers = [header for header in reply.headers if header[0] not in NOT_RETURNED]
    else:
        caller = call.translation.caller.name
        headers = kept_headers(reply.headers, caller, streams=streams) + notes_of(call.translation)
    headers.append((b"x-bursar-call-id", call.facts.call_id.encode()))
    headers += call.notes
    if call.dropped_note:
        headers.append((b"x-bursar-tags-dropped", call.dropped_note.encode("ascii", "replace")))
    if streams:  # what a provider's cache saved stands at a stream's end
        headers += said_of_cache("miss", 0, call.wishes)
    return headers


async def _until(reply: Reply, drain_until: float, loop: asyncio.AbstractEventLoop) -> bytes:
    """The next piece of an answer whose client has left; b"" when it takes longer than `drain_until`."""
    try:
        async with asyncio.timeout(max(0.0, drain_until - loop.time())):
            return await reply.chunk()
    except TimeoutError:
        return b""


async def _finish(
    call: Call, reply: Reply, reader: StreamReader, client: Client, tail: bytes, broken: BursarError | None
) -> None:
    """The last bytes. A stream that broke says so in the dialect's own words, since its status was sent long ago."""
    if not client.started:
        await client.start(reply.status, answer_headers(call, reply, streams=True))
    if broken is not None and call.translation is not None:
        tail += call.translation.caller.stream_error(broken, call.facts.call_id)
    elif broken is not None:
        tail += reader.closing(call.dialect.stream_error(broken, call.facts.call_id))
    if tail:
        await client.send(tail)
    await client.end()


def _is_event_stream(reply: Reply) -> bool:
    return any(name == b"content-type" and value.startswith(EVENT_STREAMS) for name, value in reply.headers)
