"""The forms of a policy and of a limit."""

from collections.abc import Mapping

from bursar.console.forms.fields import (
    Entry,
    Fields,
    fill_conditions,
    fill_dimension,
    lines_of,
    place_of_condition,
    read_conditions,
    read_dimension,
    words_of,
)
from bursar.domain.errors import BursarError

LISTS = ("allow_models", "deny_models", "allow_providers", "deny_providers", "allow_regions", "deny_regions")
FIGURES = ("input_bytes_max", "input_tokens_max", "output_tokens_max")
CHOICES = {
    "on_input_excess": "refuse",
    "on_output_excess": "lower",
    "service_tier": "",
    "on_missing": "reject",
    "on_tag_value": "reject",
}
LIMIT_FIGURES = ("requests_per_minute", "tokens_per_minute", "concurrent")
PAIRS = {
    "force_models": "tagging=gpt-4o-mini, or *=gpt-4o-mini for every type of request",
    "tag_defaults": "environment=production",
    "tag_values_max": "session=1000",
    "tag_values": "plan=free, pro",
}


def read_policy(form: Fields) -> Entry:
    """What was typed, as an entry of `policies:` in a control file."""
    entry: Entry = {"match": read_conditions(form)}
    entry |= {name: form.words(name) for name in (*LISTS, "require_tags")}
    entry |= {name: figure for name in FIGURES if (figure := form.figure(name))}
    entry |= {name: form.text(name) or default for name, default in CHOICES.items()}
    for name, example in PAIRS.items():
        entry[name] = form.pairs(name, example)
    entry["tag_values"] = {
        tag: [value.strip() for value in values.split(",") if value.strip()]
        for tag, values in entry["tag_values"].items()
    }
    for tag, most in entry["tag_values_max"].items():
        if not (most.isascii() and most.isdigit()):
            form.wrong("tag_values_max", f"{most[:40]!r} values of {tag}? Write a whole number, as in session=1000")
    entry["enabled"] = "false" if form.text("state") == "off" else "true"
    return {name: value for name, value in entry.items() if value}


def fill_policy(entry: Entry, key_names: Mapping[str, str]) -> dict[str, str]:
    """What the form shows of a policy's entry, as its section tells it."""
    typed = fill_conditions(entry.get("match", {}), key_names)
    typed |= {name: words_of(entry.get(name, ())) for name in (*LISTS, "require_tags")}
    typed |= {name: str(entry.get(name, "")) for name in FIGURES}
    typed |= {name: entry.get(name, default) for name, default in CHOICES.items()}
    typed |= {name: lines_of(entry.get(name, {})) for name in PAIRS}
    return typed | {"state": "on" if entry.get("enabled", True) else "off"}


def read_limit(form: Fields) -> Entry:
    """What was typed, as an entry of `limits:` in a control file."""
    entry: Entry = {"match": read_conditions(form), "each": read_dimension(form, "each", "each_tag")}
    return entry | {name: figure for name in LIMIT_FIGURES if (figure := form.figure(name))}


def fill_limit(entry: Entry, key_names: Mapping[str, str]) -> dict[str, str]:
    """What the form shows of a limit's entry, as its section tells it."""
    typed = fill_conditions(entry.get("match", {}), key_names)
    typed |= fill_dimension(entry.get("each", ""), "each", "each_tag")
    return typed | {name: str(entry.get(name, "")) for name in LIMIT_FIGURES}


def place_of_error(form: Fields, error: BursarError) -> str:
    """The form's field that an error is about; "" for the form as a whole."""
    head, _, rest = (error.field or "").partition(".")
    if head == "match":
        return place_of_condition(form, rest) if rest else "where_0"
    return "" if head == "terms" else head
