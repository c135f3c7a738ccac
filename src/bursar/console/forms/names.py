"""The fields that each form has. What a program sends under another name is refused: left out, a policy whose `match`
was written as the API has it would be about every call.
"""

from collections.abc import Iterable

from bursar.console.forms.budget import THRESHOLDS_MAX
from bursar.console.forms.caches import FIELDS as CACHE_FIELDS
from bursar.console.forms.controls import CHOICES, FIGURES, LIMIT_FIGURES, LISTS, PAIRS
from bursar.console.forms.fields import CONDITIONS_MAX, Fields

_ABOUT = frozenset({"csrf", "of", "seen", "act", "period", "name"})
_NEAR = {"match": "where_0 and where_value_0", "where": "where_0 and where_value_0", "thresholds": "at_0 and do_0"}
"""What the API and the control file call it, and how a form does."""


def _numbered(names: Iterable[str], most: int) -> set[str]:
    return {f"{name}_{at}" for name in names for at in range(most)}


_CONDITIONS = _numbered(("where", "where_tag", "where_value"), CONDITIONS_MAX)
NAMES: dict[str, frozenset[str]] = {
    "budget": _ABOUT
    | _CONDITIONS
    | _numbered(("at", "do", "per_minute", "models"), THRESHOLDS_MAX)
    | {"limit", "why", "each", "each_tag", "mode", "overshoot", "contact", "prorate"}
    | {"currency", "rate_usd", "rate_source", "rate_as_of", "carry", "carry_cap", "carry_overruns"}
    | {"window", "timezone", "start_month", "anchor", "grain", "last", "rolling", "unit"}
    | {"first_day", "last_day", "more_days"},
    "policy": _ABOUT | _CONDITIONS | {*LISTS, *FIGURES, *CHOICES, *PAIRS, "require_tags", "state"},
    "cache": _ABOUT | _CONDITIONS | CACHE_FIELDS,
    "limit": _ABOUT | _CONDITIONS | {*LIMIT_FIGURES, "each", "each_tag"},
}


def refuse_unknown(form: Fields, noun: str) -> None:
    """Note the first field that this form doesn't have."""
    unknown = next((name for name in form.typed if name not in NAMES[noun]), None)
    if unknown is None:
        return
    near = _NEAR.get(unknown.partition(".")[0], "")
    hint = f"write {near}" if near else f"there are {', '.join(sorted(NAMES[noun] - _numbered_rows()))}"
    form.wrong("", f"this form has no field {unknown[:80]!r}; {hint}, or send JSON to the API")


def _numbered_rows() -> set[str]:
    """All rows but the first: enough to tell the names by."""
    rows = _CONDITIONS | _numbered(("at", "do", "per_minute", "models"), THRESHOLDS_MAX)
    return {name for name in rows if not name.endswith("_0")}
