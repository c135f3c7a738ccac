"""Kill switches: what an operator has stopped, until it is lifted or its time is up. Workers know within a second."""

import contextlib

from bursar.domain.clock import Clock
from bursar.domain.controls import Kill, KillTerms, written
from bursar.domain.errors import BadControl, UnknownControl
from bursar.governance.checks import check_kill
from bursar.governance.register import KILL, Register, kill_of
from bursar.governance.store import ControlStore


class Kills:
    """The kill switches of a site. One is named by what it stops, so that nothing is stopped twice."""

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._clock = clock
        self._register = Register(KILL, store, secret, clock)

    def create(self, terms: KillTerms, *, actor: str) -> Kill:
        """Stop it. Raises BadControl for terms that can't be, NameTaken if exactly that is stopped already."""
        terms = check_kill(terms)
        now_us = self._clock.now_us()
        if Kill("", "", terms, 0, "").until_us <= now_us:
            raise BadControl("until: that time has passed, so it would stop nothing", field="until")
        for one in self._stored():
            if one.until_us <= now_us:  # its row is closed now that somebody writes; it has stopped nothing since
                with contextlib.suppress(UnknownControl):  # somebody else was first
                    self._register.end(one.kill_id, actor="expiry")
        return kill_of(self._register.add(written(terms.match), terms, is_on=True, actor=actor))

    def lift(self, name_or_id: str, *, actor: str) -> Kill:
        """Let it go on. Raises UnknownControl."""
        return kill_of(self._register.end(name_or_id, actor=actor))

    def all(self) -> list[Kill]:
        """Those in force, oldest first. One that has lapsed is none."""
        now_us = self._clock.now_us()
        return [one for one in self._stored() if one.until_us > now_us]

    def _stored(self) -> list[Kill]:
        return [kill_of(row) for row in self._register.all()]
