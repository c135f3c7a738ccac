"""What policies say about tags: which must be there, what they may say, and how many different things."""

import msgspec

from bursar.domain.controls import Match, Policy
from bursar.domain.tags import DIMENSIONS, Attribution
from bursar.gateway.case import Case
from bursar.gateway.rules import Rule, tag_of

DAY_US = 86_400_000_000


class SeenValues:
    """Different values of tags, as this worker saw them in a UTC day: at most as many as a policy takes, each."""

    def __init__(self) -> None:
        self._day = -1
        self._seen: dict[tuple[str, str], set[str]] = {}

    def takes(self, policy_id: str, tag: str, value: str, most: int, now_us: int) -> bool:
        """Whether the value is one of the first `most` of its day; if so it is remembered."""
        day = now_us // DAY_US
        if day != self._day:
            self._day = day
            self._seen.clear()
        seen = self._seen.setdefault((policy_id, tag), set())
        if value in seen:
            return True
        if len(seen) >= most:
            return False
        seen.add(value)
        return True

    def keep(self, policy_ids: set[str]) -> None:
        """Forget what no policy asks for any more."""
        self._seen = {key: values for key, values in self._seen.items() if key[0] in policy_ids}


class TagRule:
    """The tag rules of one policy."""

    __slots__ = ("_allowed", "_rule", "match", "terms")

    def __init__(self, policy: Policy) -> None:
        self._rule = Rule(policy)
        self.terms = policy.terms
        self.match: Match = policy.terms.match
        self._allowed = {name: frozenset(values) for name, values in policy.terms.tag_values.items()}

    def ask(self, case: Case, seen: SeenValues, now_us: int) -> None:
        """Puts defaults in, adds warnings, or raises PolicyRule."""
        for name in self.terms.require_tags:
            if not tag_of(case, name):
                self._missing(case, name)
        for name, allowed in self._allowed.items():
            value = tag_of(case, name)
            if value and value not in allowed:
                self._bad_value(case, "tag_value", name, value, f"{value[:80]!r} is no value of {name}")
        policy_id = self._rule.policy.policy_id
        for name, most in self.terms.tag_values_max.items():
            value = tag_of(case, name)
            if value and not seen.takes(policy_id, name, value, most, now_us):
                told = f"{name} has had {most} different values today, and {value[:80]!r} would be one more"
                self._bad_value(case, "tag_cardinality", name, value, told)

    def _missing(self, case: Case, name: str) -> None:
        if self.terms.on_missing == "default":
            case.attribution = with_tag(case.attribution, name, self.terms.tag_defaults[name])
        elif self.terms.on_missing == "warn":
            case.warnings += (f"missing_tag={name}",)
        else:
            told = f"the call must say its {name}: send it as `x-bursar-tags: {name}=…`, or as a default of the key"
            raise self._rule.no("missing_tag", name, told, f"tags.{name}")

    def _bad_value(self, case: Case, rule: str, name: str, value: str, told: str) -> None:
        if self.terms.on_tag_value == "warn":
            case.warnings += (f"{rule}={name}",)
        else:
            raise self._rule.no(rule, value, told, f"tags.{name}")


def has_tag_terms(policy: Policy) -> bool:
    terms = policy.terms
    return bool(terms.require_tags or terms.tag_values or terms.tag_values_max)


def with_tag(attribution: Attribution, name: str, value: str) -> Attribution:
    """The attribution with one more value."""
    if name in DIMENSIONS:
        return msgspec.structs.replace(attribution, **{name: value})
    return msgspec.structs.replace(attribution, tags=attribution.tags | {name: value})
