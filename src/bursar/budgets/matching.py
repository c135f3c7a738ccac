"""Which budgets a call touches: by lookup, never by going through all of them.

Budgets whose conditions name the same dimensions share one table from the values to the budgets, so a call costs one
lookup for each such combination, whether a table has ten rows or a hundred thousand.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import NamedTuple

from bursar.budgets.budget import TAG_PREFIX, Budget
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
    """All budgets, by what they are about."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self.by_id: dict[str, Budget] = {}
        shapes: dict[tuple[str, ...], dict[tuple[str, ...], list[Budget]]] = {}
        for budget in budgets:
            self.by_id[budget.budget_id] = budget
            names = tuple(sorted(budget.match))
            values = tuple(budget.match[name] for name in names)
            shapes.setdefault(names, {}).setdefault(values, []).append(budget)
        self._shapes = [(tuple(reader_of(name) for name in names), table) for names, table in shapes.items()]

    def __len__(self) -> int:
        return len(self.by_id)

    def touching(self, subject: Subject) -> list[Touched]:
        """Every budget that the call is held against. A call without a value has no "each" budget of that kind."""
        found: list[Touched] = []
        for readers, table in self._shapes:
            for budget in table.get(tuple([read(subject) for read in readers]), ()):
                if not budget.each:
                    found.append(Touched(budget, ""))
                elif value := reader_of(budget.each)(subject):
                    found.append(Touched(budget, value))
        return found


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
