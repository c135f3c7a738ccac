"""One gateway worker process: `python -m bursar.gateway.worker --settings FILE --slot N`.

All workers of a node listen on one port (SO_REUSEPORT) and share nothing in memory. Each has its own journal.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
import uvicorn
import uvloop

from bursar.cache.key import spaces_of
from bursar.domain.clock import Clock, SystemClock
from bursar.domain.errors import BursarError
from bursar.domain.ids import Ids
from bursar.domain.logs import configure_logs
from bursar.domain.money import pico_from_usd
from bursar.domain.routes import with_stops
from bursar.domain.snapshot import Snapshot, read_snapshot
from bursar.gateway.answers import open_answers
from bursar.gateway.budgeting import Budgeting
from bursar.gateway.cache_rules import CacheTable
from bursar.gateway.call import Worker
from bursar.gateway.connection import Connection, tick_connections
from bursar.gateway.decide import Decider
from bursar.gateway.edge import Edge
from bursar.gateway.envelope import Envelopes
from bursar.gateway.firsts import Firsts
from bursar.gateway.gates import Gates
from bursar.gateway.hour_news import APPROVALS, RETRIES, HourNews, news_path
from bursar.gateway.jobs import Jobs
from bursar.gateway.learned import LearnedFile
from bursar.gateway.loop_table import open_tables
from bursar.gateway.loop_watch import LoopWatch
from bursar.gateway.loops import LoopBreaker
from bursar.gateway.may_embed import HAS_KEY
from bursar.gateway.memory import keep_freed_memory, settle_collector
from bursar.gateway.meter import Meter
from bursar.gateway.metrics import FILE_IN_USE, Metrics
from bursar.gateway.names import Names
from bursar.gateway.outbox import Outbox
from bursar.gateway.pace import Paces
from bursar.gateway.prompt_cache.caching import PromptCaches
from bursar.gateway.prompt_cache.news import PromptNews
from bursar.gateway.recent import Recent
from bursar.gateway.recorder import Recorder
from bursar.gateway.retry_cap import RetryCap
from bursar.gateway.route import Route, Routes
from bursar.gateway.route_table import compile_table
from bursar.gateway.settings import WorkerSettings, load_settings
from bursar.gateway.upstream import PoolLimits
from bursar.prices.book import PriceBook
from bursar.spool.journal import Journal

WATCH_INTERVAL_S = 0.25  # how often a worker looks whether keys or prices changed
METRICS_EVERY = 4  # looks between two writes of the metrics file
GRACE_S = 30
SHADOWS_GRACE_S = 3.0
LISTEN_BACKLOG = 2048

log = structlog.get_logger("bursar.gateway")


def build_worker(settings: WorkerSettings, slot: int, ids: Ids, clock: Clock, book: PriceBook | None = None) -> Worker:
    """Everything a worker holds, from its settings. book: None: read from where they say.

    Raises ConfigError or OSError when a file it needs isn't there.
    """
    secret = Path(settings.secret).read_bytes()
    writer = f"w{slot}-{ids.new(clock.now_us())}"
    limits = PoolLimits(
        connections_max=settings.connections_per_upstream_max,
        waiting_max=settings.waiting_calls_max,
        connect_timeout_s=settings.connect_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        connection_idle_s=settings.connection_idle_s,
    )
    outbox = Outbox()
    routes = [
        Route(upstream, os.environ.get(upstream.api_key_env, "").encode(), limits, outbox)
        for upstream in settings.upstreams
    ]
    spool = Path(settings.spool)
    budgeting = Budgeting(settings, writer, clock)
    run_directory = Path(settings.data) / "run"
    retries = HourNews(news_path(run_directory, RETRIES, slot))
    retry_pico = pico_from_usd(Decimal(settings.retry_usd_per_hour_max))
    meter = Meter(book or PriceBook.load(Path(settings.price_book)))
    return Worker(
        settings=settings,
        secret=secret,
        clock=clock,
        ids=ids,
        recorder=Recorder(Journal(spool, writer, segment_bytes=settings.journal_segment_bytes)),
        meter=meter,
        routes=Routes(routes),
        names=Names(routes, settings.aliases),
        envelopes=Envelopes(secret, settings.organization),
        recent=Recent(spool),
        metrics=Metrics(),
        outbox=outbox,
        budgeting=budgeting,
        loops=LoopBreaker(settings.loops, open_tables(Path(settings.data) / "run"), workers=settings.workers),
        retry_pico_max=pico_from_usd(Decimal(settings.retry_usd_max)),
        route_table=compile_table((), settings.routes, settings.ladders, {route.name for route in routes}),
        gates=_gates(settings),
        retry_cap=RetryCap(budgeting, retry_pico, settings.retry_scope, settings.workers, retries),
        approvals=HourNews(news_path(run_directory, APPROVALS, slot)),
        jobs=Jobs(settings.control),
        firsts=Firsts(meter.ceilings, settings.workers),
        decider=Decider(settings.workers, slot),
        paces=Paces(settings.workers, slot),
        answers=open_answers(settings, secret, clock),
        prompt_caches=PromptCaches(secret, settings.workers),
    )


Stamp = tuple[int, int]
"""When a file was changed (ns), and which one it is."""


class Seen(NamedTuple):
    """The files' states from before they were read at the start: a change meanwhile isn't missed."""

    book: Stamp
    budgets: Stamp


class InUse:
    """Says in the worker's metrics which state of its files it goes by: whoever published can wait for that."""

    def __init__(self, worker: Worker, slot: int, metrics_path: Path) -> None:
        self._worker, self._slot, self._path = worker, slot, metrics_path

    def say(self, **stamps: Stamp) -> None:
        """`say(budgets=stamp)`, once it is read: written at once, not with the next second's figures."""
        for name, (changed_ns, _) in stamps.items():
            self._worker.metrics.counts[FILE_IN_USE, f"file={name}", f"worker={self._slot}"] = changed_ns // 1_000
        write_metrics(self._worker, self._path)


async def watch_snapshot(worker: Worker, in_use: InUse) -> None:
    """Follow changes of keys and of all controls but budgets. Runs until cancelled.

    A task of its own, so that a kill is in force within a second, whatever the other watchers wait for.
    """
    path = Path(worker.settings.snapshot)
    seen: Stamp | None = None  # read once more at first: it may have changed since the start
    while True:
        await asyncio.sleep(WATCH_INTERVAL_S)
        if (stamp := _stamp(path)) != seen:
            seen = stamp
            use_snapshot(worker, path)
            in_use.say(snapshot=stamp)


async def watch(
    worker: Worker, loops: LoopWatch, learned: LearnedFile, prompts: PromptNews, metrics_path: Path, seen: Seen,
    in_use: InUse,
) -> None:  # fmt: skip
    """Follow changes of prices and budgets, and keep the worker's own files fresh. Runs until cancelled."""
    book_path, budgets_path = Path(worker.settings.price_book), Path(worker.settings.budgets)
    book_seen, budgets_seen = seen
    looks = 0
    while True:
        await asyncio.sleep(WATCH_INTERVAL_S)
        if (stamp := _stamp(book_path)) != book_seen:
            book_seen = stamp
            with contextlib.suppress(OSError, msgspec.DecodeError):  # being replaced: the old prices stay in force
                worker.meter.book = PriceBook.load(book_path)
                in_use.say(prices=stamp)
        if (stamp := _stamp(budgets_path)) != budgets_seen:
            budgets_seen = stamp
            await worker.budgeting.use_file(budgets_path)
            in_use.say(budgets=stamp)
        await worker.budgeting.try_again()
        worker.gates.look()
        loops.look(worker.clock.now_us())
        learned.look(worker.clock.now_us())
        prompts.look(worker.clock.now_us())
        worker.retry_cap.news.look()
        worker.approvals.look()
        if worker.answers is not None:
            worker.answers.look()
        looks += 1
        if looks % METRICS_EVERY == 0:
            write_metrics(worker, metrics_path)


def use_snapshot(worker: Worker, path: Path) -> None:
    """Read keys and all controls but budgets. While they can't be read, the last that could stay in force."""
    try:
        snapshot = read_snapshot(path)
        worker.envelopes.use(snapshot)
        worker.decider.use(snapshot)
        worker.cache_table = CacheTable(snapshot.cache_rules)
        worker.prompt_caches.watch.use(snapshot.cache_rules)
        if snapshot.kept_spaces is not None:
            spaces = spaces_of(worker.secret, snapshot.kept_spaces)
            worker.likeness.use(spaces)
            if worker.answers is not None:
                worker.answers.use(spaces)
        settings, upstreams = worker.settings, worker.routes.by_name
        filed = with_stops(settings.routes, snapshot.stopped)
        worker.route_table = compile_table(snapshot.routes, filed, settings.ladders, upstreams)
        worker.gates.use(worker.route_table.rules)
    except FileNotFoundError:
        worker.envelopes.use(Snapshot(0))
    except (OSError, msgspec.DecodeError) as error:
        log.error("snapshot of keys can't be read; the last one stays in force", error=str(error))


def write_metrics(worker: Worker, path: Path) -> None:
    """Gauges are set as they stand now, then the worker's file is replaced."""
    counts, now_us = worker.metrics.counts, worker.clock.now_us()
    counts["bursar_in_flight",] = worker.in_flight
    counts["bursar_budgets",] = len(worker.budgeting.index)
    counts["bursar_journal_backlog",] = len(worker.recorder.backlog)
    counts["bursar_journal_failures_total",] = worker.recorder.failures + worker.recorder.journal.sync_failures
    counts["bursar_journal_lost_total",] = worker.recorder.lost
    counts["bursar_double_retries_total",] = worker.loops.double_retries
    counts["bursar_retries_capped_total",] = worker.retry_cap.refused
    counts["bursar_first_bill_waits_total",] = worker.firsts.waited
    if worker.answers is not None and worker.answers.shared is not None:
        counts["bursar_cache_faults_total",] = worker.answers.shared.faults
    counts["bursar_semantic_faults_total",] = worker.likeness.faults
    counts["bursar_semantic_dropped_total",] = worker.likeness.dropped
    for route in worker.routes.routes:
        counts[HAS_KEY, f"upstream={route.name}"] = int(bool(route.api_key) or not route.settings.api_key_env)
        stats = route.pool.stats()
        counts["bursar_upstream_resting", f"upstream={route.name}"] = int(route.health.why_not(now_us) != "")
        for state in ("open", "idle", "waiting"):
            key = ("bursar_upstream_connections", f"upstream={route.name}", f"state={state}")
            counts[key] = getattr(stats, state)
    with contextlib.suppress(OSError):  # a full disk must not stop calls; the journal's own state says so
        worker.metrics.write(path)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that the node's other workers may share."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(LISTEN_BACKLOG)
    listener.setblocking(False)
    return listener


class Server(uvicorn.Server):
    """uvicorn's server, but signals are ours: it would raise them again at its end and so kill what comes after."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(settings: WorkerSettings, slot: int) -> None:
    """Serve until SIGTERM or SIGINT; then let calls under way end, for GRACE_S at most."""
    seen = Seen(_stamp(Path(settings.price_book)), _stamp(Path(settings.budgets)))
    worker = build_worker(settings, slot, Ids(), SystemClock())
    use_snapshot(worker, Path(settings.snapshot))
    await worker.budgeting.use_file(Path(settings.budgets))
    metrics_directory = Path(settings.data) / "run"
    metrics_path = metrics_directory / f"metrics-{slot}.json"
    loops = LoopWatch(worker.loops, metrics_directory, slot, settings.workers)
    loops.begin(worker.clock.now_us())
    learned = LearnedFile(worker.meter.ceilings, metrics_directory, slot)
    learned.begin()
    prompts = PromptNews(worker.prompt_caches, metrics_directory, slot)
    edge = Edge(worker, metrics_directory)
    listener = listen(settings.host, settings.port)
    in_use = InUse(worker, slot, metrics_path)
    in_use.say(prices=seen.book, budgets=seen.budgets)  # there from the first: this worker stands
    server = Server(
        uvicorn.Config(
            edge,
            http=Connection,  # uvicorn takes any protocol class with its constructor
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    keep_freed_memory()
    settle_collector()
    watchers = [
        asyncio.create_task(watch(worker, loops, learned, prompts, metrics_path, seen, in_use)),
        asyncio.create_task(watch_snapshot(worker, in_use)),
        asyncio.create_task(tick_connections(server.server_state)),
    ]
    loop = asyncio.get_running_loop()

    def stop() -> None:
        edge.is_draining = worker.is_draining = True
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await server.serve(sockets=[listener])
    finally:
        for watcher in watchers:
            watcher.cancel()
        await worker.shadows.close(SHADOWS_GRACE_S)
        await worker.vectors.work.close(SHADOWS_GRACE_S)
        await worker.resemblances.close(SHADOWS_GRACE_S)
        worker.likeness.close()
        if worker.answers is not None:
            await worker.answers.close()
        for route in worker.routes.routes:
            await route.pool.close()
        await worker.budgeting.close()
        worker.recorder.flush()
        worker.recorder.journal.close()
        loops.look(worker.clock.now_us())
        learned.look(worker.clock.now_us(), is_last=True)
        prompts.look(worker.clock.now_us(), is_last=True)
        worker.retry_cap.news.look()
        worker.approvals.look()
        write_metrics(worker, metrics_path)


def main(argv: list[str] | None = None) -> int:
    """Start the worker; exit 2 with one clear line when it can't."""
    parser = argparse.ArgumentParser(prog="bursar.gateway.worker")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--slot", type=int, default=0)
    options = parser.parse_args(argv)
    configure_logs(f"gateway-{options.slot}")
    try:
        settings = load_settings(options.settings)
        uvloop.run(run(settings, options.slot))
    except (BursarError, OSError) as error:
        sys.stderr.write(f"the gateway can't start: {error}\n")  # the supervisor repeats the last line
        return 2
    return 0


def _gates(settings: WorkerSettings) -> Gates:
    gates = Gates(Path(settings.gates)) if settings.gates else Gates()
    gates.use(settings.routes)
    return gates


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)


if __name__ == "__main__":
    sys.exit(main())
