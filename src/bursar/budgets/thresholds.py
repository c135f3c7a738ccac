"""What happens when a share of a budget is spent or held: `80`, `100 block`, `80:throttle=30`, `90:route=gpt-4o-mini`.

Throttle, route and approve have a mark, an amount below the limit: no call is held past it unless the action was taken
for that call. Block is a mark that no call passes.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import msgspec

from bursar.domain.errors import BadBudget

Action = Literal["alert", "throttle", "route", "approve", "block"]

ACTIONS: tuple[Action, ...] = get_args(Action)
PASSED = frozenset({"throttle", "route", "approve"})
"""What a call meets at its mark and can go on from; block is met and not passed, and alert is no mark."""

PER_MINUTE_DEFAULT = 60
PER_MINUTE_MAX = 100_000
MODELS_MAX = 8
MODEL_CHARS_MAX = 200
APPROVALS_MAX = 100  # remembered; the audit log has all
REASON_CHARS_MAX = 500

_TEXT = re.compile(r"(\d{1,4})(?:[: ]([a-z]+)(?:=(.+))?)?")


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What happens when this share of the limit is spent or held.

    per_minute: of throttle, the calls a minute that may go on.
    models:     of route: the first that the call's dialect reaches and that costs less than the model asked for.
    """

    percent: int
    action: Action = "alert"
    per_minute: int = 0
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.percent <= 1_000:
            raise BadBudget("a threshold is 1 to 1000 percent of the limit", field="thresholds")
        if self.action in PASSED and self.percent >= 100:
            raise BadBudget(
                f"{self.action} acts below the limit, at 1 to 99 percent: at 100 percent calls are refused",
                field="thresholds",
            )
        if (self.action == "throttle") is not (1 <= self.per_minute <= PER_MINUTE_MAX) or self.per_minute < 0:
            raise BadBudget(f"throttle, and nothing else, says 1 to {PER_MINUTE_MAX} calls a minute: 80:throttle=30",
                            field="thresholds")  # fmt: skip
        if (self.action == "route") is not (1 <= len(self.models) <= MODELS_MAX):
            raise BadBudget(
                f"route, and nothing else, names 1 to {MODELS_MAX} cheaper models: 80:route=gpt-4o-mini",
                field="thresholds",
            )
        for model in self.models:
            if not 1 <= len(model) <= MODEL_CHARS_MAX or not model.isprintable() or set(model) & set(" ,"):
                raise BadBudget(f"{model[:40]!r} is no model's name", field="thresholds")


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's word that calls may go on past the `approve` thresholds up to a percent, for a while.

    value: of the budget's `each`, the one it is about; "": all.
    """

    from_us: int
    until_us: int
    percent: int
    by: str
    value: str = ""
    reason: str = ""

    def covers(self, percent: int, value: str, now_us: int) -> bool:
        """Whether it lets a call of `value` past a threshold now."""
        return percent <= self.percent and self.value in ("", value) and self.from_us <= now_us < self.until_us


class Mark(NamedTuple):
    """Where an action begins: at so much spent and held, in pico-USD."""

    percent: int
    pico: int


def blocked_limit(thresholds: Iterable[Threshold], limit_pico: int) -> int:
    """The limit as `block` lowers it.

    >>> blocked_limit([Threshold(50), Threshold(90, "block")], 1_000), blocked_limit([Threshold(120, "block")], 1_000)
    (900, 1000)
    """
    return min([limit_pico, *(limit_pico * one.percent // 100 for one in thresholds if one.action == "block")])


def marks_below(thresholds: Iterable[Threshold], limit_pico: int, ceiling_pico: int) -> list[Mark]:
    """The marks under a ceiling, ascending. limit_pico: what the percents are of.

    >>> marks_below([Threshold(90, "approve"), Threshold(80, "throttle", 60), Threshold(50)], 1_000, 850)
    [Mark(percent=80, pico=800)]
    """
    percents = {one.percent for one in thresholds if one.action in PASSED}
    marks = (Mark(percent, limit_pico * percent // 100) for percent in sorted(percents))
    return [mark for mark in marks if mark.pico < ceiling_pico]


def parse_threshold(text: str) -> Threshold:
    """Raises BadBudget that shows what can be written."""
    found = _TEXT.fullmatch(text.strip())
    action = found[2] or "alert" if found else ""
    if found is None or action not in ACTIONS:
        raise _unreadable(text)
    percent, rest = int(found[1]), found[3] or ""
    match action:
        case "throttle":
            if rest and not (rest.isdecimal() and len(rest) < 9):
                raise _unreadable(text)
            return Threshold(percent, "throttle", per_minute=int(rest or PER_MINUTE_DEFAULT))
        case "route":
            return Threshold(percent, "route", models=tuple(rest.split(",")) if rest else ())
        case _:
            if rest:
                raise _unreadable(text)
            return Threshold(percent, msgspec.convert(action, Action))


def thresholds_from(texts: Iterable[str]) -> tuple[Threshold, ...]:
    """As people write them, each once, ascending. Raises BadBudget."""
    found = {parse_threshold(text) for text in texts}
    return tuple(sorted(found, key=lambda one: (one.percent, one.action, one.models)))


def threshold_text(one: Threshold, between: str = ":") -> str:
    """What `parse_threshold` reads back as the same.

    >>> threshold_text(parse_threshold("80:throttle")), threshold_text(Threshold(100, "block"), " ")
    ('80:throttle=60', '100 block')
    """
    if one.action == "alert":
        return str(one.percent)
    rest = f"={one.per_minute}" if one.per_minute else f"={','.join(one.models)}" if one.models else ""
    return f"{one.percent}{between}{one.action}{rest}"


def threshold_words(one: Threshold) -> str:
    """What it does, for people."""
    match one.action:
        case "throttle":
            return f"{one.per_minute} call{'' if one.per_minute == 1 else 's'} a minute"
        case "route":
            return f"routes to {' or '.join(one.models)}"
        case "approve":
            return "asks for approval"
        case "block":
            return "blocks"
        case _:
            return ""


def approved(approvals: Sequence[Approval], percent: int, value: str, now_us: int) -> Approval | None:
    """The approval that lets a call past now, the newest of several; None if there is none."""
    return next((one for one in reversed(approvals) if one.covers(percent, value, now_us)), None)


def _unreadable(text: str) -> BadBudget:
    return BadBudget(
        f"{text[:40]!r} is no threshold: write 80, 80:throttle=60, 80:route=MODEL, 80:approve or 100:block",
        field="thresholds",
    )
