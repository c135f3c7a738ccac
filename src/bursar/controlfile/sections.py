"""Sections of a control file that say what calls may do: how each is read, told, made, changed and removed."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from bursar.budgets.budget import Budget
from bursar.controlfile.budgets import BudgetEntry, budget_from_entry, changed, must_be_remade, tell_entry
from bursar.domain.caching import CacheRule, CacheTerms
from bursar.domain.clock import Clock
from bursar.domain.controls import Kill, KillTerms, Limit, LimitTerms, Policy, PolicyTerms, written
from bursar.domain.errors import BadControlFile, BursarError
from bursar.domain.routes import KeptRoute, RouteRule
from bursar.governance.budgets import Budgets, Spent
from bursar.governance.caches import CacheBook
from bursar.governance.checks import check_kill, check_limit, check_name, check_policy
from bursar.governance.kills import Kills
from bursar.governance.limits import Limits
from bursar.governance.policies import Policies
from bursar.governance.register import with_key_ids
from bursar.governance.routes import RouteBook
from bursar.governance.store import ControlStore

T = TypeVar("T")
Entry = dict[str, Any]
Openings = Mapping[str, Iterable[Spent]]
"""What was spent already of a budget that is made, by its name."""


class Item(NamedTuple):
    """One thing of a section. value: as the control state has it; told: as a file says it, in one way only."""

    name: str
    value: Any
    told: Entry


class Section(Protocol):
    """One kind of things. is_list: its things have no names, so the file lists them."""

    name: str
    is_list: bool

    def in_force(self) -> list[Item]: ...

    def read(self, name: str, entry: Entry) -> Item:
        """An entry of the file, checked. Raises BursarError that names the field."""

    def create(self, item: Item, *, actor: str) -> None: ...

    def change(self, old: Item, new: Item, *, actor: str) -> None: ...

    def remove(self, old: Item, *, actor: str) -> None: ...


class BudgetSection:
    """Budgets. What is counted goes on through a change, unless the change makes the count another one."""

    name, is_list = "budgets", False

    def __init__(self, budgets: Budgets, clock: Clock, timezone: str, openings: Openings, reason: str) -> None:
        """reason: of decisions on limits that a change brings, for the budget's page."""
        self._budgets = budgets
        self._now_us = clock.now_us()
        self._timezone = timezone
        self._openings = openings
        self._reason = reason

    def in_force(self) -> list[Item]:
        return [Item(one.name, one, tell_entry(one, self._now_us)) for one in self._budgets.all()]

    def read(self, name: str, entry: Entry) -> Item:
        try:
            budget = self._budgets.with_key_id(budget_from_entry(name, convert(entry, BudgetEntry), self._timezone))
        except BursarError as error:
            head, _, rest = (error.field or "").partition(".")
            if head == "match":  # as a budget calls what an entry calls where
                error.field = f"where.{rest}" if rest else "where"
            raise
        return Item(name, budget, tell_entry(budget, self._now_us))

    def create(self, item: Item, *, actor: str) -> None:
        self._budgets.create(item.value, actor=actor, opening=self._openings.get(item.name, ()))

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        if self.remakes(old, new):
            self.remove(old, actor=actor)
            self.create(new, actor=actor)
        else:
            after = changed(old.value, new.value, self._now_us, actor, self._reason)
            self._budgets.replace(after, actor=actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._budgets.remove(old.value.budget_id, actor=actor)

    def remakes(self, old: Item, new: Item) -> bool:
        before: Budget = old.value
        return must_be_remade(before, new.value, self._now_us)


class PolicySection:
    """Policies. They aren't edited: one with other terms takes the place of the one before."""

    name, is_list = "policies", False

    def __init__(self, policies: Policies, store: ControlStore) -> None:
        self._policies = policies
        self._store = store

    def in_force(self) -> list[Item]:
        return [self._item(one) for one in self._policies.all()]

    def read(self, name: str, entry: Entry) -> Item:
        is_on, rest = _switched(entry)
        terms = check_policy(convert(rest, PolicyTerms))
        return self._item(Policy("", check_name(name), _with_ids(self._store, terms), is_on, 0, ""))

    def create(self, item: Item, *, actor: str) -> None:
        self._policies.create(item.name, item.value.terms, is_on=item.value.is_on, actor=actor)

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        if old.value.terms == new.value.terms:
            self._policies.switch(old.value.policy_id, new.value.is_on, actor=actor)
        else:
            self.remove(old, actor=actor)
            self.create(new, actor=actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._policies.remove(old.value.policy_id, actor=actor)

    def _item(self, policy: Policy) -> Item:
        return Item(policy.name, policy, _told(policy.terms) | ({} if policy.is_on else {"enabled": False}))


class LimitSection:
    """Limits. One with other terms takes the place of the one before; its count begins at 0."""

    name, is_list = "limits", False

    def __init__(self, limits: Limits, store: ControlStore) -> None:
        self._limits = limits
        self._store = store

    def in_force(self) -> list[Item]:
        return [Item(one.name, one, _told(one.terms)) for one in self._limits.all()]

    def read(self, name: str, entry: Entry) -> Item:
        terms = _with_ids(self._store, check_limit(convert(entry, LimitTerms)))
        limit = Limit("", check_name(name), terms, 0, "")
        return Item(limit.name, limit, _told(terms))

    def create(self, item: Item, *, actor: str) -> None:
        self._limits.create(item.name, item.value.terms, actor=actor)

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        self.remove(old, actor=actor)
        self.create(new, actor=actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._limits.remove(old.value.limit_id, actor=actor)


class KillSection:
    """Kill switches, known by what they stop."""

    name, is_list = "kills", True

    def __init__(self, kills: Kills, store: ControlStore) -> None:
        self._kills = kills
        self._store = store

    def in_force(self) -> list[Item]:
        return [self._item(one) for one in self._kills.all()]

    def read(self, name: str, entry: Entry) -> Item:
        terms = _with_ids(self._store, check_kill(convert(entry, KillTerms)))
        return self._item(Kill("", name, terms, 0, ""))

    def create(self, item: Item, *, actor: str) -> None:
        self._kills.create(item.value.terms, actor=actor)

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        self.remove(old, actor=actor)
        self.create(new, actor=actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._kills.lift(old.value.kill_id, actor=actor)

    def _item(self, kill: Kill) -> Item:
        return Item(written(kill.terms.match), kill, _told(kill.terms))


class RouteSection:
    """Routes. A changed one keeps its place among those of its position."""

    name, is_list = "routes", False

    def __init__(self, routes: RouteBook) -> None:
        self._routes = routes

    def in_force(self) -> list[Item]:
        return [self._item(one) for one in self._routes.all()]

    def read(self, name: str, entry: Entry) -> Item:
        is_on, rule = read_route(name, entry)
        return self._item(KeptRoute("", self._routes.resolve(rule), is_on, 0, ""))

    def create(self, item: Item, *, actor: str) -> None:
        self._routes.create(item.value.rule, is_on=item.value.is_on, actor=actor)

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        self._routes.set(new.value.rule, is_on=new.value.is_on, actor=actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._routes.remove(old.value.route_id, actor=actor)

    def _item(self, route: KeptRoute) -> Item:
        told = _told(route.rule)
        del told["name"]
        return Item(route.rule.name, route, told | ({} if route.is_on else {"enabled": False}))


class CacheSection:
    """Cache rules. A changed one keeps its place, and stays stopped if it was: that is no part of a file."""

    name, is_list = "caches", False

    def __init__(self, caches: CacheBook, store: ControlStore) -> None:
        self._caches = caches
        self._store = store

    def in_force(self) -> list[Item]:
        return [self._item(one) for one in self._caches.all()]

    def read(self, name: str, entry: Entry) -> Item:
        is_on, rest = _switched(entry)
        terms = self._caches.check(convert(rest, CacheTerms))
        return self._item(CacheRule("", check_name(name), _with_ids(self._store, terms), is_on, 0, ""))

    def create(self, item: Item, *, actor: str) -> None:
        self._caches.create(item.name, item.value.terms, is_on=item.value.is_on, actor=actor)

    def change(self, old: Item, new: Item, *, actor: str) -> None:
        self._caches.set(new.name, new.value.terms, is_on=new.value.is_on, actor=actor)

    def remove(self, old: Item, *, actor: str) -> None:
        self._caches.remove(old.value.rule_id, actor=actor)

    def _item(self, rule: CacheRule) -> Item:
        return Item(rule.name, rule, _told(rule.terms) | ({} if rule.is_on else {"enabled": False}))


def read_route(name: str, entry: Entry) -> tuple[bool, RouteRule]:
    """(whether it is on, the route) as a file says it. Raises BadControlFile that names the field."""
    is_on, terms = _switched(entry)
    if "name" in terms:
        raise BadControlFile("a route's name is what it stands under", field="name")
    return is_on, convert({**terms, "name": name}, RouteRule)


def _switched(entry: Entry) -> tuple[bool, Entry]:
    """Whether an entry is on, and the rest of it."""
    rest = {field: value for field, value in entry.items() if field != "enabled"}
    return convert({"enabled": entry.get("enabled", "true")}, _Switch).enabled, rest


class _Switch(msgspec.Struct):
    enabled: bool


def convert(entry: Entry, kind: type[T]) -> T:
    """An entry's texts as the values they stand for. Raises BadControlFile that names the field."""
    try:
        return msgspec.convert(entry, kind, strict=False)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$")
        unknown = reason.partition("unknown field `")[2].rstrip("`")
        hint = f"; there are {', '.join(kind.__struct_fields__)}" if unknown and not where else ""  # type: ignore[attr-defined]
        field = ".".join(part for part in (where.rstrip("`").lstrip("."), unknown) if part)
        raise BadControlFile(f"{reason}{hint}", field=field or None) from error


def _told(terms: PolicyTerms | LimitTerms | KillTerms | RouteRule | CacheTerms) -> Entry:
    """Terms without their defaults; what has no order is sorted."""
    return msgspec.json.decode(msgspec.json.encode(terms, order="deterministic"), type=Entry)


Terms = TypeVar("Terms", PolicyTerms, LimitTerms, KillTerms, CacheTerms)


def _with_ids(store: ControlStore, terms: Terms) -> Terms:
    with store.reading() as connection:
        return msgspec.structs.replace(terms, match=with_key_ids(connection, terms.match))
