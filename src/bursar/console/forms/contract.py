"""A contract as its form says it: a few fields, and one line for each step, price or reserved capacity.

discounts     gpt-5-mini*: 30          percent off for these models; `tier batch: 5` for a tier
volume_steps  10000: 5                 from so much of a month on, percent off
prices        gpt-5 output: 8          USD per million of a class of tokens
capacities    gpt-4.1: 2 an hour, 37000   USD, and the tokens a minute that it can do
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from bursar.domain.errors import BadContract
from bursar.finance.contracts.terms import ContractTerms
from bursar.governance.checks import read_terms

SIMPLE = ("provider", "owner", "entity", "note")
LINES = {
    "discounts": (r"(?P<what>[^:]+):\s*(?P<percent>[\d.]+)\s*%?", "gpt-5-mini*: 30, or tier batch: 5"),
    "volume_steps": (r"\$?(?P<above>[\d,.]+):\s*(?P<percent>[\d.]+)\s*%?", "10000: 5"),
    "prices": (r"(?P<model>[^\s:]+)\s+(?P<unit>\w+):\s*\$?(?P<usd>[\d.]+)", "gpt-5 output: 8"),
    "capacities": (
        r"(?P<models>[^:]+):\s*\$?(?P<usd>[\d,.]+)\s+an?\s+(?P<per>hour|month)(?:,\s*(?P<tokens>[\d,]+).*)?",
        "gpt-4.1: 2 an hour, 37000",
    ),
}
"""What a line of a field looks like, and one to copy."""


def terms_of_form(form: Mapping[str, str]) -> ContractTerms:
    """From the JSON of all terms, or from the fields. Raises BadContract, BadControl that name field and line."""
    if form.get("terms", "").strip():
        try:
            given = msgspec.json.decode(form["terms"])
        except msgspec.DecodeError as error:
            raise BadContract(f"terms: not JSON: {error}", field="terms") from error
        return read_terms(given, ContractTerms)
    told: dict[str, Any] = {name: form[name].strip() for name in SIMPLE if form.get(name, "").strip()}
    if discounts := _discounts(form):
        told["discounts"] = discounts
    if steps := [{"above": _number(one["above"]), "percent": one["percent"]} for one in _lines(form, "volume_steps")]:
        told["volumes"] = [{"name": "monthly", "steps": steps, "by": form.get("volume_by") or "list_cost",
                            "mode": form.get("volume_mode") or "graduated"}]  # fmt: skip
    if prices := [
        {"models": [one["model"]], "unit": one["unit"], "usd_per_million": one["usd"]} for one in _lines(form, "prices")
    ]:
        told["prices"] = prices
    told |= _bought_ahead(form)
    return read_terms(told, ContractTerms)


def _discounts(form: Mapping[str, str]) -> list[dict[str, Any]]:
    """Those for some models or a tier first, since the first that covers a charge counts."""
    found: list[dict[str, Any]] = []
    for one in _lines(form, "discounts"):
        what = one["what"].strip()
        is_tier = what.startswith("tier ")
        names = _names(what.removeprefix("tier ") if is_tier else what)
        found.append({"percent": one["percent"], "tiers" if is_tier else "models": names})
    if percent := _filled(form, "percent"):
        found.append({"percent": percent.removesuffix("%").strip(), "models": _names(form.get("models", ""))})
    return found


def _bought_ahead(form: Mapping[str, str]) -> dict[str, Any]:
    """Commitment, credit and reserved capacity, from the day that the terms hold from."""
    told: dict[str, Any] = {}
    since = form.get("since", "")
    if amount := _filled(form, "committed"):
        told["commitments"] = [
            {"name": "commitment", "amount": amount, "start": since, "end": form.get("committed_until", ""),
             "payment": form.get("payment") or "arrears"}
        ]  # fmt: skip
    if amount := _filled(form, "credit"):
        expires = {"expires": form["credit_until"]} if form.get("credit_until") else {}
        told["credits"] = [{"name": "credit", "amount": amount, "granted": since, **expires,
                            "paid": _filled(form, "credit_paid") or "0"}]  # fmt: skip
    if capacities := [
        {"name": f"capacity {number}", "models": _names(one["models"]), "usd": _number(one["usd"]), "per": one["per"],
         "start": since} | ({"tokens_per_minute": int(_number(one["tokens"]))} if one["tokens"] else {})
        for number, one in enumerate(_lines(form, "capacities"), 1)
    ]:  # fmt: skip
        told["capacities"] = capacities
    return told


def _lines(form: Mapping[str, str], field: str) -> list[dict[str, str]]:
    pattern, example = LINES[field]
    found = []
    for number, line in enumerate(form.get(field, "").splitlines(), 1):
        if not line.strip():
            continue
        fits = re.fullmatch(pattern, line.strip())
        if fits is None:
            raise BadContract(f"{field}: line {number} is {line.strip()[:60]!r}; write it as {example}", field=field)
        found.append(fits.groupdict(default=""))
    return found


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip() and part.strip() != "all"]


def _filled(form: Mapping[str, str], name: str) -> str:
    return _number(form.get(name, "").strip().lstrip("$"))


def _number(text: str) -> str:
    return text.replace(",", "")
