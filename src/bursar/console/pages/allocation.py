"""Allocation: who bears a month's cost, by which rules; a statement of one of them; forms for rules and chargebacks."""

import asyncio
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from bursar.console.api.allocation import (
    AllocationAnswer,
    StatementAnswer,
    allocation_answer,
    statement_answer,
    this_month,
)
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.converting import beside
from bursar.console.format import Format
from bursar.console.pages.serving import NO_STORE, Asked, fields_of
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl, BadRequest
from bursar.domain.money import usd_from_pico
from bursar.explore.filters import Filter
from bursar.finance.allocation.allocate import Pool
from bursar.finance.allocation.book import Statement
from bursar.finance.allocation.rules import BY, DRIVERS, GIVEN, RuleTerms, RuleVersion
from bursar.finance.allocation.statements import PDF, statement_pdf
from bursar.finance.books.booked import first_day, next_month
from bursar.governance.checks import read_terms
from bursar.reports.statement_workbook import XLSX, statement_workbook

SHOWN = 60
METHOD_WORDS = {
    "even": "evenly", "proportional": "in proportion to direct cost", "fixed": "by fixed shares",
    "driver": "by a driver",
}  # fmt: skip
KIND_WORDS = {"split": "splits", "flat": "flat cost", "tag": "tags"}


class ShownShare(msgspec.Struct, frozen=True):
    """A row. fill: per cent of the largest, for its bar."""

    name: str
    href: str
    direct: Decimal
    parts: list[Decimal]
    total: Decimal
    fill: float
    unpriced: int


class ShownRule(msgspec.Struct, frozen=True):
    name: str
    version: int
    kind: str
    what: str
    how: str
    days: str
    by: str
    note: str


def allocation_figures(context: ConsoleContext, view: View) -> AllocationAnswer:
    """The page's figures for programs."""
    return allocation_answer(context, view.get("month") or this_month(context), _by(view))


def allocation_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads. Raises BadPeriod, BadControl."""
    desk, month, by = context.finance(), view.get("month") or this_month(context), _by(view)
    first, opens = first_day(month), desk.allocation.first_open()
    found = desk.allocation.allocation(month, by)
    charged = desk.allocation.charged(month, by)
    borne = [one for one in found.shares if one.total_pico or one.attempts]
    largest = max((one.total_pico for one in borne), default=0) or 1
    names = list(dict.fromkeys(pool.name for pool in found.pools))
    return {
        "data": {
            "month": month,
            "name": display.month(first),
            "by": by,
            "is_closed": any(one.month == month for one in desk.close.closings()),
            "choices": [(f.field(name), view.url(among=name), name == by) for name in BY],
            "before_href": view.url(month=_before(month)),
            "after_href": view.url(month=next_month(month)),
            "is_now": month >= this_month(context),
            "pools": [(pool, *_pool_words(pool, desk.allocation.rules())) for pool in found.pools],
            "heads": names,
            "shares": [
                ShownShare(
                    one.recipient, _statement_href(month, by, one.recipient), usd_from_pico(one.direct_pico),
                    [usd_from_pico(one.parts.get(name, 0)) for name in names], usd_from_pico(one.total_pico),
                    round(100 * max(one.total_pico, 0) / largest, 1), one.unpriced,
                )
                for one in borne[:SHOWN]
            ],
            "rest": _rest(borne[SHOWN:], names),
            "found": found,
            "borne": usd_from_pico(sum(one.total_pico for one in found.shares)),
            "rules": [_shown_rule(one) for one in desk.allocation.rules()],
            "charged": [(one, datetime_from_us(one.posted_us), _charged(one.postings)) for one in charged],
            "usd": usd_from_pico,
            "drivers": [*DRIVERS, GIVEN],
            "first": max(first, opens or first).isoformat(),
            "opens": opens,
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }  # fmt: skip


def statement_figures(context: ConsoleContext, view: View) -> StatementAnswer:
    """One statement for programs. Raises UnknownControl, BadPeriod, BadControl."""
    return statement_answer(_statement(context, view))


def statement_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """One of them: direct cost by model and feature, parts by rule, and its PDF."""
    one = _statement(context, view)
    asked = {"month": one.month, "among": one.by, "of": one.share.recipient, "in": view.get("in")}
    query = urlencode({name: value for name, value in asked.items() if value})
    methods = {pool.name: METHOD_WORDS.get(pool.method, pool.method) for pool in one.allocation.pools}
    calls = view.url(
        "/calls", period=one.month, tz="UTC", filters=(Filter(one.by, (one.share.recipient,)),), month=None, of=None
    )
    return {
        "data": {
            "one": one,
            "name": display.month(first_day(one.month)),
            "noun": f.field(one.by),
            "parts": [(name, methods.get(name, ""), usd_from_pico(pico)) for name, pico in one.share.parts.items()],
            "usd": usd_from_pico,
            "pdf": f"/statements/print.pdf?{query}",
            "xlsx": f"/statements/print.xlsx?{query}",
            "back": f"/allocation?{urlencode({'month': one.month, 'among': one.by})}",
            "calls_href": calls,
            "beside": beside(context.finance(), view, one.month),
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }


@get("/statements/print.pdf", sync_to_thread=True, include_in_schema=False)
def statement_print(request: Asked) -> Response[bytes]:
    """One statement as a PDF: the same bytes each time for a closed month."""
    return _file(request, "pdf")


@get("/statements/print.xlsx", sync_to_thread=True, include_in_schema=False)
def statement_workbook_file(request: Asked) -> Response[bytes]:
    """The same as a workbook, whose sums are formulas."""
    return _file(request, "xlsx")


def _file(request: Asked, kind: str) -> Response[bytes]:
    context: ConsoleContext = request.app.state.context
    asked = ("month", "among", "of", "in")
    view = context.view("/statements", {name: [str(request.query_params.get(name, ""))] for name in asked})
    one = _statement(context, view)
    other = beside(context.finance(), view, one.month)
    total = other.shown(usd_from_pico(one.share.total_pico))
    told = f"{total}: {other.told}" if total else ""
    make, media_type = (statement_pdf, PDF) if kind == "pdf" else (statement_workbook, XLSX)
    headers = {**NO_STORE, "content-disposition": f'inline; filename="statement-{one.month}.{kind}"'}
    return Response(make(one, context.config.organization, told), media_type=media_type, headers=headers)


def change_allocation(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """Make or end a rule, or charge a month back; where it leads. Raises Forbidden, BadControl, BadQuery."""
    context.check_form(form)
    book, month, by = context.finance().allocation, form.get("month", ""), form.get("by", "team")
    match form.get("act", ""):
        case "set":
            book.set(form.get("name", ""), _terms(form), actor=ACTOR)
        case "end":
            book.end(form.get("name", ""), first_day(month), actor=ACTOR)
        case "charge":
            book.charge_back(month, by, actor=ACTOR)
        case act:
            raise BadControl(f"act is {act[:40]!r}; it is set, end or charge", field="act")
    return f"/allocation?{urlencode({'month': month, 'among': by})}"


@post("/allocation/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """The forms of the page."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_allocation, request.app.state.context, fields)
    return Redirect(target, status_code=303)


def _terms(form: Mapping[str, str]) -> RuleTerms:
    """What the form says, as terms. Raises BadControl."""
    given: dict[str, Any] = {
        name: form[name].strip()
        for name in ("kind", "start", "method", "driver", "amount", "note")
        if form.get(name, "").strip()
    }
    given["by"] = form.get("by", "team")
    given["where"] = _lines(form.get("where", ""))
    given["among"] = _lines(form.get("among", ""))
    given["shares"] = _pairs("shares", form.get("shares", ""))
    given["tags"] = _pairs("tags", form.get("tags", ""))
    if form.get("currency", "").strip():
        given["currency"] = form["currency"].strip().upper()
    return read_terms(given, RuleTerms)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace(";", "\n").splitlines() if line.strip()]


def _pairs(field: str, text: str) -> dict[str, str]:
    found = {}
    for line in _lines(text):
        name, sign, value = line.partition("=")
        if not sign:
            raise BadControl(f"{field}: {line[:60]!r}; write web=60", field=field)
        found[name.strip()] = value.strip().removesuffix("%").strip()
    return found


def _statement(context: ConsoleContext, view: View) -> Statement:
    recipient = view.get("of")
    if not recipient:
        raise BadRequest("of: whose statement, as of=web", field="of")
    return context.finance().allocation.statement(view.get("month") or this_month(context), _by(view), recipient)


def _by(view: View) -> str:
    """Among whom: `by` of an address is every page's, and says feature where nothing is said."""
    return view.get("among", "team")


def _before(month: str) -> str:
    first = first_day(month)
    return f"{first.year - (first.month == 1):04d}-{(first.month - 2) % 12 + 1:02d}"


def _statement_href(month: str, by: str, recipient: str) -> str:
    return f"/statements?{urlencode({'month': month, 'among': by, 'of': recipient})}"


def _pool_words(pool: Pool, rules: list[RuleVersion]) -> tuple[str, str]:
    """How it is split, and among how many."""
    terms = next((one.terms for one in rules if one.name == pool.name), None)
    how = METHOD_WORDS.get(pool.method, pool.method)
    if terms is not None and terms.method == "driver":
        how = f"by {terms.driver.replace('_', ' ')}" if terms.driver != GIVEN else "by given numbers"
    return how, f"among {len(pool.parts)}" if pool.parts else "among nobody"


def _rest(shares: list[Any], names: list[str]) -> ShownShare | None:
    if not shares:
        return None
    return ShownShare(
        f"{len(shares)} others", "", usd_from_pico(sum(one.direct_pico for one in shares)),
        [usd_from_pico(sum(one.parts.get(name, 0) for one in shares)) for name in names],
        usd_from_pico(sum(one.total_pico for one in shares)), 0.0, sum(one.unpriced for one in shares),
    )  # fmt: skip


def _charged(postings: list[Any]) -> Decimal:
    return sum((one.amount for one in postings if one.amount > 0), Decimal(0))


def _shown_rule(one: RuleVersion) -> ShownRule:
    terms = one.terms or RuleTerms("split", date.min)
    where = " and ".join(terms.where) or "–"
    match terms.kind:
        case "flat":
            what, how = f"{terms.amount} {terms.currency} a month", METHOD_WORDS[terms.method]
        case "tag":
            what, how = where, ", ".join(f"{name}={value}" for name, value in terms.tags.items())
        case _:
            what, how = where, METHOD_WORDS[terms.method]
    if terms.shares:
        how += ": " + ", ".join(f"{name} {value}" for name, value in list(terms.shares.items())[:6])
    elif terms.driver:
        how = f"by {terms.driver.replace('_', ' ')}"
    days = f"from {terms.start}" + (f" until {terms.end}" if terms.end else "")
    by = "–" if terms.kind == "tag" else f"{terms.by}s"
    return ShownRule(one.name, one.version, KIND_WORDS[terms.kind], what, how, days, by, terms.note)


ALLOCATION_PAGES = [change, statement_print, statement_workbook_file]
