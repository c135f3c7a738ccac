"""The console's process: `python -m bursar.console.main --site FILE`.

It alone holds the ledger: a thread loads attempts as they come, everything else reads. With `--ask PATH` it answers one
question of the JSON API on stdout and ends; that is how the CLI reads a ledger while no console runs.
"""

import argparse
import asyncio
import functools
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import uvicorn

from bursar import __version__
from bursar.alerts.desk import AlertDesk
from bursar.console.alert_threads import alert_threads
from bursar.console.anomalies import open_anomalies
from bursar.console.app import create_app
from bursar.console.bill_pulling import BillPulling
from bursar.console.cache_returns import CacheReturns
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.experiments import Stopping
from bursar.console.following import Following
from bursar.console.forecasting import open_plans
from bursar.console.imported_bills import Converting
from bursar.console.initiatives import Closing, open_initiatives, open_store
from bursar.console.inside import Sending, request
from bursar.console.invoicing import PostingAccepted
from bursar.console.measuring import Measuring
from bursar.console.noting import Noting
from bursar.console.polling import Polling
from bursar.console.problems import json_problem, problem_of
from bursar.console.prompt_stopping import PromptStopping
from bursar.console.rating import Rating
from bursar.console.readying import Readying
from bursar.console.repricing import Repricing
from bursar.console.watching import Watching, detecting_of
from bursar.domain.errors import BursarError
from bursar.explore.query import Explorer
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.prices.book import PriceBook
from bursar.site import Site
from bursar.supervise import BAD_SETTINGS, find_running

if TYPE_CHECKING:
    from bursar.governance.budgets import Budgets

GRACE_S = 5
FAILED = 1


class FreshPrices:
    """The price book as it is on disk now. Calling it looks at the file's stamp, and reads it again when it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._book: PriceBook | None = None

    def __call__(self) -> PriceBook:
        found = self._path.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
        with self._lock:
            if self._book is None or stamp != self._stamp:
                self._book, self._stamp = PriceBook.load(self._path), stamp
            return self._book


class OneStore:
    """The control store's budgets, opened when they are first asked for."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._budgets: Budgets | None = None

    def __call__(self) -> "Budgets":
        with self._lock:
            if self._budgets is None:
                self._budgets = self._site.budgets()
            return self._budgets


def build_context(
    site: Site,
    ledger: Ledger,
    loader: Loader,
    repricing: Repricing,
    desk: Callable[[], AlertDesk],
    alerting: Callable[[], str] = str,
    watch_fault: Callable[[], str] = str,
) -> ConsoleContext:
    """What the pages are given. alerting: why alerts aren't looked for or delivered, "" if they are; watch_fault: why
    the watch can't look."""
    return ConsoleContext(
        explorer=Explorer(ledger),
        ledger=ledger,
        prices=FreshPrices(site.paths.price_book),
        config=site.config,
        spool_dir=site.paths.spool,
        budgets=OneStore(site),
        publish_budgets=site.publish_budgets,
        control_state=functools.cache(site.control_state),
        status=_status(site, loader, repricing, alerting, watch_fault),
        alerts=desk,
        open_controls=site.controls,
        open_initiatives=functools.partial(open_initiatives, site),
        open_plans=functools.partial(open_plans, site),
        open_store=functools.partial(open_store, site),
        open_anomalies=functools.partial(open_anomalies, site),
        lift_loop=functools.partial(site.lift_loop, actor=ACTOR),
        clock=site.clock,
    )


def serve(site: Site) -> None:
    """Load and answer until SIGTERM or SIGINT; what the gateway wrote until then is loaded before the end.

    Raises LedgerBusy when another process has the ledger, ConfigError when the settings are no good.
    """
    ledger = site.open_ledger()
    try:
        loader = Loader(ledger, site.paths.spool, site.clock)
        repricing = Repricing(site, ledger)
        desk = functools.cache(lambda: site.alerts(pooled=True))
        alerts = alert_threads(site, desk, ledger, lambda: context)
        context = build_context(
            site, ledger, loader, repricing, desk, lambda: alerts.error, watch_fault=lambda: watching.fault
        )
        watching = Watching(
            site, ledger, detecting_of(site.config), loaded=loader.status, books=context.anomalies,
            rules=lambda: desk().rules(), acting=context.acting,
        )  # fmt: skip
        app = create_app(context)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=site.config.console.host,
                port=site.config.console.port,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        stop = threading.Event()
        returns = CacheReturns(site, ledger)

        def between() -> None:
            repricing.look()
            returns.look()

        threads = [threading.Thread(target=loader.run, args=(stop, between), name="loader")]
        stopping = Stopping(ledger, context.controls, site.clock, site.config.routes)
        threads.append(threading.Thread(target=stopping.run, args=(stop,), name="experiments"))
        closing = Closing(context.initiatives)
        threads.append(threading.Thread(target=closing.run, args=(stop,), name="closing"))
        prompts = PromptStopping(site.paths.run, context.controls, site.clock)
        threads.append(threading.Thread(target=prompts.run, args=(stop,), name="prompt-caches"))
        measuring = Measuring(ledger, context.controls, site.clock)
        threads.append(threading.Thread(target=measuring.run, args=(stop,), name="semantic-caches"))
        threads.append(threading.Thread(target=Noting(context).run, args=(stop,), name="maturity"))
        threads.append(threading.Thread(target=Readying(context).run, args=(stop,), name="economics"))
        threads.append(threading.Thread(target=Converting(context).run, args=(stop,), name="imported-bills"))
        threads.append(threading.Thread(target=Rating(context.finance).run, args=(stop,), name="contracts"))
        threads.append(threading.Thread(target=BillPulling(context).run, args=(stop,), name="bill-pulling"))
        threads.append(threading.Thread(target=PostingAccepted(context).run, args=(stop,), name="bills"))
        threads.append(threading.Thread(target=Polling(site).run, args=(stop,), name="polling"))
        if site.config.watch.enabled:
            threads.append(threading.Thread(target=watching.run, args=(stop,), name="watch"))
        if site.config.control.url:
            threads.append(threading.Thread(target=Following(site).run, args=(stop,), name="following"))
        for thread in threads:
            thread.start()
        try:
            if site.config.alerts.enabled:
                alerts.start()
            server.run()
        finally:
            alerts.stop()
            stop.set()
            for thread in threads:
                thread.join()
            loader.load_all()
            alerts.join()
    finally:
        ledger.close()


def ask(site: Site, path: str, sending: Sending | None = None) -> int:
    """Answer one request on stdout, over a ledger that first reads what is waiting in the spool; its status."""
    ledger = site.open_ledger()
    try:
        loader = Loader(ledger, site.paths.spool, site.clock)
        loader.load_all()
        repricing = Repricing(site, ledger)
        repricing.look()
        app = create_app(build_context(site, ledger, loader, repricing, functools.cache(site.alerts)))
        write = sys.stdout.buffer.write
        return asyncio.run(request(app, path, site.config.console.port, write, sending))
    finally:
        ledger.close()


def _ask_or_send(site: Site, path: str, file: Path | None, kind: str) -> int:
    if file is None:
        return ask(site, path)
    with file.open("rb") as opened:
        return ask(site, path, Sending(opened, file.stat().st_size, kind))


def main(argv: list[str] | None = None) -> int:
    """Start; exit 2 with one clear line when the settings are no good, 1 when the ledger can't be had."""
    parser = argparse.ArgumentParser(prog="bursar.console.main")
    parser.add_argument("--site", required=True, help="the file that `Site.write_settings` wrote; - for stdin")
    parser.add_argument("--ask", metavar="PATH", help="answer GET PATH on stdout and end")
    parser.add_argument("--send", metavar="FILE", type=Path, help="with --ask: POST this file there")
    parser.add_argument("--kind", metavar="TYPE", default="", help="with --send: its media type")
    options = parser.parse_args(argv)
    try:
        site = Site.from_settings(sys.stdin.buffer.read() if options.site == "-" else Path(options.site).read_bytes())
        if options.ask is None:
            serve(site)
            return 0
        status = _ask_or_send(site, options.ask, options.send, options.kind)
    except (BursarError, OSError) as error:
        if options.ask is not None:
            problem = error if isinstance(error, BursarError) else BursarError(str(error))
            sys.stdout.buffer.write(json_problem(problem_of(problem)).content)
        print(f"console: {error}", file=sys.stderr)
        return BAD_SETTINGS if getattr(error, "code", "") == "bad_config" else FAILED
    return 0 if status < 400 else FAILED


def _status(
    site: Site, loader: Loader, repricing: Repricing, alerting: Callable[[], str], watch_fault: Callable[[], str]
) -> Callable[[], Mapping[str, Any]]:
    def status() -> Mapping[str, Any]:
        running = find_running(site.paths.data)
        return {
            "version": __version__,
            "loader": msgspec.structs.asdict(loader.status()),
            "price_fault": repricing.fault,
            "alert_fault": alerting(),
            "watch_fault": watch_fault(),
            "gateway": running.gateway if running else None,
            "workers": running.workers if running else 0,
            "started_us": running.started_us if running else None,
        }

    return status


if __name__ == "__main__":
    sys.exit(main())
