"""Files of months as they were booked: a closed one never changes, and all of them add up to the ledger."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from tests.finance.focus.books import FOUR, START, books, histories, post, refilled

from bursar.domain.clock import us_from_datetime
from bursar.domain.periods import Period, parse_period
from bursar.explore.query import Explorer, Query
from bursar.finance.focus.closed import booked_in
from bursar.finance.focus.export import export
from bursar.ledger.rollups import rebuild
from bursar.ledger.store import Ledger

CLOSED_AT = datetime(2026, 11, 5, tzinfo=UTC)
CLOSINGS = {"2026-10": us_from_datetime(CLOSED_AT)}
MONTHS = ("2026-10", "2026-11", "2026-12")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with books(tmp_path, []) as ledger:
        yield ledger


def month(name: str) -> Period:
    return parse_period(name, datetime(2027, 1, 1, tzinfo=UTC))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_late_facts_never_change_the_file_of_a_closed_month_and_nothing_is_lost(tmp_path, book, history):
    in_time = [row for row in history if row["posted_at"] <= CLOSED_AT]
    late = [row for row in history if row["posted_at"] > CLOSED_AT]
    ledger = refilled(book, in_time)
    booked = booked_in(CLOSINGS)
    export(ledger, month("2026-10"), tmp_path / "closed.csv", booked=booked)
    with ledger.writing() as session:
        post(session, late)
        rebuild(session)
    export(ledger, month("2026-10"), tmp_path / "again.csv", booked=booked)
    assert (tmp_path / "closed.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    done = [export(ledger, month(name), tmp_path / f"{name}.csv", booked=booked) for name in MONTHS]
    whole = Explorer(ledger).run(Query(Period(START, START + timedelta(days=120)), FOUR)).totals
    for name in FOUR:
        assert sum(one.costs[name] for one in done) == (whole[name] or 0), name
