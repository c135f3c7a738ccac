"""Finance's books as pages, the API and the threads ask for them: opened together, each at first use."""

from functools import cached_property

from bursar.domain.clock import Clock
from bursar.explore.query import Explorer
from bursar.finance.fx.book import RateBook
from bursar.finance.tax.book import TaxBook
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
    def taxes(self) -> TaxBook:
        """Payers, vendors' entities and papers, positions, tax documents, rules of the site's own."""
        return TaxBook(self.store, self.secret, self.clock)

    @cached_property
    def rates(self) -> RateBook:
        """Exchange rates."""
        return RateBook(self.store, self.secret, self.clock)
