"""What-ifs for programs: what a period's calls would have cost otherwise."""

from datetime import datetime

import msgspec

from bursar.advisor.whatif import Change
from bursar.console.api.answers import PeriodAnswer, csv_bytes, period_answer
from bursar.console.context import ConsoleContext
from bursar.console.view import View, filter_text
from bursar.console.whatif import Asked, ask_whatif
from bursar.domain.money import plain


class StaysAnswer(msgspec.Struct, frozen=True):
    """Calls that stay where they are, at what they cost. why: `operation`, `context`, `no_price`, …"""

    why: str
    attempts: int
    cost: str


class ModelAnswer(msgspec.Struct, frozen=True):
    """Calls of one model: decimal text of USD, as it was and as it would be."""

    provider: str
    model: str
    attempts: int
    attempts_moved: int
    was: str
    would: str
    saved: str


class WhatIfAnswer(msgspec.Struct, frozen=True):
    """The models add up to `was` and `would`; unpriced attempts are in neither.

    assumed_tokens: (from, to) whose tokens for the same text couldn't be compared here: taken to be as many.
    """

    period: PeriodAnswer
    filters: list[str]
    currency: str
    change: Change
    prices_at: datetime
    was: str
    would: str
    saved: str
    attempts: int
    attempts_moved: int
    unpriced_count: int
    stays: list[StaysAnswer]
    models: list[ModelAnswer]
    assumed_tokens: list[tuple[str, str]]


def whatif_answer(context: ConsoleContext, view: View, asked: Asked | None = None) -> WhatIfAnswer:
    asked = asked or ask_whatif(context, view)
    found = asked.found
    return WhatIfAnswer(
        period=period_answer(view.period),
        filters=[filter_text(one) for one in view.filters],
        currency=context.config.console.currency,
        change=asked.change,
        prices_at=asked.prices_at,
        was=plain(found.was),
        would=plain(found.would),
        saved=plain(found.saved),
        attempts=found.attempts,
        attempts_moved=found.attempts_moved,
        unpriced_count=found.unpriced_count,
        stays=[StaysAnswer(why, count, plain(cost)) for why, (count, cost) in found.stays.items()],
        models=[
            ModelAnswer(
                one.provider, one.model, one.attempts, one.attempts_moved, plain(one.was), plain(one.would),
                plain(one.saved),
            )
            for one in asked.by_model
        ],
        assumed_tokens=found.assumed_ratios,
    )  # fmt: skip


def whatif_csv(answer: WhatIfAnswer) -> bytes:
    """A row per model that was called."""
    names = (*ModelAnswer.__struct_fields__, "currency")
    return csv_bytes(names, ([*msgspec.structs.astuple(one), answer.currency] for one in answer.models))
