"""What is seen of jobs: how they stand, their results, their end. For workers, as it passes; for the poller, fetched.

Always in this order: first the journal, then the control store marks it read and settles it. Killed in between, the
results are read once more, and the books drop the copies.
"""

from bursar.domain.charge import Operation, Outcome, Quality
from bursar.domain.errors import BursarError
from bursar.domain.jobs import Job
from bursar.gateway.forward import write_head
from bursar.gateway.identify import Credential
from bursar.gateway.line_meter import Books, LineReader, end_of_creation, end_read_later
from bursar.gateway.meter import Metered
from bursar.gateway.route import Route
from bursar.providers.aside import BesidePath
from bursar.providers.base import Answer
from bursar.providers.batches import ANTHROPIC_BATCH, ERRORS, OUTPUT, RESPONSE, BatchState
from bursar.providers.openai_responses import RESPONSES
from bursar.spool.records import Late, Settled

LOOK_SOON_US = 60 * 1_000_000
NOTHING = "nothing"
FIRST_BYTE_TIMEOUT_S = 120.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
VERSION = [(b"anthropic-version", b"2023-06-01")]


def part_of(job: Job, file_id: str) -> str:
    """Which part of its results an id means."""
    return ERRORS if file_id == job.errors_id and file_id != job.output_id else OUTPUT


async def note_state(books: Books, job: Job, state: BatchState) -> None:
    """How a batch stands by its provider's word. One that is over and has no results cost nothing."""
    now_us = books.clock.now_us()
    next_us = min(job.next_us, now_us + LOOK_SOON_US) if job.next_us and state.is_over else job.next_us
    await books.jobs.ask(
        lambda book: book.saw(job.job_key, state.id, state.status, state.output_id, state.errors_id, next_us)
    )
    if state.is_over and job.is_open and not state.output_id and job.kind != RESPONSE:
        await _settle(books, job, NOTHING, state.status, 0, is_unpriced=False, is_all=True)


async def settle_part(books: Books, job: Job, part: str, reader: LineReader) -> None:
    """A part of the results was read to its end; with the output all that it cost is known."""
    reader.end()
    is_unpriced = reader.unpriced > 0
    await _settle(books, job, part, job.status, reader.cost_pico, is_unpriced=is_unpriced, is_all=part == OUTPUT)


async def _settle(
    books: Books, job: Job, part: str, status: str, cost_pico: int, *, is_unpriced: bool, is_all: bool
) -> None:
    now_us = books.clock.now_us()
    if is_all and job.is_open:
        books.recorder.write(Late(end_of_creation(job, status, now_us)))
    await books.jobs.ask(
        lambda book: book.read(job.job_key, part, cost_pico, is_unpriced=is_unpriced, is_all=is_all, now_us=now_us)
    )


async def settle_kept(books: Books, job: Job, answer: Answer) -> None:
    """A response that went on in the background, at what it says it used. One that ended without saying so stays
    assumed at its bound: what is unknown is never zero."""
    if not job.is_open or answer.is_pending or not answer.complete or job.kind != RESPONSE:
        return
    now_us = books.clock.now_us()
    if answer.usage is None:
        if answer.finish_reason:
            await books.jobs.ask(lambda book: book.close(job.job_key, answer.finish_reason, now_us))
        return
    detail = job.detail
    metered = books.meter.price(
        answer.usage, Quality.REPORTED, detail.provider, answer.model or detail.model, detail.model, answer.tier,
        answer.region, job.created_us,
    )  # fmt: skip
    books.recorder.write(Late(_end_of_response(job, answer, metered, now_us)))
    await books.jobs.ask(
        lambda book: book.read(
            job.job_key, OUTPUT, metered.list_pico or 0, is_unpriced=metered.list_pico is None, is_all=True,
            now_us=now_us,
        )
    )  # fmt: skip


def _end_of_response(job: Job, answer: Answer, metered: Metered, now_us: int) -> Settled:
    outcome = Outcome.PROVIDER_ERROR if answer.error_code else Outcome.TRUNCATED if answer.truncated else Outcome.OK
    if answer.finish_reason == "cancelled":
        outcome = Outcome.ABORTED
    attempt = job.detail.attempt_id
    return end_read_later(attempt, answer, metered, outcome, now_us, status=200, tier=answer.tier, size=0)


async def fetch(route: Route, credential: Credential, path: str, query: bytes = b"") -> tuple[int, bytes]:
    """Status and body of a GET. Raises BursarError when the upstream doesn't answer."""
    headers = VERSION if route.family == "anthropic" else []
    head = write_head(route, "GET", path, query, headers, credential)
    reply = await route.pool.send(head, b"", first_byte_timeout_s=FIRST_BYTE_TIMEOUT_S)
    try:
        return reply.status, reply.content if reply.content is not None else await reply.body(ANSWER_BYTES_MAX)
    finally:
        reply.close()


async def read_results(books: Books, job: Job, part: str, route: Route, credential: Credential) -> int:
    """Fetch a part of a batch's results and settle it; the provider's status. Raises BursarError if that breaks off."""
    if job.kind == ANTHROPIC_BATCH:
        path = f"/v1/messages/batches/{job.upstream_id}/results"
    else:
        path = f"/v1/files/{job.output_id if part == OUTPUT else job.errors_id}/content"
    headers = VERSION if job.kind == ANTHROPIC_BATCH else []
    head = write_head(route, "GET", path, b"", headers, credential)
    reply = await route.pool.send(head, b"", first_byte_timeout_s=FIRST_BYTE_TIMEOUT_S)
    try:
        if reply.status == 200:
            reader = LineReader(books, job, part)
            if reply.content is not None:
                reader.feed(reply.content)
            else:
                while chunk := await reply.chunk():
                    reader.feed(chunk)
            await settle_part(books, job, part, reader)
        return reply.status
    finally:
        reply.close()


async def read_before_it_goes(books: Books, job: Job, route: Route, credential: Credential, what: BesidePath) -> None:
    """Before a client deletes it: what it cost can't be read any more afterwards. That must not stop the deletion."""
    try:
        if job.kind == RESPONSE:
            status, body = await fetch(route, credential, what.path)
            if status == 200:
                await settle_kept(books, job, RESPONSES.read_answer(body, 200))
        elif what.dialect.operation == Operation.FILES or job.output_id:
            await read_results(books, job, part_of(job, what.id), route, credential)
    except BursarError:
        return
