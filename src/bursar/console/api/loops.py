"""Loops and waste for programs: cuts in force and of the last day; what brought nothing, by cause, feature and key."""

from datetime import datetime
from decimal import Decimal

import msgspec

from bursar.budgets.told import usd_text
from bursar.console.api.answers import PeriodAnswer, csv_bytes, period_answer
from bursar.console.context import ConsoleContext
from bursar.console.refused import cap_pico, retries_capped
from bursar.console.view import View, filter_text
from bursar.console.waste import CAUSES, Part, Waste, waste_of
from bursar.domain.clock import datetime_from_us
from bursar.domain.money import plain
from bursar.gateway.loop_cuts import Listed, list_cuts, seen_text


class CutAnswer(msgspec.Struct, frozen=True):
    """One loop that was cut. `state`: cut, expired or lifted; `scope`: what is refused.

    cost: decimal text of USD that it had cost when it was cut; `unpriced` of the `calls` seen are not in it.
    """

    id: str
    state: str
    sign: str
    scope: str
    seen: str
    credential_id: str
    feature: str
    agent: str
    session: str
    model: str
    fingerprint: str
    error_code: str
    calls: int
    unpriced: int
    cost: str
    currency: str
    first_at: datetime
    since: datetime
    until: datetime
    strikes: int
    refused: int
    lifted_at: datetime | None
    lifted_by: str


class RetriedAnswer(msgspec.Struct, frozen=True):
    """Retries of one value of the cap's scope in the running hour: decimal text of USD; refused: not made for the cap.

    spent and held are of all nodes, refused is of this one.
    """

    value: str
    spent: str
    held: str
    refused: int


class RetriesAnswer(msgspec.Struct, frozen=True):
    """`gateway.retry_usd_per_hour_max` in the running hour, UTC; the dearest value first. limit: of each."""

    hour: datetime
    scope: str
    limit: str
    currency: str
    values: list[RetriedAnswer]


class LoopsAnswer(msgspec.Struct, frozen=True):
    """Cuts in force first, then those that ended within a day; newest first. retries: beside their hourly cap."""

    enabled: bool
    now: datetime
    in_force: int
    cuts: list[CutAnswer]
    retries: RetriesAnswer


class PartAnswer(msgspec.Struct, frozen=True):
    """A sum over attempts: decimal text, null where nothing of it has a price; unpriced attempts are not in it."""

    effective_cost: str | None
    attempts: int
    unpriced_count: int


class GroupAnswer(msgspec.Struct, frozen=True):
    """One feature, or one key; "" where a call didn't say."""

    value: str
    total: PartAnswer
    by_cause: dict[str, PartAnswer]


class WasteAnswer(msgspec.Struct, frozen=True):
    """What brought nothing. The causes add up to `total`, and so do the features, and the keys.

    double_retries: our attempts on top of an SDK's, all of them in the cause `retry` too.
    """

    period: PeriodAnswer
    filters: list[str]
    currency: str
    total: PartAnswer
    spent: PartAnswer
    by_cause: dict[str, PartAnswer]
    by_feature: list[GroupAnswer]
    by_key: list[GroupAnswer]
    double_retries: PartAnswer


def loops_answer(context: ConsoleContext) -> LoopsAnswer:
    cuts = list_cuts(context.run_dir, context.clock.now_us())
    return LoopsAnswer(
        context.config.loops.enabled,
        context.now(),
        sum(one.state == "cut" for one in cuts),
        [_cut(one) for one in cuts],
        retries_answer(context),
    )


def retries_answer(context: ConsoleContext) -> RetriesAnswer:
    return RetriesAnswer(
        context.now().replace(minute=0, second=0, microsecond=0),
        context.config.gateway.retry_scope,
        usd_text(cap_pico(context.config)),
        "USD",
        [
            RetriedAnswer(one.value, usd_text(one.spent_pico), usd_text(one.held_pico), one.refused)
            for one in retries_capped(context)
        ],
    )


def waste_answer(context: ConsoleContext, view: View, waste: Waste | None = None) -> WasteAnswer:
    found = waste or waste_of(context.explorer, view)
    return WasteAnswer(
        period=period_answer(view.period),
        filters=[filter_text(one) for one in view.filters],
        currency=context.config.console.currency,
        total=_part(found.total),
        spent=_part(found.spent),
        by_cause={cause: _part(part) for cause, part in found.by_cause.items()},
        by_feature=_groups(found, "feature"),
        by_key=_groups(found, "credential_id"),
        double_retries=_part(found.double),
    )


def loops_csv(answer: LoopsAnswer) -> bytes:
    names = CutAnswer.__struct_fields__
    return csv_bytes(names, ([getattr(cut, name) for name in names] for cut in answer.cuts))


def waste_csv(answer: WasteAnswer, by: str) -> bytes:
    """A row per value and cause. by: "credential_id" for keys, else features."""
    groups = answer.by_key if by == "credential_id" else answer.by_feature
    heads = [
        "credential_id" if by == "credential_id" else "feature",
        "cause",
        *PartAnswer.__struct_fields__,
        "currency",
    ]
    return csv_bytes(
        heads,
        (
            [group.value, cause, part.effective_cost, part.attempts, part.unpriced_count, answer.currency]
            for group in groups
            for cause, part in group.by_cause.items()
        ),
    )


def _groups(found: Waste, dimension: str) -> list[GroupAnswer]:
    groups = found.by_feature if dimension == "feature" else found.by_key
    return [
        GroupAnswer(
            group.value,
            _part(group.total),
            {cause: _part(group.by_cause[cause]) for cause in CAUSES if cause in group.by_cause},
        )
        for group in groups
    ]


def _part(part: Part) -> PartAnswer:
    shown: Decimal | None = part.shown
    return PartAnswer(None if shown is None else plain(shown), part.attempts, part.unpriced_count)


def _cut(listed: Listed) -> CutAnswer:
    cut = listed.cut
    return CutAnswer(
        id=cut.cut_id, state=listed.state, sign=cut.sign, scope=cut.scope, seen=seen_text(cut),
        credential_id=cut.credential_id, feature=cut.feature, agent=cut.agent, session=cut.session, model=cut.model,
        fingerprint=cut.fingerprint, error_code=cut.error_code, calls=cut.calls, unpriced=cut.unpriced,
        cost=usd_text(cut.cost_pico), currency="USD", first_at=datetime_from_us(cut.first_us),
        since=datetime_from_us(cut.since_us), until=datetime_from_us(cut.until_us), strikes=cut.strikes,
        refused=listed.refused, lifted_at=datetime_from_us(listed.lifted_us) if listed.lifted_us else None,
        lifted_by=listed.lifted_by,
    )  # fmt: skip
