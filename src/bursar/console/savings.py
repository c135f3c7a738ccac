"""What was saved, by the lever that saved it: steps from what calls would have cost to what they did cost.

Each row of the page, its totals and its rest are such steps, and in each of them cost and steps are the counterfactual,
to the last pico. Asked once for page, twins, API and command.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.view import View
from bursar.domain.errors import BadRequest
from bursar.domain.periods import Bucket, Grain, buckets
from bursar.domain.savings import COLUMNS, LEVERS
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer, Query
from bursar.explore.vocabulary import DOUBTS, SAVED, dimension, is_grain

BY_LEVER = "lever"
"""Asked for by this name, the steps of the whole period are the answer: a charge has several levers, so they are no
groups of charges."""
LOSS_DIMENSIONS = ("feature", "model")
AMOUNTS = ("counterfactual_cost", *COLUMNS.values(), "saved_cost", "list_cost", "discount_cost", "effective_cost")
MEASURES = (*AMOUNTS, "calls", "attempts", *DOUBTS)
SORTS = {
    "saved": "saved_cost", "cost": "effective_cost", "without": "counterfactual_cost", "discount": "discount_cost",
    **COLUMNS, "name": "",
}  # fmt: skip
"""How the groups can be sorted, and `explore`'s order for it."""


class Steps(msgspec.Struct, frozen=True):
    """What a group of charges would have cost, what each lever and then the discount took off, and what it cost.

    USD; all of them None where every charge of the group is unpriced. `unpriced_count` charges aren't in any of them.
    """

    counterfactual_cost: Decimal | None = None
    saved_routing: Decimal | None = None
    saved_batch: Decimal | None = None
    saved_prompt_cache: Decimal | None = None
    saved_response_cache: Decimal | None = None
    saved_semantic_cache: Decimal | None = None
    saved_cost: Decimal | None = None
    list_cost: Decimal | None = None
    discount_cost: Decimal | None = None
    effective_cost: Decimal | None = None
    calls: int = 0
    attempts: int = 0
    unpriced_count: int = 0
    estimated_count: int = 0
    assumed_count: int = 0

    def by(self, lever: str) -> Decimal | None:
        """What one lever saved; negative where it cost more than it saved."""
        amount: Decimal | None = getattr(self, COLUMNS[lever])
        return amount


class Group(msgspec.Struct, frozen=True):
    """The steps of one group: the values of the dimensions asked for."""

    keys: tuple[str, ...]
    steps: Steps


class Loss(msgspec.Struct, frozen=True):
    """A lever that cost more than it saved on the calls of one feature to one model. saved_cost: USD, below zero."""

    lever: str
    feature: str
    model: str
    saved_cost: Decimal


class SavingsTable(msgspec.Struct, frozen=True):
    """Groups and `others` add up to `totals`; `others` are the `others_count` groups that the limit left out.

    before: the totals of the period before; None: nothing is compared.
    """

    dimensions: tuple[str, ...]
    groups: list[Group]
    others: Steps | None
    others_count: int
    totals: Steps
    before: Steps | None


class Trend(msgspec.Struct, frozen=True):
    """Steps per bucket of time; where nothing was called, all are nothing."""

    grain: Grain
    buckets: list[Bucket]
    steps: list[Steps]


def dimensions_of(view: View) -> tuple[str, ...]:
    """What the address groups by, without `lever`: every group has the steps. Raises BadRequest, BadQuery."""
    names = [name for name in (view.by, view.get("and")) if name and name != BY_LEVER]
    for name in names:
        if not is_grain(name):
            dimension(name)
    if len(set(names)) < len(names):
        raise BadRequest(f"by and and are both {names[0]!r}; group by two different dimensions", field="and")
    return tuple(names)


def savings_table(
    explorer: Explorer, view: View, dimensions: Sequence[str], limit: int, sort: str = "saved"
) -> SavingsTable:
    """The steps by up to two dimensions, and of the whole period beside those of the period before.

    dimensions: a stretch of time (month, day …) among them puts the rows in its order, all of them.
    sort: one of SORTS; a leading "-" turns it round.
    """
    over_time = any(map(is_grain, dimensions))
    found = explorer.run(
        Query(
            period=view.period,
            measures=MEASURES,
            dimensions=tuple(dimensions),
            filters=tuple(view.filters),
            order="" if over_time or not dimensions else SORTS[sort.removeprefix("-")],
            ascending=sort.startswith("-") and not over_time,
            limit=None if over_time else limit,
        )
    )
    width = len(dimensions)
    groups = [
        Group(
            tuple("" if key is None else str(key) for key in row[:width]),
            steps_of(dict(zip(found.measures, row[width:], strict=True))),
        )
        for row in found.rows
    ]
    others = None if found.other is None else steps_of(found.other)
    before = None if view.before is None else _totals(explorer, msgspec.structs.replace(view, period=view.before))
    return SavingsTable(tuple(dimensions), groups, others, found.other_groups, steps_of(found.totals), before)


def losses_of(explorer: Explorer, view: View) -> list[Loss]:
    """Where a lever costs more than it saves, by feature and model, the largest loss first."""
    found = explorer.run(
        Query(
            period=view.period,
            measures=tuple(COLUMNS.values()),
            dimensions=LOSS_DIMENSIONS,
            filters=tuple(view.filters),
        ),
        rows_only=True,
    )
    losses = [
        Loss(lever, row["feature"] or "", row["model"] or "", row[COLUMNS[lever]])
        for row in found.dicts()
        for lever in LEVERS
        if (row[COLUMNS[lever]] or 0) < 0
    ]
    return sorted(losses, key=lambda loss: (loss.saved_cost, loss.lever, loss.feature, loss.model))


def trend_of(explorer: Explorer, view: View, grain: Grain) -> Trend:
    """The steps per hour, day, week or month."""
    columns = buckets(view.period, grain)
    table = savings_table(explorer, msgspec.structs.replace(view, before=None), (grain,), 0)
    found = {group.keys[0]: group.steps for group in table.groups}
    return Trend(grain, columns, [found.get(bucket.label, Steps()) for bucket in columns])


def saved_filters(lever: str) -> tuple[Filter, ...]:
    """What an address filters by to show the calls to whose cost a lever made a difference; "": any lever."""
    return (Filter(SAVED, (lever,)) if lever else Filter(SAVED, ("",), "not"),)


def steps_of(row: Mapping[str, Any]) -> Steps:
    """A row of `explore`. Of a group without any price nothing is known, so nothing is claimed as saved either."""
    values: dict[str, Any] = {name: row.get(name) for name in MEASURES}
    if values["list_cost"] is None:
        values |= dict.fromkeys(AMOUNTS)
    return Steps(**values)


def _totals(explorer: Explorer, view: View) -> Steps:
    return steps_of(explorer.run(Query(view.period, MEASURES, filters=tuple(view.filters))).totals)
