"""Finance's books as pages, the API and the threads ask for them: opened together, each at first use."""

from functools import cached_property

from bursar.console.customer_months import read_customer_months
from bursar.console.simulating import ScenarioDesk
from bursar.domain.clock import Clock
from bursar.explore.query import Explorer
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

    @cached_property
    def scenarios(self) -> ScenarioDesk:
        """Simulations of margin, and those that were saved."""
        return ScenarioDesk(self.store, self.secret, self.ledger, self.clock, read_customer_months)
