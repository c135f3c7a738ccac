"""Asks OpenAI and Anthropic for what they bill, with an administrator's key of the operator's, every few hours."""

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from bursar.config.settings import Bills
from bursar.console.api.invoices import take_in
from bursar.console.context import ConsoleContext
from bursar.domain.errors import BursarError
from bursar.finance.reconcile.book import Imported
from bursar.finance.reconcile.desk import InvoiceDesk
from bursar.finance.reconcile.pull import Fetch, Pulled, pull_reports

LOOK_EVERY_S = 60.0
TIMEOUT_S = 60.0
PAGE_BYTES_MAX = 64 * 1024 * 1024
ACTOR = "scheduled pull"
HOUR_US = 3_600_000_000

log = structlog.get_logger(__name__)


class BillPulling:
    """In a thread of its own. environment: where the keys are."""

    def __init__(self, context: ConsoleContext, environment: Mapping[str, str] = os.environ) -> None:
        self._context = context
        self._environment = environment
        self._asked_us: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Until told to stop. What goes wrong is logged and tried again at the next time."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception as error:  # the background supervisor: the next look comes
                log.error("bills_not_pulled", error=type(error).__name__)

    def look(self) -> int:
        """Ask every provider that is due; how many lines are new or changed."""
        settings, now_us, changed = self._context.config.bills, self._context.clock.now_us(), 0
        for provider, variable, url in sources(settings):
            key = self._environment.get(variable, "") if variable else ""
            is_due = now_us - self._asked_us.get(provider, -(10**18)) >= settings.every_h * HOUR_US
            if not key or not is_due:
                continue
            self._asked_us[provider] = now_us
            try:
                changed += self._pull(provider, key, fetcher(url), settings.days)
            except BursarError as error:
                log.warning("bill_not_pulled", provider=provider, error=error.message)
        return changed

    def _pull(self, provider: str, key: str, fetch: Fetch, days: int) -> int:
        until = self._context.now().date() + timedelta(days=1)
        changed = 0
        for pulled in pull_reports(provider, key, until - timedelta(days=days), until, fetch):
            if pulled.lines:
                done = take_in(self._context, _taking(provider, pulled))
                changed += done.fresh + done.replaced
        return changed


def sources(settings: Bills) -> list[tuple[str, str, str]]:
    """(provider, environment variable, base URL)."""
    return [
        ("openai", settings.openai_admin_key_env, settings.openai_url),
        ("anthropic", settings.anthropic_admin_key_env, settings.anthropic_url),
    ]


def fetcher(base_url: str) -> Fetch:
    """GETs from one address. Redirects aren't followed: the key is for that address alone."""
    opener = urllib.request.build_opener(_NoRedirect)

    def fetch(target: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        request = urllib.request.Request(base_url.rstrip("/") + target, headers=dict(headers))  # noqa: S310  checked
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                body = answer.read(PAGE_BYTES_MAX + 1)
        except urllib.error.HTTPError as error:
            return error.code, b""
        if len(body) > PAGE_BYTES_MAX:
            raise OSError("a page without end")
        return answer.status, body

    return fetch


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


def _taking(provider: str, pulled: Pulled) -> Callable[[InvoiceDesk], Imported]:
    name = f"{provider} {pulled.report.name}"
    return lambda desk: desk.take_lines(pulled.data, name, provider, pulled.lines, pulled.faults, actor=ACTOR)
