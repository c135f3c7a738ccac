"""Storage of cached contents that wasn't used, given back to the budgets that the calls were settled in.

The books say what each call costs since it was corrected (`ledger/caches.py`); that is posted in place of what stands
for it, in the windows it was settled in. The books keep the news until the budgets have them, so nothing is lost when
the console dies in between; and posting a cost that stands already changes nothing, so nothing is given back twice.
"""

import time
from collections.abc import Callable

import structlog

from bursar.governance.jobs import JobBook, Recosted
from bursar.governance.store import ControlStore
from bursar.ledger.caches import cache_news, drop_news
from bursar.ledger.store import Ledger
from bursar.site import Site

LOOK_EVERY_S = 1.0
UNKNOWN_AFTER_US = 60 * 1_000_000  # a call that the control store doesn't know by then was never written down there

_log = structlog.get_logger(__name__)


class CacheReturns:
    """For the loader's thread: nobody else writes to the ledger meanwhile."""

    def __init__(self, site: Site, ledger: Ledger, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._site = site
        self._ledger = ledger
        self._monotonic = monotonic
        self._look_at = 0.0
        self._book: JobBook | None = None

    def look(self) -> None:
        """Tell the budgets what is news. Never raises: a fault is logged, and the news are told again."""
        now = self._monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        try:
            self._tell()
        except Exception as error:  # a worker of the loader's thread, which must go on
            _log.error("budgets can't be told what cached contents cost", error=f"{type(error).__name__}: {error}")

    def _tell(self) -> None:
        with self._ledger.reading() as session:
            news = cache_news(session)
        if not news:
            return
        site, now_us = self._site, self._site.clock.now_us()
        known: set[str] = set()
        if site.config.control.url or site.paths.control.exists():
            if self._book is None:
                self._book = JobBook(ControlStore(site.control_location))
            said = [Recosted(one.call_id, one.attempt_id, one.cost_pico, one.is_final) for one in news]
            known = self._book.recost(said, now_us)
        heard = [one for one in news if one.attempt_id in known or now_us - one.noted_us > UNKNOWN_AFTER_US]
        if heard:
            with self._ledger.writing() as session:
                drop_news(session, heard)
