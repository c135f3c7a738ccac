"""The form of a budget."""

from collections.abc import Mapping
from datetime import date

from bursar.budgets.thresholds import PER_MINUTE_DEFAULT, Threshold, parse_threshold, threshold_text
from bursar.console.forms.fields import (
    Entry,
    Fields,
    fill_conditions,
    fill_dimension,
    place_of_condition,
    read_conditions,
    read_dimension,
)
from bursar.console.forms.window import PLACES, fill_window, read_window
from bursar.controlfile.amounts import amount_text, pico_from_text
from bursar.controlfile.budgets import BudgetEntry
from bursar.domain.errors import BadBudget, BursarError

THRESHOLDS_MAX = 10
THRESHOLDS_SHOWN = 4
DOLLARS = "USD"
CURRENCIES = (
    "USD", "EUR", "GBP", "INR", "JPY", "CNY", "AED", "AUD", "BRL", "CAD", "CHF", "CZK", "DKK", "HKD", "HUF", "IDR",
    "ILS", "KRW", "MXN", "MYR", "NGN", "NOK", "NZD", "PHP", "PLN", "RON", "SAR", "SEK", "SGD", "THB", "TRY", "TWD",
    "UAH", "VND", "ZAR",
)  # fmt: skip
MODES = {
    "strict": "strict: no call that could go over is sent",
    "expected": "expected: at the likely cost; a little over at most",
    "clamp": "clamp: max_tokens is lowered to what is left",
    "warn": "warn: nothing is refused, the page tells",
}
ACTIONS = {
    "alert": "say so",
    "throttle": "so many calls a minute",
    "route": "send to a cheaper model",
    "approve": "wait for a person's approval",
    "block": "refuse",
}
NO_CARRY, CARRY = "", "yes"
AT = {
    **PLACES,
    "match": "where_0",
    "where": "where_0",
    "rate": "rate_usd",
    "rate.usd": "rate_usd",
    "rate_source": "rate_source",
    "carry_cap": "carry_cap",
    "carry.cap": "carry_cap",
    "thresholds": "at_0",
}
"""Where in the form an error stands, by the field that it names; all others are named alike."""


def read_budget(form: Fields, before: Entry | None, timezone: str, now_text: str) -> Entry:
    """What was typed, as an entry of `budgets:` in a control file.

    before:   the budget's entry so far; its raises stay as they are, and what it is prorated from.
    timezone: of the console, where none was typed. now_text: this instant, as a control file writes it.
    """
    entry: Entry = {"limit": _amount(form, "limit"), "window": read_window(form, timezone)}
    if not entry["limit"]:
        form.wrong("limit", "how much may it spend in a window? Write 500 or 0.25; 0 refuses everything")
    entry["where"] = read_conditions(form)
    entry["each"] = read_dimension(form, "each", "each_tag")
    entry["mode"] = form.text("mode") or "strict"
    entry["overshoot"] = _amount(form, "overshoot") if entry["mode"] == "expected" else ""
    entry["contact"] = form.text("contact")
    entry["thresholds"] = _read_thresholds(form)
    entry["currency"] = form.text("currency") or DOLLARS
    if entry["currency"] != DOLLARS:
        entry["rate"] = _read_rate(form)
    if form.ticked("carry"):
        cap = {"cap": most} if (most := _amount(form, "carry_cap")) else {}
        entry["carry"] = cap | ({"overruns": "true"} if form.ticked("carry_overruns") else {})
    known = before or {}
    if form.ticked("prorate"):
        entry["prorate_from"] = known.get("prorate_from") or now_text
    if known.get("raises"):
        entry["raises"] = known["raises"]
    return entry


def fill_budget(entry: Entry, key_names: Mapping[str, str]) -> dict[str, str]:
    """What the form shows of a budget's entry, as `controlfile.budgets.tell_entry` tells it."""
    full = BudgetEntry(limit=entry["limit"])
    carry, rate = entry.get("carry"), entry.get("rate") or {}
    typed = {
        "limit": str(entry["limit"]), "mode": entry.get("mode", "strict"), "overshoot": str(entry.get("overshoot", "")),
        "currency": entry.get("currency", DOLLARS), "contact": entry.get("contact", ""),
        "rate_usd": str(rate.get("usd", "")), "rate_source": rate.get("source", ""),
        "rate_as_of": str(rate.get("as_of", "")), "carry": NO_CARRY if carry is None else CARRY,
        "carry_cap": str((carry or {}).get("cap", "")),
        "carry_overruns": "yes" if (carry or {}).get("overruns") else "",
        "prorate": "yes" if entry.get("prorate_from") else "",
    }  # fmt: skip
    typed |= fill_window(entry["window"])
    typed |= fill_conditions(entry.get("where", {}), key_names)
    typed |= fill_dimension(entry.get("each", ""), "each", "each_tag")
    for at, text in enumerate(entry.get("thresholds", full.thresholds)):
        typed |= _fill_threshold(at, parse_threshold(text))
    return typed


def notes_of(entry: Entry) -> list[str]:
    """What holds for a while beside the limit in the form, a line each."""
    return [
        f"Another one holds for a while: {one['limit']} until {one['until']}, {one['reason']}"
        for one in entry.get("raises", ())
    ]


def new_budget(timezone: str) -> dict[str, str]:
    """What an empty form begins with."""
    return fill_budget({"limit": "", "window": f"month@{timezone}"}, {})


def thresholds_shown(typed: Mapping[str, str]) -> int:
    """How many rows of thresholds the form has: those in use and one more."""
    used = [at for at in range(THRESHOLDS_MAX) if typed.get(f"at_{at}")]
    return min(THRESHOLDS_MAX, max(THRESHOLDS_SHOWN, max(used, default=-1) + 2))


def place_of_error(form: Fields, error: BursarError) -> str:
    """The form's field that an error is about; "" for the form as a whole."""
    field = error.field or ""
    head, _, rest = field.partition(".")
    if head in ("match", "where") and rest:
        return place_of_condition(form, rest)
    if head == "thresholds" and rest.isdecimal():
        return _place_of_threshold(form, int(rest))
    return AT.get(field, field)


def _amount(form: Fields, name: str) -> str:
    """An amount as it was typed; what is none is noted."""
    text = form.text(name)
    try:
        return amount_text(pico_from_text(text, name)) if text else ""
    except BadBudget as error:
        form.wrong(name, error.message)
        return text


def _read_rate(form: Fields) -> Entry:
    rate = {"usd": _amount(form, "rate_usd"), "source": form.text("rate_source"), "as_of": form.text("rate_as_of")}
    if not rate["usd"]:
        form.wrong("rate_usd", "what is one unit of it worth in US dollars? Calls are billed in those: write 1.08")
    if not rate["source"]:
        form.wrong("rate_source", "who says so? Write ECB, or the bank; it stands on the budget's page")
    try:
        date.fromisoformat(rate["as_of"])
    except ValueError:
        form.wrong("rate_as_of", "as of which day? Write it as 2026-11-01")
    return rate


def _read_thresholds(form: Fields) -> list[str]:
    found = []
    for at in range(THRESHOLDS_MAX):
        percent = form.figure(f"at_{at}")
        if not percent:
            continue
        text = _threshold_text(form, at, percent)
        try:
            found.append(threshold_text(parse_threshold(text)))
        except BadBudget as error:
            form.wrong(f"at_{at}", error.message)
    return found


def _place_of_threshold(form: Fields, number: int) -> str:
    """Where that one of the thresholds stands; rows without a percent are none."""
    rows = [at for at in range(THRESHOLDS_MAX) if form.text(f"at_{at}")]
    if number >= len(rows):
        return AT["thresholds"]
    return f"models_{rows[number]}" if form.text(f"do_{rows[number]}") == "route" else f"at_{rows[number]}"


def _threshold_text(form: Fields, at: int, percent: str) -> str:
    match form.text(f"do_{at}"):
        case "throttle":
            return f"{percent}:throttle={form.figure(f'per_minute_{at}') or PER_MINUTE_DEFAULT}"
        case "route":
            models = ",".join(form.words(f"models_{at}"))
            if not models:
                form.wrong(f"models_{at}", "which model? Write the name of a cheaper one, such as gpt-4o-mini")
            return f"{percent}:route={models or 'MODEL'}"
        case "" | "alert":
            return percent
        case action:
            return f"{percent}:{action}"


def _fill_threshold(at: int, one: Threshold) -> dict[str, str]:
    typed = {f"at_{at}": str(one.percent), f"do_{at}": one.action}
    if one.per_minute:
        typed[f"per_minute_{at}"] = str(one.per_minute)
    if one.models:
        typed[f"models_{at}"] = ", ".join(one.models)
    return typed
