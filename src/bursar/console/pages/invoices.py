"""Invoices: providers' bills beside our own charges, what differs, why, and what to do about it."""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from litestar import post
from litestar.response import Redirect

from bursar.console.api.invoice_answers import BillAnswer, ComparedAnswer, bills_csv, compared_csv, state_of
from bursar.console.api.invoice_tax import bill_tax, make_document
from bursar.console.api.invoices import (
    Decision,
    TypedBill,
    compare_bill,
    decide_on,
    listed,
    take_in,
    take_typed,
    told_bill,
)
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.forms.fields import Fields
from bursar.console.invoicing import coverage_of
from bursar.console.pages.serving import Asked, fields_of
from bursar.console.pages.tax import document_href
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl, BadTax
from bursar.domain.money import usd_from_pico
from bursar.explore.filters import Filter
from bursar.finance.reconcile.causes import WORDS, Cause
from bursar.finance.reconcile.desk import WITHDRAWN, Look
from bursar.finance.reconcile.grouping import POSTABLE
from bursar.finance.reconcile.price_command import price_command
from bursar.finance.reconcile.result import Variance, VarianceCell
from bursar.finance.tax.documents import what_is_known
from bursar.finance.tax.from_bill import Said
from bursar.finance.tax.vocabulary import read_day
from bursar.prices.book import PriceBook

VARIANCES_SHOWN, CELLS_SHOWN = 200, 40
HOW_WORDS = {
    "said": "as you said",
    "named": "by its name",
    "recognised": "recognised by its usage",
    "pooled": "compared with all of ours",
    "unknown": "never seen here",
}
STATE_WORDS = {
    "open": "", "none": "", "accepted": "accepted", "posted": "posted", "ignored": "ignored",
    "provisional": "not final yet",
}  # fmt: skip


class ShownBill(msgspec.Struct, frozen=True):
    """A row of the list; None: not compared yet. says: what the bill itself says, shown until then, as "EUR 80.50"."""

    href: str
    month: str
    provider: str
    account: str
    billed: Decimal | None
    ours: Decimal | None
    difference: Decimal | None
    coverage: str
    fill: float
    open_count: int | None
    open: Decimal | None
    fault: str
    says: str


class ShownCell(msgspec.Struct, frozen=True):
    days: str
    what: str
    quantity: Decimal
    prices: str
    money: Decimal


class ShownVariance(msgspec.Struct, frozen=True):
    """A row of a bill's differences. fill: of the largest, 0 to 100. can: the buttons it has.

    command: what sets the price that the bill tells, "" where it tells none.
    """

    id: str
    said: str
    cause: str
    where: str
    days: str
    href: str
    money: Decimal
    fill: float
    note: str
    proposal: str
    state: str
    can: list[tuple[str, str]]
    command: str
    cells: list[ShownCell]
    more: int


def invoices_figures(context: ConsoleContext) -> list[BillAnswer]:
    """The page's rows for programs."""
    return listed(context)


def invoices_csv(answer: list[BillAnswer]) -> bytes:
    return bills_csv(answer)


def invoices_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    rows = [_bill(context, view, one) for one in listed(context)]
    return {
        "data": {
            "rows": rows,
            "totals": _totals(rows),
            "covered": coverage_of(context),
            "today": context.now().date(),
            "waiting": sum(row.open_count or 0 for row in rows),
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }


def invoice_figures(context: ConsoleContext, name: str) -> ComparedAnswer:
    return told_bill(context, name)


def invoice_csv(answer: ComparedAnswer) -> bytes:
    return compared_csv(answer)


def invoice_page(context: ConsoleContext, view: View, f: Format, name: str) -> dict[str, Any]:
    """One bill. Raises UnknownControl."""
    look = compare_bill(context, name)
    found, invoice = look.found, look.invoice
    tax = bill_tax(context, invoice.invoice_id)
    most = max((abs(one.money) for one in found.variances), default=0)
    prices = context.prices()
    causes = sorted(found.by_cause().items(), key=lambda pair: -abs(pair[1]))
    widest = max((abs(money) for _, money in causes), default=0)
    return {
        "data": {
            "invoice": invoice,
            "month": display.month(date.fromisoformat(f"{invoice.month}-01")),
            "fault": look.fault,
            "is_withdrawn": look.fault == WITHDRAWN,
            "billed": usd_from_pico(found.billed),
            "used": usd_from_pico(found.used),
            "extra": usd_from_pico(found.extra),
            "ours": usd_from_pico(found.ours),
            "difference": usd_from_pico(found.difference),
            "coverage": display.percent(found.covered, found.used) if found.used > 0 else "–",
            "posted": usd_from_pico(look.posted),
            "waiting": look.open_ones,
            "causes": [
                (WORDS[cause], usd_from_pico(money), round(100 * abs(money) / widest, 1) if widest else 0.0,
                 sum(one.cause is cause for one in found.variances))
                for cause, money in causes
            ],
            "variances": [_variance(view, look, one, most, f, prices) for one in found.variances[:VARIANCES_SHOWN]],
            "more": max(len(found.variances) - VARIANCES_SHOWN, 0),
            "days": [
                (_span(one.start, one.end), usd_from_pico(one.theirs), usd_from_pico(one.ours),
                 usd_from_pico(one.extra), usd_from_pico(one.theirs + one.extra - one.ours), one.is_provisional,
                 _calls(view, invoice.provider, one.start, one.end))
                for one in found.days
            ],
            "keys": [(one.name, HOW_WORDS[one.how], one.how, usd_from_pico(one.money)) for one in found.keys],
            "files": [
                {"name": one.name, "format": one.format, "lines": one.lines, "by": one.imported_by,
                 "at": datetime_from_us(one.imported_us)}
                for one in context.finance().invoices.book.files(invoice.invoice_id)
            ],
            "notes": found.notes,
            "provisional_from": display.day(look.provisional_from, year=True),
            "rate": "" if invoice.rate is None else format(invoice.rate, "f"),
            "tax": tax,
            "tax_href": document_href(tax.document),
            "kept": what_is_known(context.finance().taxes),
            "is_foreign": bool(look.fault) or invoice.rate is not None,
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }  # fmt: skip


def change_invoices(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """What a form asks for, done; where it leads. Raises Forbidden, BadControl, UnknownControl."""
    context.check_form(form)
    bill = form.get("bill", "")
    desk = context.finance().invoices
    match form.get("act", ""):
        case "accepted" | "ignored" as act:
            decide_on(context, bill, Decision(form.get("variance", ""), act, form.get("note", "")))
        case "accept-all":
            for one in compare_bill(context, bill).open_ones:
                if one.cause in POSTABLE:
                    desk.decide(bill, one.variance_id, "accepted", actor=ACTOR)
            desk.post_accepted()
        case "withdraw":
            desk.withdraw(bill, actor=ACTOR)
        case "reconcile":
            compare_bill(context, bill, fresh=True)
        case "rate":
            text = form.get("rate", "").strip()
            desk.book.set_rate(bill, _figure(text, "rate") if text else None, actor=ACTOR)
        case "key":
            provider = desk.book.one(bill).provider
            desk.names.set_key(provider, form.get("name", ""), form.get("targets", "").split(","), actor=ACTOR)
            desk.forget()
        case "tax":
            made = make_document(context, bill, _said(form))
            return document_href(made.record.name)
        case "typed":
            return f"/invoices/{take_in(context, lambda desk: take_typed(desk, _typed(form))).invoices[0]}"
        case act:
            raise BadControl(f"act is {act[:40]!r}, which no button here is", field="act")
    return f"/invoices/{bill}"


@post("/invoices/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """A button or form of the pages of invoices."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_invoices, request.app.state.context, fields)
    return Redirect(target, status_code=303)


def _said(form: Mapping[str, str]) -> Said:
    """What was said of a bill's tax document. Raises BadTax for an input that says nothing."""
    fields = Fields(form)
    inputs: dict[str, Any] = dict(fields.pairs("inputs", "self_invoice_date=2026-11-12"))
    if "inputs" in fields.errors:
        raise BadTax(f"inputs: {fields.errors['inputs']}", field="inputs")
    inputs |= {name: fields.text(name) for name in ("payment_date", "self_invoice_date") if fields.text(name)}
    day = fields.text("invoice_date")
    issuers = [name.removeprefix("issuer_") for name in form if name.startswith("issuer_") and form[name].strip()]
    entities = {form[f"issuer_{at}"]: fields.text(f"entity_{at}") for at in issuers if fields.text(f"entity_{at}")}
    return Said(
        fields.text("payer"), fields.text("entity"), fields.text("number"),
        read_day("invoice_date", day) if day else None, entities, inputs, fields.ticked("although_open"),
    )  # fmt: skip


def _typed(form: Mapping[str, str]) -> TypedBill:
    rate = form.get("rate", "").strip()
    return TypedBill(
        form.get("provider", "").strip(), _day(form, "first"), _day(form, "last"),
        _figure(form.get("amount", ""), "amount"), _figure(form.get("tax", "") or "0", "tax"),
        form.get("currency", "").strip().upper() or "USD", _figure(rate, "rate") if rate else None,
    )  # fmt: skip


def _figure(text: str, field: str) -> Decimal:
    try:
        found = Decimal(text.replace(",", "").strip())
    except InvalidOperation as error:
        raise BadControl(f"{field}: {text[:40]!r} isn't a number", field=field) from error
    if not found.is_finite() or abs(found) > 10**12:
        raise BadControl(f"{field}: {text[:40]!r} is too much", field=field)
    return found


def _day(form: Mapping[str, str], field: str) -> date:
    try:
        return date.fromisoformat(form.get(field, ""))
    except ValueError as error:
        raise BadControl(f"{field}: a day, as 2026-10-31", field=field) from error


def _bill(context: ConsoleContext, view: View, one: BillAnswer) -> ShownBill:
    share = None if one.coverage is None else Decimal(one.coverage)
    return ShownBill(
        view.url(f"/invoices/{one.invoice_id}"), display.month(date.fromisoformat(f"{one.month}-01")), one.provider,
        one.account, _usd(one.billed), _usd(one.ours), _usd(one.difference),
        "–" if share is None else display.percent(share, Decimal(1)), float(round(100 * share, 1)) if share else 0.0,
        one.open_count, _usd(one.open), one.fault, "" if one.billed else _says(context, one),
    )  # fmt: skip


def _says(context: ConsoleContext, one: BillAnswer) -> str:
    """Its lines' sums, in the currencies they are in."""
    sums: dict[str, Decimal] = {}
    for line in context.finance().invoices.book.lines(one.invoice_id):
        if line.amount is not None:
            sums[line.currency] = sums.get(line.currency, Decimal(0)) + line.amount
    return ", ".join(f"{currency} {amount:,f}" for currency, amount in sums.items())


def _usd(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _totals(rows: list[ShownBill]) -> dict[str, Decimal]:
    return {
        name: sum((getattr(row, name) or Decimal(0) for row in rows), Decimal(0))
        for name in ("billed", "ours", "difference", "open")
    }


def _variance(view: View, look: Look, one: Variance, most: int, f: Format, book: PriceBook) -> ShownVariance:
    state = state_of(one, look.acts)
    can: list[tuple[str, str]] = []
    if state in ("open", "none", "ignored") and one.cause in POSTABLE:
        can.append(("accepted", "Post it"))
    if state == "open":
        can.append(("ignored", "Ignore"))
    command = price_command(book, look.invoice.provider, one, look.invoice.invoice_id)
    where = [one.key, one.model, _words(one.unit), one.tier if one.tier != "standard" else ""]
    return ShownVariance(
        one.variance_id, WORDS[one.cause], one.cause.value, " · ".join(filter(None, where)) or "the bill as a whole",
        display.days(one.first, one.last), _variance_calls(view, look, one), usd_from_pico(one.money),
        round(100 * abs(one.money) / most, 1) if most else 0.0, _note(look, one, f), one.proposal,
        STATE_WORDS[state], can, command,
        [_cell(cell, f) for cell in one.cells[:CELLS_SHOWN]], max(len(one.cells) - CELLS_SHOWN, 0),
    )  # fmt: skip


def _note(look: Look, one: Variance, f: Format) -> str:
    """What else is to be said; above all, that another amount was decided about."""
    act = look.acts.get(one.variance_id)
    if act is None or act.variance.money == one.money:
        return one.note
    then = f.plain_money(usd_from_pico(act.variance.money))
    return f"it was {then} when it was {act.act}; the rest is not posted"


def _cell(cell: VarianceCell, f: Format) -> ShownCell:
    told = [cell.key, cell.model, _words(cell.unit), cell.tier if cell.tier != "standard" else ""]
    what = " · ".join(filter(None, told))
    if cell.other_unit or cell.other_tier:
        what += f" (here: {' '.join(filter(None, (_words(cell.other_unit), cell.other_tier)))})"
    prices = ""
    if cell.their_price is not None and cell.our_price is not None:
        million = Decimal(1_000_000)
        prices = f"{f.plain_money(cell.their_price * million)} and {f.plain_money(cell.our_price * million)} a million"
    return ShownCell(_span(cell.start, cell.end), what, cell.quantity, prices, usd_from_pico(cell.money))


def _words(unit: str) -> str:
    return unit.replace("_", " ")


def _span(start: date, end: date) -> str:
    return display.days(start, end - timedelta(days=1))


def _variance_calls(view: View, look: Look, one: Variance) -> str:
    """Where our side of it can be looked at; "" where there is none."""
    if one.cause in (Cause.TAX, Cause.CREDIT, Cause.FEE, Cause.CURRENCY, Cause.NOT_THROUGH):
        return ""
    more = []
    if one.models:
        more.append(Filter("model", tuple(one.models)))
    if len(one.credentials) == 1:
        more.append(Filter("credential_id", tuple(one.credentials)))
    return _calls(view, look.invoice.provider, one.first, one.last + timedelta(days=1), *more)


def _calls(view: View, provider: str, start: date, end: date, *more: Filter) -> str:
    last = end - timedelta(days=1)
    return view.url(
        "/calls", period=f"{start}..{last}", tz="UTC", filters=(Filter("provider", (provider,)), *more)
    )  # fmt: skip


INVOICE_PAGES = [change]
