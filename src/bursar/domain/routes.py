"""Routes as an operator writes them: which calls, and the upstreams that may take them, in which order."""

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

from bursar.domain.controls import MATCHED, TAG_PREFIX
from bursar.domain.gates import Judgement, QualityGate, faults_of_gate, judgement_words

Strategy = Literal["ordered", "weighted", "sticky", "lowest-latency", "cheapest"]
ROUTED_BY = (*(name for name in MATCHED if name != "provider"), "operation", "mode")
"""What a route's match may name, beside `tag:NAME`. The provider is what the route decides."""

WEIGHT_MAX = 1_000_000
POSITION_MAX = 1_000_000
TARGETS_MAX = 32
CANDIDATE, CONTROL = "candidate", "control"  # the arms of an experiment
SHADOW = "shadow"  # beside them: nobody is shown its answer
HEDGE_MS_MAX = 600_000
PERCENT_MAX = 50
ALPHA_MAX = 0.2
DAY_MINUTES = 24 * 60


Lacking = Literal["tools", "image", "audio", "pdf", "file"]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An upstream that may take the call.

    upstream: "" is where the model goes by itself. model: "" is the one asked for.
    lacks: what the model can't take; calls with it go elsewhere.
    context_tokens: what it takes and gives at most, together; None: what the price catalogue says, if it does.
    """

    upstream: str = ""
    model: str = ""
    weight: int = 1
    lacks: tuple[Lacking, ...] = ()
    context_tokens: int | None = None


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Part of a route's calls go to a candidate, and a sequential test says whether it is worse.

    name:    another name begins another count. percent: of the calls, by a stable hash of their session, else of their
             user, else of the call.
    alpha:   the chance that a candidate that differs in nothing is ever called different, over all metrics and looks.
    stopped: why it goes on no longer; "": it goes on. All calls then go as without it.
    """

    name: str
    candidate: Target
    percent: float
    alpha: float = 0.05
    stopped: str = ""


class Shadow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A sample of a route's calls is sent to a candidate too, behind the client's back: its answer is compared with
    the one that the client got, and shown to nobody.

    name:    another name begins another count. percent: of the calls, by the same stable hash as an experiment's.
    """

    name: str
    candidate: Target
    percent: float


class RouteRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One route: the first whose conditions all hold takes the call.

    match:  dimension → pattern with `*` and `?`.
    hours:  "22:00-06:00" UTC; the end is not part of it.
    hedge_after_ms: a second attempt goes to the next target when no first byte came in that time: both may be billed.
    regions: patterns; only upstreams of such a region (`upstreams.NAME.region`) take its calls.
    position: of routes kept in the control store, the lower is asked first; of equals the older.
    quality_gate: the first target takes only calls that it will likely answer as well as the second would.
    after_timeout: try another upstream when the answer didn't come in time or broke off: that one may be billed too.
    """

    name: str
    targets: tuple[Target, ...]
    match: dict[str, str] = {}
    input_bytes_min: int | None = None
    input_bytes_max: int | None = None
    hours: str = ""
    strategy: Strategy = "ordered"
    after_timeout: bool = False
    first_byte_timeout_s: float | None = None
    position: int = 0
    regions: tuple[str, ...] = ()
    hedge_after_ms: int | None = None
    experiment: Experiment | None = None
    quality_gate: QualityGate | None = None
    shadow: Shadow | None = None


class StoppedTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An experiment of the settings file that goes on no longer: that file is its operator's, so it stays as it is.

    Another name of the experiment is another one, which goes on.
    """

    route: str
    experiment: str
    why: str
    match: dict[str, str] = {}  # none: as all controls have one


class KeptRoute(msgspec.Struct, frozen=True):
    """A route of the control store. route_id: "rt_" and 12 characters."""

    route_id: str
    rule: RouteRule
    is_on: bool
    created_us: int
    created_by: str


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A target that was looked at. why: "" if it could be tried; else "open", "cooling", "probing" (put behind the
    others), "quality_gate" (behind them too), or what kept it out: an error's code, or "budget"."""

    upstream: str
    model: str
    why: str = ""


class Embeds(msgspec.Struct, frozen=True):
    """What an embedding of the semantic cache was asked for.

    call_id: of the call whose question it is of. rule_id, mark, mode: of the cache rule, and of what it said then
    (`domain.caching.measured_as`).
    """

    call_id: str
    rule_id: str
    mark: str
    mode: str


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a call went where it went: kept with each of its attempts.

    candidates: in the order in which they were to be tried, then those that were left out.
    default:    where it would have gone without a route; None: nowhere.
    experiment, arm: "candidate" or "control" of an experiment, if one is on.
    gate:       what the route's quality gate said, if it has one.
    shadow_of:  the call whose answer the client got; `experiment` is then the shadow's name, and `arm` says "shadow".
    embeds:     no route is about it: a cache rule asked for it.
    """

    route: str
    strategy: str
    candidates: list[Candidate]
    default: Candidate | None = None
    experiment: str = ""
    arm: str = ""
    gate: Judgement | None = None
    shadow_of: str = ""
    embeds: Embeds | None = None


def traffic_of(receipt: Receipt) -> str:
    """Who made a call, by its receipt: "live", "shadow" or "cache_embedding", as its row will say."""
    if receipt.embeds is not None:
        return "cache_embedding"
    return SHADOW if receipt.shadow_of else "live"


def receipt_words(receipt: Receipt, upstream: str, model: str) -> str:
    """A receipt as a person reads it, for the attempt that went there."""
    named = [f"{one.upstream}/{one.model}{f' ({one.why})' if one.why else ''}" for one in receipt.candidates]
    if receipt.embeds is not None:
        return f"cache rule {receipt.embeds.rule_id}: an embedding of the question of the call {receipt.embeds.call_id}"
    if receipt.shadow_of:
        return f"route {receipt.route!r}: shadow {receipt.experiment!r} of the call {receipt.shadow_of}"
    told = f"route {receipt.route!r}, {receipt.strategy}: {', '.join(named)}"
    if receipt.arm:
        told += f"; {receipt.arm} of the experiment {receipt.experiment!r}"
    if receipt.gate is not None:
        told += f"; {judgement_words(receipt.gate)}"
    default = receipt.default
    if default is not None and (default.upstream, default.model) != (upstream, model):
        told += f"; without a route {default.upstream}/{default.model}"
    return told


def with_stops(rules: Iterable[RouteRule], stops: Iterable[StoppedTrial]) -> list[RouteRule]:
    """Rules of the settings file, those of their experiments stopped that were."""
    why = {(one.route, one.experiment): one.why for one in stops}
    return [
        rule
        if (trial := rule.experiment) is None or (rule.name, trial.name) not in why
        else msgspec.structs.replace(
            rule, experiment=msgspec.structs.replace(trial, stopped=why[rule.name, trial.name])
        )
        for rule in rules
    ]


RECEIPTS: msgspec.json.Decoder[Receipt] = msgspec.json.Decoder(Receipt)


def minutes_of(hours: str) -> tuple[int, int]:
    """The two ends of "22:00-06:00" in minutes since midnight. Raises ValueError."""
    start, dash, end = hours.partition("-")
    if not dash:
        raise ValueError("no dash")
    ends = []
    for text in (start, end):
        hour, minute = text.strip().split(":")
        ends.append(int(hour) * 60 + int(minute))
    if not all(0 <= one <= DAY_MINUTES for one in ends) or ends[0] == ends[1]:
        raise ValueError("no such time")
    return ends[0], ends[1]


def faults_of(rule: RouteRule, upstreams: Collection[str] | None) -> list[tuple[str, str]]:
    """(field, what is wrong) of a route, given the upstreams there are; None: that isn't known."""
    faults = []
    if not rule.name:
        faults.append(("name", "a route needs a name"))
    if not 0 < len(rule.targets) <= TARGETS_MAX:
        faults.append(("targets", f"a route needs targets, {TARGETS_MAX} at most"))
    if not -POSITION_MAX <= rule.position <= POSITION_MAX:
        faults.append(("position", f"a position is from -{POSITION_MAX} to {POSITION_MAX}"))
    faults += [
        ("match", f"{name!r} can't be matched; write one of {', '.join(ROUTED_BY)} or tag:NAME")
        for name in rule.match
        if name not in ROUTED_BY and not (name.startswith(TAG_PREFIX) and name != TAG_PREFIX)
    ]
    trial = rule.experiment
    if trial is not None and not (trial.name and 0 < trial.percent <= PERCENT_MAX and 0 < trial.alpha <= ALPHA_MAX):
        faults.append(
            ("experiment", f"it has a name, a percent up to {PERCENT_MAX} and an alpha up to {ALPHA_MAX}; 0 is none")
        )
    faults += _faults_at_the_gate(rule)
    shadow = rule.shadow
    if shadow is not None and not (shadow.name and 0 < shadow.percent <= 100):
        faults.append(("shadow", "it has a name and a percent up to 100; 0 is none"))
    faults += _faults_of_targets(rule, upstreams)
    if rule.hours:
        try:
            minutes_of(rule.hours)
        except ValueError:
            faults.append(("hours", f'{rule.hours!r} is no time of day; write "22:00-06:00", in UTC'))
    if rule.hedge_after_ms is not None and not 1 <= rule.hedge_after_ms <= HEDGE_MS_MAX:
        faults.append(("hedge_after_ms", f"a hedge comes after 1 to {HEDGE_MS_MAX} ms"))
    if rule.first_byte_timeout_s is not None and rule.first_byte_timeout_s <= 0:
        faults.append(("first_byte_timeout_s", "a time-out is longer than 0"))
    return faults


def _faults_of_targets(rule: RouteRule, upstreams: Collection[str] | None) -> list[tuple[str, str]]:
    """What is wrong with each place that a route may lead to, a candidate's too, by where it is written."""
    faults = []
    places = [(f"targets.{at}", target) for at, target in enumerate(rule.targets)]
    if rule.experiment is not None:
        places.append(("experiment.candidate", rule.experiment.candidate))
    if rule.shadow is not None:
        places.append(("shadow.candidate", rule.shadow.candidate))
    for place, target in places:
        if not (target.upstream or target.model):
            faults.append((place, "a target names an upstream, a model or both"))
        elif target.upstream and upstreams is not None and target.upstream not in upstreams:
            faults.append((f"{place}.upstream", f"there is no upstream {target.upstream!r}"))
        if not 0 < target.weight <= WEIGHT_MAX:
            faults.append((f"{place}.weight", f"a weight is from 1 to {WEIGHT_MAX}"))
        if target.context_tokens is not None and target.context_tokens < 1:
            faults.append((f"{place}.context_tokens", "a context has at least one token"))
    return faults


def _faults_at_the_gate(rule: RouteRule) -> list[tuple[str, str]]:
    """What is wrong with a route's quality gate, if it has one."""
    if rule.quality_gate is None:
        return []
    faults = [("quality_gate", wrong) for wrong in faults_of_gate(rule.quality_gate)]
    if len(rule.targets) < 2:
        faults.append(("targets", "a quality gate needs two targets: the cheap one, then the dear one"))
    if rule.strategy != "ordered":
        faults.append(("strategy", f"a quality gate decides the order itself: write ordered, not {rule.strategy}"))
    if rule.experiment is not None:
        faults.append(("experiment", "a route has an experiment or a quality gate, not both"))
    return faults
