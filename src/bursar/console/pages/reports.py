"""Reports: for each month the board's and the finance pack, as kept or as a draft, and what keeps one."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from bursar.console.api.answers import csv_bytes
from bursar.console.api.parameters import Version
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.costs import gateway_address
from bursar.console.pages.serving import NO_STORE, Asked, fields_of
from bursar.console.reporting import files_of, keep_report, named_files
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadRequest, Unavailable
from bursar.domain.periods import zone
from bursar.reports.kept import REPORT_KINDS, TITLES, Made, ReportKind, report_kind, report_month

MONTHS_LISTED = 12
SAYS: dict[ReportKind, str] = {
    "board": "Four pages in plain words: what was spent, on what, how it is kept in hand, what it earns.",
    "pack": "The four costs by vendor, model, team, feature, customer and day; a workbook with live sums that ties.",
}


class ReportRow(msgspec.Struct, frozen=True):
    """One month's report. version: the newest kept one, 0 where there is none; url: of its PDF."""

    kind: str
    month: str
    version: int
    made_at: str
    made_by: str
    state: str
    digest: str
    url: str
    workbook_url: str


def listed_reports(context: ConsoleContext, view: View) -> list[ReportRow]:
    """The newest month first, from the first call on."""
    kept = _kept(context)
    return [_row(kept.get((kind, month), []), kind, month) for month in _months(context, view) for kind in REPORT_KINDS]


def reports_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """The months as cards' rows."""
    rows = listed_reports(context, view)
    months = list(dict.fromkeys(row.month for row in rows))
    return {
        "data": {
            "kinds": [(kind, TITLES[kind], SAYS[kind]) for kind in REPORT_KINDS],
            "months": [
                (
                    month,
                    display.month(date.fromisoformat(f"{month}-01")),
                    [(TITLES[report_kind(row.kind)], row, _made_words(row, f)) for row in rows if row.month == month],
                )
                for month in months
            ],
        },
        "has_any": context.explorer.first_call_at() is not None,
        "gateway": gateway_address(context),
        "has_pickers": False,
        "csrf": context.csrf,
    }


def reports_csv(rows: list[ReportRow]) -> bytes:
    """A row for each month and report."""
    return csv_bytes(ReportRow.__struct_fields__, [msgspec.structs.astuple(one) for one in rows])


@get("/reports/{kind:str}/{name:str}", include_in_schema=False, sync_to_thread=True)
def report_file(request: Asked, kind: FromPath[str], name: FromPath[str], version: Version = None) -> Response[bytes]:
    """`/reports/board/2026-10.pdf`, `/reports/pack/2026-10.xlsx`: the newest kept version, or a draft."""
    return file_answer(request.app.state.context, kind, name, version)


@post("/reports/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Response[Any]:
    """Make a month's report and keep it."""
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    kind, month = report_kind(fields.get("kind", "")), report_month(fields.get("month", ""))
    await asyncio.to_thread(keep_report, context, kind, month, actor=ACTOR)
    return Redirect(f"/reports#{month}", status_code=303)


def file_answer(context: ConsoleContext, kind: str, name: str, version: int | None) -> Response[bytes]:
    """A report's file, by its name. Raises BadRequest, BadPeriod."""
    known = report_kind(kind)
    month, _, ending = name.partition(".")
    found = named_files(kind, report_month(month), files_of(context, known, month, version))
    wanted = next((one for one in found if one[0].endswith(f".{ending or 'pdf'}")), None)
    if wanted is None:
        has = ", ".join(one[0].partition(".")[2] for one in found)
        raise BadRequest(f"a {TITLES[known].lower()} has no {ending[:10]!r}; it has {has}", field="name")
    headers = {**NO_STORE, "content-disposition": f'inline; filename="{wanted[0]}"'}
    return Response(wanted[2], media_type=wanted[1], headers=headers)


REPORT_PAGES = [report_file, change]


def _kept(context: ConsoleContext) -> dict[tuple[str, str], list[Made]]:
    try:
        made = context.finance().reports.all()
    except Unavailable:
        return {}
    found: dict[tuple[str, str], list[Made]] = {}
    for one in made:
        found.setdefault((one.kind, one.period), []).append(one)
    return found


def _months(context: ConsoleContext, view: View) -> list[str]:
    """From the running month back to the one of the first call."""
    first = context.explorer.first_call_at()
    if first is None:
        return []
    place = zone(view.timezone)
    oldest, at = f"{first.astimezone(place):%Y-%m}", view.now.astimezone(place).date()
    months: list[str] = []
    while len(months) < MONTHS_LISTED and f"{at:%Y-%m}" >= oldest:
        months.append(f"{at:%Y-%m}")
        at = at.replace(day=1) - timedelta(days=1)
    return months


def _row(versions: list[Made], kind: ReportKind, month: str) -> ReportRow:
    address = f"/reports/{kind}/{month}"
    workbook = f"{address}.xlsx" if kind == "pack" else ""
    if not versions:
        return ReportRow(kind, month, 0, "", "", "", "", f"{address}.pdf", workbook)
    last = versions[0]
    at = datetime_from_us(last.made_us).isoformat()
    return ReportRow(kind, month, last.version, at, last.made_by, last.state, last.digest, f"{address}.pdf", workbook)


def _made_words(row: ReportRow, f: Format) -> str:
    if not row.version:
        return "draft"
    return f"version {row.version}, {f.when(datetime.fromisoformat(row.made_at))}, by {row.made_by}"
