"""How much of what providers bill our charges explain, for Overview and the list of bills; and what is done meanwhile.

What somebody accepted by a command is posted by the console, which alone has the ledger.
"""

import threading
from datetime import date
from decimal import Decimal

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bursar.console.context import ConsoleContext
from bursar.domain import display
from bursar.domain.errors import BursarError
from bursar.domain.money import usd_from_pico

LOOK_EVERY_S = 15.0

log = structlog.get_logger(__name__)


class Covered(msgspec.Struct, frozen=True):
    """Of the bills of one month: what they say for usage, USD, and the share that charges of ours explain."""

    month: str
    used: Decimal
    share: str
    bills: int
    waiting: int


def coverage_of(context: ConsoleContext) -> Covered | None:
    """Of the newest month that has a bill; None where nothing was compared yet, or nothing of that can be read."""
    if context.open_store is None:
        return None
    try:
        known = [(one, found) for one, found in context.finance().invoices.summaries() if found and found.used > 0]
    except (SQLAlchemyError, BursarError) as error:  # the other figures are worth reading without it
        log.warning("bills_unread", error=str(error))
        return None
    newest = max((one.month for one, _ in known), default="")
    mine = [found for one, found in known if one.month == newest]
    if not mine:
        return None
    used, covered = sum(one.used for one in mine), sum(one.covered for one in mine)
    month = display.month(date.fromisoformat(f"{newest}-01"))
    return Covered(
        month, usd_from_pico(used), display.percent(covered, used), len(mine), sum(one.open_count for one in mine)
    )


class PostingAccepted:
    """Posts what commands accepted and compares the bills that they brought in, in a thread of its own."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context

    def look(self) -> None:
        """Once."""
        desk = self._context.finance().invoices
        desk.post_accepted()
        for invoice, summary in desk.summaries():
            if summary is None:
                desk.look(invoice.invoice_id, self._context.prices())

    def run(self, stop: threading.Event) -> None:
        """Until told to stop. What goes wrong is logged and tried again."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception as error:  # the background supervisor: the next look comes
                log.error("accepted_not_posted", error=f"{type(error).__name__}: {error}")
