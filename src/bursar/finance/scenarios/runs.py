"""A scenario run over the months: what customers are in each, and the new users of its viral moments. Exact."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.domain.errors import BadScenario
from bursar.domain.money import PICO_PER_USD
from bursar.finance.scenarios.columns import Columns
from bursar.finance.scenarios.exact import total, whole_rounded
from bursar.finance.scenarios.shocks import Held, apply, held_in
from bursar.finance.scenarios.steps import Model, Scenario, Viral
from bursar.finance.scenarios.viral import Wave, middle, waves

Key = tuple[tuple[object, Fraction], ...]
"""The steps that hold in a month, each with how much of it: months of the same key are the same."""


class Sums(msgspec.Struct, frozen=True):
    """Of a month, exact pico."""

    revenue: int
    ai_cost: int
    other_cost: int

    @property
    def margin(self) -> int:
        return self.revenue - self.ai_cost - self.other_cost

    def plus(self, other: "Sums") -> "Sums":
        return Sums(
            self.revenue + other.revenue, self.ai_cost + other.ai_cost, self.other_cost + other.other_cost
        )  # fmt: skip


NOTHING = Sums(0, 0, 0)


class Arrivals(msgspec.Struct, frozen=True):
    """One viral moment. waves, ai, other, sums: by month; ai, other: of one user, pico. is_given: the scenario says the
    cost."""

    step: Viral
    waves: Sequence[Wave]
    ai: Sequence[Fraction]
    other: Sequence[Fraction]
    sums: Sequence[Sums]
    is_given: bool

    @property
    def price(self) -> int:
        return int(self.step.price * PICO_PER_USD)


class Run(msgspec.Struct, frozen=True):
    """keys: of each month; columns: by key. sums: of each month, new users included."""

    scenario: Scenario
    keys: Sequence[Key]
    columns: dict[Key, Columns]
    arrivals: Sequence[Arrivals]
    sums: Sequence[Sums]
    unseen: Sequence[str]

    @property
    def last(self) -> Columns:
        return self.columns[self.keys[-1]]


def run(base: Columns, scenario: Scenario, months: Sequence[date], known: dict[Key, Columns]) -> Run:
    """known: columns by key, which runs over the same base share. Raises BadScenario that names the field."""
    keys = []
    for month in months:
        held = held_in(scenario.steps, month)
        key = _key(scenario, held)
        if key not in known:
            known[key] = apply(base, scenario.steps, held)
        keys.append(key)
    columns = {key: known[key] for key in keys}
    arrivals = [
        _arrivals(base, step, months, [columns[key] for key in keys])
        for step in scenario.steps
        if isinstance(step, Viral)
    ]
    of_customers = {key: sums_of(one) for key, one in columns.items()}
    sums = []
    for at, key in enumerate(keys):
        month_sums = of_customers[key]
        for one in arrivals:
            month_sums = month_sums.plus(one.sums[at])
        sums.append(month_sums)
    unseen = [step.model for step in scenario.steps if isinstance(step, Model) and step.model not in base.models]
    return Run(scenario, keys, columns, arrivals, sums, unseen)


def sums_of(columns: Columns, rows: "NDArray[np.intp] | slice" = slice(None)) -> Sums:
    """Of some customers, or of all."""
    return Sums(total(columns.earned[rows]), total(columns.ai[rows]), total(columns.other[rows]))


def _key(scenario: Scenario, held: Held) -> Key:
    return tuple((step, share) for step, share in zip(scenario.steps, held, strict=True) if share)


def _arrivals(base: Columns, step: Viral, months: Sequence[date], states: Sequence[Columns]) -> Arrivals:
    free = np.flatnonzero(base.is_free)
    if step.cost is not None:
        ai, other = [Fraction(step.cost) * PICO_PER_USD] * len(months), [Fraction(0)] * len(months)
    elif not len(free):
        raise BadScenario(
            "viral: cost is missing, and there is no free customer to take it from; write what one costs a month, as "
            "cost=4",
            field="viral.cost",
        )
    else:
        ai = [Fraction(total(one.ai[free]), len(free)) for one in states]
        other = [Fraction(total(one.other[free]), len(free)) for one in states]
    found, share, price = waves(step, months), middle(step), int(step.price * PICO_PER_USD)
    sums = [
        Sums(
            whole_rounded(share * wave.paying * price),
            whole_rounded(wave.there(share) * ai[at]),
            whole_rounded(wave.there(share) * other[at]),
        )
        for at, wave in enumerate(found)
    ]
    return Arrivals(step, found, ai, other, sums, step.cost is not None)
