"""Initiatives as pages, the API and the thread that books closed months see them: kept, measured, booked."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal

import msgspec
import structlog

from bursar.advisor.initiatives import MonthSaving, Standing, check_terms, measure, unmeasured
from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.initiatives import Booking, Initiative
from bursar.governance.initiatives import Finding, InitiativeBook
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger
from bursar.site import Site

CLOSED_AFTER_DAYS = 3  # after its end: a provider's batch may take a day, and what it costs is known then
MEASURED_AGAIN_S = 30.0
LOOK_EVERY_S = 3_600.0
ACTOR = "monthly close"

log = structlog.get_logger(__name__)


def open_initiatives(site: Site) -> InitiativeBook:
    """The initiatives of a site's control store, which is made and brought up to date."""
    store, secret = open_store(site)
    return InitiativeBook(store, secret, site.clock, check_terms)


def open_store(site: Site) -> tuple[ControlStore, bytes]:
    """The control store of a site, made and brought up to date, and the secret that chains its audit log."""
    site.prepare()
    return ControlStore(site.control_location), site.secret()


class InitiativeDesk:
    """The initiatives of one site beside its ledger. Figures are at most half a minute old while calls come in."""

    def __init__(
        self, book: InitiativeBook, ledger: Ledger, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.book = book
        self._ledger = ledger
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked: tuple[list[Initiative], list[Initiative], date] | None = None
        self._version = -1
        self._measured_at = 0.0
        self._found: list[Standing] = []

    @property
    def today(self) -> date:
        """The day (UTC) that isn't over yet."""
        return datetime_from_us(self._clock.now_us()).date()

    def standings(self) -> list[Standing]:
        """Every initiative that wasn't removed, oldest first, with what it saved; of months that are booked and aren't
        its own any more, by other terms or another initiative, nothing."""
        asked, now = (self.book.all(), self.book.gone_but_booked(), self.today), self._monotonic()
        booked = booked_by_month(self.book.bookings())
        with self._lock:  # two pages at once measure once
            is_fresh = self._ledger.version == self._version or now - self._measured_at < MEASURED_AGAIN_S
            if self._asked != asked or not is_fresh:
                self._version, self._measured_at = self._ledger.version, now
                kept, gone, today = asked
                with self._ledger.reading() as session:
                    self._found = measure(session, self._ledger.dialect, [*kept, *gone], today)[: len(kept)]
                self._asked = asked
            told = [_with_booked(one, booked) for one in self._found]
            return self._found if told == self._found else told

    def is_closed(self, month: str) -> bool:
        return is_closed(month, self.today)

    def close(self, *, actor: str, adjust: bool) -> list[Booking]:
        """Book what closed months saved. adjust: also how much booked ones differ by now. Returns the new entries."""
        return self.book.book(findings_of(self.standings(), self.today), actor=actor, adjust=adjust)


def booked_by_month(entries: Sequence[Booking]) -> dict[tuple[str, str], Decimal]:
    """(initiative's id, month) → what its entries add up to."""
    found: dict[tuple[str, str], Decimal] = {}
    for one in entries:
        found[one.initiative_id, one.month] = found.get((one.initiative_id, one.month), Decimal(0)) + one.amount
    return found


def _with_booked(one: Standing, booked: dict[tuple[str, str], Decimal]) -> Standing:
    if any(flag.code == "too_fine" for flag in one.flags):
        return one  # it isn't known what it saved
    measured = {month.month for month in one.months}
    lost = [
        unmeasured(month)
        for (owner, month), amount in booked.items()
        if owner == one.initiative.initiative_id and amount and month not in measured
    ]
    if not lost:
        return one
    return msgspec.structs.replace(one, months=sorted((*one.months, *lost), key=lambda month: month.month))


def is_closed(month: str, today: date) -> bool:
    """Whether a month, "2026-10", is over for long enough to be booked."""
    first = date.fromisoformat(f"{month}-01")
    return (first + timedelta(days=32)).replace(day=1) + timedelta(days=CLOSED_AFTER_DAYS) <= today


def findings_of(standings: Sequence[Standing], today: date) -> list[Finding]:
    """What may be booked: closed months, each by its initiative."""
    return [
        finding_of(one.initiative.initiative_id, month)
        for one in standings
        for month in one.months
        if is_closed(month.month, today)
    ]


def finding_of(initiative_id: str, month: MonthSaving) -> Finding:
    return Finding(initiative_id, month.month, month.realised, month.low, month.high, month.method)


class Closing:
    """Books months when they are closed, and leaves alone what was booked: a difference is for a person to post."""

    def __init__(self, desk: Callable[[], InitiativeDesk]) -> None:
        self._desk = desk

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; the first look after a minute, when the ledger has been filled."""
        wait_s = 60.0
        while not stop.wait(wait_s):
            self.look()
            wait_s = LOOK_EVERY_S

    def look(self) -> None:
        """One look. Never raises: a fault is logged, and it is tried again."""
        try:
            booked = self._desk().close(actor=ACTOR, adjust=False)
        except Exception as error:  # the background supervisor: figures and calls go on without it
            log.error("closing_failed", error=f"{type(error).__name__}: {error}")
            return
        if booked:
            log.info("months_booked", entries=len(booked))
