"""Limits on requests, tokens and concurrency. Kept here, counted by the gateway's workers."""

from bursar.domain.clock import Clock
from bursar.domain.controls import Limit, LimitTerms
from bursar.governance.checks import check_limit, check_name
from bursar.governance.register import LIMIT, Register, limit_of
from bursar.governance.store import ControlStore


class Limits:
    """The limits of a site. They aren't changed: a new one is another limit, whose count begins at 0."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._register = Register(LIMIT, store, secret, clock)

    def create(self, name: str, terms: LimitTerms, *, actor: str) -> Limit:
        """Raises BadControl for terms that can't be, NameTaken for a name in force."""
        return limit_of(self._register.add(check_name(name), check_limit(terms), is_on=True, actor=actor))

    def remove(self, name_or_id: str, *, actor: str) -> Limit:
        """Raises UnknownControl."""
        return limit_of(self._register.end(name_or_id, actor=actor))

    def one(self, name_or_id: str) -> Limit:
        """Raises UnknownControl."""
        return limit_of(self._register.one(name_or_id))

    def all(self) -> list[Limit]:
        """Those in force, oldest first."""
        return [limit_of(row) for row in self._register.all()]
