"""The JSON API of reports: what is kept, its files, and making one."""

from litestar import Response, get, post
from litestar.params import FromPath

from bursar.console.api.parameters import PROBLEMS, Version
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.pages.reports import ReportRow, file_answer, listed_reports
from bursar.console.pages.serving import Asked
from bursar.console.reporting import keep_report, make_files
from bursar.reports.kept import Files, Made, report_kind, report_month


@get("/api/reports", sync_to_thread=True, responses=PROBLEMS, summary="Each month's reports")
def reports(request: Asked) -> list[ReportRow]:
    """The newest month first; `url` is the PDF of each, `version` 0 where only a draft can be had."""
    context: ConsoleContext = request.app.state.context
    return listed_reports(context, context.view("/reports", {}))


@get("/api/reports/{kind:str}/{name:str}", sync_to_thread=True, include_in_schema=False)
def report_file(request: Asked, kind: FromPath[str], name: FromPath[str], version: Version = None) -> Response[bytes]:
    """A file, as `/api/reports/pack/2026-10.xlsx`: the newest kept version, or a draft."""
    return file_answer(request.app.state.context, kind, name, version)


@get("/api/reports/{kind:str}/{month:str}/draft", sync_to_thread=True, include_in_schema=False)
def draft(request: Asked, kind: FromPath[str], month: FromPath[str]) -> Files:
    """A report as the books have it now, not kept; for the command that keeps it. Its files are base64."""
    return make_files(request.app.state.context, report_kind(kind), report_month(month))


@post("/api/reports/{kind:str}/{month:str}", sync_to_thread=True, responses=PROBLEMS, summary="Make and keep a report")
def make(request: Asked, kind: FromPath[str], month: FromPath[str]) -> Made:
    """kind: `board` or `pack`; month: `2026-10`. The same figures are the same bytes, and no version of their own."""
    context: ConsoleContext = request.app.state.context
    return keep_report(context, report_kind(kind), report_month(month), actor=ACTOR)


REPORT_HANDLERS = [reports, report_file, draft, make]
