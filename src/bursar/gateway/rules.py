"""What one policy says about one call. Each check returns nothing or raises PolicyRule, which names the policy.

Patterns are matched once for each name and remembered, in bounded memos.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from bursar.domain.charge import Operation
from bursar.domain.controls import TAG_PREFIX, Match, Policy, PolicyTerms
from bursar.domain.errors import PolicyRule
from bursar.domain.tags import DIMENSIONS
from bursar.gateway.case import Case

NAMES_REMEMBERED = 512
GENERATES = frozenset({Operation.CHAT, Operation.COMPLETION})  # has an output to cap
FORCED = frozenset({*GENERATES, Operation.COUNT_TOKENS})  # an embedding of another model is another thing


class Patterns:
    """An allow-list and a deny-list. `refusal`: "" where the name may pass, else the rule that refuses it."""

    __slots__ = ("_allow", "_deny", "_seen", "_what")

    def __init__(self, what: str, allow: Sequence[str], deny: Sequence[str]) -> None:
        self._what = what
        self._allow = tuple(allow)
        self._deny = tuple(deny)
        self._seen: dict[str, str] = {}

    def refusal(self, name: str) -> str:
        """denied_model, model_not_allowed and their like. An unknown name ("") is on no list."""
        found = self._seen.get(name)
        if found is None:
            found = self._judge(name)
            if len(self._seen) >= NAMES_REMEMBERED:
                self._seen.clear()
            self._seen[name] = found
        return found

    def _judge(self, name: str) -> str:
        if name and any(fnmatchcase(name, pattern) for pattern in self._deny):
            return f"denied_{self._what}"
        if self._allow and not (name and any(fnmatchcase(name, pattern) for pattern in self._allow)):
            return f"{self._what}_not_allowed"
        return ""


def patterns(what: str, allow: Sequence[str], deny: Sequence[str]) -> Patterns | None:
    """None where nothing is said."""
    return Patterns(what, allow, deny) if allow or deny else None


class Rule:
    """A policy's rules about the call (models and sizes), ready to be asked; `UpstreamRule`: those about the upstream.

    `match` is the policy's.
    """

    __slots__ = ("body_bytes_max", "match", "models", "output_tokens_max", "policy", "rank", "terms")

    def __init__(self, policy: Policy) -> None:
        terms = policy.terms
        self.policy = policy
        self.terms: PolicyTerms = terms
        self.match: Match = terms.match
        self.rank = len(terms.match)  # a policy with more conditions is closer to the call
        self.models = patterns("model", terms.allow_models, terms.deny_models)
        self.body_bytes_max = terms.body_bytes_max
        self.output_tokens_max = terms.output_tokens_max

    @property
    def says_something(self) -> bool:
        return bool(self.models or self.body_bytes_max or self.output_tokens_max)

    def ask(self, case: Case) -> None:
        """Models, then sizes. Lowers the output where the policy says so."""
        models, body_bytes_max, output_tokens_max = self.models, self.body_bytes_max, self.output_tokens_max
        if models is not None and (rule := models.refusal(case.model)):
            raise self.no(rule, case.model, f"model {case.model!r} may not be called", "model")
        if body_bytes_max is not None and case.body_bytes > body_bytes_max:
            self._meet_large(case, body_bytes_max)
        if output_tokens_max is not None:
            asked = case.output_tokens_max
            if (asked is None or asked > output_tokens_max) and case.operation in GENERATES:
                self._cap_output(case, output_tokens_max)

    def no(self, rule: str, value: str, told: str, field: str) -> PolicyRule:
        """The refusal, with the policy's name and where to read it."""
        policy = self.policy
        error = PolicyRule(
            f"{told}: policy {policy.name!r} says so (`bursar policies list`, {policy.policy_id})", field=field
        )
        error.details = {
            "type": error.code, "rule": rule, "denied_value": value[:256], "policy": policy.policy_id,
        }  # fmt: skip
        return error

    def _meet_large(self, case: Case, most: int) -> None:
        """Refuse a body above the cap, or say so and let it go on."""
        if self.terms.on_input_excess == "warn":
            told = f"{self.policy.name}: input of {case.body_bytes} bytes is above {most}"
            if told not in case.warnings:  # a call that is looked at anew, for another model
                case.warnings = (*case.warnings, told)
            return
        told = f"the request has {case.body_bytes} bytes; at most {most} may be sent"
        if self.terms.input_tokens_max:
            told += f" ({self.terms.input_tokens_max} input tokens are taken as four bytes each)"
        raise self.no("input_too_large", str(case.body_bytes), told, "body")

    def _cap_output(self, case: Case, most: int) -> None:
        if self.terms.on_output_excess == "refuse":
            asked = case.output_tokens_max
            said = f"max_tokens is {asked}" if asked else "the request sets no max_tokens"
            told = f"{said}; at most {most} output tokens may be asked for: set it"
            raise self.no("output_tokens_max", str(asked or "unset"), told, "max_tokens")
        if not case.output_tokens_sent or most < case.output_tokens_sent:
            case.output_tokens_sent = most


class UpstreamRule(Rule):
    """The rules that wait for the upstream: providers and regions, and all of a policy whose match names a provider."""

    __slots__ = ("providers", "regions", "waited")

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        terms = policy.terms
        self.waited = waits_for_upstream(policy)
        self.providers = patterns("provider", terms.allow_providers, terms.deny_providers)
        self.regions = patterns("region", terms.allow_regions, terms.deny_regions)

    @property
    def says_something(self) -> bool:
        return bool(self.providers or self.regions or (self.waited and super().says_something))

    def ask(self, case: Case) -> None:
        """Providers, then regions."""
        if self.waited:
            super().ask(case)
        if self.providers is not None and (rule := self.providers.refusal(case.provider)):
            raise self.no(rule, case.provider, f"provider {case.provider!r} may not be called", "model")
        if self.regions is not None and (rule := self.regions.refusal(case.region)):
            told = f"region {case.region!r} may not be called"
            if not case.region:
                told = "the upstream's region isn't known (upstreams.NAME.region), and only some may be called"
            raise self.no(rule, case.region or "unknown", told, "model")


def waits_for_upstream(policy: Policy) -> bool:
    """Whether all of it waits for the upstream, since its match names the provider."""
    return "provider" in policy.terms.match


def tag_of(case: Case, name: str) -> str:
    """A dimension's or a free tag's value; "" where it wasn't said."""
    if name in DIMENSIONS:
        return str(getattr(case.attribution, name))
    return case.attribution.tags.get(name.removeprefix(TAG_PREFIX), "")
