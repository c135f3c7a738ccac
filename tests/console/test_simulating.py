"""Which months a simulation stands on."""

from datetime import UTC, date, datetime

import pytest

from bursar.console.simulating import Asked, whole_months
from bursar.finance.scenarios.simulate import Wish

BASE = (date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1))


@pytest.mark.parametrize(
    ("first_call", "months"),
    [
        (datetime(2026, 7, 3, tzinfo=UTC), [8, 9, 10]),
        (datetime(2026, 9, 1, 20, tzinfo=UTC), [9, 10]),
        (datetime(2026, 9, 28, tzinfo=UTC), [10]),
        (datetime(2026, 10, 20, tzinfo=UTC), [10]),
        (None, [8, 9, 10]),
    ],
    ids=["long before", "on a first day", "in the middle", "in the last one", "no calls"],
)
def test_a_month_before_the_first_call_is_none_in_which_customers_cost_nothing(first_call, months):
    asked = Asked(Wish(scenarios=[], first=date(2026, 11, 1)), (), BASE, "UTC", date(2026, 11, 23))
    assert [span.first.month for span in whole_months(asked, first_call)] == months
