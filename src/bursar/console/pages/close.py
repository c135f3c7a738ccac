"""Close: months with their state; one of them with its checklist, trial balance, late items and files."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import post
from litestar.response import Redirect

from bursar.console.api.close import MonthState, month_states
from bursar.console.context import ConsoleContext
from bursar.console.converting import beside
from bursar.console.format import Format
from bursar.console.pages.close_flats import flats_shown
from bursar.console.pages.serving import Asked, fields_of
from bursar.console.render import NAV
from bursar.console.tying import TieStep, tie_steps
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl
from bursar.finance.allocation.flats import open_of
from bursar.finance.books.booked import first_day
from bursar.finance.books.checklist import Check, can_close, to_look_at
from bursar.finance.books.close import EXPORTS, CloseBook
from bursar.finance.books.entries import AccountBalance, Transaction
from bursar.finance.books.monthly import MonthBooks
from bursar.finance.books.tie import Tie

ITEMS_SHOWN = 30
FILE_WORDS = {
    "journal.beancount": "the journal, for Beancount", "journal.csv": "the journal, a row for each posting",
    "trial-balance.csv": "the trial balance", "usage.csv": "usage by day, provider, feature and team",
    "books.json": "all of it, for programs", "books.xlsx": "all of it, as a workbook",
}  # fmt: skip
STATE_WORDS = {"ok": "ok", "look": "look", "blocks": "in the way"}


class ShownMonth(msgspec.Struct, frozen=True):
    """A row of the months."""

    month: str
    name: str
    href: str
    is_closed: bool
    is_shown: bool
    list_cost: Decimal
    billed: Decimal
    prior: Decimal
    unpriced: int
    who: str


class ShownFile(msgspec.Struct, frozen=True):
    """A file to take away. digest: of a closed month's."""

    name: str
    what: str
    href: str
    digest: str


def close_figures(context: ConsoleContext) -> list[MonthState]:
    """The page's months for programs."""
    return month_states(context.finance().close)


def close_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads. Raises BadPeriod for a month that is none."""
    book = context.finance().close
    states = month_states(book)
    asked = view.get("month") or _next(states, context.now().date())
    first_day(asked)
    books = book.books(asked)
    closed = book.closed(asked) if books.closing else None
    flats = context.finance().flats
    proposed = flats.proposals(asked)
    checks = closed.checks if closed else book.checks(asked, open_of(proposed))
    return {
        "data": {
            "lead": _lead(states, f),
            "months": [_shown(one, asked, view) for one in reversed(states)],
            "month": asked,
            "name": month_name(asked),
            "closed": closed,
            "closed_at": datetime_from_us(closed.closing.closed_us) if closed else None,
            "checks": [(one, STATE_WORDS[one.state], _opens(one)) for one in checks],
            "can_close": can_close(checks),
            "look": len(to_look_at(checks)),
            "flats": flats_shown(flats, asked, proposed),
            "books": books,
            "tiles": _tiles(books),
            "balances": books.balances,
            "sums": _sums(books.balances),
            "prior": [(one, _billed(one)) for one in books.prior[:ITEMS_SHOWN]],
            "prior_more": max(len(books.prior) - ITEMS_SHOWN, 0),
            "files": _files(asked, closed.hashes if closed else {}),
            "calls_href": view.url("/explore", period=asked, tz="UTC"),
            "has_charges": bool(states),
            "tie": _tie(book.tie(asked, view.timezone), view, asked),
            "zone": view.timezone,
            "beside": beside(context.finance(), view, asked),
            "money": lambda amount, currency: Format(f.locale, currency, f.zone, f.now).money(amount),
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }


def change_close(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """Close a month; where it leads. Raises Forbidden, BadControl, BadPeriod, ChangedMeanwhile."""
    context.check_form(form)
    if form.get("act") != "close":
        raise BadControl(f"act is {form.get('act', '')[:40]!r}; it is close", field="act")
    month = form.get("month", "")
    book: CloseBook = context.finance().close
    accepted = form.get("accepted") == "yes"
    book.close(month, by=form.get("by", ""), note=form.get("note", ""), accepted=accepted)
    return f"/close?month={quote(month)}"


@post("/close/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """The form that closes a month."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_close, request.app.state.context, fields)
    return Redirect(target, status_code=303)


def month_name(month: str) -> str:
    return display.month(first_day(month))


def _next(states: Sequence[MonthState], today: date) -> str:
    """The oldest month that is over and open; else the running one."""
    running = today.isoformat()[:7]
    return next((one.month for one in states if one.state == "open" and one.month < running), running)


def _lead(states: Sequence[MonthState], f: Format) -> str:
    closed = sum(one.state == "closed" for one in states)
    return f"{f.count(closed)} of {f.count(len(states))} months closed" if states else ""


def _shown(one: MonthState, asked: str, view: View) -> ShownMonth:
    return ShownMonth(
        one.month, month_name(one.month), view.url(month=one.month), one.state == "closed", one.month == asked,
        Decimal(one.list_cost), Decimal(one.billed_cost), Decimal(one.prior_billed), one.unpriced_count, one.closed_by,
    )  # fmt: skip


def _tiles(books: MonthBooks) -> list[tuple[str, Decimal, str]]:
    totals = books.totals
    off = totals.list_cost - totals.effective_cost
    return [
        ("To be billed", totals.billed_cost, "what vendors will invoice, by the ledger"),
        ("Effective", totals.effective_cost, "with commitments and credits spread over use"),
        ("Discounts", off, "list less effective"),
        ("Of earlier months", totals.prior_billed, "posted after those were closed"),
    ]


def _sums(balances: Sequence[AccountBalance]) -> list[tuple[str, Decimal, Decimal]]:
    """By currency: all debits, all credits; they are the same."""
    found = []
    for currency in sorted({one.currency for one in balances}):
        mine = [one for one in balances if one.currency == currency]
        found.append(
            (currency, sum((one.debit for one in mine), Decimal(0)), sum((one.credit for one in mine), Decimal(0)))
        )
    return found


def _tie(tie: Tie, view: View, month: str) -> list[tuple[TieStep, str]]:
    """From pages' figure to the books', each step with what it opens."""
    return [
        (one, view.url("/explore", period=month, tz=one.opens) if one.opens else "")
        for one in tie_steps(tie, view.timezone)
    ]


def _billed(one: Transaction) -> Decimal:
    """What a transaction debits in all."""
    return sum((posting.amount for posting in one.postings if posting.amount > 0), Decimal(0))


def _files(month: str, hashes: Mapping[str, str]) -> list[ShownFile]:
    return [
        ShownFile(name, FILE_WORDS[name], f"/api/close/{month}/files/{name}", hashes.get(name, "")) for name in EXPORTS
    ]


def _opens(check: Check) -> str:
    """Where it is looked at; no link to a page that this console doesn't have."""
    known = {item.path for item in NAV} | {"/invoices"}
    return check.opens if check.state != "ok" and check.opens.partition("?")[0] in known else ""


CLOSE_PAGES = [change]
