"""Results of a batch, line by line, into the journal: in bounded memory, from the bytes as they pass.

Each line is a call of its own with one attempt, for whoever created the batch, at the batch price. Its ids are made
from the batch and the line, so reading the same results twice writes the same lines, and the books take each once.
"""

from collections import Counter
from typing import Protocol

import msgspec

from bursar.domain.charge import Outcome, Quality
from bursar.domain.clock import Clock
from bursar.domain.ids import attempt_id, derived_id
from bursar.domain.jobs import Job
from bursar.domain.usage import Usage
from bursar.gateway.jobs import Jobs
from bursar.gateway.meter import FREE, NO_COST, UNKNOWN, Meter, Metered, together
from bursar.gateway.recorder import Recorder
from bursar.providers.base import Answer
from bursar.providers.batches import Line, read_line
from bursar.spool.records import CallFacts, Dispatched, Settled
from bursar.spool.records import Line as LineRecord

BATCH_TIER = "batch"
LINE_BYTES_MAX = 64 * 1024 * 1024  # a longer one is a row without usage
TAG_BATCH, TAG_LINE = "batch_id", "batch_custom_id"
_FACTS = msgspec.json.Decoder(CallFacts)


class Books(Protocol):
    """Where lines are priced and written: of a worker, or of the poller."""

    @property
    def meter(self) -> Meter: ...
    @property
    def recorder(self) -> Recorder: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def jobs(self) -> Jobs: ...


class LineReader:
    """Takes one part of a batch's results; `cost_pico` and `unpriced` say what it came to so far."""

    def __init__(self, books: Books, job: Job, part: str) -> None:
        self._books = books
        self._job = job
        self._part = part
        self._facts = _FACTS.decode(job.facts)
        self._seen: Counter[str] = Counter()
        self._pieces: list[bytes] = []
        self._size = 0
        self.lines = 0
        self.cost_pico = 0
        self.unpriced = 0

    def feed(self, chunk: bytes) -> None:
        """Bytes as they came; a chunk may end anywhere."""
        first, *rest = chunk.split(b"\n")
        self._keep(first)
        for piece in rest:
            self._end_line()
            self._keep(piece)

    def end(self) -> None:
        """The results were read to their end: a last line may have no line end."""
        self._end_line()

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= LINE_BYTES_MAX:
            self._pieces.append(piece)

    def _end_line(self) -> None:
        raw, size = b"".join(self._pieces).strip(), self._size
        self._pieces, self._size = [], 0
        if raw:
            self._take(raw if size <= LINE_BYTES_MAX else raw[:4096], size)

    def _take(self, raw: bytes, size: int) -> None:
        job, books = self._job, self._books
        line = read_line(job.kind, job.detail.endpoint, raw)
        self._seen[line.custom_id] += 1
        call_id = derived_id(
            job.created_us, job.upstream, job.upstream_id, self._part, line.custom_id, str(self._seen[line.custom_id])
        )
        metered = price_line(books.meter, job, line)
        self.lines += 1
        self.cost_pico += metered.list_pico or 0
        self.unpriced += metered.list_pico is None
        books.recorder.write(line_record(job, self._facts, line, metered, call_id, size, books.clock.now_us()))


def price_line(meter: Meter, job: Job, line: Line) -> Metered:
    """A line in money: at the batch price, and beside it what it would have cost at once. No batch price: unpriced."""
    if not line.is_billed or (line.dialect is not None and line.dialect.operation in NO_COST):
        return FREE
    answer = line.answer
    if answer.usage is None:
        return UNKNOWN
    metered = price_at_batch(meter, job, answer.model, answer.usage, answer.region)
    for model, usage in answer.also:
        metered = together(metered, price_at_batch(meter, job, model, usage, answer.region))
    return metered


def price_at_batch(meter: Meter, job: Job, model: str, usage: Usage, region: str) -> Metered:
    """A usage at the batch price of its model, as it was when the batch was created."""
    asked, provider, at_us = job.detail.model or model, job.detail.provider, job.created_us
    sheet = meter.sheet(provider, model, asked, BATCH_TIER, region, at_us, usage.total_input)
    if sheet is None or not sheet.tier_known:
        return msgspec.structs.replace(UNKNOWN, usage=usage)
    return meter.price(usage, Quality.REPORTED, provider, model, asked, BATCH_TIER, region, at_us)


def line_record(
    job: Job, facts: CallFacts, line: Line, metered: Metered, call_id: str, size: int, now_us: int
) -> LineRecord:
    """A line as the journal has it."""
    answer, dialect, detail = line.answer, line.dialect, job.detail
    tags = {**facts.attribution.tags, TAG_BATCH: job.upstream_id, TAG_LINE: line.custom_id[:512]}
    call = msgspec.structs.replace(
        facts,
        call_id=call_id,
        dialect=dialect.name if dialect else facts.dialect,
        operation=str(dialect.operation) if dialect else facts.operation,
        model_asked=detail.model or answer.model,
        stream=False,
        request_bytes=0,
        fingerprint="",
        attribution=msgspec.structs.replace(facts.attribution, tags=tags),
    )
    attempt = attempt_id(call_id, 1)
    dispatched = Dispatched(
        0, attempt, 1, job.created_us, detail.provider, job.upstream, call.model_asked, "", BATCH_TIER, "", None, "",
        call,
    )  # fmt: skip
    settled = end_read_later(
        attempt, answer, metered, line.outcome, now_us, status=line.status, tier=BATCH_TIER, size=size
    )
    return LineRecord(dispatched, settled)


def end_read_later(
    attempt: str,
    answer: Answer,
    metered: Metered,
    outcome: str,
    now_us: int,
    *,
    status: int,
    tier: str,
    size: int,
) -> Settled:
    """The end of an attempt whose answer was read long after it was asked: its call ends with it, as it did."""
    return Settled(
        attempt_id=attempt,
        first_byte_us=0,
        ended_us=now_us,
        http_status=status,
        outcome=outcome,
        quality=metered.quality,
        error_code=answer.error_code,
        finish_reason=answer.finish_reason,
        model_served=answer.model,
        tier_served=tier,
        upstream_id=answer.upstream_id,
        usage=metered.usage,
        lines=metered.lines,
        list_pico=metered.list_pico,
        counterfactual_pico=metered.counterfactual_pico,
        lever=metered.lever,
        sku_id=metered.sku_id,
        sku_price_id=metered.sku_price_id,
        provider_cost_pico=answer.cost_pico,
        response_bytes=size,
        final=True,
        call_outcome=outcome,
        client_status=status,
        saved=metered.saved,
    )


def end_of_creation(job: Job, status: str, now_us: int) -> Settled:
    """How the attempt that created a batch ended: what it cost stands in its lines."""
    return Settled(
        attempt_id=job.detail.attempt_id,
        first_byte_us=0,
        ended_us=now_us,
        http_status=200,
        outcome=Outcome.OK,
        quality=Quality.REPORTED,
        error_code="",
        finish_reason=status,
        model_served="",
        tier_served=BATCH_TIER,
        upstream_id=job.upstream_id,
        usage=Usage(),
        lines=[],
        list_pico=0,
        counterfactual_pico=0,
        lever="",
        sku_id="",
        sku_price_id="",
        provider_cost_pico=None,
        response_bytes=0,
        final=True,
        call_outcome=Outcome.OK,
        client_status=200,
    )
