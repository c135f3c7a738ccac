"""Values and thresholds of checks as pages and the terminal say them."""

from decimal import Decimal

from bursar.maturity.steps import Check

_SINGULAR = {"rules": "rule", "initiatives": "initiative", "months": "month", "entries": "entry", "days": "day"}


def value_words(check: Check, value: Decimal | None) -> str:
    """`93.2 %`, `4.5 days`, `on`; "" where there is nothing to measure."""
    if value is None:
        return ""
    if check.is_by_person:
        return "said" if value else "not said"
    return _words(check, value)


def threshold_words(check: Check) -> str:
    """`at least 90 %`, `at most 14 days`."""
    if check.is_by_person:
        return f"a person's word, for {check.evidence_days} days"
    if not check.unit:
        return _words(check, check.threshold)
    if check.sense == "at most" and not check.threshold:
        return "none"
    if check.unit == "%" and check.threshold == 100:
        return "all of it"
    return f"{check.sense} {_words(check, check.threshold)}"


def _words(check: Check, value: Decimal) -> str:
    if not check.unit:
        return "on" if value else "off"
    figure = f"{_rounded(check, value):,.1f}".removesuffix(".0")
    return f"{figure} {_SINGULAR.get(check.unit, check.unit) if figure == '1' else check.unit}"


def _rounded(check: Check, value: Decimal) -> Decimal:
    """To one place, but never onto the other side of the threshold: 89.97 is not 90."""
    near = round(value, 1)
    if check.is_met_by(near) == check.is_met_by(value):
        return near
    return near - Decimal("0.1") if near > value else near + Decimal("0.1")
