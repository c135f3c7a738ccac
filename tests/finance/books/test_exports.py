"""Files of a month: Beancount reads its own without an error; the workbook has the same bytes each time."""

import csv
import io
import json
from decimal import Decimal

import pytest
from beancount import loader
from beancount.core import data, realization
from python_calamine import CalamineWorkbook
from tests.finance.books.made import World
from tests.finance.books.test_close import october

from bursar.finance.books.chart import Chart, check_chart, component
from bursar.finance.books.exports import beancount, journal_csv
from bursar.finance.books.workbook import workbook


@pytest.fixture
def books(world: World):
    october(world)
    world.post("2026-10-09T12:00", "0.000000000001", feature='a "quoted" \\ name\n; no comment', team="=1+1")
    return world.close.books("2026-10")


def test_beancount_reads_the_journal_and_has_the_same_balances(books):
    entries, errors, _ = loader.load_string(beancount(books).decode())
    assert errors == []
    assert sum(isinstance(entry, data.Transaction) for entry in entries) == len(books.transactions)
    accounts = realization.realize(entries)
    for one in books.balances:
        found = realization.get(accounts, one.account).balance
        assert found.get_currency_units("USD").number == one.balance


def test_beancount_would_notice_a_wrong_amount(books):
    text = beancount(books).decode()
    broken = text.replace("1.000000000001 USD", "1.000000000002 USD", 1)
    assert broken != text
    _, errors, _ = loader.load_string(broken)
    assert errors


def test_the_csv_is_the_journal_row_for_row_and_no_formula(books):
    rows = list(csv.DictReader(io.StringIO(journal_csv(books).decode())))
    debit, credit = (sum(Decimal(row[side] or 0) for row in rows) for side in ("debit", "credit"))
    assert debit == credit == sum(one.debit for one in books.balances)
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


def test_the_workbook_has_the_same_bytes_each_time_and_the_same_figures(books):
    content = workbook(books)
    assert workbook(books) == content
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert book.sheet_names == ["Trial balance", "Journal", "Earlier months"]
    rows = book.get_sheet_by_name("Trial balance").to_python()
    exact = {row[0]: Decimal(row[5]) for row in rows[4:] if row[0] and not row[0].startswith("All in")}
    assert exact == {one.account: one.balance for one in books.balances}
    assert all(isinstance(cell, float) for row in rows[4:] if row[0] for cell in row[2:5])  # formulas have their value


def test_json_has_every_digit(world):
    october(world)
    told = json.loads(world.close.export("2026-10", "books.json"))
    assert told["totals"]["list_cost"] == "3.500000000001"
    assert (told["state"], told["closed_by"], told["totals"]["unpriced_count"]) == ("open", None, 1)


def test_a_month_with_nothing_is_a_file_too(world):
    entries, errors, _ = loader.load_string(world.close.export("2026-10", "journal.beancount").decode())
    assert (entries, errors) == ([], [])
    assert world.close.export("2026-10", "books.xlsx")


@pytest.mark.parametrize(
    ("name", "part"),
    [("search", "Search"), ("support bot", "Support-bot"), ("a_b.c", "A-b-c"), ("", "Untagged"), ("9lives", "9lives")],
)
def test_a_name_becomes_a_part_of_an_account(name, part):
    assert component(name) == part


def test_names_that_lose_letters_stay_apart():
    assert component("検索") != component("翻訳")
    assert component("über") != component("uber")


@pytest.mark.parametrize(
    "chart", [Chart(expense="Costs:AI"), Chart(expense="Expenses:{model}"), Chart(accrued="Liabilities:{provider")]
)
def test_a_chart_that_beancount_would_not_take_is_refused(chart):
    with pytest.raises(Exception, match=r"expense|accrued"):
        check_chart(chart)
