"""A ledger opened here, where no console runs, with all that waits in the spool: for what changes the books."""

from collections.abc import Iterator
from contextlib import contextmanager

from bursar.finance.allocation.book import AllocationBook
from bursar.finance.allocation.flats import FlatBook
from bursar.finance.books.close import CloseBook
from bursar.finance.books.flats import OpenFlat
from bursar.finance.fx.book import RateBook
from bursar.governance.store import ControlStore
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.site import Site


class OpenedBooks:
    """The books of a site over a ledger that is opened already. Each asks the other: the close for flat costs that
    aren't booked, the allocation for months that are closed."""

    def __init__(self, site: Site, ledger: Ledger) -> None:
        store = ControlStore(site.control_location)
        self._loader = Loader(ledger, site.paths.spool, site.clock)
        self.close = CloseBook(
            store, site.secret(), ledger, site.clock, site.config.organization,
            lambda: self._loader.status().unread_bytes, flats=self._open_flats,
        )  # fmt: skip
        rates = RateBook(store, site.secret(), site.clock).rates_as_of
        self.allocation = AllocationBook(store, site.secret(), ledger, site.clock, self.close, rates)
        self.flats = FlatBook(self.allocation, self.close, site.clock)

    def _open_flats(self, month: str) -> list[OpenFlat]:
        return self.flats.open(month)

    def load(self) -> None:
        """All that waits in the spool."""
        self._loader.load_all()


@contextmanager
def opened_books(site: Site) -> Iterator[OpenedBooks]:
    """The books by month, the allocation and flat costs. Raises LedgerBusy where another process has the ledger."""
    site.prepare()
    ledger = site.open_ledger()
    try:
        books = OpenedBooks(site, ledger)
        books.load()
        yield books
    finally:
        ledger.close()
