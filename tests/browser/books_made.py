"""Finance's books for the browser's console: a bit of everything that its pages show."""

from datetime import date
from decimal import Decimal

from tests.console.conftest import NOW
from tests.finance.tax.world import fill

from bursar.console.api.invoices import TypedBill, take_in, take_typed
from bursar.console.context import ConsoleContext
from bursar.demo.business import business_files
from bursar.finance.allocation.rules import RuleTerms
from bursar.finance.business.bringing import bring
from bursar.finance.business.wishes import wish_of
from bursar.finance.contracts.terms import Commitment, ContractTerms, Credit, Discount
from bursar.finance.fx.reading import Told
from bursar.finance.tax.from_bill import Said
from bursar.reports.kept import Files

RATES = "date,currency,rate\n2026-10-31,USD,88.10\n2026-11-12,USD,89.10\n2026-11-20,USD,89.20\n"
FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)


def fill_finance(context: ConsoleContext) -> None:
    """Fills them; its bill differs, and is a tax document."""
    desk = context.finance()
    for one in business_files(NOW.date()):
        bring(desk.business, one.content, wish_of(desk.mappings, {"kind": one.kind, "source": one.name}), actor="ada")
    desk.rates.import_csv(RATES, Told("FBIL", ("report", "books", "gst", "tds"), into="INR"), actor="ada")
    terms = ContractTerms(
        provider="openai", owner="Ada", discounts=(Discount(percent=Decimal(10)),),
        commitments=(Commitment(name="year", amount=Decimal(50_000), start=FIRST, end=date(2027, 9, 30)),),
        credits=(Credit(name="welcome", amount=Decimal(200), granted=FIRST, expires=date(2026, 12, 31)),),
    )  # fmt: skip
    desk.contracts.add("acme", date(2027, 1, 1), terms, actor="ada")  # nothing of it is in the books yet
    split = RuleTerms("split", FIRST, where=["team="], method="even", among=["support", "growth"])
    desk.allocation.set("untagged", split, actor="ada")
    fill(desk.taxes)
    typed = TypedBill("openai", FIRST, LAST, Decimal("40.50"), Decimal("7.29"))
    (bill,) = take_in(context, lambda bills: take_typed(bills, typed)).invoices
    said = Said("Acme India", number="OAI/2026-10", invoice_date=date(2026, 11, 2), although_open=True)
    desk.tax_bills.make(bill, said, actor="ada")
    desk.reports.keep("board", "2026-10", Files("closed", b"%PDF"), actor="ada")
