"""A limit against the past: whose calls it would have met, and how fast calls came. It changes nothing."""

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from bursar.console.api.answers import PeriodAnswer, csv_bytes, period_answer
from bursar.console.context import ConsoleContext
from bursar.console.trial import column_of
from bursar.domain.controls import Limit
from bursar.domain.money import plain
from bursar.domain.periods import Period
from bursar.explore.filters import Filter
from bursar.explore.pace import Ceilings, Pace


class PaceRow(msgspec.Struct, frozen=True):
    """Calls of one value of the limit's `each` ("" where it has none).

    refused: calls that the limit would have met; effective_cost: what they cost, null: none of them has a price.
    """

    value: str
    calls: int
    refused: int
    effective_cost: str | None
    requests_most: int
    tokens_most: int
    concurrent_most: int


class LimitTrial(msgspec.Struct, frozen=True):
    """What a limit would have done. values: how many of its `each`, of which the rows tell those met most often."""

    name: str
    each: str
    period: PeriodAnswer
    currency: str
    calls: int
    refused: int
    values: int
    rows: list[PaceRow]
    notes: list[str]


def try_limit(context: ConsoleContext, limit: Limit, period: Period) -> LimitTrial:
    """Count the calls of a period as the limit would have."""
    terms = limit.terms
    filters = [Filter(column_of(name), (value,)) for name, value in terms.match.items()]
    ceilings = Ceilings(terms.requests_per_minute, terms.tokens_per_minute, terms.concurrent)
    each = column_of(terms.each) if terms.each else ""
    named = context.key_namer() if terms.each == "credential" else str
    found = context.explorer.paces(period, each, filters, ceilings)
    return LimitTrial(
        name=limit.name, each=terms.each, period=period_answer(period), currency=context.config.console.currency,
        calls=found.calls, refused=found.over, values=found.values if terms.each else 0,
        rows=[_row(one, named) for one in found.rows], notes=list(_notes(ceilings)),
    )  # fmt: skip


def limit_trial_csv(trial: LimitTrial) -> bytes:
    """A row for each value of `each` that is told."""
    heads = [*PaceRow.__struct_fields__, "currency"]
    return csv_bytes(heads, [[*msgspec.structs.astuple(row), trial.currency] for row in trial.rows])


def _row(one: Pace, named: Callable[[str], str]) -> PaceRow:
    cost: Decimal | None = one.effective_cost if one.over else Decimal(0)
    return PaceRow(
        named(one.value), one.calls, one.over, None if cost is None else plain(cost), one.requests_most,
        one.tokens_most, one.concurrent_most,
    )  # fmt: skip


def _notes(ceilings: Ceilings) -> Iterable[str]:
    yield (
        "minutes are those of the clock here, and slide in the gateway: around the turn of a minute it may refuse a "
        "few calls more"
    )
    if ceilings.tokens is not None:
        yield "tokens are counted as they were used; the gateway counts a call's when it ends"
    if ceilings.concurrent is not None:
        yield "a call that is refused doesn't run, so that of calls at a time fewer may have been refused than these"
