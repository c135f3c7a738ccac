"""The finance pack's tables: what a page cuts off is one row, and nothing is lost by it."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bursar.reports.pack import CostLine, PackFacts, cut, differences, table_of

COSTS = st.one_of(st.none(), st.decimals(min_value=-(10**6), max_value=10**6, places=12))
LINES = st.lists(
    st.builds(
        CostLine, st.text(max_size=8), st.tuples(COSTS, COSTS, COSTS, COSTS), st.integers(0, 10**9), st.integers(0, 9)
    ),
    max_size=30,
)


def facts_of(lines: list[CostLine], total: CostLine) -> PackFacts:
    return PackFacts(organization="acme", state="draft", period="October 2026", groups={"team": lines}, total=total)


def total_of(lines: list[CostLine]) -> CostLine:
    costs = tuple(sum((line.costs[at] or Decimal(0) for line in lines), Decimal(0)) for at in range(4))
    return CostLine("", costs, sum(line.attempts for line in lines))


@given(lines=LINES, most=st.integers(1, 12))
def test_a_table_that_is_cut_still_adds_up_to_the_last_pico(lines: list[CostLine], most: int):
    facts = facts_of(lines, total_of(lines))
    whole = table_of(facts, "team")
    shown = cut(whole, most)
    assert len(shown.rows) <= max(most, 1)
    for at, column in enumerate(whole.columns):
        if column.kind == "money":
            wanted = sum((row[at] for row in whole.rows if isinstance(row[at], Decimal)), Decimal(0))
            assert sum((row[at] for row in shown.rows if isinstance(row[at], Decimal)), Decimal(0)) == wanted
            assert (whole.total or ())[at] in (wanted, None)
    assert differences(facts) == []


@given(lines=LINES.filter(bool))
def test_a_picodollar_that_is_missing_is_told(lines: list[CostLine]):
    total = total_of(lines)
    costs = (*total.costs[:3], (total.costs[3] or Decimal(0)) + Decimal("1e-12"))
    assert [(table, cost) for table, cost, _ in differences(facts_of(lines, CostLine("", costs, 0)))] == [
        ("By team", "Billed")
    ]
