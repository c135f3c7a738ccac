"""Reports on the console: drafts, kept versions, their files, and what goes by mail."""

import io
from decimal import Decimal

import typst
from litestar.testing import TestClient
from python_calamine import CalamineWorkbook

from bursar.console.context import ConsoleContext
from bursar.console.reporting import (
    board_report,
    files_sent,
    make_files,
    pack_facts,
    report_told,
    report_view,
    workbook_of,
)
from bursar.reports.pack import GROUPED, differences, pack
from bursar.reports.typeset import source_of
from bursar.reviews.words import Words

MONTH = "2026-10"


def test_the_board_s_report_has_four_pages_and_is_the_same_bytes_each_time(context: ConsoleContext):
    view = report_view(context, "2026-11")
    pages = typst.compile(source_of(board_report(context, view, "draft")).encode(), format="png", ppi=20)
    assert len(pages) == 4
    assert make_files(context, "board", MONTH).digest == make_files(context, "board", MONTH).digest


def test_an_installation_without_calls_has_a_board_s_report_that_says_so(empty_context: ConsoleContext):
    report = board_report(empty_context, report_view(empty_context, MONTH), "draft")
    assert report.lead == "Nothing to report: no call came."
    assert make_files(empty_context, "pack", MONTH).pdf.startswith(b"%PDF")


def test_the_workbook_holds_every_group_and_ties_with_the_ledger(context: ConsoleContext):
    facts = pack_facts(context, report_view(context, "2026-11"), "draft")
    assert set(facts.groups) == set(GROUPED)
    assert differences(facts) == []
    content = workbook_of(pack(facts, Words()), facts)
    assert content == workbook_of(pack(facts, Words()), facts)
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    rows = book.get_sheet_by_name("By feature").to_python()
    effective = rows[0].index("Effective")
    assert abs(Decimal(repr(rows[-1][effective])) - facts.total.costs[2]) < Decimal("1e-9")
    ties = book.get_sheet_by_name("Tie-out").to_python()
    assert {row[5] for row in ties[1:] if row[1]} == {"yes"}
    assert next(row for row in ties if row[0] == "All of it ties")[5] == "yes"


def test_a_kept_report_is_had_again_byte_for_byte_and_making_it_twice_is_making_it_once(
    client: TestClient, context: ConsoleContext
):
    made = client.post(f"/api/reports/pack/{MONTH}", json={}).json()
    assert (made["version"], made["has_xlsx"]) == (1, True)
    assert client.post(f"/api/reports/pack/{MONTH}", json={}).json() == made
    pdf = client.get(f"/reports/pack/{MONTH}.pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content == client.get(f"/api/reports/pack/{MONTH}.pdf?version=1").content
    assert client.get(f"/reports/pack/{MONTH}.xlsx").content[:2] == b"PK"
    listed = {(row["kind"], row["month"]): row for row in client.get("/api/reports").json()}
    assert listed["pack", MONTH]["version"] == 1
    assert listed["board", MONTH]["version"] == 0
    page = client.get("/reports")
    assert "version 1" in page.text
    assert client.get("/reports.json").json() == list(listed.values())
    found = context.finance().reports.version("pack", MONTH, 1)
    assert found is not None
    assert found[1].pdf == pdf.content


def test_what_can_t_be_reported_is_refused_in_words(client: TestClient):
    for path, field in (
        ("/api/reports/board/2026-13.pdf", "month"),
        ("/api/reports/board/2027-03.pdf", "month"),
        ("/api/reports/bored/2026-10.pdf", "kind"),
        ("/api/reports/board/2026-10.xlsx", "name"),
        ("/api/reports/board/2026-10.pdf?version=7", "version"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


def test_a_report_that_is_sent_is_kept_first_and_goes_with_its_files(context: ConsoleContext):
    told = report_told(context, "pack", "2026-11")
    assert told.address == "/reports/pack/2026-11"
    assert "attached" in told.text
    files = files_sent(context, told.address)
    assert [one.name for one in files] == ["pack-2026-11.pdf", "pack-2026-11.xlsx"]
    kept = context.finance().reports.last("pack", "2026-11")
    assert kept is not None
    assert [one.content for one in files] == [kept[1].pdf, kept[1].xlsx]
    (review,) = files_sent(context, "/reviews/2026-W47")
    assert review.content.startswith(b"%PDF")
    assert files_sent(context, "/budgets/bg_x") == []
