"""Batches and background responses whose results nobody fetches: the console asks their providers, with our own keys.

Without it a batch whose output is never downloaded would stay assumed at its bound. What it reads goes through a
journal of its own into the same loader, so it may read what a client reads at the same moment: the books take each line
once. Jobs that were begun with a caller's own provider key can't be asked for: only that caller has the key.
"""

import asyncio
import os
import threading

import msgspec
import structlog

from bursar.domain.clock import Clock
from bursar.domain.errors import BursarError
from bursar.domain.ids import Ids
from bursar.domain.jobs import Job
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.gateway.identify import Credential
from bursar.gateway.job_watch import fetch, note_state, read_results, settle_kept
from bursar.gateway.jobs import Jobs
from bursar.gateway.meter import Meter
from bursar.gateway.outbox import Outbox
from bursar.gateway.recorder import Recorder
from bursar.gateway.route import Route
from bursar.gateway.settings import UpstreamSettings
from bursar.gateway.upstream import PoolLimits
from bursar.prices.book import PriceBook
from bursar.providers.batches import ANTHROPIC_BATCH, ERRORS, OUTPUT, RESPONSE, BatchState, read_batch, read_list
from bursar.providers.openai_responses import RESPONSES
from bursar.site import Site
from bursar.spool.journal import Journal

LOOK_EVERY_S = 15.0
JOBS_AT_ONCE = 32
AGAIN_US_MIN, AGAIN_US_MAX = 60 * 1_000_000, 15 * 60 * 1_000_000
LOST_US = 48 * 3_600 * 1_000_000  # a batch whose id never arrived, or a job that can't be read, is given up then
CREATED_WITHIN_S = 600
SEGMENT_BYTES = 1024 * 1024
OURS = Credential("", "virtual", Scope(""), Attribution(), b"", b"")

log = structlog.get_logger(__name__)


class _Books(msgspec.Struct):
    """Where what it reads is priced and written."""

    meter: Meter
    recorder: Recorder
    clock: Clock
    jobs: Jobs


class Polling:
    """Asks for what is due, in a thread of its own. clock: of the jobs' due times."""

    def __init__(self, site: Site, clock: Clock | None = None) -> None:
        self._site = site
        self._clock = clock or site.clock

    def run(self, stop: threading.Event) -> None:
        """Until told to stop. What goes wrong is logged and tried again."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception as error:  # the background supervisor: the next look comes
                log.error("batches can't be asked for", error=f"{type(error).__name__}: {error}")

    def look(self) -> int:
        """Ask about every job that is due; how many there were."""
        site = self._site
        if not site.config.control.url and not site.paths.control.exists():
            return 0
        return asyncio.run(self._look())

    async def _look(self) -> int:
        jobs = Jobs(str(self._site.control_location))
        now_us = self._clock.now_us()
        due = await jobs.ask(lambda book: book.claim(now_us, JOBS_AT_ONCE))
        if not due:
            return 0
        site = self._site
        writer = f"jobs-{Ids().new(site.clock.now_us())}"
        journal = Journal(site.paths.spool, writer, segment_bytes=SEGMENT_BYTES)
        books = _Books(Meter(PriceBook.load(site.paths.price_book)), Recorder(journal), self._clock, jobs)
        routes = self._routes()
        try:
            for job in due:
                await self._one(books, job, routes.get(job.upstream))
        finally:
            for route in routes.values():
                await route.pool.close()
            books.recorder.flush()
            journal.close()
        return len(due)

    def _routes(self) -> dict[str, Route]:
        told = msgspec.convert(self._site.told_to_workers()["upstreams"], list[UpstreamSettings])
        outbox = Outbox()
        return {
            one.name: Route(one, os.environ.get(one.api_key_env, "").encode(), PoolLimits(), outbox) for one in told
        }

    async def _one(self, books: _Books, job: Job, route: Route | None) -> None:
        """Ask about one job. A provider that doesn't answer is asked again."""
        is_done, now_us = False, self._clock.now_us()
        if route is not None and (route.api_key or route.signer is not None or not route.settings.api_key_env):
            try:
                if job.kind == RESPONSE:
                    is_done = await self._response(books, job, route)
                else:
                    is_done = await self._batch(books, job, route)
            except BursarError as error:
                log.warning("a provider didn't say how a batch stands", job=job.job_key, error=error.message)
        if not is_done and now_us - job.created_us > LOST_US:
            log.error("a batch is given up: its cost stays assumed", job=job.job_key, upstream_id=job.upstream_id)
            await books.jobs.ask(lambda book: book.close(job.job_key, "given up", now_us))
            is_done = True
        wait_us = min(max((now_us - job.created_us) // 8, AGAIN_US_MIN), AGAIN_US_MAX)
        await books.jobs.ask(lambda book: book.ask_again(job.job_key, 0 if is_done else now_us + wait_us))

    async def _response(self, books: _Books, job: Job, route: Route) -> bool:
        status, body = await fetch(route, OURS, f"/v1/responses/{job.upstream_id}")
        if status == 404:  # deleted: what it used can't be known any more
            await self._gone(books, job)
            return True
        if status != 200:
            return False
        answer = RESPONSES.read_answer(body, 200)
        await settle_kept(books, job, answer)
        return not answer.is_pending

    async def _batch(self, books: _Books, job: Job, route: Route) -> bool:
        """True: all of its results are read."""
        base = "/v1/messages/batches" if job.kind == ANTHROPIC_BATCH else "/v1/batches"
        if not job.upstream_id:
            found = await self._found_again(books, job, route, base)
            if found is None:
                return False
            await note_state(books, job, found)
            job = msgspec.structs.replace(job, upstream_id=found.id)
        status, body = await fetch(route, OURS, f"{base}/{job.upstream_id}")
        if status == 404:
            await self._gone(books, job)
            return True
        state = read_batch(body) if status == 200 else None
        if state is None:
            return False
        await note_state(books, job, state)
        if not state.is_over:
            return False
        job = msgspec.structs.replace(job, output_id=state.output_id, errors_id=state.errors_id, status=state.status)
        parts = [(OUTPUT, state.output_id), (ERRORS, state.errors_id)]
        for part, file_id in parts:
            if file_id and part not in job.detail.read and await read_results(books, job, part, route, OURS) != 200:
                return False
        return True

    async def _found_again(self, books: _Books, job: Job, route: Route, base: str) -> BatchState | None:
        """The batch whose creation was never answered, or not before its worker died: one that nobody else made, of
        the same input (Anthropic's has none: the only one of its minutes)."""
        status, body = await fetch(route, OURS, base, b"limit=100")
        if status != 200:
            return None
        known = await books.jobs.ask(lambda book: book.known_ids(job.upstream))
        states = [state for _, item in read_list(body) if (state := read_batch(item)) is not None]
        created_s = job.created_us // 1_000_000
        candidates = [
            state
            for state in states
            if state.id not in known
            and state.input_id == job.detail.input_id
            and created_s - 5 <= state.created_s <= created_s + CREATED_WITHIN_S
        ]
        return candidates[0] if len(candidates) == 1 else None

    async def _gone(self, books: _Books, job: Job) -> None:
        now_us = self._clock.now_us()
        await books.jobs.ask(lambda book: book.close(job.job_key, "gone", now_us))
