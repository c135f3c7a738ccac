"""Which cache rule decides about a call: compiled once for each snapshot. No rules cost a look at one flag."""

from collections.abc import Sequence
from operator import attrgetter

import msgspec

from bursar.domain.caching import CacheRule
from bursar.domain.controls import Match
from bursar.gateway.case import Case, CaseIndex


class OrderedRule:
    """A rule and when it is asked: the lower first."""

    __slots__ = ("at", "match", "rule")

    def __init__(self, at: int, rule: CacheRule) -> None:
        self.at = at
        self.rule = rule
        self.match: Match = rule.terms.match


class CacheTable:
    """All cache rules of one worker, filed as policies and limits are: a call costs a lookup, not a look at all.

    rules: as the snapshot has them, in the order in which they are asked. is_active: there are any.
    """

    def __init__(self, rules: Sequence[CacheRule] = ()) -> None:
        self._index = CaseIndex([OrderedRule(at, as_it_acts(rule)) for at, rule in enumerate(rules) if rule.is_on])
        self.is_active = not self._index.is_empty

    def find(self, case: Case) -> CacheRule | None:
        """The rule that decides about a call, alone; None: nothing is cached.

        The case must have its model and provider already: a rule may match on either.
        """
        found = self._index.about(case)
        if len(found) > 1:
            return min(found, key=_order).rule
        return found[0].rule if found else None


def as_it_acts(rule: CacheRule) -> CacheRule:
    """A rule whose prompt caching was stopped has none, and keeps saying why."""
    if not rule.stopped or rule.terms.prompt is None:
        return rule
    return msgspec.structs.replace(rule, terms=msgspec.structs.replace(rule.terms, prompt=None))


_order = attrgetter("at")
