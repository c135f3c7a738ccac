"""The form of an initiative."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from bursar.console.forms.fields import Fields, words_of
from bursar.domain.errors import BursarError
from bursar.domain.initiatives import AUTO, CALLS, Guard, InitiativeTerms
from bursar.domain.money import plain
from bursar.governance.checks import read_terms

NAMED, NONE = "named", "none"
FIELDS = frozenset({
    "name", "owner", "hypothesis", "filters", "target", "unit", "mix", "baseline_from", "baseline_to", "start",
    "comparison", "comparison_filters", "guard", "guard_limit",
})  # fmt: skip
_PLACES = {"guard.metric": "guard", "guard.limit": "guard_limit"}


def read_initiative(form: Fields) -> InitiativeTerms | None:
    """What was typed; None where something can't be read. Raises BadControl that names the field."""
    said: dict[str, Any] = {
        "owner": form.text("owner"),
        "hypothesis": form.text("hypothesis").replace("\r\n", "\n"),
        "target": _decimal(form, "target", "500 or 1250.50"),
        "filters": _lines(form, "filters"),
        "unit": form.text("unit") or CALLS,
        "mix": tuple(form.words("mix")),
        "baseline_from": _day(form, "baseline_from", required=True),
        "baseline_to": _day(form, "baseline_to", required=True),
        "start": _day(form, "start"),
        "comparison": _comparison(form),
    }
    if form.text("guard"):
        limit = _decimal(form, "guard_limit", "2 or 0.8")
        said["guard"] = {"metric": form.text("guard"), "limit": None if limit is None else float(limit)}
    if not said["owner"]:
        form.wrong("owner", "who sees to it? Write a name")
    return None if form.errors else read_terms(said, InitiativeTerms)


def fill_initiative(terms: InitiativeTerms) -> dict[str, str]:
    """The other way: what the form shows."""
    is_named = terms.comparison not in ((), (AUTO,))
    return {
        "owner": terms.owner,
        "hypothesis": terms.hypothesis,
        "target": plain(terms.target),
        "filters": "\n".join(terms.filters),
        "unit": terms.unit,
        "mix": words_of(terms.mix),
        "baseline_from": terms.baseline_from.isoformat(),
        "baseline_to": terms.baseline_to.isoformat(),
        "start": terms.start.isoformat() if terms.start else "",
        "comparison": NAMED if is_named else AUTO if terms.comparison else NONE,
        "comparison_filters": "\n".join(terms.comparison) if is_named else "",
        **_guard(terms.guard),
    }


def can_say(terms: InitiativeTerms) -> bool:
    """Whether the form says all that an initiative does: one made elsewhere may have a comma where it parts words."""
    form = Fields(fill_initiative(terms))
    try:
        return read_initiative(form) == terms
    except BursarError:
        return False


def place_of_error(error: BursarError) -> str:
    """The form's field that an error is about; "" for the form as a whole."""
    field = error.field or ""
    found = _PLACES.get(field, field.partition(".")[0])
    return found if found in FIELDS else ""


def unknown_fields(typed: Mapping[str, str]) -> list[str]:
    """Names that the form doesn't have: a program's mistake, which would otherwise say less than it meant."""
    return sorted(typed.keys() - FIELDS - {"csrf", "of", "act", "seen"})


def _guard(guard: Guard | None) -> dict[str, str]:
    return {} if guard is None else {"guard": guard.metric, "guard_limit": plain(Decimal(str(guard.limit)))}


def _comparison(form: Fields) -> tuple[str, ...]:
    match form.text("comparison"):
        case "none":
            return ()
        case "named":
            found = _lines(form, "comparison_filters")
            if not found:
                form.wrong("comparison_filters", "which calls? Write feature=search, one condition on a line")
            return found
        case _:
            return (AUTO,)


def _lines(form: Fields, name: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, form.text(name).splitlines())))


def _day(form: Fields, name: str, *, required: bool = False) -> date | None:
    text = form.text(name)
    if not text:
        if required:
            form.wrong(name, "which day? Write 2026-10-01")
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        form.wrong(name, f"{text[:40]!r} is no day: write 2026-10-01")
        return None


def _decimal(form: Fields, name: str, example: str) -> Decimal | None:
    text = form.text(name)
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        form.wrong(name, f"{text[:40]!r} is no number: write {example}" if text else f"how much? Write {example}")
        return None
    return found
