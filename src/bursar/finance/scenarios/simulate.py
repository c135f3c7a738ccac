"""Scenarios beside each other and beside what is: exact amounts by month, plan and customer, and bands by bootstrap."""

from collections.abc import Iterator, Sequence
from datetime import date

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.domain.errors import BadScenario
from bursar.finance.scenarios.columns import ALL_STAY, Columns, columns_of
from bursar.finance.scenarios.payers import Grounds
from bursar.finance.scenarios.runs import Key, Run, run
from bursar.finance.scenarios.steps import Scenario
from bursar.finance.scenarios.telling import Worlds, tell
from bursar.finance.scenarios.told import Comparison
from bursar.finance.scenarios.worlds import WORLDS, Floats, draw_worlds, mean_of_users, shares, sums_by_plan

MONTHS_MAX = 24
SCENARIOS_MAX = 4
WORLDS_MAX = 10_000
SEED_MAX = 2**31 - 1
MEASURES = 4  # of a customer in a month: revenue, margin, what price must bring, how much of them stays
AS_IS = Scenario("As it is")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. first: the first month, its first day; months: how many are shown."""

    scenarios: Sequence[Scenario]
    first: date
    months: int = 6
    seed: int = 1
    worlds: int = WORLDS


def simulate(grounds: Grounds, wish: Wish) -> Comparison:
    """The same answer, to the byte, for the same wish and grounds, whatever the order of payers.

    Raises BadScenario that names the field, its limit and what to write.
    """
    check(wish)
    base, months, runs = run_all(grounds, wish)
    return tell(grounds, base, months, runs, _worlds(base, runs, wish), wish.seed, wish.worlds)


def run_all(grounds: Grounds, wish: Wish) -> tuple[Columns, list[date], list[Run]]:
    """What is exact of it; the first run is as it is."""
    base = columns_of(grounds.payers, wish.scenarios)
    months = list(_months(wish.first, wish.months))
    known: dict[Key, Columns] = {}
    return base, months, [run(base, one, months, known) for one in (AS_IS, *wish.scenarios)]


def check(wish: Wish) -> None:
    """Raises BadScenario."""
    for field, value, low, high in (
        ("months", wish.months, 1, MONTHS_MAX),
        ("seed", wish.seed, 0, SEED_MAX),
        ("worlds", wish.worlds, 10, WORLDS_MAX),
    ):
        if not low <= value <= high:
            raise BadScenario(f"{field} is {value}; write a whole number from {low:,} to {high:,}", field=field)
    if len(wish.scenarios) > SCENARIOS_MAX:
        raise BadScenario(
            f"{len(wish.scenarios)} scenarios; at most {SCENARIOS_MAX} stand beside each other: leave some out",
            field="scenarios",
        )


def _worlds(base: Columns, runs: Sequence[Run], wish: Wish) -> Worlds:
    """Each run's months in each world, and its plans in the last one."""
    keys = list(dict.fromkeys(key for one in runs for key in one.keys))
    states = {key: one.columns[key] for one in runs for key in one.keys}
    table = np.concatenate([_measures(states[key]) for key in keys], axis=1)
    edges = np.searchsorted(base.plan, np.arange(len(base.plans))).tolist()
    last = [keys.index(one.keys[-1]) for one in runs]
    whole = np.zeros((wish.worlds, len(keys), MEASURES))
    by_plan = np.zeros((len(runs), wish.worlds, len(base.plans), MEASURES))
    free = np.flatnonzero(base.is_free)
    users = [[_user_costs(one, at, free) for at in range(len(one.arrivals))] for one in runs]
    costs = [[np.zeros((wish.worlds, len(one.keys))) for _ in one.arrivals] for one in runs]
    for drawn in draw_worlds(len(base), wish.worlds, wish.seed):
        some = slice(drawn.first, drawn.first + len(drawn.times))
        sums = sums_by_plan(drawn, table, edges).reshape(len(drawn.times), len(base.plans), len(keys), MEASURES)
        whole[some] = sums.sum(axis=1)
        for at, place in enumerate(last):
            by_plan[at, some] = sums[:, :, place]
        for at, one in enumerate(runs):
            for which, arrivals in enumerate(one.arrivals):
                cost = users[at][which]
                if cost is not None:
                    costs[at][which][some] = mean_of_users(drawn, free, cost, arrivals.step.users, wish.seed, which)
    months = np.stack([whole[:, [keys.index(key) for key in one.keys]] for one in runs])
    for at, one in enumerate(runs):
        for which, arrivals in enumerate(one.arrivals):
            if users[at][which] is None:
                costs[at][which][:] = [float(ai) * 1e-12 for ai in arrivals.ai]
            months[at, :, :, :2] += _new_users(one, which, costs[at][which], wish)
    return Worlds(months, by_plan)


def _measures(columns: Columns) -> Floats:
    """(customers, MEASURES), whole units of the currency."""
    need = columns.ai + columns.other - columns.extra
    money = np.stack([columns.earned, columns.margin, need], axis=1).astype(np.float64) * 1e-12
    return np.concatenate([money, (columns.stays.astype(np.float64) / ALL_STAY)[:, None]], axis=1)


def _user_costs(one: Run, which: int, free: NDArray[np.intp]) -> Floats | None:
    """(free users, months): what each costs; None where the scenario says it."""
    if one.arrivals[which].is_given:
        return None
    cost = [(one.columns[key].ai + one.columns[key].other)[free] for key in one.keys]
    return np.stack(cost, axis=1).astype(np.float64) * 1e-12


def _new_users(one: Run, which: int, cost: Floats, wish: Wish) -> Floats:
    """(worlds, months, 2): revenue and margin of a viral moment. cost: (worlds, months), of one user."""
    arrivals = one.arrivals[which]
    step = arrivals.step
    share = shares(
        float(step.convert_low) / 100, float(step.convert_high) / 100, step.users, wish.worlds, wish.seed, which
    )[:, None]
    free, everybody, paying = (np.array([float(wave[at]) for wave in arrivals.waves]) for at in range(3))
    revenue = share * paying * (arrivals.price * 1e-12)
    there = (1 - share) * free + share * everybody
    return np.stack([revenue, revenue - there * cost], axis=2)


def _months(first: date, count: int) -> Iterator[date]:
    for at in range(count):
        years, month = divmod(first.month - 1 + at, 12)
        yield date(first.year + years, month + 1, 1)
