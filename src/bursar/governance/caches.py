"""Cache rules, in the control store: which calls may be answered from a cache, or be cheaper by their provider's.

Kept here, compiled by the gateway's workers. Of the rules that match a call the first decides: by position, of equals
the older.
"""

from bursar.domain.caching import CacheRule, CacheTerms
from bursar.domain.clock import Clock
from bursar.domain.errors import BadControl
from bursar.governance.checks import check_caching, check_name, check_reason
from bursar.governance.register import CACHE, Register, cache_of, caches_in_order
from bursar.governance.store import ControlStore


class CacheBook:
    """The cache rules of a site. One that is changed keeps its place, and stays stopped if it was."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._register = Register(CACHE, store, secret, clock)

    def create(self, name: str, terms: CacheTerms, *, is_on: bool, actor: str) -> CacheRule:
        """Raises BadControl for terms that can't be, NameTaken for a name in force."""
        return cache_of(self._register.add(check_name(name), check_caching(terms), is_on=is_on, actor=actor))

    def change(self, name_or_id: str, terms: CacheTerms, *, actor: str) -> CacheRule:
        """Raises BadControl, UnknownControl."""
        return cache_of(self._register.change(name_or_id, check_caching(terms), actor=actor))

    def set(self, name: str, terms: CacheTerms, *, is_on: bool, actor: str) -> CacheRule:
        """Make it, or change the one of that name. Raises BadControl."""
        name = check_name(name)
        if all(one.name != name for one in self.all()):
            return self.create(name, terms, is_on=is_on, actor=actor)
        self.change(name, terms, actor=actor)
        return self.switch(name, is_on, actor=actor)

    def switch(self, name_or_id: str, is_on: bool, *, actor: str) -> CacheRule:
        """On or off. Raises UnknownControl."""
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

    def remove(self, name_or_id: str, *, actor: str) -> CacheRule:
        """Raises UnknownControl."""
        return cache_of(self._register.end(name_or_id, actor=actor))

    def one(self, name_or_id: str) -> CacheRule:
        """Raises UnknownControl."""
        return cache_of(self._register.one(name_or_id))

    def all(self) -> list[CacheRule]:
        """Those that weren't removed, on or off, in the order in which they are asked."""
        return caches_in_order(self._register.all())
