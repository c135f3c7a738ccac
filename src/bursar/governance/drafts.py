"""A proposed change, kept as a draft: a policy, route or cache rule that is off until a person switches it on."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bursar.domain.caching import CacheTerms
from bursar.domain.controls import PolicyTerms
from bursar.domain.errors import BadControl
from bursar.domain.routes import RouteRule
from bursar.governance.checks import read_terms
from bursar.governance.controls import Controls

KEPT_KINDS = ("policy", "route", "cache")


class KeptDraft(msgspec.Struct, frozen=True):
    """kind: policy, route or cache. id: of the control, as its commands take it."""

    kind: str
    id: str
    name: str
    is_on: bool


def keep_draft(controls: Controls, kind: str, name: str, terms: Mapping[str, Any], *, actor: str) -> KeptDraft:
    """Make the control, switched off. One of that name is never changed: somebody may have switched it on.

    Raises BadControl for a kind that can't be kept or terms that can't be, NameTaken for a name in force.
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
    raise BadControl("only the caller can make this change: nothing that is kept here would do it", field="change.kind")


def kept_drafts(controls: Controls) -> dict[tuple[str, str], KeptDraft]:
    """All policies, routes and cache rules by kind and name."""
    found = [KeptDraft("policy", one.policy_id, one.name, one.is_on) for one in controls.policies.all()]
    found += [KeptDraft("route", one.route_id, one.rule.name, one.is_on) for one in controls.routes.all()]
    found += [KeptDraft("cache", one.rule_id, one.name, one.is_on) for one in controls.caches.all()]
    return {(one.kind, one.name): one for one in found}
