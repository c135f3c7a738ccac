"""The route table, compiled: which route is about a call. Nothing configured costs a look at one flag."""

from collections.abc import Callable, Container, Sequence
from fnmatch import fnmatchcase
from operator import attrgetter, itemgetter

import msgspec

from bursar.domain.ladders import Ladder, rules_of
from bursar.domain.routes import DAY_MINUTES, RouteRule, minutes_of
from bursar.gateway.case import Case, reader_of

MINUTE_US = 60_000_000


class CompiledRoute:
    """One route, ready to be asked."""

    __slots__ = ("_hours", "_reads", "rule")

    def __init__(self, rule: RouteRule) -> None:
        self.rule = rule
        self._reads = [(_reader(name), pattern, not _is_pattern(pattern)) for name, pattern in rule.match.items()]
        self._hours = minutes_of(rule.hours) if rule.hours else None

    def is_about(self, case: Case, now_us: int) -> bool:
        """Whether all its conditions hold."""
        rule = self.rule
        for read, pattern, is_plain in self._reads:
            value = read(case)
            if value != pattern if is_plain else not fnmatchcase(value, pattern):
                return False
        if rule.input_bytes_min is not None and case.body_bytes < rule.input_bytes_min:
            return False
        if rule.input_bytes_max is not None and case.body_bytes > rule.input_bytes_max:
            return False
        if self._hours is None:
            return True
        start, end = self._hours
        minute = now_us // MINUTE_US % DAY_MINUTES
        return start <= minute < end if start < end else minute >= start or minute < end


class RouteTable:
    """All routes of one worker, filed under one plain condition of each: a call costs a lookup, not a look at all.

    is_active: whether calls that ask for no mode may be meant.
    """

    def __init__(self, rules: Sequence[RouteRule] = ()) -> None:
        self._rest: list[tuple[int, CompiledRoute]] = []
        tables: dict[str, dict[str, list[tuple[int, CompiledRoute]]]] = {}
        for at, rule in enumerate(rules):
            plain = next((name for name, value in rule.match.items() if not _is_pattern(value)), "")
            entry = (at, CompiledRoute(rule))
            if plain:
                tables.setdefault(plain, {}).setdefault(rule.match[plain], []).append(entry)
            else:
                self._rest.append(entry)
        self._tables = [(_reader(name), table) for name, table in tables.items()]
        self.rules = rules
        self.is_active = any("mode" not in rule.match for rule in rules)

    def about(self, case: Case, now_us: int) -> RouteRule | None:
        """The first route, as they were written, that is about the call."""
        found = self._rest
        for read, table in self._tables:
            filed = table.get(read(case))
            if filed is not None:
                found = found + filed
        if len(found) > 1:
            found = sorted(found, key=_first)
        for _, route in found:
            if route.is_about(case, now_us):
                return route.rule
        return None


def usable(rules: Sequence[RouteRule], upstreams: Container[str]) -> list[RouteRule]:
    """Rules of the control store without targets that this node doesn't have. One with none left stays: what it is
    about mustn't go elsewhere unseen, so its calls are refused."""
    found = []
    for rule in rules:
        targets = tuple(one for one in rule.targets if not one.upstream or one.upstream in upstreams)
        gate = rule.quality_gate
        if gate is not None and (rule.targets[0] not in targets or len(targets) < 2):
            gate = None  # no cheap one here, so nothing to decide; or no dear one, and the cheap one isn't for all
            targets = tuple(one for one in targets if one is not rule.targets[0])
        trial = rule.experiment
        if trial is not None and trial.candidate.upstream and trial.candidate.upstream not in upstreams:
            trial = None
        shadow = rule.shadow
        if shadow is not None and shadow.candidate.upstream and shadow.candidate.upstream not in upstreams:
            shadow = None
        kept = msgspec.structs.replace(rule, targets=targets, experiment=trial, quality_gate=gate, shadow=shadow)
        found.append(kept)
    return found


def compile_table(
    kept: Sequence[RouteRule], settings: Sequence[RouteRule], ladders: Sequence[Ladder], upstreams: Container[str]
) -> RouteTable:
    """The table in force: routes of the control store, those of the settings, then what the ladders come to."""
    rungs = [rule for ladder in ladders for rule in rules_of(ladder)]
    return RouteTable(
        [*usable(kept, upstreams), *settings, *(rule for rule in usable(rungs, upstreams) if rule.targets)]
    )


_first = itemgetter(0)


def _reader(name: str) -> Callable[[Case], str]:
    return _OF_ROUTES.get(name) or reader_of(name)


_OF_ROUTES: dict[str, Callable[[Case], str]] = {"operation": attrgetter("operation"), "mode": attrgetter("mode")}


def _is_pattern(text: str) -> bool:
    return any(character in text for character in "*?[")
