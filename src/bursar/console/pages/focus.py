"""FOCUS files: each month as a file to download, a form to bring in a bill, and what bills brought."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import post
from litestar.datastructures import UploadFile
from litestar.response import Redirect

from bursar.console.api.answers import csv_bytes
from bursar.console.api.focus import IMPORT_BYTES_MAX, take_in
from bursar.console.context import ConsoleContext
from bursar.console.focusing import month_period, months_with_calls
from bursar.console.format import Format
from bursar.console.pages.serving import Asked
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.errors import BadRequest
from bursar.domain.money import plain
from bursar.domain.periods import Period, parse_period
from bursar.explore.filters import Filter
from bursar.explore.query import Query
from bursar.finance.focus.columns import VERSION
from bursar.finance.focus.converting import unrated
from bursar.finance.focus.importing import ImportNote, days_of_bills, imports, refuse_faults
from bursar.ledger.imported import IMPORTED

MONTHS_LISTED = 12
VENDORS_SHOWN = 20
PARTS_BYTES = 1 << 20
_SOURCE = Filter("source", (IMPORTED,))


class MonthRow(msgspec.Struct, frozen=True):
    """A month that can be exported. billed_cost: USD, as text; unpriced_count: charges that are in no row."""

    month: str
    billed_cost: str
    unpriced_count: int
    csv_url: str
    parquet_url: str
    unpriced_url: str


class VendorRow(msgspec.Struct, frozen=True):
    """What imported bills say of one service. rows: of the bills; unpriced: of them in another currency than USD."""

    provider: str
    service: str
    billed_cost: Decimal | None
    effective_cost: Decimal | None
    rows: int
    unpriced: int
    href: str


class FocusFigures(msgspec.Struct, frozen=True):
    """The page for programs."""

    version: str
    months: list[MonthRow]
    imports: list[ImportNote]


def focus_figures(context: ConsoleContext) -> FocusFigures:
    """Months with calls, newest first, and bills that were imported."""
    return FocusFigures(VERSION, [_month(context, name) for name in months_with_calls(context, MONTHS_LISTED)],
                        imports(context.ledger))  # fmt: skip


def focus_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    told = focus_figures(context)
    days = days_of_bills(context.ledger)
    period = f"{days[0]}..{days[1]}" if days else ""
    bills = _vendors(context, view, parse_period(period, context.now(), "UTC")) if days else []
    return {
        "data": {
            "version": VERSION,
            "months": [
                (one, display.month(month_period(context, one.month).start.date()), Decimal(one.billed_cost))
                for one in told.months
            ],
            "imports": [(one, one.imported_at[:16].replace("T", " ")) for one in told.imports],
            "vendors": bills,
            "explore": view.url("/explore", period=period, by="provider", filters=(_SOURCE,)),
            "beside": view.url("/explore", period=period, by="source", filters=()),
            "unrated": unrated(context.ledger),
            "added": f.count(int(view.get("added"))) if view.get("added").isdigit() else "",
        },
        "csrf": context.csrf,
        "has_pickers": False,
    }


def focus_csv(told: FocusFigures) -> bytes:
    """A row for each month."""
    return csv_bytes(MonthRow.__struct_fields__, [msgspec.structs.astuple(one) for one in told.months])


@post("/focus/import", include_in_schema=False, status_code=303, request_max_body_size=IMPORT_BYTES_MAX)
async def import_form(request: Asked) -> Redirect:
    """A file by the page's form. Raises BadFocusFile with the first lines that don't fit."""
    context: ConsoleContext = request.app.state.context
    form = await request.form()
    context.check_form({"csrf": str(form.get("csrf", ""))})
    sent = form.get("file")
    if not isinstance(sent, UploadFile) or not sent.filename:
        raise BadRequest("choose a file first", field="file")
    done = await take_in(context, _parts(sent), sent.filename, replace=form.get("replace") == "yes")
    refuse_faults(done)
    return Redirect(f"/focus?{urlencode({'added': done.added})}#imports", status_code=303)


async def _parts(sent: UploadFile) -> AsyncIterator[bytes]:
    while part := await sent.read(PARTS_BYTES):
        yield part


def _month(context: ConsoleContext, name: str) -> MonthRow:
    totals = context.explorer.run(Query(month_period(context, name), ("billed_cost",))).totals
    asked = urlencode({"period": name})
    return MonthRow(
        month=name,
        billed_cost=plain(totals["billed_cost"] or Decimal(0)),
        unpriced_count=totals["unpriced_count"],
        csv_url=f"/api/focus/export?{asked}",
        parquet_url=f"/api/focus/export?{asked}&format=parquet",
        unpriced_url=f"/api/focus/unpriced?{asked}",
    )


def _vendors(context: ConsoleContext, view: View, period: Period) -> list[VendorRow]:
    """What the bills come to, the dearest first; all of them, whichever month they are of."""
    asked = Query(period, ("billed_cost", "effective_cost"), ("provider", "upstream"), (_SOURCE,), order="billed_cost",
                  limit=VENDORS_SHOWN)  # fmt: skip
    return [
        VendorRow(
            provider, service, billed, effective, rows, unpriced,
            view.url("/explore", period=period.name, by="upstream", filters=(_SOURCE, Filter("provider", (provider,)))),
        )
        for provider, service, billed, effective, unpriced, _, _, rows in context.explorer.run(asked).rows
    ]  # fmt: skip


FOCUS_PAGES = [import_form]
