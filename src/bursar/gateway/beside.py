"""What stands beside the calls: files, batches, and responses that the provider keeps.

Bytes pass as they came. A Bursar key sees what was made with keys of its own organization, team and project; a caller
with its own provider key sees what its provider shows it. Results are read as they pass: each line goes into the
journal, whoever downloads it.
"""

import asyncio
from collections.abc import Callable

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import UnknownJob
from bursar.domain.jobs import Job, owner_of
from bursar.gateway.batch_begin import begin_batch
from bursar.gateway.batch_bounds import models_of
from bursar.gateway.call import Worker
from bursar.gateway.client import Client, with_length
from bursar.gateway.envelope import Envelope
from bursar.gateway.forward import NOT_RETURNED, write_head
from bursar.gateway.heads import Headers
from bursar.gateway.job_watch import note_state, part_of, read_before_it_goes, settle_kept, settle_part
from bursar.gateway.line_meter import LineReader
from bursar.gateway.results_url import results_here
from bursar.gateway.route import Route
from bursar.gateway.upstream import Reply
from bursar.providers.aside import BesidePath, beside
from bursar.providers.base import Asked, Dialect
from bursar.providers.batches import OPENAI_BATCH, read_batch, read_list
from bursar.providers.forms import form_fields
from bursar.providers.openai_responses import RESPONSES

ANSWER_BYTES_MAX = 64 * 1024 * 1024
RESULTS = ("content", "results")
ITEMS = "input_items"


async def serve_beside(worker: Worker, client: Client, dialect: Dialect, path: str, upstream_name: str) -> None:
    """One request beside the calls. Raises BursarError, answered in the caller's dialect."""
    plain = path.partition("?")[0]
    what = beside(client.head.method, plain)
    if what is None:
        raise UnknownJob(f"{plain} is no path of a file, batch or response", field="path")
    envelope = worker.envelopes.open(client.head)
    if dialect.operation == Operation.BATCH and client.head.method == "POST" and not what.id:
        await begin_batch(worker, client, dialect, path, upstream_name)
        return
    family = "anthropic" if _is_anthropic(client) else dialect.family
    job = await _job_of(worker, what, envelope, family)
    route = await _route_of(worker, what, envelope, job, upstream_name, family)
    body = await client.body(worker.settings.file_bytes_max)
    head = write_head(route, client.head.method, path, envelope.query, client.head.headers, envelope.credential)
    if client.head.method == "DELETE" and job is not None and job.is_open:
        await read_before_it_goes(worker, job, route, envelope.credential, what)
    reply = await route.pool.send(head, body, first_byte_timeout_s=worker.settings.first_byte_timeout_s)
    try:
        if what.action in RESULTS and reply.status == 200:
            await _pass_results(worker, client, what, job, reply)
        elif dialect.operation == Operation.KEPT and b"stream=true" in envelope.query and reply.status == 200:
            await _pass_kept_stream(worker, client, job, reply)
        else:
            answer = reply.content if reply.content is not None else await reply.body(ANSWER_BYTES_MAX)
            if reply.status == 200:
                answer = await _note(worker, client, what, job, route, envelope, body, answer)
                answer = results_here(answer, client.head.headers, upstream_name)
            headers = _headers_of(reply)
            await client.reply(reply.status, with_length(headers, len(answer)), answer)
    finally:
        reply.close()


async def _job_of(worker: Worker, what: BesidePath, envelope: Envelope, family: str) -> Job | None:
    """The job that an id means. Raises UnknownJob for one that this key may not see."""
    if not what.id:
        return None
    job = await worker.jobs.ask(lambda book: book.find(what.id))
    if envelope.credential.client_secret:
        return job
    owners = await worker.jobs.ask(lambda book: book.owners([what.id]))
    if what.dialect.operation == Operation.KEPT and what.id not in owners:
        return job  # a response that wasn't in the background has no row: its id is known to who made it
    if owners.get(what.id) != _owner(envelope):
        raise UnknownJob(
            f"{what.id[:80]!r} wasn't made with a Bursar key of this organization, team and project", field="id"
        )
    return job


async def _route_of(
    worker: Worker, what: BesidePath, envelope: Envelope, job: Job | None, upstream_name: str, family: str
) -> Route:
    """The upstream that the path names, else the one that has what is asked for, else the family's default."""
    name = upstream_name or (job.upstream if job else "")
    if not name and what.id and what.dialect.operation == Operation.FILES:
        name = await worker.jobs.ask(lambda book: book.file_upstream(what.id))
    if name and name in worker.routes.by_name:
        return worker.routes.named(name, family)
    return worker.routes.choose(family, "")


async def _note(
    worker: Worker, client: Client, what: BesidePath, job: Job | None, route: Route, envelope: Envelope,
    body: bytes, answer: bytes,
) -> bytes:  # fmt: skip
    """Learn from a plain answer what it says of a job or file. The answer, shortened where it lists others' things."""
    operation = what.dialect.operation
    if operation == Operation.FILES and client.head.method == "POST":
        await _note_upload(worker, route, envelope, body, answer)
    elif operation == Operation.BATCH and what.id:
        state = read_batch(answer)
        if job is not None and state is not None:
            await note_state(worker, job, state)
    elif operation == Operation.KEPT and job is not None and client.head.method != "DELETE" and what.action != ITEMS:
        await settle_kept(worker, job, RESPONSES.read_answer(answer, 200))
    elif not what.id and client.head.method == "GET" and not envelope.credential.client_secret:
        return await _own_items(worker, envelope, answer)
    return answer


async def _note_upload(worker: Worker, route: Route, envelope: Envelope, body: bytes, answer: bytes) -> None:
    """Whose a file is; of a batch's input also what it asks for."""
    uploaded = msgspec.json.decode(answer, type=_Uploaded)
    fields = form_fields(body) or {}
    content = {}
    if "batch" in fields.get("purpose", []):
        content = await asyncio.to_thread(lambda: models_of(OPENAI_BATCH, file_in(body)))  # calls go on meanwhile
    owner, now_us = _owner(envelope), worker.clock.now_us()
    await worker.jobs.ask(lambda book: book.add_file(route.name, uploaded.id, owner, content, now_us))


async def _own_items(worker: Worker, envelope: Envelope, answer: bytes) -> bytes:
    """A list with what this key may see of it; what isn't in it is still counted by the provider's paging."""
    items = read_list(answer)
    owners = await worker.jobs.ask(lambda book: book.owners([name for name, _ in items]))
    mine = [item for name, item in items if owners.get(name) == _owner(envelope)]
    if len(mine) == len(items):
        return answer
    fields = msgspec.json.decode(answer, type=dict[str, msgspec.Raw])
    fields["data"] = msgspec.Raw(b"[" + b",".join(mine) + b"]")
    return msgspec.json.encode(fields)


async def _pass_results(worker: Worker, client: Client, what: BesidePath, job: Job | None, reply: Reply) -> None:
    """Results to the client, and each line of them into the journal; to their end, whether or not the client stays."""
    part = part_of(job, what.id) if job is not None else ""
    if job is None or part in job.detail.read:
        await _pass_on(client, reply, lambda _: None)
    else:
        reader = LineReader(worker, job, part)
        await _pass_on(client, reply, reader.feed)
        await settle_part(worker, job, part, reader)
    await client.end()


async def _pass_kept_stream(worker: Worker, client: Client, job: Job | None, reply: Reply) -> None:
    """A response's events, from where the client left off; the last one says what it used."""
    reader = RESPONSES.reader(Asked(), strip_usage=False)
    await _pass_on(client, reply, reader.feed)
    reader.end()
    if job is not None and job.is_open and (answer := reader.answer()).complete:
        await settle_kept(worker, job, answer)
    await client.end()


async def _pass_on(client: Client, reply: Reply, watch: Callable[[bytes], object]) -> None:
    """Every byte to the watcher, and to the client while it is there. Raises UpstreamBroken if the answer breaks off:
    what came of it was read."""
    is_there = True
    await client.start(reply.status, _headers_of(reply))
    while chunk := (reply.content or await reply.chunk()):
        watch(chunk)
        if is_there and not client.gone:
            try:
                await client.send(chunk)
            except TimeoutError:  # it holds the line but doesn't read
                is_there = False
        if reply.content:
            return


def _headers_of(reply: Reply) -> Headers:
    return [header for header in reply.headers if header[0] not in NOT_RETURNED]


def _owner(envelope: Envelope) -> str:
    credential = envelope.credential
    scope = credential.scope
    return owner_of(credential.kind, credential.id, (scope.organization, scope.team, scope.project))


def _is_anthropic(client: Client) -> bool:
    return any(name == b"anthropic-version" for name, _ in client.head.headers)


def file_in(body: bytes) -> bytes:
    """The bytes of the file in a multipart body; b"" where there is none. Of several all: which of them its provider
    takes is its own affair."""
    boundary = body[: body.find(b"\r\n")]
    files = []
    for part in body.split(boundary)[1:]:
        head, gap, content = part.partition(b"\r\n\r\n")
        if gap and b"filename" in head.lower():
            files.append(content.removesuffix(b"\r\n"))
    return b"\n".join(files)


class _Uploaded(msgspec.Struct):
    id: str = ""
