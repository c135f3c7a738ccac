"""Which budgets a call touches: by lookup, never by going through all of them.

Budgets whose conditions name the same dimensions share one table from the values to the budgets, so a call costs one
lookup for each such combination, whether a table has ten rows or a hundred thousand.
"""

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import NamedTuple

import msgspec

from bursar.budgets.budget import TAG_PREFIX, Budget
from bursar.budgets.listing import Listed
from bursar.domain.errors import BudgetsUnavailable
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution


class Subject(NamedTuple):
    """What of a call decides which budgets it touches."""

    scope: Scope
    credential: str
    credential_kind: str
    upstream: str
    provider: str
    model: str
    operation: str
    attribution: Attribution


class Touched(NamedTuple):
    """A budget that a call touches; `value`: of its `each` dimension, "" without one."""

    budget: Budget
    value: str


Reader = Callable[[Subject], str]


class BudgetIndex:
    """All budgets, by what they are about. may_refuse: there is one that isn't a dry run."""

    def __init__(self, budgets: Iterable[Listed]) -> None:
        self._listed: dict[str, Listed] = {}
        self._known: dict[str, Budget] = {}  # touched before
        shapes: dict[tuple[str, ...], dict[tuple[str, ...], list[Listed]]] = {}
        for one in budgets:
            self._listed[one.budget_id] = one
            names = tuple(sorted(one.match)) if len(one.match) > 1 else tuple(one.match)
            values = tuple([one.match[name] for name in names])
            shapes.setdefault(names, {}).setdefault(values, []).append(one)
        self.may_refuse = any(not one.is_dry_run for one in self._listed.values())
        self._shapes = [(tuple(reader_of(name) for name in names), table) for names, table in shapes.items()]

    def __len__(self) -> int:
        return len(self._listed)

    def __iter__(self) -> Iterator[Budget]:
        return map(self._budget, self._listed.values())

    def touching(self, subject: Subject) -> list[Touched]:
        """Every budget that the call is held against. A call without a value has no "each" budget of that kind.

        Raises BudgetsUnavailable for a definition that can't be read.
        """
        found: list[Touched] = []
        for readers, table in self._shapes:
            for one in table.get(tuple([read(subject) for read in readers]), ()):
                budget = self._known.get(one.budget_id) or self._budget(one)
                if not budget.each:
                    found.append(Touched(budget, ""))
                elif value := reader_of(budget.each)(subject):
                    found.append(Touched(budget, value))
        return found

    def changed_since(self, before: "BudgetIndex") -> set[str]:
        """The budgets of an earlier index that are gone or say something else now."""
        return {budget_id for budget_id, one in before._listed.items() if self._listed.get(budget_id) != one}

    def _budget(self, one: Listed) -> Budget:
        try:
            budget = self._known[one.budget_id] = one.budget()
        except msgspec.DecodeError as error:
            raise BudgetsUnavailable(
                f"budget {one.budget_id} touches this call and its definition can't be read ({error}); nothing was "
                "sent. Is this worker older than the console? Restart it.",
                field="budget",
            ) from error
        return budget


def reader_of(dimension: str) -> Reader:
    """What reads a dimension off a call."""
    if dimension.startswith(TAG_PREFIX):
        key = dimension.removeprefix(TAG_PREFIX)
        return lambda subject: subject.attribution.tags.get(key, "")
    return _READERS[dimension]


_READERS: dict[str, Reader] = {
    "organization": attrgetter("scope.organization"),
    "scope_team": attrgetter("scope.team"),
    "project": attrgetter("scope.project"),
    **{
        name: attrgetter(name)
        for name in ("credential", "credential_kind", "upstream", "provider", "model", "operation")
    },
    **{
        name: attrgetter(f"attribution.{name}")
        for name in ("feature", "team", "customer", "environment", "request_type", "session", "agent", "user")
    },
}
