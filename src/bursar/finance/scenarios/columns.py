"""Payers as columns: one row a customer, sorted by plan, money exact.

The cost is split into as few groups of models as the scenarios tell apart, so that a step on one model is one column.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.domain.errors import BadScenario
from bursar.finance.scenarios.exact import FITS, Ints
from bursar.finance.scenarios.payers import Payer
from bursar.finance.scenarios.steps import Model, PriceList, Scenario, Whose

ALL_STAY = 1_000_000  # of each customer, in millionths
Mask = NDArray[np.bool_]


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """n customers. plan, segment: their places in `plans` and `segments`. cost: (n, groups), the AI cost.

    revenue:  what is paid for the plan; extra: what is billed beside it, for units above those included.
    stays:    how much of each customer stays, in millionths; it is in all the money here already.
    groups:   the column of `cost` that a model is in; models that no scenario names share one.
    """

    customers: Sequence[str]
    plans: Sequence[str]
    segments: Sequence[str]
    plan: Ints
    segment: Ints
    is_free: Mask
    revenue: Ints
    extra: Ints
    other: Ints
    cost: Ints
    calls: Ints
    tokens: Ints
    stays: Ints
    groups: dict[str, int]
    models: frozenset[str]

    def __len__(self) -> int:
        return len(self.customers)

    @property
    def ai(self) -> Ints:
        """AI cost of each."""
        cost: Ints = self.cost.sum(axis=1)
        return cost

    @property
    def earned(self) -> Ints:
        return self.revenue + self.extra

    @property
    def margin(self) -> Ints:
        return self.earned - self.ai - self.other

    def take(self, rows: NDArray[np.intp]) -> "Columns":
        """Some of the customers."""
        columns = {name: getattr(self, name)[rows] for name in _BY_CUSTOMER}
        customers = [self.customers[row] for row in rows.tolist()]
        return msgspec.structs.replace(self, customers=customers, **columns)

    def units(self, unit: str) -> Ints:
        return self.calls if unit == "calls" else self.tokens

    def billed(self, whose: Whose) -> Mask:
        """Who is meant by a price: those who pay now, and free ones only by their plan's name. Raises as `meant`."""
        meant = self.meant(whose)
        return meant & ~self.is_free if whose.plan is None else meant

    def meant(self, whose: Whose) -> Mask:
        """Who is meant. Raises BadScenario for a plan or segment that nobody has."""
        found = np.ones(len(self), dtype=np.bool_)
        for field, name, known, codes in (
            ("plan", whose.plan, self.plans, self.plan),
            ("segment", whose.segment, self.segments, self.segment),
        ):
            if name is None:
                continue
            if name not in known:
                told = ", ".join(repr(one) for one in known[:12]) or "none"
                raise BadScenario(f"{field}: no customer has {name!r}; there are {told}", field=field)
            found &= codes == known.index(name)
        return found


_BY_CUSTOMER = ("plan", "segment", "is_free", "revenue", "extra", "other", "cost", "calls", "tokens", "stays")


def columns_of(payers: Sequence[Payer], scenarios: Iterable[Scenario]) -> Columns:
    """The same columns whatever the order of payers; the scenarios say which models must be told apart."""
    ordered = sorted(payers, key=lambda one: (one.plan, one.customer))
    models = frozenset(model for one in ordered for model in one.cost_by_model)
    groups, width = _groups(models, scenarios)
    plans, plan = _coded([one.plan for one in ordered])
    segments, segment = _coded([one.segment for one in ordered])
    cost = [[0] * width for _ in ordered]
    for row, one in zip(cost, ordered, strict=True):
        row[groups[""]] = one.ai_cost
        for model, pico in one.cost_by_model.items():
            row[groups[""]] -= pico
            row[groups[model]] += pico
    return Columns(
        customers=[one.customer for one in ordered],
        plans=plans,
        segments=segments,
        plan=plan,
        segment=segment,
        is_free=np.array([one.is_free for one in ordered], dtype=np.bool_),
        revenue=_ints([one.revenue for one in ordered]),
        extra=_ints([0] * len(ordered)),
        other=_ints([one.other_cost for one in ordered]),
        cost=_ints(cost).reshape(len(ordered), width),
        calls=_ints([one.calls for one in ordered]),
        tokens=_ints([one.tokens for one in ordered]),
        stays=_ints([ALL_STAY] * len(ordered)),
        groups=groups,
        models=models,
    )


def is_of(model: str, wanted: str) -> bool:
    """Whether "openai/gpt-4o" is of "openai", or of itself."""
    return model == wanted or model.startswith(f"{wanted}/")


def _groups(models: Iterable[str], scenarios: Iterable[Scenario]) -> tuple[dict[str, int], int]:
    """Each model's column: those that all scenarios treat alike share one. "" is of no known model."""
    wanted: dict[str, None] = {}
    named: dict[str, None] = {"": None}
    for scenario in scenarios:
        for step in scenario.steps:
            if isinstance(step, PriceList):
                wanted[step.of] = None
            elif isinstance(step, Model):
                wanted |= {step.model: None, step.to: None}
                named |= {step.model: None, step.to: None}
    columns: dict[tuple[bool, ...], int] = {}
    groups = {}
    for model in (*named, *sorted(models)):
        alike = tuple(is_of(model, one) for one in wanted)
        groups[model] = columns.setdefault(alike, len(columns))
    return groups, len(columns)


def _coded(names: Sequence[str]) -> tuple[list[str], Ints]:
    known = sorted(set(names))
    places = {name: at for at, name in enumerate(known)}
    return known, np.array([places[name] for name in names], dtype=np.int64)


def _ints(values: Sequence[Any]) -> Ints:
    """int64 where all fit, with room for a sum over a row's groups."""
    try:
        column = np.array(values, dtype=np.int64)
    except OverflowError:
        return np.array(values, dtype=object)
    wide = column.shape[-1] if column.ndim > 1 else 1
    return column.astype(object) if column.size and float(np.abs(column).max()) * wide * 4 > FITS else column
