"""Policies: who may ask for what. Kept here, compiled and applied by the gateway's workers."""

from bursar.domain.clock import Clock
from bursar.domain.controls import Policy, PolicyTerms
from bursar.governance.checks import check_name, check_policy
from bursar.governance.register import POLICY, Register, policy_of
from bursar.governance.store import ControlStore


class Policies:
    """The policies of a site."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._register = Register(POLICY, store, secret, clock)

    def create(self, name: str, terms: PolicyTerms, *, is_on: bool, actor: str) -> Policy:
        """Raises BadControl for terms that can't be, NameTaken for a name in force."""
        return policy_of(self._register.add(check_name(name), check_policy(terms), is_on=is_on, actor=actor))

    def switch(self, name_or_id: str, is_on: bool, *, actor: str) -> Policy:
        """On or off. Raises UnknownControl."""
        return policy_of(self._register.switch(name_or_id, is_on, actor=actor))

    def remove(self, name_or_id: str, *, actor: str) -> Policy:
        """Raises UnknownControl."""
        return policy_of(self._register.end(name_or_id, actor=actor))

    def one(self, name_or_id: str) -> Policy:
        """Raises UnknownControl."""
        return policy_of(self._register.one(name_or_id))

    def all(self) -> list[Policy]:
        """Those that weren't removed, on or off, oldest first."""
        return [policy_of(row) for row in self._register.all()]
