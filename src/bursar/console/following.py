"""A control store that several nodes share: what another node changed is handed to the workers of this one.

On one machine whoever changes something publishes it. On another node nobody does, so its console asks the store a few
times a second for the number of the last audit entry, and publishes when that has grown: a kill reaches every node's
workers within a second.
"""

import threading

import structlog
from sqlalchemy import func, select

from bursar.governance.schema import AUDIT_ENTRIES
from bursar.governance.store import ControlStore
from bursar.site import Site

LOOK_EVERY_S = 0.3

log = structlog.get_logger(__name__)


class Following:
    """Looks at a shared control store, in a thread of its own."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._store: ControlStore | None = None
        self._seen: int | None = None  # the first look publishes: something may have changed while we were away
        self._fault = ""

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop. A store that doesn't answer is asked again; what was published last holds."""
        while not stop.is_set():
            try:
                self.look()
                self._fault = ""
            except Exception as error:  # a background thread must go on, whatever the driver raises
                fault = f"{type(error).__name__}: {error}"
                if fault != self._fault:
                    log.error("the shared control store can't be read; what was published last holds", error=fault)
                self._fault = fault
            stop.wait(LOOK_EVERY_S)
        self.close()

    def close(self) -> None:
        """Give the store's connection back."""
        if self._store is not None:
            self._store.engine.dispose()

    def look(self) -> bool:
        """Publish, if something was changed since the last look. True if so."""
        if self._store is None:
            self._store = ControlStore(self._site.control_location, pooled=True)
        with self._store.reading() as connection:
            last = connection.execute(select(func.max(AUDIT_ENTRIES.c.number))).scalar_one() or 0
        if last == self._seen:
            return False
        self._site.publish()
        self._site.publish_budgets()
        self._seen = last
        return True
