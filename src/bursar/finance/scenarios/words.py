"""A step in plain words: what would be otherwise, for whom, from when."""

from datetime import date
from decimal import Decimal

from bursar.domain import display
from bursar.domain.display import THIN, money
from bursar.domain.money import plain
from bursar.finance.scenarios.steps import (
    Churn,
    FreeLimit,
    Model,
    Overage,
    Price,
    PriceList,
    Step,
    Usage,
    Viral,
    Whose,
)


def in_words(step: Step, currency: str) -> str:
    """As a sentence without its first capital."""
    match step:
        case Usage():
            heavy = "" if step.heavy is None else f", all of the change on the heaviest {_percent(step.heavy)} of them"
            return f"usage × {plain(step.factor)}{_whose(step)}{heavy}{_from(step.since)}"
        case Model():
            tokens = "" if step.tokens == 1 else f" with {plain(step.tokens)} × the tokens"
            return (
                f"{_percent(step.share)} of {step.model} moves to {step.to}, at {plain(step.price)} × its price"
                f"{tokens}{_from(step.since)}"
            )
        case PriceList():
            return f"{step.of} costs {_more(step.percent)}{_from(step.since)}"
        case FreeLimit():
            paying = (
                f"{_percent(step.convert)} of those beyond pay {money(step.price, currency)}, the others stop there"
            )
            return f"free users have {step.limit:,} {step.unit} a month{_whose(step)}: {paying}{_from(step.since)}"
        case Price():
            if step.to is not None:
                return f"price {money(step.to, currency)} a month{_whose(step)}{_from(step.since)}"
            return f"price {_more(step.percent or Decimal(0))}{_whose(step)}{_from(step.since)}"
        case Overage():
            included = f"beyond {step.included:,} " if step.included else ""
            unit = step.unit.removesuffix("s")
            return f"each {unit} {included}is billed at {money(step.price, currency)}{_whose(step)}{_from(step.since)}"
        case Churn():
            return f"each 1{THIN}% more to pay makes {plain(step.elasticity)}{THIN}% leave"
        case Viral():
            return _viral(step, currency)


def _viral(step: Viral, currency: str) -> str:
    low, high = _percent(step.convert_low), _percent(step.convert_high)
    convert = low if low == high else f"{low} to {high}"
    over = "" if step.ramp == 1 else f" over {step.ramp} months"
    after = "at once" if step.after == 0 else f"after {step.after} month{'s' if step.after > 1 else ''}"
    cost = "" if step.cost is None else f", each costs {money(step.cost, currency)} a month"
    decay = f", {_percent(step.decay)} of the others leave each month" if step.decay else ""
    return (
        f"{step.users:,} free users come{over}{_from(step.since)}{cost}; {convert} pay {money(step.price, currency)} "
        f"{after}{decay}"
    )


def _whose(step: Whose) -> str:
    told = [f"plan {step.plan or '(none)'}"] if step.plan is not None else []
    told += [f"segment {step.segment or '(none)'}"] if step.segment is not None else []
    return f" of {', '.join(told)}" if told else ""


def _from(since: date | None) -> str:
    if since is None:
        return ""
    return f" from {display.month(since) if since.day == 1 else display.day(since, year=True)}"


def _percent(value: Decimal) -> str:
    return f"{plain(value)}{THIN}%"


def _more(percent: Decimal) -> str:
    return f"{_percent(abs(percent))} {'less' if percent < 0 else 'more'}"
