"""May this call go out, and as what: kills, policies and limits, compiled once for each snapshot.

`judge` stands between attribution and the choice of the upstream, `admit` behind that choice, for what depends on it.
Nothing configured costs a look at one flag.
"""

from datetime import UTC

import msgspec

from bursar.domain.charge import Quality
from bursar.domain.clock import datetime_from_us
from bursar.domain.controls import BYTES_PER_TOKEN, Kill, Match
from bursar.domain.errors import BadRequest, Killed, RateLimited
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.attribute import Attributed
from bursar.gateway.case import Case, CaseIndex
from bursar.gateway.heads import Headers
from bursar.gateway.identify import Credential
from bursar.gateway.rates import RateRule, Taken, move, take
from bursar.gateway.rules import FORCED, GENERATES, Rule, UpstreamRule, waits_for_upstream
from bursar.gateway.tag_rules import SeenValues, TagRule, has_tag_terms
from bursar.providers.azure import AZURE
from bursar.providers.base import Asked, Dialect
from bursar.providers.splice import with_value
from bursar.providers.tiers import SILENT, STANDARD, with_tier
from bursar.spool.records import Settled

ANY_TYPE = "*"
LATE = frozenset({"model", "provider"})  # a kill of these waits for what really goes out


class Stop:
    """A kill, ready to be asked."""

    __slots__ = ("kill", "match", "until_us")

    def __init__(self, kill: Kill) -> None:
        self.kill = kill
        self.match: Match = kill.terms.match
        self.until_us = kill.until_us

    def refusal(self) -> Killed:
        """Who stopped it, when, why, and how to lift it."""
        kill = self.kill
        when = datetime_from_us(kill.created_us).astimezone(UTC)
        ends = kill.terms.until
        until = f"It lasts until {ends.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC. " if ends else ""
        error = Killed(
            f"{kill.name} was stopped by {kill.created_by} at {when:%Y-%m-%d %H:%M:%S} UTC: {kill.terms.reason}. "
            f"{until}To lift it: `bursar kill lift {kill.kill_id}`"
        )
        error.details = {
            "kill": kill.kill_id, "stopped": kill.name, "stopped_by": kill.created_by,
            "stopped_at": when.isoformat(timespec="seconds"), "reason": kill.terms.reason,
        }  # fmt: skip
        return error


class Decider:
    """All kills, policies and limits of one worker. workers, slot: of this node, for the worker's share of limits."""

    def __init__(self, workers: int = 1, slot: int = 0) -> None:
        self._workers = workers
        self._slot = slot
        self._seen = SeenValues()
        self._rates: dict[str, RateRule] = {}
        self.use(Snapshot(0))

    def use(self, snapshot: Snapshot) -> None:
        """Compile what is in force now. What was counted for limits and values that stay, stays."""
        policies = [policy for policy in snapshot.policies if policy.is_on]
        early = [Rule(policy) for policy in policies if not waits_for_upstream(policy)]
        late = [UpstreamRule(policy) for policy in policies]
        stops = [Stop(kill) for kill in snapshot.kills]
        late_stops = [stop for stop in stops if not LATE.isdisjoint(stop.match)]
        self._tags = CaseIndex([TagRule(policy) for policy in policies if has_tag_terms(policy)])
        self._stops = CaseIndex([stop for stop in stops if LATE.isdisjoint(stop.match)])
        self._forces = CaseIndex([rule for rule in early if rule.terms.force_models])
        self._tiers = CaseIndex([rule for rule in early if rule.terms.service_tier])
        self._rules = CaseIndex([rule for rule in early if rule.says_something])
        self._late_stops = CaseIndex(late_stops)
        self._late_rules = CaseIndex([rule for rule in late if rule.says_something])
        known = self._rates
        self._rates = {
            limit.limit_id: known.get(limit.limit_id) or RateRule(limit, self._workers, self._slot)
            for limit in snapshot.limits
        }
        self._limits = CaseIndex(self._rates.values())
        self._seen.keep({policy.policy_id for policy in policies})
        self.is_active = bool(policies or stops or self._rates)

    def judge(
        self,
        credential: Credential,
        attribution: Attribution,
        asked: Asked,
        operation: str,
        body_bytes: int,
        now_us: int,
    ) -> Case | None:
        """What the policies make of a call; None: nothing is configured.

        Raises Killed or PolicyRule.
        """
        if not self.is_active:
            return None
        case = case_of(credential, attribution, asked, operation, body_bytes)
        if not self._tags.is_empty:
            for tag_rule in self._tags.about(case):
                tag_rule.ask(case, self._seen, now_us)
        if not self._stops.is_empty:
            for stop in self._stops.about(case):
                if now_us < stop.until_us:
                    raise stop.refusal()
        if not self._forces.is_empty and operation in FORCED:
            self._force(case)
        if not self._tiers.is_empty and operation in GENERATES:
            tiers = [(_closeness(rule), rule.terms.service_tier or "") for rule in self._tiers.about(case)]
            if tiers and (tier := min(tiers)[1]) != (STANDARD if asked.tier in SILENT else asked.tier):
                case.tier_sent = tier
        if not self._rules.is_empty:
            for rule in self._rules.about(case):
                rule.ask(case)
        return case

    def admit(self, case: Case, provider: str, region: str, now_us: int, beside: Taken | None = None) -> Taken | None:
        """The rest, now that the upstream is known, and a place in every limit: to be released when the call ends.

        beside: the places of the call that it is made for, which aren't taken twice.
        Raises Killed, PolicyRule or RateLimited.
        """
        case.provider, case.region = provider, region
        self._ask_late(case, now_us)
        return self.place(case, now_us, beside)

    def place(self, case: Case, now_us: int, beside: Taken | None = None) -> Taken | None:
        """A place in every limit. Raises RateLimited."""
        if self._limits.is_empty:
            return None
        return take(self._limits.about(case), case, now_us, beside)

    def has_room(self, case: Case, now_us: int, held: Taken | None) -> bool:
        """Whether a call could go on there, by the limits."""
        try:
            move(self._limits.about(case), case, now_us, held, only_look=True)
        except RateLimited:
            return False
        return True

    def move(self, case: Case, now_us: int, held: Taken | None, *, stays_too: bool = False) -> Taken | None:
        """A place in every limit of where it goes next; what is only of the last place is left, unless it stays there
        too. Raises RateLimited."""
        return move(self._limits.about(case), case, now_us, held, stays_too=stays_too)

    def reconsider(self, case: Case, model: str, provider: str, region: str, now_us: int) -> Case:
        """The case with another model in the place of the one asked for; no place is taken.

        Raises Killed or PolicyRule where that may not be called.
        """
        other = msgspec.structs.replace(case, model=model, model_forced=model, provider=provider, region=region)
        if not self._rules.is_empty:
            for rule in self._rules.about(other):
                rule.ask(other)
        self._ask_late(other, now_us)
        return other

    def _ask_late(self, case: Case, now_us: int) -> None:
        if not self._late_stops.is_empty:
            for stop in self._late_stops.about(case):
                if now_us < stop.until_us:
                    raise stop.refusal()
        if not self._late_rules.is_empty:
            for rule in self._late_rules.about(case):
                rule.ask(case)

    def _force(self, case: Case) -> None:
        """The model of the policy closest to the call: with most conditions; of equals the oldest."""
        request_type = case.attribution.request_type
        found = [
            (_closeness(rule), model)
            for rule in self._forces.about(case)
            if (model := rule.terms.force_models.get(request_type) or rule.terms.force_models.get(ANY_TYPE))
        ]
        if not found:
            return
        forced = min(found)[-1]
        if forced != case.model:
            case.model = case.model_forced = forced


def _closeness(rule: Rule) -> tuple[int, int, str]:
    """Of policies that would each decide alone, the lowest does: the one with most conditions; of equals the oldest."""
    return -rule.rank, rule.policy.created_us, rule.policy.policy_id


def case_of(credential: Credential, attribution: Attribution, asked: Asked, operation: str, body_bytes: int) -> Case:
    """A call before anything was decided about it."""
    return Case(
        credential.scope,
        credential.id,
        credential.kind,
        attribution,
        asked.model,
        operation,
        body_bytes,
        asked.max_output_tokens,
    )


def tokens_used(record: Settled, body_bytes: int) -> int:
    """All tokens of an attempt. One that was never heard of has used its input at least: unknown is not zero."""
    tokens = record.usage.total_input + record.usage.total_output
    if tokens or record.quality not in (Quality.ASSUMED, Quality.UNPRICED):
        return tokens
    return -(-body_bytes // BYTES_PER_TOKEN)


def as_decided(asked: Asked, body: bytes, case: Case, dialect: Dialect) -> tuple[Asked, bytes]:
    """What is asked and the body that asks it, as the policies leave it: the same objects if nothing changed.

    Raises BadRequest where a field that must change is given twice, or none is known.
    """
    if case.model_forced:
        asked, body = with_model(asked, body, case.model_forced, dialect)
    if case.tier_sent:
        asked, body = _with_tier(asked, body, case.tier_sent, dialect)
    if case.output_tokens_sent:
        body = changed(dialect.with_output_limit(body, case.output_tokens_sent), "max_tokens")
        asked = msgspec.structs.replace(asked, max_output_tokens=case.output_tokens_sent)
    return asked, body


def with_model(asked: Asked, body: bytes, model: str, dialect: Dialect) -> tuple[Asked, bytes]:
    """The same with another model, every other byte as it came. Raises BadRequest where it is given twice."""
    if dialect.family == AZURE:
        raise BadRequest(
            f"a rule changes the model to {model}, and a deployment's is in the path: call /openai/v1 instead",
            field="model",
        )
    if asked.model_in_path:
        if asked.max_output_tokens == 0:  # an embedding's body may name its model once more for each text
            raise BadRequest(
                "a policy changes the model, and these embeddings name theirs in path and body", field="model"
            )
        return msgspec.structs.replace(asked, model=model), body
    body = changed(with_value(body, "model", msgspec.json.encode(model)), "model")
    return msgspec.structs.replace(asked, model=model), body


def _with_tier(asked: Asked, body: bytes, tier: str, dialect: Dialect) -> tuple[Asked, bytes]:
    found = with_tier(dialect.name, asked, body, tier)
    if found is None:
        raise BadRequest(
            f"a policy asks for the {tier} service tier, and it can't be changed in this request: say none",
            field="service_tier",
        )
    return found


def changed(body: bytes | None, field: str) -> bytes:
    """The body. Raises BadRequest where there is none: the field's place was in doubt."""
    if body is None:
        raise BadRequest(
            f"{field} is given more than once, or in a form, so it can't be changed; send it once, as JSON", field=field
        )
    return body


def as_attributed(case: Case, attributed: Attributed) -> Attributed:
    """Attributed as the policies leave it: the same object if they put nothing in."""
    if case.attribution is attributed.attribution:
        return attributed
    return msgspec.structs.replace(attributed, attribution=case.attribution)


def notes_of(case: Case, asked: Asked) -> Headers:
    """What the client must know of it: headers of the answer. asked: as it goes out."""
    notes: Headers = []
    if case.model_forced:
        notes.append((b"x-bursar-model-forced", case.model_forced.encode("ascii", "replace")))
    if case.output_tokens_sent:
        notes.append((b"x-bursar-max-tokens", b"%d" % case.output_tokens_sent))
    if case.tier_sent and (asked.tier or STANDARD) == case.tier_sent:  # a dialect may know no such tier
        notes.append((b"x-bursar-service-tier", case.tier_sent.encode()))
    if case.warnings:
        notes.append((b"x-bursar-policy-warning", "; ".join(case.warnings).encode("ascii", "replace")))
    return notes
