"""What the checks are measured on: values read from the books and the control store, or brought along by the asker."""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from bursar.governance.maturity import Evidence

ZERO = Decimal(0)


class Part(msgspec.Struct, frozen=True):
    """Some of the charges. spent: effective cost, USD, of those with a price. attempts: how many, priced or not."""

    spent: Decimal = ZERO
    attempts: int = 0

    def without(self, other: "Part") -> "Part":
        return Part(self.spent - other.spent, self.attempts - other.attempts)

    def share_of(self, whole: "Part") -> Decimal | None:
        """Percent of the whole's spend; of its attempts where nothing was spent. None: there is nothing."""
        if whole.spent > 0:
            return percent(self.spent, whole.spent)
        return percent(Decimal(self.attempts), Decimal(whole.attempts)) if whole.attempts > 0 else None


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger over the measured days; USD.

    days: on how many (UTC) there were attempts. newest: the newest call, of any time.
    parts: by name, see `books.CONDITIONS`; `budgeted`, `limited`, `chosen`, `required`: what budgets and policies are
    about. caches, levers: what they took off, net of what they cost. counterfactual: without any lever.
    """

    whole: Part = Part()
    days: int = 0
    newest: datetime | None = None
    unpriced: int = 0
    doubtful: int = 0
    caches: Decimal = ZERO
    levers: Decimal = ZERO
    counterfactual: Decimal = ZERO
    retries: Decimal = ZERO
    parts: dict[str, Part] = {}

    def part(self, name: str) -> Part:
        return self.parts.get(name, Part())

    def of(self, name: str) -> Part:
        """What a part is a part of: only chat and completions have answers that could be limited."""
        return self.part("answers") if name == "limited" else self.whole


class AuditFacts(msgspec.Struct, frozen=True):
    """entries: how many. broken: the first that doesn't follow from the one before; None: the log is whole."""

    entries: int = 0
    broken: int | None = None


class AlertFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Alert rules that are on: how many tell somebody of spend, of a budget's forecast, of tags; how many tell nobody.

    raised, answered: alerts of the measured days that are three days old or older, and those somebody acknowledged.
    """

    is_on: bool = True
    spend: int = 0
    forecast: int = 0
    tags: int = 0
    silent: int = 0
    raised: int = 0
    answered: int = 0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the control store and the settings say.

    budgets: in force; owned: those with a contact. weekly_us, monthly_us: the last review held, None: never.
    opens: by the parts of `Books` that it defines, where the calls open that it is not about; "": no filter says it.
    """

    budgets: int = 0
    owned: int = 0
    loops_cut: bool = True
    alerts: AlertFacts = AlertFacts()
    audit: AuditFacts = AuditFacts()
    weekly_us: int | None = None
    monthly_us: int | None = None
    opens: dict[str, str] = {}


class InitiativeFacts(msgspec.Struct, frozen=True):
    """running: running or done. measured: those with a measured month. booked, missing: closed months with and without
    an entry. unbooked: what the missing ones saved, USD."""

    running: int = 0
    measured: int = 0
    booked: int = 0
    missing: int = 0
    unbooked: Decimal = ZERO


class Advised(msgspec.Struct, frozen=True):
    """What advice expected to save a month, USD, each charge once: by caches, and in all. spent: a month, then."""

    at_us: int
    caches: Decimal
    total: Decimal
    spent: Decimal


class BillFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Providers' bills of one month beside the books; USD. ends: the first day after it.

    compared: of `bills`, those that could be. used: what these ask for usage; covered: of it, what charges stand
    behind. open, waiting: differences that nobody decided about. compared_us: when the oldest look at one of them was.
    spent: what calls of the month cost by the books; billed_spent: of it, at providers with a compared bill.
    """

    month: date
    ends: date
    bills: int
    compared: int
    used: Decimal = ZERO
    covered: Decimal = ZERO
    open: Decimal = ZERO
    waiting: int = 0
    compared_us: int = 0
    spent: Decimal = ZERO
    billed_spent: Decimal = ZERO


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, at one instant. advised: None: advice wasn't asked lately, so what could be saved isn't known.

    bills: of the newest month that is over and has one; None: there is none.
    evidence: what people said, also what holds no longer.
    """

    at_us: int
    books: Books = Books()
    settings: Settings = Settings()
    initiatives: InitiativeFacts = InitiativeFacts()
    advised: Advised | None = None
    bills: BillFacts | None = None
    evidence: tuple[Evidence, ...] = ()


def percent(part: Decimal, whole: Decimal) -> Decimal:
    """0 to 100; corrections can make a part larger than its whole, which is all of it."""
    return round(min(max(100 * part / whole, ZERO), Decimal(100)), 4)
