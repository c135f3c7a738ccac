"""Credits and commitments of contracts judged: what will be lost at this pace, is nearly used up, or ends soon."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from bursar.alerts.rules import Commitments, Rule
from bursar.domain import display
from bursar.domain.alerts import Finding, Severity
from bursar.finance.contracts.standing import Drawdown

ADDRESS = "/contracts"
_OPEN = ("running", "short")


def judge_promises(rule: Rule, what: Commitments, found: Sequence[Drawdown], now: datetime) -> Iterator[Finding]:
    """Told once a month what will be lost, once each what is nearly used up or ends soon."""
    for one in found:
        if one.state not in _OPEN:
            continue
        name = f"{one.contract}/{one.kind} {one.name}"
        if one.is_short and one.unused is not None and one.unused >= what.least_usd:
            yield _told(
                rule, f"{name} short", f"{now:%Y-%m}", Severity.WARNING,
                f"{usd(one.unused)} of {one.kind} {one.name} ({one.provider}) would be lost",
                f"{usd(one.used)} of {usd(one.amount)} is used, at {usd(one.pace)} a day over the last four weeks. "
                f"At this pace {usd(one.unused)} would be left on {one.end}, and lost.",
            )  # fmt: skip
        if one.share * 100 >= what.percent:
            yield _told(
                rule, f"{name} used", f"{one.start}", Severity.INFO,
                f"{one.kind.capitalize()} {one.name} ({one.provider}) is {_share(one)} used",
                f"{usd(one.used)} of {usd(one.amount)} is used, {usd(one.left)} is left. What comes after it "
                "costs what it costs without it.",
            )  # fmt: skip
        if one.days_left is not None and 0 <= one.days_left <= what.days and one.left >= what.least_usd:
            yield _told(
                rule, f"{name} ends", f"{one.end}", Severity.WARNING,
                f"{one.kind.capitalize()} {one.name} ({one.provider}) ends in {one.days_left} days",
                f"It ends on {one.end} with {usd(one.left)} of {usd(one.amount)} left so far.",
            )  # fmt: skip


def _told(rule: Rule, value: str, window: str, severity: Severity, title: str, text: str) -> Finding:
    return Finding(rule.name, value, window, severity, title, text, ADDRESS)


def _share(one: Drawdown) -> str:
    return display.percent(one.used, one.amount)


def usd(amount: Decimal) -> str:
    """As an alert says it: nothing is "$0", not a dash."""
    return str(display.money(amount)) if amount else "$0"
