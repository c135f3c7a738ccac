"""A call as policies and limits see it, and which of them are about it: by lookup, never by going through them all."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from bursar.domain.controls import PLACES, TAG_PREFIX, Match
from bursar.domain.scope import Scope
from bursar.domain.tags import DIMENSIONS, Attribution


class Case(msgspec.Struct, gc=False):
    """What decides, and below that what was decided. A Struct of msgspec: made in C, for each call.

    provider, region:  "" until the upstream is chosen; a region stays "" where no setting tells it.
    model:             the one that goes out.
    output_tokens_max: what the client asked for; None: it left that to the provider.
    """

    scope: Scope
    credential_id: str
    credential_kind: str
    attribution: Attribution
    model: str
    operation: str
    body_bytes: int
    output_tokens_max: int | None
    provider: str = ""
    region: str = ""
    model_forced: str = ""  # what a policy put in the place of the model asked for
    output_tokens_sent: int = 0  # what a policy lowered max_tokens to; 0: it stays as asked
    tier_sent: str = ""  # the service tier that a policy wants asked for: standard or flex; "": as asked
    warnings: tuple[str, ...] = ()
    mode: str = ""  # eco, balanced, sport or another that the client asked for; seen by routes alone


Reader = Callable[[Case], str]

_READERS: dict[str, Reader] = {
    "organization": attrgetter("scope.organization"),
    "scope_team": attrgetter("scope.team"),
    "project": attrgetter("scope.project"),
    "credential": attrgetter("credential_id"),
    "credential_kind": attrgetter("credential_kind"),
    "provider": attrgetter("provider"),
    "model": attrgetter("model"),
    **{name: attrgetter(f"attribution.{name}") for name in DIMENSIONS},
}

_RARE_FIRST = ("session", "user", "customer", "credential", "agent", "feature", "request_type", "team", "project",
               "scope_team", "environment", "model", "provider", "credential_kind", "organization")  # fmt: skip
"""The condition that a rule is filed under: the one that the fewest calls share, tags before all."""


def reader_of(dimension: str) -> Reader:
    """What reads a dimension off a call; "" where it wasn't said."""
    if dimension.startswith(TAG_PREFIX):
        key = dimension.removeprefix(TAG_PREFIX)
        return lambda case: case.attribution.tags.get(key, "")
    return _READERS[dimension]


class Matched(Protocol):
    """What a `CaseIndex` holds: something that is about the calls its match holds for."""

    @property
    def match(self) -> Match: ...


M = TypeVar("M", bound=Matched)


class Filed(NamedTuple, Generic[M]):
    """Rules under one value of one condition: those that ask no more, and those with other conditions."""

    alone: list[M]
    more: list[tuple[M, tuple[tuple[Reader, str], ...]]]


class CaseIndex(Generic[M]):
    """Rules, filed under one condition of each: a call costs a lookup for each dimension that is used, no more."""

    def __init__(self, rules: Iterable[M]) -> None:
        self._always: list[M] = []
        tables: dict[str, dict[str, Filed[M]]] = {}
        for rule in rules:
            if not rule.match:
                self._always.append(rule)
                continue
            under = min(rule.match, key=_rank)
            filed = tables.setdefault(under, {}).setdefault(rule.match[under], Filed([], []))
            others = tuple((reader_of(name), value) for name, value in rule.match.items() if name != under)
            if others:
                filed.more.append((rule, others))
            else:
                filed.alone.append(rule)
        self._tables = [(reader_of(name), table) for name, table in tables.items()]
        self.is_empty = not self._always and not self._tables

    def about(self, case: Case) -> Sequence[M]:
        """All whose match holds for the call."""
        found: list[M] | None = None
        for read, table in self._tables:
            filed = table.get(read(case))
            if filed is None:
                continue
            if found is None:
                found = self._always.copy()
            alone, more = filed
            found += alone
            for rule, others in more:
                if all([read(case) == value for read, value in others]):  # noqa: C419  # a list is half the price
                    found.append(rule)
        return self._always if found is None else found


def _rank(name: str) -> int:
    return -1 if name.startswith(TAG_PREFIX) else _RARE_FIRST.index(name)


assert set(_READERS) >= {*PLACES, *DIMENSIONS} and set(_RARE_FIRST) == set(_READERS)  # noqa: S101, PT018  # at import: a new dimension needs both
