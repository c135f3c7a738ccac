"""Whether a month is compared with its providers' bills, in words."""

from decimal import Decimal

from bursar.finance.books.bills import Bill, unlike_bills

SPENT = {"openai": Decimal("1200.5"), "anthropic": Decimal(300), "groq": Decimal(0)}


def test_a_month_is_compared_where_every_provider_that_costs_has_a_bill_and_nothing_waits():
    assert unlike_bills(SPENT, [Bill("openai", True), Bill("anthropic", True)]) == ""
    assert unlike_bills({}, []) == ""


def test_what_is_missing_or_waits_is_named_dearest_first():
    bills = [Bill("anthropic", True, 2, 15 * 10**11)]
    assert unlike_bills(SPENT, bills) == (
        "openai, 1,200.50 USD: no bill came in; anthropic: 2 variances wait, 1.50 USD"
    )
    assert (
        unlike_bills(SPENT, [Bill("openai", False), Bill("anthropic", True)]) == "openai: its bill isn't compared yet"
    )
