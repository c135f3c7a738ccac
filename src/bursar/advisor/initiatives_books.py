"""What the ledger is asked about initiatives: calls before and since, what these are compared with, guards."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from math import inf

from bursar.advisor.initiatives_comparison import Chosen, Group, chosen, daily_of, given
from bursar.advisor.initiatives_flags import GuardReading, read_guard
from bursar.advisor.initiatives_portfolio import Plan
from bursar.domain.errors import BadQuery
from bursar.domain.initiatives import AUTO, CALLS, Initiative
from bursar.explore.unit_costs import Cell, Days, Scope, cells, guarded, read_scope
from bursar.ledger.store import Session

GUARD_DAYS = 30


class Books:
    """The questions to the ledger that one measurement asks. running: in the order of their start."""

    def __init__(self, session: Session, dialect: str, running: Sequence[Initiative], today: date) -> None:
        self._session, self._dialect = session, dialect
        self._running, self._today = running, today
        self._touched = [Scope(read_scope(one.terms.filters), Days(start_of(one), today)) for one in running]
        self._kept: dict[object, list[Cell]] = {}

    def baseline(self, one: Initiative) -> list[Cell]:
        """Its calls before, by its own unit and, second, by calls."""
        terms = one.terms
        days = Days(terms.baseline_from, terms.baseline_until)
        return self._cells(days, terms.mix, (terms.unit, CALLS), (Scope(read_scope(terms.filters)),))

    def since(self, mix: Sequence[str], units: Sequence[str]) -> list[Cell]:
        """All charges that any of them measures, since the first began."""
        scopes = [
            Scope(read_scope(one.terms.filters), Days(start_of(one), until_of(one, self._today)))
            for one in self._running
        ]
        first = min(map(start_of, self._running))
        return self._cells(Days(first, self._today), tuple(mix), tuple(units), tuple(scopes))

    def fineness(self, one: Initiative) -> float:
        """How many kinds of calls by day one makes of its own since it began."""
        days = Days(start_of(one), until_of(one, self._today))
        scope = Scope(read_scope(one.terms.filters))
        try:
            return len(self._cells(days, one.terms.mix, (one.terms.unit,), (scope,)))
        except BadQuery:
            return inf

    def comparison(self, one: Initiative, plan: Plan) -> Chosen:
        """What its calls are compared with."""
        if not one.terms.comparison:
            return Chosen(None, "none is asked for")
        if not plan.rates.by_stratum:
            return Chosen(None, "the baseline has too few calls")
        try:
            return self._compared(one, plan)
        except BadQuery as error:
            return Chosen(None, f"nothing: {error.message}")

    def _compared(self, one: Initiative, plan: Plan) -> Chosen:
        terms = one.terms
        windows = (Days(terms.baseline_from, terms.baseline_until), Days(start_of(one), until_of(one, self._today)))
        if terms.comparison != (AUTO,):
            scope = (Scope(read_scope(terms.comparison)),)
            before, after = (self._cells(days, terms.mix, (terms.unit,), scope, apart=True) for days in windows)
            kinds = range(len(terms.mix) + 1)  # and whether they are in what some initiative touches, at its time
            group = Group(daily_of(before, kinds), daily_of(after, kinds))
            return given(plan.rates, group, " ".join(terms.comparison))
        mix, everything = ("feature", *(name for name in terms.mix if name != "feature")), (Scope(()),)
        kind_at = (*(mix.index(name) for name in terms.mix), len(mix))
        before, after = (self._cells(days, mix, (terms.unit,), everything, apart=True) for days in windows)
        sides = [_by_feature(found) for found in (before, after)]
        groups = {
            name: Group(daily_of(sides[0][name], kind_at), daily_of(sides[1][name], kind_at))
            for name in sides[0].keys() & sides[1].keys()
        }
        models = self._cells(windows[0], ("feature", "model_asked"), (CALLS,), everything, apart=True)
        mine = self._cells(windows[0], ("model_asked",), (CALLS,), (Scope(read_scope(terms.filters)),))
        theirs = {name: _pico_by(found, 1) for name, found in _by_feature(models).items()}
        return chosen(plan.rates, _pico_by(mine, 0), groups, theirs)

    def guard(self, one: Initiative) -> GuardReading | None:
        if one.terms.guard is None:
            return None
        until = until_of(one, self._today)
        days = Days(max(start_of(one), until - timedelta(days=GUARD_DAYS)), until)
        return read_guard(
            one.terms.guard, guarded(self._session, self._dialect, Scope(read_scope(one.terms.filters)), days)
        )

    def _cells(
        self, days: Days, mix: tuple[str, ...], units: tuple[str, ...], scopes: tuple[Scope, ...], *,
        apart: bool = False,
    ) -> list[Cell]:  # fmt: skip
        """Asked once for each question: initiatives often compare with the same calls."""
        key = (days, mix, units, scopes, apart)
        if key not in self._kept:
            others = self._touched if apart else ()
            self._kept[key] = cells(self._session, self._dialect, days, mix, units, scopes, others)
        return self._kept[key]


def start_of(one: Initiative) -> date:
    return one.terms.start or date.max


def until_of(one: Initiative, today: date) -> date:
    return min(one.ended or today, today)


def _by_feature(found: Sequence[Cell]) -> dict[str, list[Cell]]:
    split_up: dict[str, list[Cell]] = defaultdict(list)
    for cell in found:
        split_up[cell.stratum[0]].append(cell)
    return split_up


def _pico_by(found: Sequence[Cell], place: int) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for cell in found:
        sums[cell.stratum[place]] += cell.pico
    return sums
