"""What is done about an anomaly: an offer of the watch becomes a limit, a policy or a budget, or a draft of one."""

from collections.abc import Callable
from typing import NamedTuple

from bursar.console.anomalies import AnomalyBooks
from bursar.controlfile.budgets import BudgetEntry, budget_from_entry
from bursar.domain.clock import Clock
from bursar.domain.controls import LimitTerms
from bursar.domain.errors import BadControl, BursarError
from bursar.domain.findings import Deed, Finding
from bursar.governance.budgets import Budgets
from bursar.governance.checks import read_terms
from bursar.governance.controls import Controls
from bursar.governance.drafts import keep_draft
from bursar.watch.offers import Offer, offers


class Acting(NamedTuple):
    """By what something is done about a finding. budgets, publish_budgets: None where there are none."""

    books: AnomalyBooks
    controls: Callable[[], Controls]
    budgets: Callable[[], Budgets]
    publish_budgets: Callable[[], object]
    clock: Clock
    timezone: str


def act(acting: Acting, finding_id: str, name: str, *, is_on: bool, actor: str) -> Finding:
    """Do what an offer says, or keep it as a draft (is_on False), and write that down with the finding.

    A policy is kept switched off as a draft; limits and budgets can't be off, so their draft is the offer alone.
    Raises UnknownAnomaly, BadControl for what isn't offered, NameTaken where it was done already.
    """
    finding = acting.books.findings.one(finding_id)
    offer = next((one for one in offers(finding) if one.name == name), None)
    if offer is None:
        raise BadControl(
            f"offer: {name[:40]!r} isn't offered for this anomaly; there are "
            f"{', '.join(one.name for one in offers(finding)) or 'none'}",
            field="offer",
        )
    control_id = _make(acting, finding, offer, is_on=is_on, actor=actor)
    deed = Deed(offer.name, offer.kind, "applied" if is_on else "draft", control_id, acting.clock.now_us(), actor)
    return acting.books.findings.note_deed(finding.finding_id, deed)


def act_or_say_why(acting: Acting, finding: Finding, name: str, *, is_on: bool, actor: str) -> Finding:
    """The same for who has nobody to tell: what didn't work is written down with the finding."""
    try:
        return act(acting, finding.finding_id, name, is_on=is_on, actor=actor)
    except BursarError as error:
        deed = Deed(name, "", "failed", "", acting.clock.now_us(), actor, error.message[:500])
        return acting.books.findings.note_deed(finding.finding_id, deed)


def _make(acting: Acting, finding: Finding, offer: Offer, *, is_on: bool, actor: str) -> str:
    """The control's id; "" for a draft that can't be kept."""
    called = f"{offer.name} {finding.finding_id}"
    if offer.kind == "policy":
        controls = acting.controls()
        kept = next((one for one in controls.policies.all() if one.name == called), None)
        policy_id = (
            kept.policy_id if kept else keep_draft(controls, None, "policy", called, offer.terms, actor=actor).id
        )
        if is_on:
            controls.policies.switch(policy_id, True, actor=actor)
            controls.publish()
        return policy_id
    if not is_on:
        return ""
    if offer.kind == "limit":
        controls = acting.controls()
        limit = controls.limits.create(called, read_terms(offer.terms, LimitTerms), actor=actor)
        controls.publish()
        return limit.limit_id
    entry = read_terms(offer.terms, BudgetEntry)
    budget = acting.budgets().create(budget_from_entry(called, entry, acting.timezone), actor=actor)
    acting.publish_budgets()
    return budget.budget_id
