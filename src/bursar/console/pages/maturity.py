"""Maturity: the ladder, the acts that climb it, checks with their evidence, the debt, and when steps came and went."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Response, post
from litestar.response import Redirect

from bursar.console.api.maturity import MaturityAnswer, StepAnswer, maturity_answer, step_answer
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.forms.fields import Fields
from bursar.console.maturity import Standing
from bursar.console.pages.serving import Asked, fields_of, html
from bursar.console.view import View
from bursar.domain import display
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl, BadEvidence, BadRequest
from bursar.governance.maturity import Evidence
from bursar.governance.reviews import REVIEW_KINDS, HeldReview
from bursar.maturity.acts import Climb
from bursar.maturity.debt import Owed
from bursar.maturity.evidence import BY_PERSON
from bursar.maturity.measure import Result
from bursar.maturity.place import Turn, since, turns
from bursar.maturity.steps import STEPS, Step
from bursar.maturity.words import threshold_words, value_words

DAY_US = 86_400_000_000
DAYS_SHOWN = 90
TURNS_SHOWN = 12
ORDER = {"failed": 0, "unseen": 1, "passed": 2}
BADGES = {"passed": "good", "failed": "bad", "unseen": "doubtful"}
WORDS = {"passed": "passed", "failed": "failed", "unseen": "can't be seen"}
DEBT_BADGES = {"clear": "good", "owed": "bad", "unseen": "doubtful"}
DEBT_WORDS = {"clear": "clear", "owed": "owed", "unseen": "can't be seen"}
FIELDS = ("check", "who", "text", "kind", "by")


class Rung(msgspec.Struct, frozen=True):
    """A step of the ladder. looks: "on" (reached), "here" (the one it stands on), "next" or "off"."""

    step: StepAnswer
    looks: str


class ShownCheck(msgspec.Struct, frozen=True):
    """A check's row. since: the day from which on it was noted so; None: it is new today."""

    result: Result
    badge: str
    state: str
    value: str
    threshold: str
    at: datetime
    since: datetime | None


class ShownStep(msgspec.Struct, frozen=True):
    """The checks of a step, those that don't pass first."""

    step: Step
    passed: int
    required: int
    is_open: bool
    checks: list[ShownCheck]


class Bar(msgspec.Struct, frozen=True):
    """A day of the history: where it stands, how high, in what words."""

    x: int
    step: int
    title: str


class MaturityPage(msgspec.Struct, frozen=True):
    """All that the template reads."""

    lead: str
    at: datetime
    rungs: list[Rung]
    next: Step | None
    missing: int
    acts: list[Climb]
    steps: list[ShownStep]
    debts: list[tuple[Owed, str, str]]
    clear: int
    bars: list[Bar]
    days: int
    turns: list[tuple[datetime, Turn]]
    by_person: list[tuple[Any, Evidence | None]]
    said: list[Evidence]
    held: list[tuple[str, HeldReview | None]]
    typed: dict[str, str]
    errors: dict[str, str]


def maturity_page(context: ConsoleContext, view: View, f: Format, form: Fields | None = None) -> dict[str, Any]:
    """Everything the template reads. form: what was typed, where it can't be kept."""
    found = context.maturity().standing()
    stands = found.place
    first_noted = found.log[0].at_us if found.log else found.facts.at_us
    evidence = found.facts.evidence
    page = MaturityPage(
        lead=_lead(found),
        at=datetime_from_us(found.facts.at_us),
        rungs=[Rung(step_answer(step, found), _looks(step, found)) for step in STEPS],
        next=stands.next,
        missing=len(stands.missing),
        acts=found.acts,
        steps=[_shown_step(step, found) for step in _in_order(found)],
        debts=[(one, DEBT_BADGES[one.state], DEBT_WORDS[one.state]) for one in found.debts],
        clear=sum(one.state == "clear" for one in found.debts),
        bars=_bars(found),
        days=max((found.facts.at_us - first_noted) // DAY_US + 1, 1),
        turns=[(datetime_from_us(one.at_us), one) for one in turns(found.log)[:TURNS_SHOWN]],
        by_person=[(check, _holding(check.id, evidence, found.facts.at_us)) for check in BY_PERSON],
        said=[one for one in reversed(evidence) if not one.holds(found.facts.at_us)],
        held=[(kind, context.maturity().reviews.last(kind)) for kind in REVIEW_KINDS],
        typed={name: form.typed.get(name, "") for name in FIELDS} if form else dict.fromkeys(FIELDS, ""),
        errors=form.errors if form else {},
    )
    return {"data": page, "csrf": context.csrf, "has_pickers": False, "moment": datetime_from_us}


def maturity_figures(context: ConsoleContext) -> MaturityAnswer:
    """The page's figures for programs."""
    return maturity_answer(context.maturity().standing())


@post("/maturity/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Response[Any]:
    """The form and the buttons of the page; what can't be kept comes back at its field."""
    context: ConsoleContext = request.app.state.context
    fields = await fields_of(request)
    context.check_form(fields)
    return await asyncio.to_thread(_changed, request, context, fields)


def _changed(request: Asked, context: ConsoleContext, fields: dict[str, str]) -> Response[Any]:
    desk, form = context.maturity(), Fields(fields)
    if fields.get("act") == "withdraw":
        number = fields.get("number", "")
        if not (number.isascii() and number.isdigit()):
            raise BadRequest("number is that of the evidence", field="number")
        desk.withdraw_evidence(int(number[:12]), actor=ACTOR)
        return Redirect("/maturity#said", status_code=303)
    try:
        if fields.get("act") == "held":
            desk.hold_review(form.text("kind"), form.text("by"), actor=ACTOR)
            return Redirect("/maturity#held", status_code=303)
        given = desk.add_evidence(form.text("check"), form.text("who"), form.text("text"), actor=ACTOR)
    except (BadEvidence, BadControl) as error:
        form.wrong(error.field or "text", error.message.removeprefix(f"{error.field}: "))
        view = context.view("/maturity", {})
        return html(
            request, view, "maturity.html", "maturity", "Maturity",
            lambda f: maturity_page(context, view, f, form), status=400,
        )  # fmt: skip
    return Redirect(f"/maturity#{given.check_id}", status_code=303)


def _lead(found: Standing) -> str:
    stands = found.place
    if not stands.step.number:
        return "not on the first of six steps yet"
    return f"step {stands.step.number} of {len(STEPS)}, {stands.step.name.lower()}"


def _looks(step: Step, found: Standing) -> str:
    here = found.place.step.number
    if step.number <= here:
        return "here" if step.number == here else "on"
    return "next" if step.number == here + 1 else "off"


def _in_order(found: Standing) -> list[Step]:
    """The step to climb first, then the others as they come."""
    ahead = found.place.next
    return [*([ahead] if ahead else []), *(step for step in STEPS if step is not ahead)]


def _shown_step(step: Step, found: Standing) -> ShownStep:
    told = step_answer(step, found)
    results = [one for one in found.results if one.check.step == step.number]
    results.sort(key=lambda one: (ORDER[one.state], not one.check.is_required))
    is_open = step is found.place.next
    checks = [_shown_check(one, found) for one in results]
    return ShownStep(step, told.passed, told.required, is_open, checks)


def _shown_check(one: Result, found: Standing) -> ShownCheck:
    noted = since(found.log, one)
    if noted is not None and found.facts.at_us - noted < DAY_US:
        noted = None  # of today: when it was measured says as much
    return ShownCheck(
        result=one,
        badge=BADGES[one.state],
        state=WORDS[one.state],
        value=value_words(one.check, one.value),
        threshold=threshold_words(one.check),
        at=datetime_from_us(one.at_us),
        since=None if noted is None else datetime_from_us(noted),
    )


def _holding(check_id: str, evidence: Sequence[Evidence], now_us: int) -> Evidence | None:
    return next((one for one in reversed(evidence) if one.check_id == check_id and one.holds(now_us)), None)


def _bars(found: Standing) -> list[Bar]:
    """A bar for each day that was noted; of several on one day the last."""
    today = datetime_from_us(found.facts.at_us).date()
    first = today - timedelta(days=DAYS_SHOWN - 1)
    by_day = {datetime_from_us(one.at_us).date(): one.step for one in found.log}
    by_day[today] = found.place.step.number
    return [
        Bar((day - first).days, step, f"{display.day(day, year=True)}: step {step}")
        for day, step in sorted(by_day.items())
        if day >= first
    ]


MATURITY_PAGES = [change]
