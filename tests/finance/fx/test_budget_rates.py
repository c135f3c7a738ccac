"""A newer rate for a budget is proposed where it is of a later day, for reports and budgets, and another one."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bursar.budgets.budget import Budget, Rate
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.finance.fx.budget_rates import newer_rate
from bursar.finance.fx.rates import RateRow, Rates

TODAY = date(2026, 11, 20)
DAYS = st.integers(-20, 20).map(lambda days: TODAY + timedelta(days=days))
PICOS = st.integers(1, 10**14)
ROWS = st.lists(st.tuples(DAYS, PICOS, st.sampled_from(("report", "books"))), max_size=6)


def budget(rate: Rate | None) -> Budget:
    currency = "USD" if rate is None else "EUR"
    return Budget(budget_id="b", name="b", limit=LimitPlan(10**12), window=Schedule(parse_spec("month")),
                  currency=currency, rate=rate)  # fmt: skip


@given(rows=ROWS, own=st.tuples(DAYS, PICOS))
def test_what_is_proposed_is_newer_of_its_purpose_and_exact(rows, own):
    kept = Rates([RateRow(day, "EUR", "USD", Decimal(pico).scaleb(-12), name, "ECB") for day, pico, name in rows])
    found = newer_rate(budget(Rate(own[1], "ECB", own[0])), kept, TODAY)
    newest = max((day for day, _, name in rows if name == "report" and day <= TODAY), default=None)
    if found is None:
        expected = [pico for day, pico, name in rows if (day, name) == (newest, "report")]
        is_old = newest is None or newest <= own[0] or (TODAY - newest).days > 7
        assert is_old or expected[-1] == own[1]
    else:
        assert own[0] < found.as_of == newest
        assert (found.as_of, found.usd_pico, "report") in rows
        assert found.usd_pico != own[1]


def test_a_budget_in_usd_has_none():
    assert newer_rate(budget(None), Rates([]), TODAY) is None
