"""Maturity as page, API, thread and command see it: measured on this console's books and settings, and noted."""

import threading
import time
from collections.abc import Callable
from decimal import Decimal

import msgspec
from sqlalchemy import func, select

from bursar.advisor.review import Review
from bursar.config import Config
from bursar.console.initiatives import InitiativeDesk
from bursar.console.view import whole_slot
from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.periods import Period, parse_period
from bursar.governance.maturity import Evidence, Logged, MaturityBook
from bursar.governance.reviews import HeldReview, ReviewBook
from bursar.governance.schema import AUDIT_ENTRIES, MATURITY_LOG
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger
from bursar.maturity.acts import Climb, climb
from bursar.maturity.bills import Bills, bill_facts, newest_month, spent_by_provider
from bursar.maturity.books import read_books, spent_in
from bursar.maturity.controls import read_audit, read_controls
from bursar.maturity.debt import Owed, debts
from bursar.maturity.evidence import check_evidence
from bursar.maturity.facts import Advised, AuditFacts, Facts, InitiativeFacts
from bursar.maturity.measure import Result, measure
from bursar.maturity.place import Place, place
from bursar.maturity.steps import MEASURED_DAYS

MEASURED_AGAIN_S = 15.0  # while calls come in
MINUTE_US, DAY_US = 60_000_000, 86_400_000_000
ADVICE_HOLDS_US = 2 * DAY_US
AUDITED_AGAIN_US = 10 * MINUTE_US
CACHE_ADVICE = ("exact_cache", "prompt_cache", "cache_repair")
MONTH_DAYS = Decimal(30)


class Standing(msgspec.Struct, frozen=True):
    """All of it at one instant. log: oldest first."""

    facts: Facts
    results: list[Result]
    place: Place
    acts: list[Climb]
    debts: list[Owed]
    log: list[Logged]


class MaturityDesk:
    """The measure of one site.

    initiatives, advised: how these stand, whenever it is asked; advice: None where nobody asked for it lately.
    bills: providers' bills, with what comparing each found last.
    """

    def __init__(
        self,
        store: ControlStore,
        secret: bytes,
        clock: Clock,
        ledger: Ledger,
        config: Config,
        initiatives: Callable[[], InitiativeFacts],
        advised: Callable[[], Advised | None],
        bills: Callable[[], Bills] = tuple,
    ) -> None:
        self.book = MaturityBook(store, secret, clock)
        self.reviews = ReviewBook(store, secret, clock)
        self._store = store
        self._secret = secret
        self._clock = clock
        self._ledger = ledger
        self._config = config
        self._initiatives = initiatives
        self._advised = advised
        self._bills = bills
        self._lock = threading.Lock()
        self._found: Standing | None = None
        self._asked: tuple[object, ...] = ()
        self._version, self._measured_at = -1, 0.0
        self._audit: tuple[tuple[int, int], AuditFacts] | None = None

    def standing(self) -> Standing:
        """As it is now; measured anew when somebody changed something, each minute, and while calls come in at most
        every MEASURED_AGAIN_S."""
        advised = self._advised()
        asked = (self._last_change(), self._clock.now_us() // MINUTE_US, advised and advised.at_us)
        with self._lock:  # two pages at once measure once
            recent = time.monotonic() - self._measured_at < MEASURED_AGAIN_S
            is_fresh = asked == self._asked and (recent or self._version == self._ledger.version)
            if self._found is None or not is_fresh:
                self._version, self._measured_at, self._asked = self._ledger.version, time.monotonic(), asked
                self._found = self.measured()
            return self._found

    def measured(self) -> Standing:
        """The same, measured now."""
        log = self.book.log()
        facts = self._facts(log)
        results = measure(facts)
        stands = place(results)
        return Standing(facts, results, stands, climb(facts, stands), debts(facts, results), log)

    def look(self, advised: Advised | None = None) -> Standing:
        """Measure, and note the step: the first time on a day, and whenever it is another one."""
        found = self.measured()
        last = found.log[-1] if found.log else None
        if last is None or _differs(last, found) or (advised and not last.advised):
            known = advised or found.facts.advised
            states = {one.check.id: one.state for one in found.results}
            noted = self.book.note(found.place.step.number, states, "" if known is None else encode_advised(known))
            found = msgspec.structs.replace(found, log=[*found.log, noted])
        return found

    def add_evidence(self, check_id: str, who: str, text: str, *, actor: str) -> Evidence:
        """What a person says of what Bursar can't see. Raises BadEvidence."""
        said = check_evidence(check_id, who, text, self._clock.now_us())
        given = self.book.add(said.check.id, said.who, said.text, said.until_us, actor=actor)
        self.look()
        return given

    def withdraw_evidence(self, number: int, *, actor: str) -> Evidence:
        """It speaks for nothing any more. Raises UnknownEvidence."""
        gone = self.book.withdraw(number, actor=actor)
        self.look()
        return gone

    def hold_review(self, kind: str, by: str, *, actor: str) -> HeldReview:
        """A review was held now. Raises BadControl for another kind, or nobody."""
        held = self.reviews.record(kind, by=by, actor=actor)
        self.look()
        return held

    def _facts(self, log: list[Logged]) -> Facts:
        now_us = self._clock.now_us()
        config = self._config
        with self._ledger.reading() as session:
            period = self._period()
            read = read_controls(
                self._store, self._secret, self._clock, self._audited(), spent=spent_in(session, period),
                loops_cut=config.loops.enabled, alerts_on=config.alerts.enabled,
            )  # fmt: skip
            books = read_books(session, period, read.parts)
            bills = self._bills()
            month = newest_month(bills, datetime_from_us(now_us).date())
            billed = None if month is None else bill_facts(bills, month, spent_by_provider(session, month))
        return Facts(
            at_us=now_us,
            books=books,
            settings=read.settings,
            initiatives=self._initiatives(),
            advised=self._advised() or _advised_then(log, now_us),
            bills=billed,
            evidence=tuple(self.book.evidence()),
        )

    def _audited(self) -> AuditFacts:
        """Looked through again when it grew, and every AUDITED_AGAIN_US: a hundred thousand entries take a second."""
        key = (self._last_change()[0], self._clock.now_us() // AUDITED_AGAIN_US)
        if self._audit is None or self._audit[0] != key:
            self._audit = (key, read_audit(self._store, self._secret))
        return self._audit[1]

    def _period(self) -> Period:
        """The console's own last thirty days, so that its figures are those of the pages."""
        now = datetime_from_us(self._clock.now_us())
        return whole_slot(parse_period(f"{MEASURED_DAYS}d", now, self._config.console.timezone), now)

    def _last_change(self) -> tuple[int, ...]:
        """Of what was decided, and of what was noted."""
        with self._store.reading() as connection:
            asked = (select(func.max(table.c.number)) for table in (AUDIT_ENTRIES, MATURITY_LOG))
            return tuple(int(connection.execute(one).scalar_one() or 0) for one in asked)


def initiative_facts(desk: InitiativeDesk) -> InitiativeFacts:
    """How initiatives stand: run, measured, booked."""
    standings = desk.standings()
    at_work = [one for one in standings if one.initiative.status in ("running", "done")]
    entries = {(one.initiative_id, one.month) for one in desk.book.bookings()}
    closed = [(one.initiative.initiative_id, month) for one in standings for month in one.months
              if desk.is_closed(month.month)]  # fmt: skip
    missing = [month.realised for owner, month in closed if (owner, month.month) not in entries]
    return InitiativeFacts(
        running=len(at_work),
        measured=sum(bool(one.months and one.baseline_calls) for one in at_work),
        booked=len(closed) - len(missing),
        missing=len(missing),
        unbooked=sum(missing, Decimal(0)),
    )


def advised_by(review: Review, at_us: int) -> Advised | None:
    """What a review expects to be saved, each charge once; None where it looked at too few days."""
    if review.too_short or not review.days:
        return None
    nets = [row.net for row in review.ranked if row.net is not None and row.advice.kind in CACHE_ADVICE]
    spent = round(review.spent * MONTH_DAYS / review.days, 4)
    return Advised(at_us, sum(nets, Decimal(0)), review.total, spent)


def encode_advised(advised: Advised) -> str:
    return msgspec.json.encode(advised).decode()


def _differs(last: Logged, now: Standing) -> bool:
    """Whether it is another day, or another step."""
    return last.at_us // DAY_US != now.facts.at_us // DAY_US or last.step != now.place.step.number


def _advised_then(log: list[Logged], now_us: int) -> Advised | None:
    """The newest that was noted, if it is not too old."""
    noted = next((one.advised for one in reversed(log) if one.advised), "")
    if not noted:
        return None
    advised = msgspec.json.decode(noted, type=Advised)
    return advised if now_us - advised.at_us < ADVICE_HOLDS_US else None
