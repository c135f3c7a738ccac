"""What the demo's company tells the running console, as its people and its pipeline would."""

from collections.abc import Callable
from datetime import date
from urllib.parse import quote

import msgspec

from bursar.cli import client
from bursar.cli.render import say
from bursar.cli.sending import send
from bursar.demo.business import business_files
from bursar.demo.finance import VENDOR, Act, close_of, finance_acts, tax_of_bill, terms_since
from bursar.demo.incident import FEATURE, RELEASE
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BursarError
from bursar.site import Site
from bursar.supervise import Running, find_running


class _Bill(msgspec.Struct):
    """Of `/api/invoices`."""

    invoice_id: str
    provider: str


class _Month(msgspec.Struct):
    """Of `/api/close`."""

    month: str
    state: str


def tell_business(site: Site) -> None:
    """Bring in what the company's own books say of its customers, as `bursar customers import` would."""

    def tell(running: Running) -> None:
        for one in business_files(_today(site)):
            send(running, "/api/business/imports", [("kind", one.kind), ("source", one.name)], one.content, "text/csv")

    _tell(site, tell, "no customers in this demo")


def tell_finance(site: Site) -> None:
    """Months before the last one closed, a contract, rules, rates, tax records; then the bill as a tax document."""
    today = _today(site)

    def tell(running: Running) -> None:
        months = client.ask(site, "/api/close", [], list[_Month])
        since = f"{terms_since(today):%Y-%m}"
        earlier = sorted(one.month for one in months if one.state == "open" and one.month < since)
        for act in [*(close_of(month) for month in earlier), *finance_acts(today)]:
            _post(running, act)
        for bill in client.ask(site, "/api/invoices", [], list[_Bill]):
            if bill.provider == VENDOR:
                _post(running, Act(f"/api/invoices/{bill.invoice_id}/tax", tax_of_bill(today)))

    _tell(site, tell, "not all of finance is in this demo")


def tell_release(site: Site) -> None:
    """The marker that a pipeline sets after a deployment."""
    marker = Act("/api/markers", {"title": RELEASE, "kind": "deploy", "scope": {"feature": FEATURE}})
    _tell(site, lambda running: _post(running, marker), "no marker of the release")


def _tell(site: Site, tell: Callable[[Running], None], missing: str) -> None:
    """Where a console runs. What it refuses is said, with what is missing then, and the demo goes on."""
    running = find_running(site.paths.data)
    if running is None:
        return
    try:
        tell(running)
    except BursarError as error:
        say(f"{missing}: {error.message}")


def _post(running: Running, act: Act) -> None:
    """Raises Refused, Unavailable."""
    send(running, quote(act.path), [], msgspec.json.encode(act.body), "application/json")


def _today(site: Site) -> date:
    return datetime_from_us(site.clock.now_us()).date()
