"""What was saved, as the API, the page's twins and the command tell it. USD as decimal text, unknown as null."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.api.answers import PeriodAnswer, csv_bytes, period_answer
from bursar.console.context import ConsoleContext
from bursar.console.pages.explore import read_choice, read_limit
from bursar.console.savings import (
    AMOUNTS,
    SORTS,
    SavingsTable,
    Steps,
    dimensions_of,
    losses_of,
    savings_table,
)
from bursar.console.view import View, filter_text
from bursar.domain.money import plain
from bursar.domain.savings import LEVERS

ROWS_DEFAULT = 50
LIMIT_MAX = 10_000
LOSSES_MAX = 1_000
_SHARE_PLACES = Decimal("0.000001")


class StepsAnswer(msgspec.Struct, frozen=True):
    """From what calls would have cost to what they did: `counterfactual_cost` less the five `saved_…` is `list_cost`,
    and that less `discount_cost` is `effective_cost`, exactly. `saved_cost` is the five together, without the discount.

    null where nothing in the group has a price; `unpriced_count` attempts are in none of these.
    """

    counterfactual_cost: str | None
    saved_routing: str | None
    saved_batch: str | None
    saved_prompt_cache: str | None
    saved_response_cache: str | None
    saved_semantic_cache: str | None
    saved_cost: str | None
    list_cost: str | None
    discount_cost: str | None
    effective_cost: str | None
    calls: int
    attempts: int
    unpriced_count: int
    estimated_count: int
    assumed_count: int


class SavingsRowAnswer(StepsAnswer, frozen=True, kw_only=True):
    """One group. `keys`: its values, in the order of `by`; the empty text means "not said"."""

    keys: list[str]


class LeverAnswer(msgspec.Struct, frozen=True):
    """What one lever saved over the whole period. share: of the counterfactual. filter: its calls, for /api/calls."""

    lever: str
    saved_cost: str | None
    share: str | None
    filter: str
    previous: str | None = None


class LossAnswer(msgspec.Struct, frozen=True):
    """A lever that cost more than it saved, on the calls of one feature to one model; `saved_cost` is below zero."""

    lever: str
    feature: str
    model: str
    saved_cost: str


class SavingsAnswer(msgspec.Struct, frozen=True):
    """`levers` add up to `totals.saved_cost`, and `rows` and `others` to `totals`.

    by: the dimensions of `rows`; empty when asked by `lever` alone, which `levers` answers.
    previous: the totals of `compared_with`, the period before; null when nothing is compared.
    losses: the largest first, `losses_count` of them in all.
    """

    by: list[str]
    period: PeriodAnswer
    compared_with: PeriodAnswer | None
    filters: list[str]
    currency: str
    levers: list[LeverAnswer]
    rows: list[SavingsRowAnswer]
    others: SavingsRowAnswer | None
    others_count: int
    totals: StepsAnswer
    previous: StepsAnswer | None
    losses: list[LossAnswer]
    losses_count: int


def asked_table(context: ConsoleContext, view: View, rows: int = ROWS_DEFAULT) -> SavingsTable:
    """The groups that an address asks for: the same for page, twins and API. Raises BadRequest, BadQuery."""
    limit, sort = read_limit(view, rows, LIMIT_MAX), read_choice(view, "sort", SORTS, "saved")
    return savings_table(context.explorer, view, dimensions_of(view), limit, sort)


def savings_answer(context: ConsoleContext, view: View, rows: int = ROWS_DEFAULT) -> SavingsAnswer:
    table = asked_table(context, view, rows)
    losses = losses_of(context.explorer, view)
    return SavingsAnswer(
        by=list(table.dimensions),
        period=period_answer(view.period),
        compared_with=period_answer(view.before) if view.before else None,
        filters=[filter_text(one) for one in view.filters],
        currency=context.config.console.currency,
        levers=[_lever(lever, table) for lever in LEVERS],
        rows=[SavingsRowAnswer(**_told(group.steps), keys=list(group.keys)) for group in table.groups],
        others=None if table.others is None else SavingsRowAnswer(**_told(table.others), keys=[]),
        others_count=table.others_count,
        totals=StepsAnswer(**_told(table.totals)),
        previous=None if table.before is None else StepsAnswer(**_told(table.before)),
        losses=[
            LossAnswer(loss.lever, loss.feature, loss.model, plain(loss.saved_cost)) for loss in losses[:LOSSES_MAX]
        ],
        losses_count=len(losses),
    )


def savings_csv(answer: SavingsAnswer) -> bytes:
    """A row per group; per lever where nothing is grouped. No row of totals: it would be added up."""
    if not answer.by:
        names = [name for name in LeverAnswer.__struct_fields__ if name != "filter"]
        cells: Iterable[list[Any]] = (
            [*(getattr(one, name) for name in names), answer.currency] for one in answer.levers
        )
        return csv_bytes([*names, "currency"], cells)
    names = list(StepsAnswer.__struct_fields__)
    rows = [*answer.rows]
    if answer.others:
        rows.append(msgspec.structs.replace(answer.others, keys=["(others)", *[""] * (len(answer.by) - 1)]))
    cells = ([*row.keys, *(getattr(row, name) for name in names), answer.currency] for row in rows)
    return csv_bytes([*answer.by, *names, "currency"], cells)


def _lever(lever: str, table: SavingsTable) -> LeverAnswer:
    amount, whole = table.totals.by(lever), table.totals.counterfactual_cost
    share = (amount / whole).quantize(_SHARE_PLACES) if amount is not None and whole else None
    before = None if table.before is None else table.before.by(lever)
    return LeverAnswer(lever, _usd(amount), _usd(share), f"saved={lever}", _usd(before))


def _told(steps: Steps) -> dict[str, Any]:
    return {
        name: _usd(getattr(steps, name)) if name in AMOUNTS else getattr(steps, name)
        for name in Steps.__struct_fields__
    }


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)
