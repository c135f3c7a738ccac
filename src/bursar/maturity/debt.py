"""FinOps debt: eight practices whose absence costs money later, each owed or not by the checks, with what it is about.

The list is ours; docs/maturity.md says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from bursar.maturity.acts import (
    Act,
    Money,
    act_of,
    all_spent,
    money_of,
    retried_money,
    spent_without,
    unpriced_money,
    untagged_money,
)
from bursar.maturity.facts import Facts
from bursar.maturity.measure import Result

DebtState = Literal["owed", "unseen", "clear"]


class Debt(msgspec.Struct, frozen=True, kw_only=True):
    """One practice. name: of what is owed without it. checks: it is clear when all of these pass.

    about: the money or the number it is about, now.
    """

    id: str
    name: str
    practice: str
    checks: tuple[str, ...]
    about: Callable[[Facts], Money]
    act: str


class Owed(NamedTuple):
    """A debt as it stands. by: the checks that don't pass."""

    debt: Debt
    state: DebtState
    money: Money
    by: list[Result]
    act: Act


def debts(facts: Facts, results: Sequence[Result]) -> list[Owed]:
    """All eight, in their order."""
    found: Mapping[str, Result] = {one.check.id: one for one in results}
    return [_owed(facts, one, [found[name] for name in one.checks]) for one in DEBTS]


def _owed(facts: Facts, one: Debt, results: Sequence[Result]) -> Owed:
    open_ones = [result for result in results if result.state != "passed"]
    if not open_ones:
        state: DebtState = "clear"
    else:
        state = "owed" if any(result.state == "failed" for result in open_ones) else "unseen"
    return Owed(one, state, money_of(facts, one.about), open_ones, act_of(one.act))


def _unanswered(facts: Facts) -> Money:
    alerts = facts.settings.alerts
    waiting = alerts.raised - alerts.answered
    rules = "1 rule tells" if alerts.silent == 1 else f"{alerts.silent} rules tell"
    waits = "1 alert waits" if waiting == 1 else f"{waiting or 'no'} alert{'s wait' if waiting else ' waits'}"
    said = f"{rules} nobody, {waits} for three days or longer"
    return Money(None, "alerts are off in the settings" if not alerts.is_on else said, "/alerts")


def _uncached(facts: Facts) -> Money:
    if facts.advised is None:
        return Money(None, "nobody asked for advice lately; it says how much caches would save", "/advice")
    return Money(facts.advised.caches, "would be saved a month by caches, advice says", "/advice", is_saving=True)


DEBTS: tuple[Debt, ...] = (
    Debt(
        id="untagged", name="Untagged spend", practice="Each call says its feature, team and environment.",
        checks=("tag_feature", "tag_team", "tag_environment"), about=untagged_money, act="tag_calls",
    ),
    Debt(
        id="unpriced", name="Unpriced models", practice="Each model that is called has a price.", checks=("priced",),
        about=unpriced_money, act="price_models",
    ),
    Debt(
        id="unlimited", name="Answers without a limit", practice="A policy limits how long an answer may get.",
        checks=("answers_limited",), about=spent_without("limited", "was spent on answers that no policy limits"),
        act="limit_calls",
    ),
    Debt(
        id="unbudgeted", name="Spend without a budget", practice="A budget that refuses holds each call.",
        checks=("spend_capped",), about=spent_without("budgeted", "would not be stopped by any budget"),
        act="set_budget",
    ),
    Debt(
        id="unanswered", name="Alerts without an owner", practice="Each alert reaches somebody, who sees to it.",
        checks=("spend_watched", "alerts_reach", "alerts_answered"), about=_unanswered, act="tell_somebody",
    ),
    Debt(
        id="uncached", name="Caching off where it pays", practice="What is sent again is cached where that is cheaper.",
        checks=("caching",), about=_uncached, act="follow_advice",
    ),
    Debt(
        id="retried", name="Retries nobody looks at", practice="What is paid twice is known, and kept low.",
        checks=("retries_low", "loops_cut"), about=retried_money, act="calm_retries",
    ),
    Debt(
        id="unreconciled", name="Invoices not reconciled", practice="The books tie to what providers bill.",
        checks=("invoices_reconciled",), about=all_spent("was spent in thirty days, to be held against invoices"),
        act="reconcile_invoices",
    ),
)  # fmt: skip
