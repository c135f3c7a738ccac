"""Finance's books as pages, the API and the threads ask for them: opened together, each at first use."""

import functools

from bursar.domain.clock import Clock
from bursar.explore.query import Explorer
from bursar.finance.business.book import BusinessBook
from bursar.finance.business.mappings import MappingBook
from bursar.finance.economics.model import same_currency
from bursar.finance.economics.report import EconomicsDesk
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger


class FinanceDesk:
    """All of `finance/` for one console. store, secret: the control store, and what chains its audit log."""

    def __init__(self, store: ControlStore, secret: bytes, ledger: Ledger, explorer: Explorer, clock: Clock) -> None:
        self.store = store
        self.secret = secret
        self.ledger = ledger
        self.explorer = explorer
        self.clock = clock

    @functools.cached_property
    def business(self) -> BusinessBook:
        """Customers, plans, revenue and events."""
        return BusinessBook(self.ledger, self.store, self.secret, self.clock)

    @functools.cached_property
    def mappings(self) -> MappingBook:
        """How files of business data are read."""
        return MappingBook(self.store, self.secret, self.clock)

    @functools.cached_property
    def economics(self) -> EconomicsDesk:
        """What they earn and cost. Costs are in USD; other currencies are unknown until there are rates."""
        return EconomicsDesk(self.explorer, self.business, same_currency("USD"))
