"""Cache rules, in the control store: which calls may be answered from a cache, or be cheaper by their provider's.

Kept here, compiled by the gateway's workers. Of the rules that match a call the first decides: by position, of equals
the older.
"""

from bursar.domain.caching import CacheRule, CacheTerms, WhyNot, measured_as
from bursar.domain.clock import Clock
from bursar.domain.errors import BadControl
from bursar.domain.resemblance import read_measured, why_not_on, why_off
from bursar.governance.checks import check_caching, check_name, check_reason
from bursar.governance.register import CACHE, Register, cache_of, caches_in_order
from bursar.governance.store import ControlStore


class CacheBook:
    """The cache rules of a site. One that is changed keeps its place, and stays stopped if it was.

    why_no_embeddings: which upstreams can embed; None: that isn't known here.
    """

    def __init__(
        self, store: ControlStore, secret: bytes, clock: Clock, why_no_embeddings: WhyNot | None = None
    ) -> None:
        self._register = Register(CACHE, store, secret, clock)
        self._why_no_embeddings = why_no_embeddings

    def check(self, terms: CacheTerms) -> CacheTerms:
        """The terms as they may be kept. Raises BadControl that names the field."""
        return check_caching(terms, self._why_no_embeddings)

    def create(self, name: str, terms: CacheTerms, *, is_on: bool, actor: str) -> CacheRule:
        """Raises BadControl for terms that can't be, NameTaken for a name in force."""
        terms = self.check(terms)
        _refuse_unmeasured(terms, "")
        return cache_of(self._register.add(check_name(name), terms, is_on=is_on, actor=actor))

    def change(self, name_or_id: str, terms: CacheTerms, *, actor: str) -> CacheRule:
        """Raises BadControl, UnknownControl."""
        terms = self.check(terms)
        before = self.one(name_or_id)
        if not _answers_already(before, terms):
            _refuse_unmeasured(terms, before.measured)
        return cache_of(self._register.change(name_or_id, terms, actor=actor))

    def set(self, name: str, terms: CacheTerms, *, is_on: bool, actor: str) -> CacheRule:
        """Make it, or change the one of that name. Raises BadControl."""
        name = check_name(name)
        if all(one.name != name for one in self.all()):
            return self.create(name, terms, is_on=is_on, actor=actor)
        self.change(name, terms, actor=actor)
        return self.switch(name, is_on, actor=actor)

    def switch(self, name_or_id: str, is_on: bool, *, actor: str) -> CacheRule:
        """On or off. Raises UnknownControl; BadControl for a semantic cache that answers, and was off for so long that
        nothing is known of it any more, or wrong too often before."""
        before = self.one(name_or_id)
        if is_on and not before.is_on:
            _refuse_unmeasured(before.terms, before.measured, again=True)
        return cache_of(self._register.switch(name_or_id, is_on, actor=actor))

    def stop(self, name_or_id: str, reason: str, *, actor: str) -> CacheRule:
        """Its prompt caching sets no more marks, for what it costs; the rule stays on for all else it says.

        reason: for whoever reads the list. Raises BadControl where it has no prompt caching, UnknownControl.
        """
        reason = check_reason(reason)
        rule = self.one(name_or_id)
        if rule.terms.prompt is None:
            raise BadControl(f"prompt: {rule.name!r} has no prompt caching that could be stopped", field="prompt")
        return cache_of(self._register.set_field(rule.rule_id, "stopped", reason, "stop", actor=actor, reason=reason))

    def resume(self, name_or_id: str, *, actor: str) -> CacheRule:
        """Its prompt caching goes on; one that wasn't stopped stays as it is. Raises UnknownControl."""
        return cache_of(self._register.set_field(name_or_id, "stopped", "", "resume", actor=actor))

    def clear(self, name_or_id: str | None = None, *, actor: str) -> list[CacheRule]:
        """What a rule has kept is met by no call from now on; None: what all rules have, on or off. Those cleared.

        Also what one kept that was asked for before and comes later. Raises UnknownControl.
        """
        return caches_in_order(self._register.stamp(name_or_id, "cleared_us", "clear", actor=actor))

    def measured(self, rule_id: str, told: str) -> None:
        """Keep what its semantic cache's shadow has shown (`domain.resemblance.Measured` as JSON)."""
        self._register.note(rule_id, "measured", told)

    def remove(self, name_or_id: str, *, actor: str) -> CacheRule:
        """Raises UnknownControl."""
        return cache_of(self._register.end(name_or_id, actor=actor))

    def one(self, name_or_id: str) -> CacheRule:
        """Raises UnknownControl."""
        return cache_of(self._register.one(name_or_id))

    def all(self) -> list[CacheRule]:
        """Those that weren't removed, on or off, in the order in which they are asked."""
        return caches_in_order(self._register.all())


def _answers_already(before: CacheRule, terms: CacheTerms) -> bool:
    """Whether the rule's semantic cache answers, and would go on in the same way: that was judged before."""
    semantic = before.terms.semantic
    return semantic is not None and semantic.mode == "on" and measured_as(before.terms) == measured_as(terms)


def _refuse_unmeasured(terms: CacheTerms, told: str, *, again: bool = False) -> None:
    """Raises BadControl for a semantic cache that would answer, where no measurement says that it pays.

    again: it has answered before. While it did, nothing but its samples was measured, so these count alone.
    """
    if terms.semantic is None or terms.semantic.mode != "on":
        return
    measured = read_measured(told)
    if again and measured is not None and measured.mark == measured_as(terms) and not measured.calls:
        why = why_off(terms, measured)
    else:
        why = why_not_on(terms, told)
    if why:
        raise BadControl(f"semantic.mode: the semantic cache can't be switched on: {why}", field="semantic.mode")
