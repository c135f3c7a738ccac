"""A proposed change, kept as a draft: a policy, route or cache rule that is off until a person switches it on, or a
budget that refuses nothing until a person gives it another mode."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from bursar.budgets.budget import Budget, Mode
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.caching import CacheTerms
from bursar.domain.controls import DraftBudget, PolicyTerms
from bursar.domain.errors import BadControl, Unavailable
from bursar.domain.money import pico_from_usd
from bursar.domain.routes import RouteRule
from bursar.governance.budgets import Budgets, Spent
from bursar.governance.checks import read_terms
from bursar.governance.controls import Controls

DRY_RUN: Mode = "warn"


class KeptDraft(msgspec.Struct, frozen=True):
    """kind: policy, route, cache or budget. id: of the control, as its commands take it. is_on: a budget that is a dry
    run is off."""

    kind: str
    id: str
    name: str
    is_on: bool


def keep_draft(
    controls: Controls, budgets: Budgets | None, kind: str, name: str, terms: Mapping[str, Any], *, actor: str,
    opening: Callable[[Budget], Iterable[Spent]] = lambda _budget: (),
) -> KeptDraft:  # fmt: skip
    """Make the control, switched off. One of that name is never changed: somebody may have switched it on.

    budgets: None where there is no store of them. opening: what counts as spent of a new budget in its running window.
    The caller publishes what was kept.

    Raises BadControl for a kind that can't be kept or terms that can't be, BadBudget, BadWindow or Unavailable for such
    a budget, NameTaken for a name in force.
    """
    match kind:
        case "policy":
            made = controls.policies.create(name, read_terms(terms, PolicyTerms), is_on=False, actor=actor)
            return KeptDraft(kind, made.policy_id, made.name, made.is_on)
        case "route":
            route = controls.routes.create(read_terms(terms, RouteRule), is_on=False, actor=actor)
            return KeptDraft(kind, route.route_id, route.rule.name, route.is_on)
        case "cache":
            rule = controls.caches.create(name, read_terms(terms, CacheTerms), is_on=False, actor=actor)
            return KeptDraft(kind, rule.rule_id, rule.name, rule.is_on)
        case "budget":
            if budgets is None:
                raise Unavailable("there is no store of budgets here; `bursar up` starts a console with one")
            asked = read_terms(terms, DraftBudget)
            limit = LimitPlan(_pico(asked.limit))
            window = Schedule(parse_spec(asked.window))
            proposed = Budget(
                budget_id="", name=name, limit=limit, window=window, match=dict(asked.match), mode=DRY_RUN
            )
            kept = budgets.create(proposed, actor=actor, opening=opening(proposed))
            return KeptDraft(kind, kept.budget_id, kept.name, is_on=False)
    raise BadControl("only the caller can make this change: nothing that is kept here would do it", field="change.kind")


def _pico(usd: str) -> int:
    """Raises BadControl for a text that is no amount."""
    try:
        return pico_from_usd(Decimal(usd))
    except (ArithmeticError, ValueError) as error:
        raise BadControl(f"limit: {usd[:40]!r} is no amount of USD", field="limit") from error


def kept_drafts(controls: Controls, budgets: Budgets | None) -> dict[tuple[str, str], KeptDraft]:
    """All policies, routes, cache rules and budgets by kind and name."""
    found = [KeptDraft("policy", one.policy_id, one.name, one.is_on) for one in controls.policies.all()]
    found += [KeptDraft("route", one.route_id, one.rule.name, one.is_on) for one in controls.routes.all()]
    found += [KeptDraft("cache", one.rule_id, one.name, one.is_on) for one in controls.caches.all()]
    if budgets is not None:
        found += [KeptDraft("budget", one.budget_id, one.name, one.mode != DRY_RUN) for one in budgets.all()]
    return {(one.kind, one.name): one for one in found}
