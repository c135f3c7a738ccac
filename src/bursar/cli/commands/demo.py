"""`bursar demo`: the whole product with a provider that bills in play money."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bursar.cli import client
from bursar.cli.commands.controlfile import apply_text
from bursar.cli.commands.up import welcome
from bursar.cli.demo_telling import tell_business, tell_finance, tell_release
from bursar.cli.options import ConfigOption, resolve_config
from bursar.cli.render import err, out, print_json, say
from bursar.cli.report import Proved, show_proofs
from bursar.config import Config, Upstream
from bursar.demo import (
    DemoBill,
    HistoryTotals,
    TrafficTotals,
    adopt_keys,
    at_a_rate,
    at_its_own_pace,
    bad_release,
    check,
    demo_controls,
    fill_history,
    has_history,
    key_id,
    traffic,
)
from bursar.demo.history import CALLS_PER_DAY_DEFAULT, DAYS_DEFAULT
from bursar.demo.incident import AFTER_S, FEATURE
from bursar.demo.traffic import Source, added
from bursar.domain.clock import SystemClock, datetime_from_us
from bursar.domain.errors import BursarError
from bursar.ledger.loader import Loader
from bursar.ledger.verify import verify
from bursar.prices.book import PriceBook
from bursar.simulate.billing import LogEntry
from bursar.simulate.launch import provider_thread
from bursar.simulate.provider import Options
from bursar.site import Site
from bursar.supervise import Supervisor, stop_on_signals

DATA_DEFAULT = Path("bursar-demo-data")
PROVIDER_KEY = "SIMULATED_PROVIDER_KEY"
CHECKED_RATE = 4.0
BOOKS_EVERY_S = 0.5
FIRST_BYTE_MS, EVENT_INTERVAL_MS = 120, 15  # a provider that takes a breath, so that latencies look like latencies


Calling = Callable[[Source], Awaitable[TrafficTotals]]


def demo(
    data: Annotated[Path, typer.Option(help="Where the demo keeps its books.")] = DATA_DEFAULT,
    gateway_port: Annotated[int | None, typer.Option(help="Default 8787, or any free one if that is taken.")] = None,
    console_port: Annotated[int | None, typer.Option(help="Default 8788, or any free one if that is taken.")] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", help="Stop after so many seconds (default: Ctrl-C).")
    ] = None,
    prove: Annotated[
        bool, typer.Option("--check", help="Prove the laws at the end; exit 1 if one doesn't hold.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The proofs as JSON on stdout, everything else on stderr.")
    ] = False,
    days: Annotated[int, typer.Option(help="Days of history.", min=1)] = DAYS_DEFAULT,
    calls_per_day: Annotated[float, typer.Option(help="Calls on an average day of it.", min=1)] = CALLS_PER_DAY_DEFAULT,
    rate: Annotated[
        float | None,
        typer.Option(
            help=f"Live calls per second (default: the history's pace; {CHECKED_RATE:g} with --check).", min=0.01
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another made-up company month.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Gateway processes.")] = None,
    config: ConfigOption = None,
) -> None:
    """Show everything with a simulated provider: no account, no key, no network.

    Fills two months of history, keeps live calls flowing at its pace, and prints the two addresses. After some
    minutes a release goes wrong, for the watch to find. Headless proof of the books: `bursar demo --for 30 --check`.
    """
    settings = resolve_config(
        config,
        data,
        gateway__port=_port(gateway_port, "127.0.0.1", 8787),
        console__port=_port(console_port, "127.0.0.1", 8788),
        gateway__workers=workers,
    )
    with provider_thread(Options(seed, delay_ms=FIRST_BYTE_MS, interval_ms=EVENT_INTERVAL_MS)) as provider:
        site = Site(_at_provider(settings, provider.url))
        site.prepare()
        history = _history(site, days, calls_per_day, seed)
        started_us = site.clock.now_us()
        live = _Live(seed, calls_per_day, rate or (CHECKED_RATE if prove else None), seconds)
        clients = asyncio.run(_run(site, history, live, quiet=as_json))
        log = provider.log()
    if prove:
        proved = _prove(site, history, log, started_us)
        _report(proved, clients, log, as_json)
        if not all(proof.ok for proof in proved):
            raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def _port(wanted: int | None, host: str, usual: int) -> int:
    """The port asked for; the usual one if nobody listens there; else any free one."""
    if wanted is not None:
        return wanted
    with contextlib.suppress(OSError), socket.create_connection((host, usual), 0.2):
        return 0
    return usual


def _at_provider(settings: Config, url: str) -> Config:
    """All upstreams at the simulator, which is told the sizes of its answers in a header of its own."""
    upstreams = {
        name: Upstream(
            base_url=url, dialect=name, provider=provider, forward_headers=["x-sim"], api_key_env=PROVIDER_KEY
        )
        for name, provider in (("openai", "openai"), ("anthropic", "anthropic"), ("gemini", "google"))
    }
    os.environ.setdefault(PROVIDER_KEY, "sk-simulated")  # so that Bursar's own keys work here too
    return msgspec.structs.replace(settings, upstreams=upstreams)


def _history(site: Site, days: int, calls_per_day: float, seed: int) -> HistoryTotals | None:
    """Fill in the past, unless a demo did so here before. What was filled in is remembered for the proof."""
    remembered = site.paths.data / "demo.json"
    if has_history(site.paths.spool) or site.paths.ledger.exists():
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(remembered.read_bytes(), type=HistoryTotals)
        return None
    site.ensure_price_book()
    columns = (TextColumn("[dim]history"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    bill = DemoBill(SystemClock().now_us())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=err(), transient=True) as progress:
        task = progress.add_task("history", total=1.0)
        totals = fill_history(
            site.paths.spool,
            PriceBook.load(site.paths.price_book),
            now_us=SystemClock().now_us(),
            days=days,
            calls_per_day=calls_per_day,
            seed=seed,
            organization=site.config.organization,
            on_progress=lambda share: progress.update(task, completed=share),
            bill=bill,
        )
    _bill(site, bill)
    remembered.write_bytes(msgspec.json.encode(totals))
    return totals


def _bill(site: Site, bill: DemoBill) -> None:
    """Last month's bill of a provider, to be compared with the books."""
    # start-up: it pulls in SQLAlchemy
    from bursar.finance.reconcile.book import InvoiceBook
    from bursar.finance.reconcile.naming import BillNames
    from bursar.finance.reconcile.readers.detect import read_bill
    from bursar.governance.store import ControlStore

    store, secret = ControlStore(site.control_location), site.secret()
    book, names = InvoiceBook(store, secret, site.clock), BillNames(store, secret, site.clock)
    for name, data in zip(("cost_report.json", "usage_report.json"), bill.reports(), strict=True):
        if data:
            kind, read = read_bill(data)
            book.add(data, name, kind, read.lines, read.faults, actor="demo")
    for team in sorted(bill.teams):
        names.set_key("anthropic", f"apikey_{team}", [key_id(team)], actor="demo")


class _Live(NamedTuple):
    """What calls are made. rate: a second; None: the history's pace, and the incident. seconds: None: until stopped."""

    seed: int
    calls_per_day: float
    rate: float | None
    seconds: float | None


async def _run(site: Site, history: HistoryTotals | None, live: _Live, *, quiet: bool) -> TrafficTotals:
    """Everything running and calls flowing, until the time is over or somebody stops it."""
    supervisor = Supervisor(site, report=say, quiet=True)
    stop_on_signals(supervisor)
    until, stop = asyncio.Event(), threading.Event()
    keys = site.keys()
    texts = adopt_keys(keys, site.secret(), site.config.organization)
    site.publish(keys)
    async with supervisor.running() as running:
        if not quiet:
            out().print(welcome(running, title="Bursar demo", more=_more(live)))
        source = at_a_rate(live.seed, live.rate) if live.rate else at_its_own_pace(live.seed, live.calls_per_day)
        calling = partial(traffic, running.gateway, until=until, key_of=texts.__getitem__)
        clients = asyncio.create_task(calling(source))
        deciding = asyncio.create_task(asyncio.to_thread(_decide, site, history, stop))
        going_wrong = None if live.rate else asyncio.create_task(_go_wrong(site, live, calling, until))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(live.seconds):
                await supervisor.wait()
        say("stopping: calls under way may end …")
        until.set()
        stop.set()
        await deciding
        return added(await clients, await going_wrong) if going_wrong else await clients


def _more(live: _Live) -> list[tuple[str, str]]:
    """What the welcome says of the calls."""
    if live.rate:
        return [("Live", f"{live.rate:g} calls a second of a made-up company, from a simulated provider")]
    return [
        ("Live", "a made-up company's calls go on, some three a minute, at a simulated provider"),
        ("Watch", f"in {AFTER_S // 60} minutes a release of {FEATURE} goes wrong: see what Anomalies says of it"),
    ]


async def _go_wrong(site: Site, live: _Live, calling: Calling, until: asyncio.Event) -> TrafficTotals:
    """The incident, and the marker that its pipeline would set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(AFTER_S):
            await until.wait()
    if until.is_set():
        return TrafficTotals()
    await asyncio.to_thread(tell_release, site)
    return await calling(lambda now_us: bad_release(live.seed, now_us, live.calls_per_day))


def _decide(site: Site, history: HistoryTotals | None, stop: threading.Event) -> None:
    """Apply the company's control file once its history is in the books, so that budgets begin with what it cost.

    Only where nothing was decided yet: a second run finds what the first, or its user, has made.
    """
    if history is None or _is_decided(site):
        return
    while _charges(site) < history.attempts:
        if stop.wait(BOOKS_EVERY_S):
            return
    tell_business(site)
    text = demo_controls(datetime_from_us(site.clock.now_us()).date())
    try:
        apply_text(site, text, prune=False, opening=True)
    except BursarError as error:
        say(f"no budgets in this demo: {error.message}")
    tell_finance(site)


def _is_decided(site: Site) -> bool:
    controls = site.controls()
    return bool(site.budgets().all() or controls.policies.all() or controls.limits.all())


class _Books(msgspec.Struct):
    """Of `/api/status`: how many charges are loaded."""

    charges: int


def _charges(site: Site) -> int:
    """0 while the console can't tell."""
    try:
        return client.ask(site, "/api/status", [], _Books).charges
    except BursarError:
        return 0


def _prove(site: Site, history: HistoryTotals | None, log: Sequence[LogEntry], live_from_us: int) -> list[Proved]:
    """The laws, and the ties to what is known from outside: the simulator's bill and the history's sums."""
    ledger = site.open_ledger()
    try:
        Loader(ledger, site.paths.spool, site.clock).load_all()
        laws = [
            Proved(
                f"law {finding.law}",
                finding.name,
                finding.ok,
                str(finding.expected),
                str(finding.actual),
                finding.detail,
            )
            for finding in verify(ledger, site.paths.spool)
        ]
        ties = [
            Proved("demo", proof.name, proof.ok, proof.expected, proof.actual, proof.detail)
            for proof in check(ledger, history, log, live_from_us=live_from_us)
        ]
    finally:
        ledger.close()
    return laws + ties


def _report(proved: list[Proved], clients: TrafficTotals, log: Sequence[LogEntry], as_json: bool) -> None:
    calls: dict[str, Any] = {"calls": clients.calls, "answered": clients.answered, "provider_saw": len(log)}
    if as_json:
        print_json({"ok": all(proof.ok for proof in proved), "traffic": calls, "proofs": proved})
    else:
        show_proofs(proved, title=f"{clients.calls} live calls, {len(log)} attempts at the provider")
