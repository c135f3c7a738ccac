"""Routes: where calls go, in the control store. Kept here, compiled and applied by the gateway's workers.

They are asked before those of the settings file, in the order of their positions; of equals the older first.
"""

from collections.abc import Collection

import msgspec

from bursar.domain.clock import Clock
from bursar.domain.errors import BadControl
from bursar.domain.routes import KeptRoute, RouteRule, StoppedTrial, faults_of
from bursar.domain.tags import TAG_VALUE_CHARS_MAX
from bursar.governance.checks import CONDITIONS_MAX, check_name
from bursar.governance.register import ROUTE, STOPPED_TRIAL, Register, in_order, route_of, stop_of, with_key_ids
from bursar.governance.store import ControlStore


class RouteBook:
    """The routes of a site's control store. upstreams: those there are, by name; None: that isn't known here."""

    def __init__(
        self, store: ControlStore, secret: bytes, clock: Clock, upstreams: Collection[str] | None = None
    ) -> None:
        self._register = Register(ROUTE, store, secret, clock)
        self._stops = Register(STOPPED_TRIAL, store, secret, clock)
        self._upstreams = upstreams

    def check(self, rule: RouteRule) -> RouteRule:
        """The rule as it may be kept. Raises BadControl that names the field."""
        rule = msgspec.structs.replace(rule, name=check_name(rule.name))
        if len(rule.match) > CONDITIONS_MAX:
            raise BadControl(f"match: {len(rule.match)} conditions; at most {CONDITIONS_MAX}", field="match")
        for name, value in rule.match.items():
            if not value or len(value) > TAG_VALUE_CHARS_MAX or not value.isprintable():
                raise BadControl(
                    f"match.{name}: a pattern of 1 to {TAG_VALUE_CHARS_MAX} printable characters; to match every call, "
                    "leave the condition out",
                    field=f"match.{name}",
                )
        for field, wrong in faults_of(rule, self._upstreams):
            raise BadControl(f"{field}: {wrong}", field=field)
        return rule

    def resolve(self, rule: RouteRule) -> RouteRule:
        """The rule as it would be kept, with a key's id where its name was given. Raises BadControl or UnknownKey."""
        rule = self.check(rule)
        with self._register.store.reading() as connection:
            return msgspec.structs.replace(rule, match=with_key_ids(connection, rule.match))

    def create(self, rule: RouteRule, *, is_on: bool = True, actor: str) -> KeptRoute:
        """Raises BadControl for a rule that can't be, NameTaken for a name in force."""
        rule = self.check(rule)
        return route_of(self._register.add(rule.name, rule, is_on=is_on, actor=actor))

    def set(self, rule: RouteRule, *, is_on: bool = True, actor: str) -> KeptRoute:
        """Make it, or change the one of that name, which keeps its place. Raises BadControl."""
        rule = self.check(rule)
        if all(one.rule.name != rule.name for one in self.all()):
            return self.create(rule, is_on=is_on, actor=actor)
        self._register.change(rule.name, rule, actor=actor)
        return self.switch(rule.name, is_on, actor=actor)

    def switch(self, name_or_id: str, is_on: bool, *, actor: str) -> KeptRoute:
        """On or off. Raises UnknownControl."""
        return route_of(self._register.switch(name_or_id, is_on, actor=actor))

    def remove(self, name_or_id: str, *, actor: str) -> KeptRoute:
        """Raises UnknownControl."""
        return route_of(self._register.end(name_or_id, actor=actor))

    def all(self) -> list[KeptRoute]:
        """Those that weren't removed, on or off, in the order in which they are asked."""
        return in_order(self._register.all())

    def stop_in_file(self, stop: StoppedTrial, *, actor: str) -> None:
        """Stop an experiment of the settings file. Raises NameTaken if it is stopped already."""
        self._stops.add(f"{stop.route} / {stop.experiment}", stop, is_on=True, actor=actor)

    def stopped_in_file(self) -> list[StoppedTrial]:
        """Experiments of the settings file that go on no longer."""
        return [stop_of(row) for row in self._stops.all()]
