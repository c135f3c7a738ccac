"""Cohorts over the months since sign-up: everything is in one place, and all of it adds up to the ledger."""

from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finance.made import OCTOBER, Books, charge, customer, paid, plan

from bursar.domain.calendar import month_on
from bursar.finance.business.keeping import Records
from bursar.finance.economics.cohorts import cohort_grid, last_months
from bursar.finance.economics.rows import Row
from bursar.finance.economics.spans import MonthSpan

PICO = 10**12
MONTHS = last_months(OCTOBER)


def row(name: str, born: date | None, ai: int, revenue: int | None, calls: int = 1) -> Row:
    basis = "unknown" if revenue is None else "booked"
    return Row(
        name, "", "", "", True, False, born, None, None, basis, revenue, None, ai, ai, calls, 0, 0, None
    )  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(MONTHS),
        st.lists(
            st.builds(
                row,
                st.sampled_from(["", "a", "b", "c"]),
                st.none() | st.dates(date(2025, 6, 1), date(2026, 12, 31)),
                st.integers(-(10**15), 10**15),
                st.none() | st.integers(-(10**15), 10**15),
            ),
            max_size=6,
        ),
    )
)
def test_every_pico_is_in_one_place(drawn):
    months = {month: drawn.get(month, []) for month in MONTHS}
    grid = cohort_grid({}, months)
    assert grid.ai_pico == sum(one.ai_pico for rows in months.values() for one in rows)
    for line in grid.lines:
        assert [cell.month for cell in line.cells] == MONTHS[-len(line.cells) :]
    assert sum(one.margin_pico for one in grid.ages) == sum(
        cell.margin_pico for line in grid.lines for cell in line.cells
    )


def test_who_is_gone_stays_in_the_number_that_usage_is_told_of(tmp_path: Path):
    books = Books(
        tmp_path,
        [
            charge("a", "1", at="2026-08-05 12:00"), charge("b", "2", at="2026-08-06 12:00"),
            charge("a", "3", at="2026-09-05 12:00"), charge("a", "4"), charge("old", "5"), charge("stranger", "6"),
            charge("", "7"),
        ],
    )  # fmt: skip
    august = {"signed_up": date(2026, 8, 4)}
    gone = customer("b", "pro", **august, cancelled_on=date(2026, 8, 31))
    books.book.bring_in(
        Records(
            plans=[plan("pro", "10")],
            customers=[customer("a", "pro", **august), gone, customer("never", "pro", **august),
                       customer("old", "pro", signed_up=date(2024, 1, 1))],
            revenue=[paid("a", "10", date(2026, 8, 1))],
        ),
        "test", actor="ada",
    )  # fmt: skip
    grid = books.desk.cohorts(MonthSpan(OCTOBER, 1, "UTC", date(2026, 11, 23)))
    (line,) = grid.lines
    assert (line.month, line.size, [cell.called for cell in line.cells]) == (date(2026, 8, 1), 3, [2, 1, 1])
    assert [cell.ai_pico for cell in line.cells] == [3 * PICO, 3 * PICO, 4 * PICO]
    assert (grid.earlier, grid.earlier_pico) == (1, 5 * PICO)
    assert (grid.undated, grid.undated_pico, grid.nameless_pico) == (1, 6 * PICO, 7 * PICO)
    assert month_on(grid.months[0], 11) == OCTOBER
    books.close()


def test_months_before_the_first_call_are_unknown_and_in_no_share():
    rows = {month: [row("a", MONTHS[0], 0, PICO, calls=0)] for month in MONTHS[:-1]}
    rows[OCTOBER] = [row("a", MONTHS[0], PICO, 3 * PICO)]
    grid = cohort_grid({MONTHS[0]: 2}, rows, OCTOBER)
    (line,) = grid.lines
    assert [cell.is_counted for cell in line.cells] == [False] * 11 + [True]
    assert [(one.age, one.size, one.called) for one in grid.ages if one.size] == [(11, 2, 1)]
