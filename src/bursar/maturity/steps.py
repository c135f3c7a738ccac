"""The six steps and their checks, as data: what is asked, how it is measured, from where on it passes, what mends it.

Source: the names of the steps are the product's own. The checks, their thresholds, the acts and the kinds of debt are
ours; docs/maturity.md says why each is as it is.
"""

from decimal import Decimal
from typing import Literal

import msgspec

Sense = Literal["at least", "at most"]

MEASURED_DAYS = 30
"""Over which the books are asked: the console's own `30d`, so that every figure opens."""


class Step(msgspec.Struct, frozen=True):
    """One of the six. says: what is so on it."""

    number: int
    name: str
    says: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a step.

    question:  in plain words. how: what is looked at.
    threshold: passes at it; unit: of it and of the value, "" for a plain number.
    act:       what mends it (`acts.py`).
    is_required: False: shown, and no step depends on it.
    evidence_days: above 0: Bursar can't see it, a person says it, and it holds for so long.
    """

    id: str
    step: int
    name: str
    question: str
    how: str
    threshold: Decimal
    act: str
    unit: str = ""
    sense: Sense = "at least"
    is_required: bool = True
    evidence_days: int = 0

    @property
    def is_by_person(self) -> bool:
        """Whether it is about something that Bursar can't see."""
        return self.evidence_days > 0

    def is_met_by(self, value: Decimal) -> bool:
        return value >= self.threshold if self.sense == "at least" else value <= self.threshold


STEPS = (
    Step(1, "Awareness", "What is spent is seen, and every call has a price."),
    Step(2, "Basic hygiene", "No bill comes as a surprise: budgets, limits on a call, alerts that reach somebody."),
    Step(3, "Cost attribution", "Each dollar says what it was for, whose it is, and for whom it was spent."),
    Step(4, "Active optimization", "Somebody works on the cost, and what that saves is measured."),
    Step(5, "Governance and compliance", "Rules hold by themselves, somebody answers for each, changes are kept."),
    Step(6, "Professional discipline", "It goes on as a habit, with finance, and ties to the invoice."),
)
NOT_BEGUN = Step(0, "Not begun", "Too few calls came through Bursar to measure anything.")

_90 = Decimal(90)
_ONE = Decimal(1)
_NONE = Decimal(0)

AWARENESS = (
    Check(
        id="days_seen", step=1, name="Calls are recorded", threshold=Decimal(3), unit="days", act="send_calls",
        question="On how many days did calls come through Bursar?",
        how="days (UTC) of the last thirty with at least one attempt in the ledger",
    ),
    Check(
        id="still_seen", step=1, name="Calls still come", threshold=Decimal(7), unit="days", sense="at most",
        act="send_calls", question="How long ago was the last call?",
        how="days since the newest attempt in the ledger",
    ),
    Check(
        id="priced", step=1, name="Calls have a price", threshold=Decimal(99), unit="%", act="price_models",
        question="Of how many calls is the cost known at all?",
        how="attempts whose charge isn't unpriced, of all attempts",
    ),
    Check(
        id="usage_known", step=1, name="Usage is reported", threshold=_90, unit="%", act="report_usage",
        question="How much is counted from what providers report, and not guessed?",
        how="attempts that are neither estimated nor assumed, of all attempts",
    ),
)  # fmt: skip

HYGIENE = (
    Check(
        id="spend_capped", step=2, name="Budgets hold the spend", threshold=_90, unit="%", act="set_budget",
        question="How much of the spend would a budget stop before it goes over?",
        how="spend of the calls that a budget in force is about, in mode strict, expected or clamp, with a limit that "
        "isn't out of reach",
    ),
    Check(
        id="answers_limited", step=2, name="Answers have a limit", threshold=_90, unit="%", act="limit_calls",
        question="For how much of the spend does a policy limit how long an answer may get?",
        how="spend on chat and completions that a policy with a cap on output tokens is about; what callers ask for "
        "themselves isn't in the ledger",
    ),
    Check(
        id="loops_cut", step=2, name="Loops are cut", threshold=_ONE, act="limit_calls",
        question="Is a program that asks the same again and again stopped?",
        how="the loop breaker is on in the settings (1: it is)",
    ),
    Check(
        id="spend_watched", step=2, name="Spend is watched", threshold=_ONE, unit="rules", act="tell_somebody",
        question="Is somebody told when spend jumps, or a budget fills?",
        how="alert rules on a day's spend, a period's spend or budgets that are on and reach a channel that works",
    ),
    Check(
        id="alerts_reach", step=2, name="Alerts reach somebody", threshold=_NONE, unit="rules", sense="at most",
        act="tell_somebody", question="How many alert rules are on, and tell nobody?",
        how="rules that are on without a channel that is on and took its last message",
    ),
)  # fmt: skip

ATTRIBUTION = (
    Check(
        id="tag_feature", step=3, name="Spend says its feature", threshold=_90, unit="%", act="tag_calls",
        question="How much of the spend says what it was for?", how="spend whose calls have a feature",
    ),
    Check(
        id="tag_team", step=3, name="Spend says its team", threshold=_90, unit="%", act="tag_calls",
        question="How much of the spend says whose it is?",
        how="spend whose calls have a team, by their tag or by the key's own scope",
    ),
    Check(
        id="tag_environment", step=3, name="Spend says its environment", threshold=_90, unit="%", act="tag_calls",
        question="Are production and experiments told apart?", how="spend whose calls have an environment",
    ),
    Check(
        id="tag_whom", step=3, name="Spend says for whom", threshold=Decimal(80), unit="%", act="say_for_whom",
        question="How much of the spend says for whom it was?", how="spend whose calls have a customer, user or agent",
    ),
    Check(
        id="keys_owned", step=3, name="Keys have an owner", threshold=_90, unit="%", act="own_keys", is_required=False,
        question="How much of the spend is on keys of a team?",
        how="spend on virtual keys that belong to a team; whoever passes its provider's own key through has none",
    ),
)  # fmt: skip

OPTIMIZATION = (
    Check(
        id="caching", step=4, name="Caching where it pays", threshold=_ONE, unit="%", act="follow_advice",
        question="Is caching on where it would pay?",
        how="what caches took off, net, of what calls would have cost; or advice expects no more than 1 % from caches",
    ),
    Check(
        id="levers", step=4, name="Levers save money", threshold=_ONE, unit="%", act="follow_advice",
        question="Do caches, routes and batches together save anything?",
        how="what all levers took off of what calls would have cost; or advice expects no more than 2 % at all",
    ),
    Check(
        id="retries_low", step=4, name="Retries cost little", threshold=Decimal(5), unit="%", sense="at most",
        act="calm_retries", question="How much goes to second and later attempts?",
        how="what retries cost, of the spend",
    ),
    Check(
        id="initiative_running", step=4, name="Somebody works on it", threshold=_ONE, unit="initiatives",
        act="start_initiative", question="Is there an initiative with an owner and a target?",
        how="initiatives that are running or done",
    ),
    Check(
        id="initiative_measured", step=4, name="Its saving is measured", threshold=_ONE, unit="initiatives",
        act="start_initiative", question="Is what it saves measured against a baseline?",
        how="running or done initiatives with calls in their baseline and a measured month",
    ),
)  # fmt: skip

GOVERNANCE = (
    Check(
        id="models_limited", step=5, name="Models are chosen", threshold=_90, unit="%", act="make_policies",
        question="For how much of the spend is it said which models or providers may be used?",
        how="spend that a policy with allowed or denied models or providers is about",
    ),
    Check(
        id="tags_required", step=5, name="Tags are required", threshold=_90, unit="%", act="make_policies",
        question="For how much of the spend can a call not come without its feature?",
        how="spend that a policy is about which rejects calls without a feature, or sets one",
    ),
    Check(
        id="tags_watched", step=5, name="Tag coverage is watched", threshold=_ONE, unit="rules", act="make_policies",
        is_required=False, question="Is somebody told when tags are left out?",
        how="alert rules on tag coverage that are on and reach a channel that works",
    ),
    Check(
        id="budgets_owned", step=5, name="Budgets have an owner", threshold=Decimal(100), unit="%", act="name_owners",
        question="Is it said whom to ask about each budget?", how="budgets in force with a contact, of all in force",
    ),
    Check(
        id="alerts_answered", step=5, name="Alerts are answered", threshold=_90, unit="%", act="name_owners",
        question="Does somebody see to what is raised?",
        how="alerts raised in the last thirty days, three days old or older, that were acknowledged",
    ),
    Check(
        id="audit_kept", step=5, name="Changes are kept", threshold=_ONE, unit="entries", act="write_down_roles",
        question="Is the record of who changed what whole?",
        how="entries of the audit log, if each follows from the one before; a broken chain fails",
    ),
    Check(
        id="roles_agreed", step=5, name="Roles are agreed", threshold=_ONE, unit="evidence", act="write_down_roles",
        evidence_days=180, question="Is it agreed who may change limits, prices and keys?",
        how="a person says so: Bursar has no roles yet",
    ),
)  # fmt: skip

DISCIPLINE = (
    Check(
        id="weekly_review", step=6, name="The week is reviewed", threshold=Decimal(14), unit="days", sense="at most",
        act="hold_reviews", question="How long ago was the last weekly review?",
        how="days since the newest record of one",
    ),
    Check(
        id="monthly_review", step=6, name="The month is reviewed", threshold=Decimal(45), unit="days", sense="at most",
        act="hold_reviews", question="How long ago was the last monthly review?",
        how="days since the newest record of one",
    ),
    Check(
        id="finance_joins", step=6, name="Finance joins", threshold=_ONE, unit="evidence", act="hold_reviews",
        evidence_days=45, question="Is the monthly review held with finance?",
        how="a person says so: Bursar doesn't know who sat there",
    ),
    Check(
        id="savings_booked", step=6, name="Savings are booked", threshold=_ONE, unit="months", act="book_savings",
        question="Is what initiatives saved booked month by month?",
        how="closed months of initiatives that are booked, if none is missing",
    ),
    Check(
        id="forecast_watched", step=6, name="The forecast is watched", threshold=_ONE, unit="rules",
        act="book_savings", question="Is somebody told before a budget runs out?",
        how="alert rules on budgets with their forecast that are on and reach a channel that works",
    ),
    Check(
        id="invoices_reconciled", step=6, name="Invoices tie", threshold=Decimal(99), unit="%",
        act="reconcile_invoices", question="Do the books tie to what providers bill?",
        how="of what bills of the newest month that has some ask for usage, what charges explain or somebody decided "
            "about; with each bill compared, nothing left to decide, bills for 90 % of that month's spend, and the "
            "month over for 45 days at most",
    ),
    Check(
        id="unit_costs", step=6, name="Customers have a cost", threshold=Decimal(80), unit="%", act="say_for_whom",
        is_required=False, question="How much of the spend says its customer, so that a customer has a cost?",
        how="spend whose calls have a customer",
    ),
)  # fmt: skip

CHECKS: tuple[Check, ...] = (*AWARENESS, *HYGIENE, *ATTRIBUTION, *OPTIMIZATION, *GOVERNANCE, *DISCIPLINE)
BY_ID = {check.id: check for check in CHECKS}


def step_of(number: int) -> Step:
    """The step of that number; 0: not begun."""
    return STEPS[number - 1] if number else NOT_BEGUN
