"""Flat costs in the books: what a month's come to, what of it is booked, and the entries that book the rest.

Nobody's call costs a seat or a subscription, so no charge books it: a person says that it is to be booked, and it is
posted as an entry of the general journal, split as statements split it. Posting again posts only what is different. Of
a month that was closed meanwhile it is booked in the open one, as all that is late.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import msgspec

from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.errors import BadControl, UnknownControl
from bursar.domain.money import pico_from_usd, usd_from_pico
from bursar.finance.allocation.allocate import Pool
from bursar.finance.allocation.book import AllocationBook
from bursar.finance.allocation.rules import BY, RuleTerms, in_force
from bursar.finance.books.booked import first_day, next_month
from bursar.finance.books.chart import Chart, account_of
from bursar.finance.books.close import CloseBook, check_person
from bursar.finance.books.entries import Posting
from bursar.finance.books.flats import OpenFlat
from bursar.finance.books.journal import LINES_MAX, JournalEntry, NewEntry

SOURCE = "flat cost"
UNDONE = ":undone"


class FlatProposal(msgspec.Struct, frozen=True):
    """A flat cost of a month, and what is to be posted for it.

    pico: what it comes to; None: unknown, no exchange rate. parts: by recipient; "": what could not be split, which is
    a cost none the less. booked_pico: what is posted of it. lines: debits that are missing, "-" what is too much; none:
    it is in the books. twin: another rule of the same amount among other recipients, so perhaps the same cost.
    """

    rule: str
    by: str
    pico: int | None
    parts: dict[str, int]
    told: str
    booked_pico: int
    lines: list[Posting]
    twin: str
    number: int

    @property
    def open_pico(self) -> int | None:
        return None if self.pico is None else self.pico - self.booked_pico

    @property
    def is_booked(self) -> bool:
        return self.pico is not None and not self.lines


class FlatBook:
    """Flat costs of a site in its books."""

    def __init__(self, allocation: AllocationBook, close: CloseBook, clock: Clock) -> None:
        self._allocation = allocation
        self._close = close
        self._clock = clock

    def proposals(self, month: str) -> list[FlatProposal]:
        """Each flat cost of a month, booked or not, and what was posted for rules that it has no more. Raises
        BadPeriod."""
        posted = self._posted(month)
        terms = self._terms(month)
        if not posted and not terms:
            return []
        closing = next((one for one in self._close.closings() if one.month == month), None)
        chart = self._close.chart(closing.chart_number if closing else None)
        found = []
        for by in BY:
            names = {name for name, of in (*terms, *posted) if of == by}
            if not names:
                continue
            pools = [one for one in self._allocation.allocation(month, by).pools if one.kind == "flat"]
            for name in sorted(names):
                mine = [one for one in pools if one.name == name]
                entries = posted.get((name, by), [])
                found.append(_proposal(name, by, mine, entries, chart, _twin(name, by, terms)))
        return found

    def open(self, month: str) -> list[OpenFlat]:
        """What isn't booked of a month's flat costs, for its checklist. Raises BadPeriod."""
        return open_of(self.proposals(month))

    def post(self, month: str, rules: Sequence[str] = (), *, by: str) -> list[JournalEntry]:
        """Post what is missing of a month's flat costs: of these rules, none named: of all whose amount is known. What
        was posted now; nothing where all is booked.

        by: the person who says so. Raises BadPeriod, UnknownControl for a rule without a flat cost in the month,
        BadControl where the month isn't over, no rate is known, or it isn't said which of two alike is meant.
        """
        person = check_person(by)
        if not self.is_over(month):
            raise BadControl(
                f"{month} isn't over: flat costs are split by what the whole month cost; post them from its end on",
                field="month",
            )
        found = self.proposals(month)
        for name in rules:
            if not any(one.rule == name for one in found):
                raise UnknownControl(f"{month} has no flat cost of a rule named {name[:200]!r}", field="rules")
        wanted = [one for one in found if (one.rule in rules if rules else one.pico is not None)]
        for one in wanted:
            if one.pico is None:
                raise BadControl(f"rules: {one.rule}: {one.told}; add the rate first", field="rules")
            if not rules and one.twin and one.lines:
                raise BadControl(
                    f"rules: {one.rule} and {one.twin} have the same amount among different recipients; name those "
                    "that are to be booked, so that one cost isn't booked twice",
                    field="rules",
                )
        last = _last_day(month)
        return self._close.journal.post([_entry(month, last, one) for one in wanted if one.lines], actor=person)

    def is_over(self, month: str) -> bool:
        """Raises BadPeriod."""
        return datetime_from_us(self._clock.now_us()).date() > _last_day(month)

    def _terms(self, month: str) -> dict[tuple[str, str], set[tuple[str, str]]]:
        """By rule and whom it is split among: the amounts with their currency that hold in the month."""
        first, until = first_day(month), first_day(next_month(month))
        found: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        for one in in_force(self._allocation.versions(), first, until):
            if one.terms.kind == "flat":
                found[one.name, one.terms.by].add(_amount(one.terms))
        return found

    def _posted(self, month: str) -> dict[tuple[str, str], list[JournalEntry]]:
        found: dict[tuple[str, str], list[JournalEntry]] = defaultdict(list)
        for entry in self._close.journal.all():
            if entry.source == SOURCE and entry.key.startswith(f"flat:{month}:"):
                _, _, by, _, name = entry.key.split(":", 4)
                while name.endswith(UNDONE):
                    name = name.removesuffix(UNDONE)
                found[name.replace("%3A", ":").replace("%25", "%"), by].append(entry)
        return found


def open_of(found: Sequence[FlatProposal]) -> list[OpenFlat]:
    """What isn't booked of them."""
    return [OpenFlat(one.rule, one.by, one.open_pico) for one in found if not one.is_booked]


def _proposal(
    rule: str, by: str, pools: Sequence[Pool], entries: Sequence[JournalEntry], chart: Chart, twin: str
) -> FlatProposal:
    parts: dict[str, int] = defaultdict(int)
    for pool in pools:
        for name, pico in pool.parts.items():
            parts[name] += pico
        if pool.left_pico:
            parts[""] += pool.left_pico
    is_known = all(pool.pico is not None for pool in pools)
    accounts: dict[str, int] = defaultdict(int)
    for name, pico in parts.items():
        accounts[account_of(chart.flat, {"provider": rule, by: name})] += pico
    booked = 0
    for entry in entries:
        for line in entry.postings[:-1]:  # the last one is what is owed
            accounts[line.account] -= pico_from_usd(line.amount)
            booked += pico_from_usd(line.amount)
    lines = [Posting(account, usd_from_pico(pico)) for account, pico in sorted(accounts.items()) if pico]
    return FlatProposal(
        rule=rule,
        by=by,
        pico=sum(pool.pico or 0 for pool in pools) if is_known else None,
        parts=dict(parts),
        told="; ".join(pool.told for pool in pools if pool.told),
        booked_pico=booked,
        lines=[*lines, _owed(chart, rule, lines)] if lines and is_known else [],
        twin=twin,
        number=len(entries) + 1,
    )


def _owed(chart: Chart, rule: str, lines: Sequence[Posting]) -> Posting:
    """What the vendor will invoice of it: the credit that all the debits add up to, even where it is nothing."""
    owed = sum(pico_from_usd(line.amount) for line in lines)
    return Posting(account_of(chart.accrued, {"provider": rule}), usd_from_pico(-owed))


def _entry(month: str, last: date, one: FlatProposal) -> NewEntry:
    """Raises BadControl where there are more accounts than an entry has lines."""
    if len(one.lines) > LINES_MAX:
        raise BadControl(
            f"rules: {one.rule}: {len(one.lines):,} lines; an entry has at most {LINES_MAX}", field="rules"
        )
    safe = one.rule.replace("%", "%25").replace(":", "%3A")
    text = f"Flat cost {one.rule} of {month}, by {one.by}" + (
        f", difference {one.number - 1}" if one.number > 1 else ""
    )
    return NewEntry(f"flat:{month}:{one.by}:{one.number}:{safe}"[:200], last, text, one.lines, SOURCE)


def _twin(rule: str, by: str, terms: Mapping[tuple[str, str], set[tuple[str, str]]]) -> str:
    mine = terms.get((rule, by), set())
    return next((name for (name, of), amounts in terms.items() if of != by and amounts & mine), "")


def _amount(terms: RuleTerms) -> tuple[str, str]:
    return terms.amount, terms.currency


def _last_day(month: str) -> date:
    return first_day(next_month(month)) - timedelta(days=1)
