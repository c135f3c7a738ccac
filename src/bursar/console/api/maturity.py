"""The JSON API of maturity: the step, its checks with their evidence, acts, debt and history; and a person's word."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from bursar.console.api.answers import csv_bytes
from bursar.console.api.controls import Asked, as_csv
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.maturity import MaturityDesk, Standing
from bursar.domain.clock import datetime_from_us
from bursar.domain.money import plain
from bursar.governance.maturity import Evidence, Logged
from bursar.maturity.acts import Climb, Money
from bursar.maturity.debt import Owed
from bursar.maturity.measure import Result
from bursar.maturity.place import Turn, since, turns
from bursar.maturity.steps import STEPS, Step
from bursar.maturity.words import threshold_words, value_words


class StepAnswer(msgspec.Struct, frozen=True):
    """A step. passed of required: its checks that must pass. is_reached: and so do those of all steps below."""

    number: int
    name: str
    says: str
    is_reached: bool
    passed: int
    required: int


class CheckAnswer(msgspec.Struct, frozen=True):
    """A check. state: passed, failed, or unseen: there is nothing to measure. value: decimal text, in `unit`.

    by: bursar or person. said: what was seen. opens: a path of the console that opens the figure; "" where none does.
    measured_at: of a person's word, when it was given. since: since when it is noted to be so; null: not yet.
    """

    id: str
    step: int
    name: str
    question: str
    how: str
    state: str
    value: str | None
    unit: str
    sense: str
    threshold: str
    is_required: bool
    by: str
    value_words: str
    threshold_words: str
    said: str
    opens: str
    measured_at: datetime
    since: datetime | None
    act: str


class MoneyAnswer(msgspec.Struct, frozen=True):
    """USD; amount null: unknown. is_saving: would be saved a month, by advice; else spent in the last thirty days."""

    amount: str | None
    says: str
    opens: str
    is_saving: bool


class ActAnswer(msgspec.Struct, frozen=True):
    """An act that climbs. effort: minutes, hours or days. mends: the checks that don't pass without it."""

    id: str
    title: str
    how: str
    effort: str
    page: str
    command: str
    mends: list[str]
    money: MoneyAnswer


class DebtAnswer(msgspec.Struct, frozen=True):
    """One of the eight. state: owed, unseen or clear. checks: those that don't pass."""

    id: str
    name: str
    practice: str
    state: str
    money: MoneyAnswer
    checks: list[str]
    act: str
    page: str


class TurnAnswer(msgspec.Struct, frozen=True):
    """A step that was reached or lost. because: names of the checks that turned."""

    at: datetime
    before: int
    after: int
    because: list[str]


class NotedAnswer(msgspec.Struct, frozen=True):
    """The step as it was noted."""

    at: datetime
    step: int


class EvidenceAnswer(msgspec.Struct, frozen=True):
    """What somebody says. holds: until `until`, unless it is withdrawn."""

    number: int
    check: str
    who: str
    text: str
    at: datetime
    until: datetime
    holds: bool
    added_by: str
    withdrawn_at: datetime | None


class MaturityAnswer(msgspec.Struct, frozen=True):
    """The measure at an instant. step: 0 to 6. next: null on the last step. missing: required checks of the next."""

    at: datetime
    step: int
    name: str
    next: int | None
    next_name: str
    missing: list[str]
    steps: list[StepAnswer]
    acts: list[ActAnswer]
    checks: list[CheckAnswer]
    debts: list[DebtAnswer]
    turns: list[TurnAnswer]
    history: list[NotedAnswer]
    evidence: list[EvidenceAnswer]


class NewEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says of a check that Bursar can't see. who: in whose name."""

    check: str
    who: str
    text: str


class NewReview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A review that was held now. kind: weekly or monthly; by: who held it."""

    kind: str
    by: str


class ReviewHeldAnswer(msgspec.Struct, frozen=True):
    """One review that was held."""

    number: int
    kind: str
    at: datetime
    by: str


@get("/api/maturity", responses=PROBLEMS, summary="The step of maturity, and all behind it", sync_to_thread=True)
def maturity(request: Asked, format_: Shape = None) -> Response[MaturityAnswer]:
    """Measured now, at most a minute old. As CSV a row for each check."""
    answer = maturity_answer(desk_of(request).standing())
    return as_csv(maturity_csv(answer)) if format_ == "csv" else Response(answer)


@post("/api/maturity/evidence", responses=PROBLEMS, summary="Say what Bursar can't see")
async def add_evidence(request: Asked, data: JSONBody[NewEvidence]) -> EvidenceAnswer:
    """It holds for as long as its check says. 400 `bad_evidence`, for a check that Bursar measures itself too."""
    desk = desk_of(request)
    given = await asyncio.to_thread(desk.add_evidence, data.check, data.who, data.text, actor=ACTOR)
    return evidence_answer(given, given.at_us)


@post("/api/maturity/evidence/{number:int}/withdraw", status_code=200, responses=PROBLEMS,
      summary="Withdraw what was said")  # fmt: skip
async def withdraw_evidence(request: Asked, number: FromPath[int]) -> EvidenceAnswer:
    """It stays, and speaks for nothing any more. 404 `unknown_evidence`."""
    gone = await asyncio.to_thread(desk_of(request).withdraw_evidence, number, actor=ACTOR)
    return evidence_answer(gone, gone.withdrawn_us or gone.until_us)


@post("/api/maturity/reviews", responses=PROBLEMS, summary="A review was held")
async def hold_review(request: Asked, data: JSONBody[NewReview]) -> ReviewHeldAnswer:
    """Now; what it says is at `/api/reviews`. 400 `bad_control`."""
    held = await asyncio.to_thread(desk_of(request).hold_review, data.kind, data.by, actor=ACTOR)
    return ReviewHeldAnswer(held.number, held.kind, datetime_from_us(held.at_us), held.by)


def desk_of(request: Asked) -> MaturityDesk:
    context: ConsoleContext = request.app.state.context
    return context.maturity()


def maturity_answer(found: Standing) -> MaturityAnswer:
    place, now_us = found.place, found.facts.at_us
    return MaturityAnswer(
        at=datetime_from_us(now_us),
        step=place.step.number,
        name=place.step.name,
        next=place.next.number if place.next else None,
        next_name=place.next.name if place.next else "",
        missing=[one.check.id for one in place.missing],
        steps=[step_answer(step, found) for step in STEPS],
        acts=[_act(one) for one in found.acts],
        checks=[_check(one, found.log) for one in found.results],
        debts=[_debt(one) for one in found.debts],
        turns=[_turn(one) for one in turns(found.log)],
        history=[NotedAnswer(datetime_from_us(one.at_us), one.step) for one in found.log],
        evidence=[evidence_answer(one, now_us) for one in found.facts.evidence],
    )


CSV_HEADS = (
    "step", "id", "name", "state", "value", "unit", "sense", "threshold", "is_required", "by", "said", "opens",
    "measured_at", "since", "act",
)  # fmt: skip


def maturity_csv(answer: MaturityAnswer) -> bytes:
    """A row for each check."""
    return csv_bytes(CSV_HEADS, [[getattr(one, name) for name in CSV_HEADS] for one in answer.checks])


def step_answer(step: Step, found: Standing) -> StepAnswer:
    """How many of its required checks pass."""
    of_step = [one for one in found.results if one.check.step == step.number and one.check.is_required]
    passed = sum(one.state == "passed" for one in of_step)
    return StepAnswer(
        step.number, step.name, step.says, step.number <= found.place.step.number, passed, len(of_step)
    )  # fmt: skip


def evidence_answer(one: Evidence, now_us: int) -> EvidenceAnswer:
    return EvidenceAnswer(
        one.number, one.check_id, one.who, one.text, datetime_from_us(one.at_us), datetime_from_us(one.until_us),
        one.holds(now_us), one.added_by, _moment(one.withdrawn_us),
    )  # fmt: skip


def _check(one: Result, log: Sequence[Logged]) -> CheckAnswer:
    check = one.check
    return CheckAnswer(
        check.id, check.step, check.name, check.question, check.how, one.state, _plain(one.value), check.unit,
        check.sense, plain(check.threshold), check.is_required, "person" if check.is_by_person else "bursar",
        value_words(check, one.value), threshold_words(check), one.said, one.opens, datetime_from_us(one.at_us),
        _moment(since(log, one)), check.act,
    )  # fmt: skip


def _act(one: Climb) -> ActAnswer:
    act, mends = one.act, [result.check.id for result in one.mends]
    return ActAnswer(act.id, act.title, act.how, act.effort, act.page, act.command, mends, _money(one.money))


def _debt(one: Owed) -> DebtAnswer:
    debt, checks = one.debt, [result.check.id for result in one.by]
    return DebtAnswer(
        debt.id, debt.name, debt.practice, one.state, _money(one.money), checks, one.act.id, one.act.page
    )  # fmt: skip


def _money(money: Money) -> MoneyAnswer:
    return MoneyAnswer(_plain(money.amount), money.says, money.opens, money.is_saving)


def _turn(one: Turn) -> TurnAnswer:
    return TurnAnswer(datetime_from_us(one.at_us), one.before.number, one.after.number, one.because)


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _moment(at_us: int | None) -> datetime | None:
    return None if at_us is None else datetime_from_us(at_us)


MATURITY_HANDLERS = [maturity, add_evidence, withdraw_evidence, hold_review]
