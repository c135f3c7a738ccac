"""A budget's window in a form: its kind, what that kind needs, and the time zone."""

from datetime import date

from bursar.budgets.spec import parse_spec
from bursar.console.forms.fields import Fields
from bursar.domain.errors import BadWindow

KINDS = {
    "hour": "an hour",
    "day": "a day",
    "week": "a week, from Monday",
    "month": "a month",
    "quarter": "a quarter",
    "year": "a year",
    "rolling": "the hours or days just gone by",
    "fiscal-year": "a fiscal year",
    "fiscal-quarter": "a fiscal quarter",
    "4-4-5": "4-4-5 weeks",
    "4-5-4": "4-5-4 weeks",
    "5-4-4": "5-4-4 weeks",
    "custom": "between two dates",
    "lifetime": "all time, without an end",
}
FISCAL = {"fiscal-year": "fy", "fiscal-quarter": "fq"}
RETAIL = ("4-4-5", "4-5-4", "5-4-4")
UNITS = {"h": "hours", "d": "days"}
GRAINS = {"": "a period of 4 or 5 weeks", "quarter": "a quarter", "year": "a year"}
PLACES = {
    "window": "window",
    "kind": "window",
    "timezone": "timezone",
    "start_month": "start_month",
    "anchor": "anchor",
    "hours": "rolling",
    "ranges": "first_day",
}
"""Which field of the form an error about a window stands at, by the field that it names."""


def read_window(form: Fields, default_timezone: str) -> str:
    """The window as text (`budgets.spec`); what can't be one is noted at its field."""
    timezone = form.text("timezone") or default_timezone
    text = f"{_body(form)}@{timezone}"
    try:
        parse_spec(text)
    except BadWindow as error:
        form.wrong(PLACES.get(error.field or "", "window"), error.message)
    return text


def fill_window(text: str) -> dict[str, str]:
    """The other way. text: of a window that is in force, so it can be read."""
    spec = parse_spec(text)
    typed = {"window": spec.kind, "timezone": spec.timezone}
    if spec.kind in FISCAL:
        typed["start_month"] = str(spec.start_month)
    elif spec.kind in RETAIL:
        grain = "" if spec.grain == "period" else spec.grain
        typed |= {"anchor": str(spec.anchor), "grain": grain, "last": "yes" if spec.rule == "last" else ""}
    elif spec.kind == "rolling":
        whole_days = spec.hours % 24 == 0 and spec.hours > 24
        typed |= {"rolling": str(spec.hours // 24 if whole_days else spec.hours), "unit": "d" if whole_days else "h"}
    elif spec.kind == "custom":
        first, *more = spec.ranges
        typed |= {"first_day": str(first.first), "last_day": str(first.last)}
        typed["more_days"] = ", ".join(f"{one.first}..{one.last}" for one in more)
    return typed


def _body(form: Fields) -> str:
    kind = form.text("window") or "month"
    if kind in FISCAL:
        return f"{FISCAL[kind]}:{form.text('start_month') or '1'}"
    if kind in RETAIL:
        options = [form.text("grain"), "last" if form.ticked("last") else ""]
        return ":".join([kind, _day(form, "anchor", "the first day of one such year"), *filter(None, options)])
    if kind == "rolling":
        return f"rolling:{form.figure('rolling') or '24'}{form.text('unit') or 'h'}"
    if kind == "custom":
        first, last = _day(form, "first_day", "the first day"), _day(form, "last_day", "the last day")
        return ",".join([f"{first}..{last}", *form.words("more_days")])
    return kind


def _day(form: Fields, name: str, what: str) -> str:
    """A date as it was typed; a date that is one where it can't be read, so that the rest is read too."""
    text = form.text(name)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        form.wrong(name, f"say {what}, as 2026-03-31" if not text else f"{text[:40]!r} is no date: write 2026-03-31")
        return "2026-01-01"
