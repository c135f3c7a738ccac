"""Finance's books as pages, the API and the threads ask for them: opened together, each at first use."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from bursar.console.simulating import ScenarioDesk
from bursar.domain.clock import Clock, datetime_from_us
from bursar.explore.query import Explorer
from bursar.finance.allocation.book import AllocationBook
from bursar.finance.allocation.flats import FlatBook
from bursar.finance.books.bills import Bill
from bursar.finance.books.close import CloseBook
from bursar.finance.books.flats import OpenFlat
from bursar.finance.business.book import BusinessBook
from bursar.finance.business.mappings import MappingBook
from bursar.finance.contracts.book import ContractBook
from bursar.finance.economics.report import EconomicsDesk
from bursar.finance.fx.book import RateBook
from bursar.finance.reconcile.desk import InvoiceDesk
from bursar.finance.tax.bill_desk import BillDesk
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.kept_rates import kept_rates
from bursar.finance.tax.sheet import WorkSheet, work_sheet
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger
from bursar.reports.kept import ReportBook


class FinanceDesk:
    """All of `finance/` for one console. store, secret: the control store, and what chains its audit log.

    status: what the process knows of itself, of which the close asks how much of the journal isn't loaded.
    """

    def __init__(
        self,
        store: ControlStore,
        secret: bytes,
        ledger: Ledger,
        explorer: Explorer,
        clock: Clock,
        organization: str = "",
        status: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.store = store
        self.secret = secret
        self.ledger = ledger
        self.explorer = explorer
        self.clock = clock
        self.organization = organization
        self.status = status

    @property
    def today(self) -> date:
        """In UTC, as the books count days."""
        return datetime_from_us(self.clock.now_us()).date()

    @cached_property
    def reports(self) -> ReportBook:
        """Reports as they were made."""
        return ReportBook(self.store, self.secret, self.clock)

    @cached_property
    def taxes(self) -> TaxBook:
        """Payers, vendors' entities and papers, positions, tax documents, rules of the site's own."""
        return TaxBook(self.store, self.secret, self.clock)

    def tax_sheet(self, month: str) -> WorkSheet:
        """The month's tax work sheet, with kept rates of exchange. Raises BadTax."""
        return work_sheet(self.taxes, month, kept_rates(self.rates.rates()), self.tax_bills.all_news())

    @property
    def tax_bills(self) -> BillDesk:
        """Bills as tax documents, with rates of exchange as they are kept now."""
        return BillDesk(self.taxes, self.invoices.book, kept_rates(self.rates.rates()))

    @cached_property
    def rates(self) -> RateBook:
        """Exchange rates."""
        return RateBook(self.store, self.secret, self.clock)

    @cached_property
    def contracts(self) -> ContractBook:
        """Contracts with vendors, and how far each was rated."""
        return ContractBook(self.store, self.secret, self.clock)

    @cached_property
    def allocation(self) -> AllocationBook:
        """Rules of allocation, statements, chargebacks."""
        return AllocationBook(self.store, self.secret, self.ledger, self.clock, self.close, self.rates.rates_as_of)

    @cached_property
    def close(self) -> CloseBook:
        """The books by month, and the close."""
        return CloseBook(
            self.store,
            self.secret,
            self.ledger,
            self.clock,
            self.organization,
            lambda: unread_bytes(self.status()),
            lambda month: bills_of(self.invoices, month),
            self._open_flats,
        )

    @cached_property
    def flats(self) -> FlatBook:
        """Flat costs in the books."""
        return FlatBook(self.allocation, self.close, self.clock)

    @cached_property
    def business(self) -> BusinessBook:
        """Customers, plans, revenue and events."""
        return BusinessBook(self.ledger, self.store, self.secret, self.clock)

    @cached_property
    def mappings(self) -> MappingBook:
        """How files of business data are read."""
        return MappingBook(self.store, self.secret, self.clock)

    @cached_property
    def economics(self) -> EconomicsDesk:
        """What they earn and cost, in USD; other currencies by the rates for reports."""
        return EconomicsDesk(self.explorer, self.business, self._usd_rate)

    @cached_property
    def scenarios(self) -> ScenarioDesk:
        """Simulations of margin, and those that were saved."""
        return ScenarioDesk(self.store, self.secret, self.ledger, self.clock, lambda: self.economics)

    @cached_property
    def invoices(self) -> InvoiceDesk:
        """Providers' bills beside the ledger; other currencies by the rates for the books."""
        return InvoiceDesk(self.store, self.secret, self.ledger, self.clock, self._books_rate)

    def _open_flats(self, month: str) -> list[OpenFlat]:
        return self.flats.open(month)

    def _books_rate(self, currency: str, day: date) -> Decimal | None:
        """How many of a currency one USD was worth in the books; None: unknown."""
        found = self.rates.rates().rate("USD", currency, day, "books")
        return None if found is None else found.rate

    def _usd_rate(self, currency: str, day: date) -> Decimal | None:
        """What one unit of a currency was worth in USD; None: unknown."""
        found = self.rates.rates().rate(currency, "USD", day, "report")
        return None if found is None else found.rate


def bills_of(invoices: InvoiceDesk, month: str) -> list[Bill]:
    """A month's bills, as they were compared last."""
    found = [(one, summary) for one, summary in invoices.summaries() if one.month == month]
    return [
        Bill(one.provider, summary is not None and not summary.fault, summary.open_count, summary.open)
        if summary is not None
        else Bill(one.provider, is_compared=False)
        for one, summary in found
    ]


def unread_bytes(status: Mapping[str, Any]) -> int:
    """Of the gateway's journal, by the loader's own word."""
    return int((status.get("loader") or {}).get("unread_bytes") or 0)
