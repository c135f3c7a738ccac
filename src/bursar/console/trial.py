"""A policy against the past: what it would have refused or changed, whose calls, how much. It changes nothing.

The gateway's own code judges, call for call alike; what the books don't hold (max_tokens as asked) is told as a note.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bursar.console.api.answers import PeriodAnswer, csv_bytes, period_answer
from bursar.console.context import ConsoleContext
from bursar.domain.controls import TAG_PREFIX, Policy
from bursar.domain.errors import PolicyRule
from bursar.domain.money import plain
from bursar.domain.periods import Period
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import DIMENSIONS, Attribution
from bursar.explore.alike import GROUPS_MAX, Alike
from bursar.explore.filters import Filter
from bursar.gateway.case import Case
from bursar.gateway.decide import Decider
from bursar.gateway.identify import Credential
from bursar.providers.base import Asked
from bursar.providers.tiers import STANDARD

ROWS_MAX = 100
PAGE_ROWS_MAX = 20
WHOSE = ("feature", "team", "customer", "credential")
WHOSE_GROUPS_MAX = 20_000  # of calls alike, the dearest, that rows are made of
JUDGED = ("operation", "model_asked", "provider", "upstream")


class TrialSum(msgspec.Struct, frozen=True):
    """Calls and their cost; null: none of them has a price. `unpriced_calls` aren't whole in it."""

    calls: int
    effective_cost: str | None
    unpriced_calls: int


class TrialRow(TrialSum, frozen=True, kw_only=True):
    """effect: refused, forced (another model), moved (another service tier), shortened (a lower max_tokens), defaulted
    (tags) or warned."""

    effect: str
    rule: str
    value: str
    feature: str
    team: str
    customer: str
    credential_id: str
    key: str


class TrialAnswer(msgspec.Struct, frozen=True):
    """What a policy would have done. `examined`: all calls that its match holds for. Each call has one effect."""

    policy_id: str
    name: str
    period: PeriodAnswer
    currency: str
    examined: TrialSum
    effects: dict[str, TrialSum]
    rows: list[TrialRow]
    others: TrialSum | None
    notes: list[str]


class _Effect(NamedTuple):
    effect: str
    rule: str
    value: str


class _Sum:
    """Adds up groups."""

    def __init__(self) -> None:
        self.calls = 0
        self.cost: Decimal | None = None
        self.unpriced = 0

    def add(self, group: "Alike | _Sum") -> None:
        cost = group.effective_cost if isinstance(group, Alike) else group.cost
        self.calls += group.calls
        self.unpriced += group.unpriced
        if cost is not None:
            self.cost = cost + (self.cost or 0)

    def less(self, part: "_Sum") -> TrialSum:
        """What is left of it without a part."""
        cost = None if self.cost is None else self.cost - (part.cost or 0)
        return TrialSum(self.calls - part.calls, None if cost is None else plain(cost), self.unpriced - part.unpriced)

    def told(self) -> TrialSum:
        return self.less(_Sum())


def try_policy(context: ConsoleContext, policy: Policy, period: Period, *, rows_max: int = ROWS_MAX) -> TrialAnswer:
    """Judge the calls of a period by one policy alone, on or off.

    Two questions: the sums are over all calls, by what the policy can tell apart, which is little; whose they are is
    told of those that cost most, and the rest of the sums is `others`.
    """
    trial = _Trial(context, policy, period)
    groups, count = trial.groups(JUDGED, GROUPS_MAX)
    examined, changed = _Sum(), _Sum()
    effects: defaultdict[str, _Sum] = defaultdict(_Sum)
    for group in groups:
        examined.add(group)
        effect = trial.effect(group)
        if effect is not None:
            effects[effect.effect].add(group)
            changed.add(group)
    rows: defaultdict[tuple[str, ...], _Sum] = defaultdict(_Sum)
    for group in trial.groups((*JUDGED, *WHOSE), WHOSE_GROUPS_MAX)[0] if effects else ():
        effect = trial.effect(group)
        if effect is not None:
            rows[(*effect, *(group.values[name] for name in WHOSE))].add(group)
    ordered = sorted(rows.items(), key=lambda row: (-(row[1].cost or 0), -row[1].calls, row[0]))[:rows_max]
    shown = _Sum()
    for _, one in ordered:
        shown.add(one)
    key_names = context.controls().key_names()
    return TrialAnswer(
        policy_id=policy.policy_id, name=policy.name, period=period_answer(period),
        currency=context.config.console.currency, examined=examined.told(),
        effects={name: one.told() for name, one in sorted(effects.items())},
        rows=[_row(key, one, key_names) for key, one in ordered],
        others=changed.less(shown) if changed.calls > shown.calls else None,
        notes=list(_notes(policy, len(groups), count)),
    )  # fmt: skip


def trial_csv(answer: TrialAnswer) -> bytes:
    """A row per effect and whose calls they are."""
    heads = [*TrialRow.__struct_fields__, "currency"]
    return csv_bytes(heads, [[*msgspec.structs.astuple(row), answer.currency] for row in answer.rows])


class _Trial:
    """One policy, alone, and the calls it is tried against."""

    def __init__(self, context: ConsoleContext, policy: Policy, period: Period) -> None:
        self._context = context
        self._terms = policy.terms
        self._period = period
        self._decider = Decider()
        alone = msgspec.structs.replace(policy.terms, tag_values_max={})
        self._decider.use(Snapshot(0, policies=[msgspec.structs.replace(policy, is_on=True, terms=alone)]))

    def groups(self, dimensions: Sequence[str], limit: int) -> tuple[list[Alike], int]:
        """The calls that the policy's match holds for, by the dimensions and by all that its rules look at."""
        terms = self._terms
        names = [*dimensions, *(column_of(name) for name in (*terms.match, *terms.require_tags, *terms.tag_values))]
        if terms.force_models:
            names.append("request_type")
        return self._context.explorer.calls_alike(
            self._period, list(dict.fromkeys(names)),
            filters=[Filter(column_of(name), (value,)) for name, value in terms.match.items()],
            body_bytes_max=terms.body_bytes_max, output_tokens_max=terms.output_tokens_max, limit=limit,
        )  # fmt: skip

    def effect(self, group: Alike) -> _Effect | None:
        """What the policy would have done to calls alike; None: nothing."""
        values, terms = group.values, self._terms
        tags = {name.removeprefix(TAG_PREFIX): value for name, value in values.items() if name.startswith(TAG_PREFIX)}
        said = {name: values.get(name, "") for name in DIMENSIONS}
        scope = Scope(values.get("organization", ""), values.get("scope_team", ""), values.get("project", ""))
        kind = "passthrough" if values.get("credential_kind") == "passthrough" else "virtual"
        credential = Credential(values.get("credential", ""), kind, scope, Attribution(), b"", b"")  # type: ignore[arg-type]
        asked = Asked(
            values["model_asked"], max_output_tokens=(terms.output_tokens_max or 0) + 1 if group.is_long else 0
        )  # fmt: skip
        size = (terms.body_bytes_max or 0) + 1 if group.is_large else 0
        attribution = Attribution(**said, tags={name: value for name, value in tags.items() if value})
        upstream = self._context.config.upstreams.get(values["upstream"])
        try:
            case = self._decider.judge(credential, attribution, asked, values["operation"], size, 0)
            if case is None:
                return None
            self._decider.admit(case, values["provider"], upstream.region if upstream else "", 0)
        except PolicyRule as error:
            rule = error.details["rule"]
            sized = rule in ("input_too_large", "output_tokens_max")
            return _Effect("refused", rule, "" if sized else error.details["denied_value"])
        return _changed(case, attribution)


def _changed(case: Case, before: Attribution) -> _Effect | None:
    if case.model_forced:
        return _Effect("forced", "force_models", case.model_forced)
    if case.tier_sent:
        return _Effect("moved", "service_tier", case.tier_sent)
    if case.output_tokens_sent:
        return _Effect("shortened", "output_tokens_max", str(case.output_tokens_sent))
    if case.attribution is not before:
        return _Effect("defaulted", "tag_defaults", "")
    return _Effect("warned", case.warnings[0], "") if case.warnings else None


def _notes(policy: Policy, listed: int, count: int) -> Iterable[str]:
    terms = policy.terms
    if terms.output_tokens_max is not None:
        what = "be refused" if terms.on_output_excess == "refuse" else "have a lower max_tokens"
        yield (
            "the max_tokens that was asked for isn't kept: calls whose answer was longer than "
            f"{terms.output_tokens_max} tokens are counted; others that asked for more, or nothing, would {what} too"
        )
    if terms.service_tier == STANDARD:
        yield "calls don't say here which service tier they asked for: Explore tells their cost by tier_asked"
    elif terms.service_tier:
        yield "all calls of a chat are counted; those whose dialect has no such tier stay as they are"
    if terms.force_models:
        yield "what the forced model would have cost isn't known: its answers were never written"
    if terms.tag_values_max:
        yield "tag_values_max isn't tried: it depends on which worker saw which value when"
    if terms.allow_regions or terms.deny_regions:
        yield "regions are those of the settings as they are now (upstreams.NAME.region)"
    if listed < count:
        yield f"only the {listed} dearest of {count} groups of calls alike were examined"


def _row(key: tuple[str, ...], one: _Sum, key_names: dict[str, str]) -> TrialRow:
    told = one.told()
    effect, rule, value, feature, team, customer, credential_id = key
    return TrialRow(
        calls=told.calls, effective_cost=told.effective_cost, unpriced_calls=told.unpriced_calls, effect=effect,
        rule=rule, value=value, feature=feature, team=team, customer=customer, credential_id=credential_id,
        key=key_names.get(credential_id, credential_id),
    )  # fmt: skip


def column_of(name: str) -> str:
    """The explorer's name for what a policy or limit matches or requires: any other name is a tag."""
    if name == "model":
        return "model_asked"
    known = (*DIMENSIONS, "organization", "scope_team", "project", "credential", "credential_kind", "provider")
    return name if name in known or name.startswith(TAG_PREFIX) else TAG_PREFIX + name
