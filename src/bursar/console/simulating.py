"""Simulations as an address asks for them: `/scenarios?a=usage+2&b=price+%2B10%25`, made once while the books stay.

Up to four stand side by side, in the places a, b, c and d; each is its steps as text, and may have a name (`a_name`).
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypeVar

from bursar.console.view import View
from bursar.domain.calendar import month_on, zone
from bursar.domain.clock import Clock
from bursar.domain.errors import BadScenario
from bursar.explore import about
from bursar.finance.economics.report import Economics, EconomicsDesk
from bursar.finance.economics.spans import MonthSpan
from bursar.finance.scenarios.book import ScenarioBook, check_saved_name
from bursar.finance.scenarios.gather import ModelCosts, grounds_of, model_costs
from bursar.finance.scenarios.payers import Grounds
from bursar.finance.scenarios.simulate import MONTHS_MAX, SEED_MAX, Wish, check, run_all, simulate
from bursar.finance.scenarios.steps import Model, PriceList, Scenario
from bursar.finance.scenarios.telling import customers, turned_to_loss
from bursar.finance.scenarios.told import Comparison, CustomerTold
from bursar.finance.scenarios.written import read_steps
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger

PLACES = ("a", "b", "c", "d")
AS_IS = "as-is"
BASE_DEFAULT, BASE_MAX = 3, 12
MONTHS_DEFAULT, SEED_DEFAULT = 6, 1
MADE_AGAIN_US = 15_000_000  # while calls come in
REMEMBERED = 12
A_DAY = timedelta(days=1)  # a month whose first call came on its first day is whole
WHICH = ("all", "losing", "turned")

K = TypeVar("K")
V = TypeVar("V")


class Asked(NamedTuple):
    """What an address asks for. base: the months that customers are the mean of; places: of `wish.scenarios`."""

    wish: Wish
    places: tuple[str, ...]
    base: tuple[date, ...]
    timezone: str
    today: date

    @property
    def key(self) -> tuple[object, ...]:
        wish = self.wish
        return (tuple(wish.scenarios), wish.first, wish.months, wish.seed, self.base, self.timezone)


class KeptGrounds(NamedTuple):
    """What simulations stood on lately. economics: of each month, as they were found."""

    at_us: int
    version: int
    economics: tuple[Economics, ...]
    grounds: Grounds

    def is_of(self, economics: tuple[Economics, ...]) -> bool:
        """Whether months are still the very same: what is over is found once, whatever was loaded since."""
        return len(economics) == len(self.economics) and all(
            one is other for one, other in zip(economics, self.economics, strict=True)
        )


class ScenarioDesk:
    """Saved scenarios, and simulations that were made lately. economics: who the customers are, opened when asked."""

    def __init__(
        self, store: ControlStore, secret: bytes, ledger: Ledger, clock: Clock, economics: Callable[[], EconomicsDesk]
    ) -> None:
        self.book = ScenarioBook(store, secret, clock)
        self._ledger = ledger
        self._clock = clock
        self._economics = economics
        self._grounds: dict[object, KeptGrounds] = {}
        self._made: dict[object, tuple[Grounds, Comparison]] = {}
        self._one_at_a_time = threading.Lock()

    def compare(self, asked: Asked) -> Comparison:
        """The same one while nothing was loaded since; while calls come in, it is seconds old at most. Raises
        BadScenario."""
        check(asked.wish)
        with self._one_at_a_time:
            grounds = self._grounds_of(asked)
            kept = self._made.get(asked.key)
            if kept is not None and kept[0] is grounds:
                return kept[1]
            found = simulate(grounds, asked.wish)
            _keep(self._made, asked.key, (grounds, found))
            return found

    def forget(self) -> None:
        """Keep nothing: for measuring."""
        with self._one_at_a_time:
            self._grounds.clear()
            self._made.clear()

    def customers(self, asked: Asked, place: str, which: str) -> list[CustomerTold]:
        """Every customer in the last month of one scenario, the largest loss first. Raises BadScenario."""
        check(asked.wish)
        if place not in (AS_IS, *asked.places):
            known = ", ".join((AS_IS, *asked.places))
            raise BadScenario(f"of is {place[:40]!r}; it can be {known}, as far as the address says them", field="of")
        if which not in WHICH:
            raise BadScenario(f"which is {which[:40]!r}; it can be {', '.join(WHICH)}", field="which")
        with self._one_at_a_time:
            grounds = self._grounds_of(asked)
        base, _, runs = run_all(grounds, asked.wish)
        one = runs[(AS_IS, *asked.places).index(place)]
        margin = one.last.margin
        rows = turned_to_loss(base, one.last) if which == "turned" else margin.argsort(kind="stable")
        wanted = [row for row in rows.tolist() if which != "losing" or margin[row] < 0]
        return list(customers(base, one, wanted))

    def _grounds_of(self, asked: Asked) -> Grounds:
        wanted = named_models(asked.wish.scenarios)
        key = (asked.base, asked.timezone, wanted)
        now_us, version = self._clock.now_us(), self._ledger.version
        kept = self._grounds.get(key)
        if kept is not None and (kept.version == version or 0 <= now_us - kept.at_us < MADE_AGAIN_US):
            return kept.grounds
        with self._ledger.reading() as session:
            spans = whole_months(asked, about.first_call(session))
        desk = self._economics()
        economics = tuple(desk.economics(span) for span in spans)
        if kept is not None and kept.is_of(economics):
            self._grounds[key] = kept._replace(at_us=now_us, version=version)
            return kept.grounds
        months = {one.span.first: one.rows for one in economics}
        models: Mapping[date, ModelCosts] = {}
        if wanted:
            with self._ledger.reading() as session:
                models = {span.first: model_costs(session, span.period, wanted) for span in spans}
        found = grounds_of(months, models, "USD")
        _keep(self._grounds, key, KeptGrounds(now_us, version, economics, found))
        return found


def named_models(scenarios: Sequence[Scenario]) -> frozenset[str]:
    """Models and providers that steps are about."""
    named = set[str]()
    for step in (step for one in scenarios for step in one.steps):
        if isinstance(step, PriceList):
            named.add(step.of)
        elif isinstance(step, Model):
            named |= {step.model, step.to}
    return frozenset(named)


def whole_months(asked: Asked, first_call: datetime | None) -> list[MonthSpan]:
    """The base months that calls were counted in from their first day on: a month before the first call isn't one in
    which customers cost nothing. None is whole: the last one alone."""
    spans = [MonthSpan(one, 1, asked.timezone, asked.today) for one in asked.base]
    if first_call is None:
        return spans
    return [span for span in spans if span.period.start >= first_call - A_DAY] or spans[-1:]


def read_asked(view: View) -> Asked:
    """Raises BadScenario that names the place and the step."""
    today = view.now.astimezone(zone(view.timezone)).date()
    this_month = today.replace(day=1)
    scenarios, places = [], []
    for place in PLACES:
        text = view.get(place).strip()
        if not text:
            continue
        try:
            steps = read_steps(text)
            name = check_saved_name(view.get(f"{place}_name") or place.upper())
        except BadScenario as error:
            raise BadScenario(f"{place.upper()}: {error}", field=place) from error
        scenarios.append(Scenario(name, steps))
        places.append(place)
    base = _number(view, "base", BASE_DEFAULT, 1, BASE_MAX)
    wish = Wish(
        scenarios=scenarios,
        first=this_month,
        months=_number(view, "months", MONTHS_DEFAULT, 1, MONTHS_MAX),
        seed=_number(view, "seed", SEED_DEFAULT, 0, SEED_MAX),
    )
    months = tuple(month_on(this_month, at) for at in range(-base, 0))
    return Asked(wish, tuple(places), months, view.timezone, today)


def _number(view: View, name: str, default: int, low: int, high: int) -> int:
    text = view.get(name).strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 12 or not low <= int(text) <= high:
        raise BadScenario(f"{name} is {text[:40]!r}; write a whole number from {low:,} to {high:,}", field=name)
    return int(text)


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    while len(kept) >= REMEMBERED:
        del kept[next(iter(kept))]
    kept[key] = value
