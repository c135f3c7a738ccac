"""Exchange rates in the control store: appended, imported once, all or nothing."""

from datetime import date
from decimal import Decimal

import pytest
from tests.console.conftest import NOW

from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.domain.errors import BadControl
from bursar.finance.fx.book import RateBook
from bursar.finance.fx.rates import RateRow
from bursar.finance.fx.reading import Told
from bursar.governance.audit import audit_entries
from bursar.governance.schema import METADATA

FILE = "date,currency,rate\n2026-11-20,USD,89.10\n2026-11-23,USD,89.20\n"
HOW = Told("FBIL", ("report", "books"), into="INR")


@pytest.fixture
def book(store):
    return RateBook(store, b"secret", FixedClock(us_from_datetime(NOW)))


def test_the_migration_made_the_tables_as_they_are_declared(store):
    with store.reading() as connection:
        for name in ("exchange_rates", "closed_months", "closed_exports", "account_charts", "journal_entries",
                     "allocation_rules"):  # fmt: skip
            found = [row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({name})")]
            assert found == [column.name for column in METADATA.tables[name].columns]


def test_importing_twice_is_importing_once(book, store):
    assert book.import_csv(FILE, HOW, actor="ada").added == 4
    again = book.import_csv(FILE, HOW, actor="ada")
    assert (again.added, again.already) == (0, 4)
    assert len(book.listed()) == 4
    with store.reading() as connection:
        assert [entry.action for entry in audit_entries(connection)] == ["rates.add"]


def test_a_later_rate_for_a_day_takes_the_place_of_the_earlier_one_which_stays(book):
    day = date(2026, 11, 20)
    book.import_csv(FILE, HOW, actor="ada")
    assert book.rates().rate("USD", "INR", day, "books").rate == Decimal("89.10")
    book.add([RateRow(day, "USD", "INR", Decimal("89.15"), "books", "FBIL, corrected")], actor="ada")
    assert book.rates().rate("USD", "INR", day, "books").rate == Decimal("89.15")
    assert book.rates().rate("USD", "INR", day, "report").rate == Decimal("89.10")
    assert len(book.listed(purpose="books")) == 3


def test_a_file_with_a_wrong_line_adds_nothing(book):
    with pytest.raises(BadControl, match="nothing was added: line 3"):
        book.import_csv("date,currency,rate\n2026-11-20,USD,1\n2026-11-21,USD,x\n", HOW, actor="ada")
    assert book.listed() == []


def test_a_rate_of_a_day_far_ahead_is_refused(book):
    with pytest.raises(BadControl, match="too far ahead"):
        book.add([RateRow(date(2027, 3, 1), "USD", "INR", Decimal(90), "books", "x")], actor="ada")
