"""Reports for the console: their facts from the books, their files, and the versions that were kept."""

from decimal import Decimal
from typing import Any

import msgspec

from bursar.alerts.facts import ReviewTold
from bursar.alerts.message import Attached
from bursar.console.context import ConsoleContext
from bursar.console.reporting_finance import finance_blocks, margin_blocks, state_of
from bursar.console.reviewing import facts_of, pdf_of, review_named
from bursar.console.stating import statement_attached
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.errors import BadRequest, Unavailable
from bursar.explore.table import Query, Table, run_query
from bursar.reports.blocks import Report
from bursar.reports.board import BoardFacts, Step, board
from bursar.reports.kept import TITLES, Files, Made, ReportKind, report_kind
from bursar.reports.pack import COSTS, GROUPED, CostLine, PackFacts, pack, tables
from bursar.reports.typeset import to_pdf
from bursar.reports.workbook import Workbook
from bursar.reviews.facts import Opens
from bursar.reviews.words import Words

MEASURES = (*COSTS, "attempts", "unpriced_count")
COLUMNS_TIED = ("List", "Contracted", "Effective", "Billed")
PDF = "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CELLS_NOTE = "A cell holds fifteen digits; exact figures are in the CSV of each page, and in FOCUS exports."


def report_view(context: ConsoleContext, month: str) -> View:
    """The view that a report's figures open in. Raises BadPeriod, and BadRequest for a month that hasn't begun."""
    view = context.view("/reports", {"period": [month]})
    if view.period.start > view.now:
        raise BadRequest(f"{month} hasn't begun yet: there is nothing to report", field="month")
    return view


def make_files(context: ConsoleContext, kind: ReportKind, month: str) -> Files:
    """The report as the books have it now."""
    view = report_view(context, month)
    state = state_of(context, view)
    if kind == "board":
        return Files(state, to_pdf(board_report(context, view, state)))
    facts = pack_facts(context, view, state)
    made = pack(facts, words_of(context))
    return Files(state, to_pdf(made), workbook_of(made, facts))


def files_of(context: ConsoleContext, kind: ReportKind, month: str, version: int | None) -> Files:
    """A kept version; without a number the newest, or a draft where none was kept. Raises BadRequest, BadPeriod."""
    if version is not None:
        found = context.finance().reports.version(kind, month, version)
        if found is None:
            raise BadRequest(f"there is no version {version} of the {TITLES[kind].lower()} of {month}", field="version")
        return found[1]
    found = kept_one(context, kind, month)
    return make_files(context, kind, month) if found is None else found[1]


def kept_one(context: ConsoleContext, kind: ReportKind, month: str) -> tuple[Made, Files] | None:
    """The newest kept version; None where there is none, or nowhere to keep one."""
    try:
        return context.finance().reports.last(kind, month)
    except Unavailable:
        return None


def keep_report(context: ConsoleContext, kind: ReportKind, month: str, *, actor: str) -> Made:
    """Make it now and keep it. Raises BadRequest, BadPeriod, Unavailable."""
    return context.finance().reports.keep(kind, month, make_files(context, kind, month), actor=actor)


def report_told(context: ConsoleContext, kind: ReportKind, month: str) -> ReviewTold:
    """A month's report as it is sent to people: kept first, so that what was sent can be had again."""
    made = keep_report(context, kind, month, actor="schedule")
    first = msgspec.structs.replace(report_view(context, month), path=f"/reports/{kind}/{month}").first_day
    title = f"{TITLES[kind]}, {display.month(first)}"
    return ReviewTold(title, f"{title} is attached (version {made.version}). {made.state}", f"/reports/{kind}/{month}")


def files_sent(context: ConsoleContext, address: str) -> list[Attached]:
    """What goes with an alert by mail: of a report its files as kept, of a review its PDF, of a statement both."""
    parts = address.strip("/").split("/")
    match parts:
        case ["reports", kind, month]:
            return [
                Attached(name, media_type, content)
                for name, media_type, content in named_files(
                    kind, month, files_of(context, report_kind(kind), month, None)
                )
            ]
        case ["reviews", period]:
            return [Attached(f"review-{period}.pdf", PDF, pdf_of(context, review_named(context, period)))]
        case [asked] if asked.startswith("statements?"):
            return statement_attached(context, asked)
        case _:
            return []


def named_files(kind: str, month: str, files: Files) -> list[tuple[str, str, bytes]]:
    """(file's name, media type, content)."""
    found = [(f"{kind}-{month}.pdf", PDF, files.pdf)]
    return found if files.xlsx is None else [*found, (f"{kind}-{month}.xlsx", XLSX, files.xlsx)]


def words_of(context: ConsoleContext) -> Words:
    return Words(context.config.console.locale, context.config.console.currency)


def board_report(context: ConsoleContext, view: View, state: str) -> Report:
    """The four pages."""
    facts = facts_of(context, "monthly", view)
    made = BoardFacts(
        organization=context.config.organization,
        state=state,
        # how the next month may end is no part of one that is over, which stays the same
        facts=msgspec.structs.replace(
            facts,
            period=display.month(view.first_day),
            outlook=facts.outlook if view.period.end > context.now() else None,
        ),
        step=_step(context),
        margin=margin_blocks(context, view, words_of(context)),
        finance=finance_blocks(context, view, words_of(context), short=True),
        month_labels=tuple(f"{display.month(one.first)[:3]} {one.first:%y}" for one in facts.months),
    )
    return board(made, words_of(context), lambda opens: f"{context.config.console_url}{_address(view, opens)}")


def pack_facts(context: ConsoleContext, view: View, state: str) -> PackFacts:
    """All groups from one snapshot of the ledger, so that they tie whatever is loaded meanwhile."""
    ledger = context.ledger
    with ledger.reading() as session:

        def ask(dimensions: tuple[str, ...]) -> Table:
            query = Query(view.period, MEASURES, dimensions, view.filters, view.timezone, limit=None)
            return run_query(session, ledger.dialect, query)

        groups = {name: [_line(row, name) for row in ask((name,)).dicts()] for name in GROUPED}
        total = ask(()).totals
    return PackFacts(
        organization=context.config.organization,
        state=state,
        period=display.month(view.first_day),
        groups=groups,
        total=_line(total, ""),
        finance=(*margin_blocks(context, view, words_of(context)), *finance_blocks(context, view, words_of(context))),
    )


def workbook_of(made: Report, facts: PackFacts) -> bytes:
    """The pack as a workbook."""
    book = Workbook(f"{made.title}, {made.period}", [made.organization, made.state, made.lead, CELLS_NOTE])
    for table in tables(facts):
        book.add(table)
    wanted = [(name, amount or Decimal(0)) for name, amount in zip(COLUMNS_TIED, facts.total.costs, strict=True)]
    book.tie_out(wanted, "The ledger's own total is asked apart from the sheets, from the same snapshot.")
    return book.done()


def _line(row: dict[str, Any], dimension: str) -> CostLine:
    name = "" if not dimension else str(row[dimension] or "")
    costs = tuple(row[cost] for cost in COSTS)
    return CostLine(name, costs, int(row["attempts"] or 0), int(row["unpriced_count"] or 0))


def _step(context: ConsoleContext) -> Step | None:
    try:
        found = context.maturity().standing()
    except Unavailable:
        return None
    step = found.place.step
    return Step(step.number, step.name, found.acts[0].act.title if found.acts else "")


def _address(view: View, opens: Opens) -> str:
    extra: dict[str, Any] = {name: value for name, value in opens.extra if name != "#"}
    if not opens.has_period:
        extra = {"period": None, **extra}
    return view.url(opens.path, filters=opens.filters, compare=None, **extra)
