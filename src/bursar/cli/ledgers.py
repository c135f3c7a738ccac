"""A ledger opened here, where no console runs, with all that waits in the spool: for what changes the books."""

from collections.abc import Iterator
from contextlib import contextmanager

from bursar.finance.allocation.book import AllocationBook
from bursar.finance.books.close import CloseBook
from bursar.finance.fx.book import RateBook
from bursar.governance.store import ControlStore
from bursar.ledger.loader import Loader
from bursar.site import Site


@contextmanager
def opened_close(site: Site) -> Iterator[CloseBook]:
    """The books by month. Raises LedgerBusy where another process has the ledger."""
    site.prepare()
    ledger = site.open_ledger()
    try:
        loader = Loader(ledger, site.paths.spool, site.clock)
        loader.load_all()

        def unread_bytes() -> int:
            return loader.status().unread_bytes

        store = ControlStore(site.control_location)
        yield CloseBook(store, site.secret(), ledger, site.clock, site.config.organization, unread_bytes)
    finally:
        ledger.close()


@contextmanager
def opened_allocation(site: Site) -> Iterator[AllocationBook]:
    """The allocation, over the same."""
    with opened_close(site) as close:
        store = ControlStore(site.control_location)
        rates = RateBook(store, site.secret(), site.clock).rates
        yield AllocationBook(store, site.secret(), close.ledger, site.clock, close, rates)
