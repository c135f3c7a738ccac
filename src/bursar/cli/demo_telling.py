"""What the demo's company tells the running console, as its people and its pipeline would."""

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
    running = find_running(site.paths.data)
    if running is None:
        return
    try:
        for one in business_files(_today(site)):
            send(running, "/api/business/imports", [("kind", one.kind), ("source", one.name)], one.content, "text/csv")
    except BursarError as error:
        say(f"no customers in this demo: {error.message}")


def tell_finance(site: Site) -> None:
    """Months before the last one closed, a contract, rules, rates, tax records; then the bill as a tax document."""
    running = find_running(site.paths.data)
    if running is None:
        return
    today = _today(site)
    try:
        months = client.ask(site, "/api/close", [], list[_Month])
        earlier = sorted(
            one.month for one in months if one.state == "open" and one.month < f"{terms_since(today):%Y-%m}"
        )
        for act in [*(close_of(month) for month in earlier), *finance_acts(today)]:
            _post(running, act)
        for bill in client.ask(site, "/api/invoices", [], list[_Bill]):
            if bill.provider == VENDOR:
                _post(running, Act(f"/api/invoices/{bill.invoice_id}/tax", tax_of_bill(today)))
    except BursarError as error:
        say(f"not all of finance is in this demo: {error.message}")


def tell_release(site: Site) -> None:
    """The marker that a pipeline sets after a deployment."""
    running = find_running(site.paths.data)
    if running is None:
        return
    try:
        _post(running, Act("/api/markers", {"title": RELEASE, "kind": "deploy", "scope": {"feature": FEATURE}}))
    except BursarError as error:
        say(f"no marker of the release: {error.message}")


def _post(running: Running, act: Act) -> None:
    """Raises Refused, Unavailable."""
    send(running, quote(act.path), [], msgspec.json.encode(act.body), "application/json")


def _today(site: Site) -> date:
    return datetime_from_us(site.clock.now_us()).date()
