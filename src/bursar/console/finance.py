"""Finance's books as pages, the API and the threads ask for them: opened together, each at first use."""

from datetime import date
from decimal import Decimal
from functools import cached_property

from bursar.console.simulating import ScenarioDesk
from bursar.domain.clock import Clock
from bursar.explore.query import Explorer
from bursar.finance.business.book import BusinessBook
from bursar.finance.contracts.book import ContractBook
from bursar.finance.economics.report import EconomicsDesk
from bursar.finance.fx.book import RateBook
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger
from bursar.reports.kept import ReportBook


class FinanceDesk:
    """All of `finance/` for one console. store, secret: the control store, and what chains its audit log."""

    def __init__(self, store: ControlStore, secret: bytes, ledger: Ledger, explorer: Explorer, clock: Clock) -> None:
        self.store = store
        self.secret = secret
        self.ledger = ledger
        self.explorer = explorer
        self.clock = clock

    @cached_property
    def reports(self) -> ReportBook:
        """Reports as they were made."""
        return ReportBook(self.store, self.secret, self.clock)

    @cached_property
    def rates(self) -> RateBook:
        """Exchange rates."""
        return RateBook(self.store, self.secret, self.clock)

    @cached_property
    def contracts(self) -> ContractBook:
        """Contracts with vendors, and how far each was rated."""
        return ContractBook(self.store, self.secret, self.clock)

    @cached_property
    def business(self) -> BusinessBook:
        """Customers, plans, revenue and events."""
        return BusinessBook(self.ledger, self.store, self.secret, self.clock)

    @cached_property
    def economics(self) -> EconomicsDesk:
        """What they earn and cost, in USD; other currencies by the rates for reports."""
        return EconomicsDesk(self.explorer, self.business, self._usd_rate)

    @cached_property
    def scenarios(self) -> ScenarioDesk:
        """Simulations of margin, and those that were saved."""
        return ScenarioDesk(self.store, self.secret, self.ledger, self.clock, lambda: self.economics)

    def _usd_rate(self, currency: str, day: date) -> Decimal | None:
        """What one unit of a currency was worth in USD; None: unknown."""
        found = self.rates.rates().rate(currency, "USD", day, "report")
        return None if found is None else found.rate
