"""Limits and policies: what is stopped, how much may run, who may call what; each can be tried, switched or lifted."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from bursar.console.api.answers import csv_bytes
from bursar.console.api.controls import (
    KillAnswer,
    LimitAnswer,
    PolicyAnswer,
    kill_answer,
    limit_answer,
    policy_answer,
)
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.figures import Amounts, ask
from bursar.console.format import Format
from bursar.console.trial import PAGE_ROWS_MAX, try_policy
from bursar.console.view import View
from bursar.console.words import limit_phrases, policy_phrases
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.controls import Kill, KillTerms, Limit, Policy, written
from bursar.domain.errors import BadControl
from bursar.domain.periods import parse_period
from bursar.explore.filters import Filter
from bursar.governance.checks import check_kill, ends_at

STOPPABLE = ("agent", "session", "feature", "customer", "user", "team", "credential")
REFUSALS = {"killed": "By a kill", "policy_rule": "By a policy", "rate_limited": "By a limit"}
LOOK_BACK = "7d"  # what a kill's consequence is told from


class ControlsAnswer(msgspec.Struct, frozen=True):
    """The page for programs. refused: calls of the period, by error code."""

    kills: list[KillAnswer]
    limits: list[LimitAnswer]
    policies: list[PolicyAnswer]
    refused: dict[str, int]


class Shown(msgspec.Struct, frozen=True):
    """A row: what it is about, what it says, and what can be done."""

    id: str
    name: str
    about: str
    says: list[str]
    since: datetime
    by: str
    is_on: bool = True
    try_href: str = ""
    edit_href: str = ""
    command: str = ""
    until: datetime | None = None


class Consequence(msgspec.Struct, frozen=True):
    """What a kill would refuse, from the calls of the last days."""

    name: str
    dimension: str
    value: str
    reason: str
    span: str
    calls: int
    keys: int
    cost: Decimal | None
    calls_href: str


def controls_answer(context: ConsoleContext, view: View) -> ControlsAnswer:
    """The page's figures for programs."""
    controls = context.controls()
    return ControlsAnswer(
        kills=[kill_answer(one) for one in controls.kills.all()],
        limits=[limit_answer(one) for one in controls.limits.all()],
        policies=[policy_answer(one) for one in controls.policies.all()],
        refused=context.explorer.refused_by_code(view.period),
    )


def controls_csv(answer: ControlsAnswer) -> bytes:
    """One row for each thing in force, and each policy that is off."""
    heads = ["kind", "id", "name", "is_on", "match", "terms", "created_at", "created_by"]
    rows: list[list[Any]] = [
        [
            "kill",
            one.kill_id,
            one.name,
            True,
            written(one.terms.match),
            _json(one.terms),
            one.created_at,
            one.created_by,
        ]
        for one in answer.kills
    ]
    rows += [
        ["limit", one.limit_id, one.name, True, one.match, _json(one.terms), one.created_at, one.created_by]
        for one in answer.limits
    ]
    rows += [
        ["policy", one.policy_id, one.name, one.is_on, one.match, _json(one.terms), one.created_at, one.created_by]
        for one in answer.policies
    ]
    return csv_bytes(heads, rows)


def controls_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    controls = context.controls()
    names = controls.key_names()
    kills, limits, policies = controls.kills.all(), controls.limits.all(), controls.policies.all()
    refused = context.explorer.refused_by_code(view.period)
    tried = next((one for one in policies if one.policy_id == view.get("try")), None)
    on = sum(one.is_on for one in policies)
    limits_said = f"{len(limits)} limit{'' if len(limits) == 1 else 's'}"
    lead = f"{len(kills)} stopped, {limits_said}, {on} of {len(policies)} policies on"
    return {
        "data": {
            "lead": lead if kills or limits or policies else "",
            "kills": [_kill(one, names) for one in kills],
            "limits": [_limit(one, names) for one in limits],
            "policies": [_policy(one, names, view) for one in policies],
            "refused": [
                (label, f.count(refused.get(code, 0)), view.with_filter("error_code", code, "/calls"))
                for code, label in REFUSALS.items()
            ],
            "stop": _consequence(context, view) if view.get("stop") else None,
            "stoppable": STOPPABLE,
            "trial": try_policy(context, tried, view.period, rows_max=PAGE_ROWS_MAX) if tried else None,
        },
        "csrf": context.csrf,
    }


def change_controls(context: ConsoleContext, form: Mapping[str, str]) -> None:
    """What a form of the page asks for, done and published. Raises Forbidden without the page's own token.

    Raises BadControl, NameTaken or UnknownControl as the control itself does.
    """
    context.check_form(form)
    controls = context.controls()
    act, name = form.get("act", ""), form.get("id", "")
    match act:
        case "kill":
            controls.kills.create(_kill_terms(context.clock.now_us(), form), actor=ACTOR)
        case "lift":
            controls.kills.lift(name, actor=ACTOR)
        case "on" | "off":
            controls.policies.switch(name, act == "on", actor=ACTOR)
        case "remove_limit":
            controls.limits.remove(name, actor=ACTOR)
        case "remove_policy":
            controls.policies.remove(name, actor=ACTOR)
        case _:
            raise BadControl(f"act is {act[:40]!r}; it is kill, lift, on, off, remove_limit or remove_policy",
                             field="act")  # fmt: skip
    controls.publish()


def _consequence(context: ConsoleContext, view: View) -> Consequence:
    dimension, value, reason = view.get("stop"), view.get("value").strip(), view.get("reason").strip()
    span = view.get("for").strip()
    said = {"dimension": dimension, "value": value, "reason": reason, "for": span}
    terms = check_kill(_kill_terms(us_from_datetime(view.now), said))
    period = parse_period(LOOK_BACK, view.now, view.timezone)
    groups = ask(context.explorer, period, view, ("credential",), filters=[Filter(dimension, (value,))])
    total = sum((one.calls for one in groups.values()), 0)
    return Consequence(
        name=written(terms.match), dimension=dimension, value=value, reason=reason, span=span,
        calls=total, keys=len(groups),
        cost=_cost(list(groups.values())),
        calls_href=view.url("/calls", period=LOOK_BACK, filters=(Filter(dimension, (value,)),)),
    )  # fmt: skip


def _cost(groups: list[Amounts]) -> Decimal | None:
    known = [one.effective_cost for one in groups if one.effective_cost is not None]
    return sum(known, Decimal(0)) if known or not groups else None


def _kill_terms(now_us: int, said: Mapping[str, str]) -> KillTerms:
    dimension = said.get("dimension", "")
    if dimension not in STOPPABLE:
        raise BadControl(
            f"stop is {dimension[:40]!r}; it can be {', '.join(STOPPABLE)}. Anything else, and everything at once: "
            "`bursar kill add`",
            field="stop",
        )
    ends = ends_at(said.get("for", ""), "", now_us)
    return KillTerms(match={dimension: said.get("value", "")}, reason=said.get("reason", ""), until=ends)


def _kill(one: Kill, names: Mapping[str, str]) -> Shown:
    about = about_match(one.terms.match, names)
    return Shown(one.kill_id, one.name, about, [one.terms.reason], datetime_from_us(one.created_us), one.created_by,
                 command=f"kill lift {one.kill_id}", until=one.terms.until)  # fmt: skip


def _limit(one: Limit, names: Mapping[str, str]) -> Shown:
    about = about_match(one.terms.match, names)
    if one.terms.each:
        about = f"each {one.terms.each}" + (f" of {about}" if one.terms.match else "")
    return Shown(one.limit_id, one.name, about, limit_phrases(one.terms), datetime_from_us(one.created_us),
                 one.created_by, edit_href=_edit("limit", one.name))  # fmt: skip


def _policy(one: Policy, names: Mapping[str, str], view: View) -> Shown:
    return Shown(
        one.policy_id, one.name, about_match(one.terms.match, names), policy_phrases(one.terms),
        datetime_from_us(one.created_us), one.created_by, one.is_on, try_href=view.url(**{"try": one.policy_id}),
        edit_href=_edit("policy", one.name),
    )  # fmt: skip


def _edit(noun: str, name: str) -> str:
    return f"/edit/{noun}?of={quote(name, safe='')}"


def about_match(match: Mapping[str, str], names: Mapping[str, str]) -> str:
    """A match with the key's name in place of its id."""
    return written({
        "key" if name == "credential" else name: names.get(value, value) if name == "credential" else value
        for name, value in match.items()
    })  # fmt: skip


def _json(terms: msgspec.Struct) -> str:
    return msgspec.json.encode(terms).decode()
