"""What can be done about a finding: each offer is a control as it would be made, a limit, a policy or a budget."""

import math
from decimal import ROUND_UP, Decimal
from typing import Any

import msgspec

from bursar.domain.findings import HOUR_US, Factor, Finding
from bursar.domain.money import plain, usd_from_pico
from bursar.domain.watching import SeriesKey, Signal

ROOM = 2  # a throttle lets this many times the usual calls a minute through
APPROVE_TIMES = Decimal("1.5")  # of a usual day's cost: above it somebody has to approve
APPROVE_PERCENT = 80
MODELS_SHARE = 10  # of the excess, a tenth must be dearer models, to offer another one
MINUTES_AN_HOUR = 60
CENT = Decimal("0.01")

_MATCHED_AS = {"credential_id": "credential"}


class Offer(msgspec.Struct, frozen=True):
    """name: throttle, cheaper or approve. kind: limit, policy or budget. terms: of that control, as its API takes them;
    of a budget, as an entry of a control file. text: what it does, for people."""

    name: str
    kind: str
    text: str
    terms: dict[str, Any]


def offers(finding: Finding) -> list[Offer]:
    """What may be done about what costs more than it should; nothing about what costs less."""
    if finding.excess_pico <= 0 or finding.cause.after is None:
        return []
    found = [_throttle(finding), _cheaper(finding), _approve(finding)]
    return [one for one in found if one is not None]


def match_of(series: SeriesKey) -> dict[str, str]:
    """A series as a control's match; everything is the empty one."""
    return {_MATCHED_AS.get(series.dimension, series.dimension): series.value} if series.dimension else {}


def _throttle(finding: Finding) -> Offer | None:
    """As many calls a minute as are usual, with room; of what is new, half of what it makes now."""
    hours = Decimal(max(finding.until_us - finding.began_us, 1)) / HOUR_US
    before, after = finding.cause.before, finding.cause.after
    if after is None or not after.calls:
        return None
    usual = before.calls * ROOM if before and before.calls else after.calls / 2
    per_minute = max(1, math.ceil(usual / float(hours) / MINUTES_AN_HOUR))
    terms = {"match": match_of(finding.series), "requests_per_minute": per_minute}
    return Offer("throttle", "limit", f"At most {per_minute:,} calls a minute, {ROOM}× what is usual.", terms)


def _cheaper(finding: Finding) -> Offer | None:
    """Back to the model that most calls had, where dearer ones are a good part of why."""
    before, after = finding.cause.before, finding.cause.after
    dearer = any(
        part.factor is Factor.MODELS and part.pico * MODELS_SHARE >= finding.excess_pico for part in finding.cause.parts
    )
    if not (dearer or Signal.DEAR_MODELS in finding.signals) or not before or not after or not before.models:
        return None
    usual = before.models[0][0]
    was = dict(before.models)
    grown = {model: calls / after.calls - was.get(model, 0.0) / (before.calls or 1.0) for model, calls in after.models}
    model = max(grown, key=lambda name: (grown[name], name))
    if model == usual or grown[model] <= 0 or not usual or not model:
        return None
    match = {} if finding.series.dimension in ("provider", "model") else match_of(finding.series)
    terms = {"match": match | {"model": model}, "force_models": {"*": usual}}
    return Offer("cheaper", "policy", f"Calls that ask {model} get {usual}, as most did before.", terms)


def _approve(finding: Finding) -> Offer | None:
    """A daily budget that stops at one and a half of a usual day until somebody approves of more."""
    hours = Decimal(max(finding.until_us - finding.began_us, 1)) / HOUR_US
    usual_pico = finding.expected_pico if finding.expected_pico > 0 else finding.actual_pico // 2
    a_day = usd_from_pico(usual_pico) / hours * 24
    limit = max(a_day * APPROVE_TIMES * 100 / APPROVE_PERCENT, CENT).quantize(CENT, ROUND_UP)
    terms = {
        "limit": plain(limit), "window": "day", "where": match_of(finding.series),
        "thresholds": [f"{APPROVE_PERCENT} approve", "100"],
    }  # fmt: skip
    text = f"Above ${(limit * APPROVE_PERCENT / 100).quantize(CENT):,} a day calls wait for somebody's approval."
    return Offer("approve", "budget", text, terms)
