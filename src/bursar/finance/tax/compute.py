"""The one entry: a case as a dict in, every figure with its rules out.

A case is `{"jurisdiction": "IN", "inputs": {…}}` or the inputs alone, as tax_golden.json has them. `expected` is
compared and never read for a figure; its keys `if_FIELD_is_VALUE` ask what if one thing were otherwise.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from bursar.domain.errors import BadTax
from bursar.finance.tax.america import compute_canada, compute_us, place_name
from bursar.finance.tax.case import Case, RateOf, overlaid
from bursar.finance.tax.elsewhere import compute_elsewhere
from bursar.finance.tax.india import bill_totals, compute_india
from bursar.finance.tax.india_forward import state_of
from bursar.finance.tax.naming import add_asked
from bursar.finance.tax.rules import RuleBook, shipped_rules
from bursar.finance.tax.working import Figure, NotComputed, Working, as_mapping, merge_rules

WHAT_IF = re.compile(r"^if_(.+)_is_(.+)$")
LINES_MAX = 1_000
JURISDICTION_OF_UNIT = {"INR": "IN", "GBP": "GB", "AUD": "AU", "SGD": "SG", "CAD": "CA", "JPY": "JP", "NZD": "NZ"}
OF_KIND = {"in": "IN", "uk": "GB", "gb": "GB", "au": "AU", "sg": "SG", "us": "US", "ca": "CA", "jp": "JP", "nz": "NZ",
           "ch": "CH", "no": "NO", "ae": "AE", "sa": "SA"}  # fmt: skip


class Computed(msgspec.Struct, frozen=True, kw_only=True):
    """What a case comes to. results: by the names of tax_golden.json, money as text. figures: each with what it rests
    on. confirm: what a professional must confirm. also_named: other names that were asked for, and the figure each is.
    checked: against `expected`, key by key, where that was said."""

    id: str
    jurisdiction: str
    results: dict[str, Any]
    rule_ids: list[str]
    confidence: str
    needs_professional_confirmation: bool
    confirm: list[str]
    notes: list[str]
    not_computed: list[NotComputed]
    ignored_inputs: list[str]
    also_named: dict[str, str]
    figures: list[dict[str, Any]]
    checked: dict[str, Any] | None = None


def compute(
    case: Mapping[str, Any], book: RuleBook | None = None, *, lenient: bool = False, rate_of: RateOf | None = None
) -> Computed:
    """Everything about one case.

    lenient: unknown inputs are listed in place of refused. rate_of: kept rates, asked where the case states none.

    Raises BadTax that names the input which is unknown, missing or unreadable.
    """
    book = book or shipped_rules()
    inputs = case.get("inputs", case)
    if not isinstance(inputs, Mapping):
        raise BadTax("inputs: an object of names and values is needed", field="inputs")
    meta = ("id", "kind", "title", "jurisdiction", "rule_ids", "expected", "working", "confidence", "notes", "wanted")
    inputs = inputs if "inputs" in case else {name: value for name, value in case.items() if name not in meta[4:]}
    read = Case(inputs, lenient=lenient, rate_of=rate_of)
    where = jurisdiction_of(case, read)
    if (regime := book.at("vat.regime", None, where)) is not None:
        read.into = regime.text("currency")
    working = evaluate(read, book, where, lenient=lenient)
    _what_ifs(case, read, book, where, working)
    expected = case.get("expected")
    also = add_asked([*(expected or {}), *(case.get("wanted") or ())], working.results)
    return Computed(
        id=str(case.get("id", "")),
        jurisdiction=where,
        results=working.results,
        rule_ids=list(working.rules),
        confidence=working.confidence,
        needs_professional_confirmation=working.confidence != "high" or bool(working.confirm),
        confirm=working.confirm,
        notes=working.notes,
        not_computed=working.not_computed,
        ignored_inputs=read.ignored,
        also_named=also,
        figures=[dict(as_mapping(one)) for one in working.figures.values()],
        checked=_checked(expected, working.results) if isinstance(expected, Mapping) else None,
    )


def evaluate(read: Case, book: RuleBook, where: str, *, lenient: bool = False) -> Working:
    """The figures of a case that was read. where: a country, or a US state as US-TX. Raises BadTax."""
    working = Working(book)
    if read.has("lines"):
        _bill(read, book, where, working, lenient=lenient)
    elif where == "IN":
        compute_india(read, working)
    elif where.startswith("US"):
        _us(read, where, working)
    elif where.startswith("CA"):
        if not read.has("customer_state") and "-" in where:
            read.values["customer_state"] = place_name(where)
        compute_canada(read, working)
    else:
        compute_elsewhere(read, working, where)
    for told in read.rates_told:
        working.tell(told)
    if day := read.day("tax_point_date", "invoice_date", "payment_date", "booking_date"):
        working.results.setdefault("document_date", day.isoformat())
    return working


def jurisdiction_of(case: Mapping[str, Any], read: Case) -> str:
    """Where the payer is: as the case says, its customer's country, the prefix of its kind, or its currency."""
    told = str(case.get("jurisdiction") or read.raw.get("jurisdiction") or "").strip().upper()
    if country := read.text("customer_country"):
        return country if not told.startswith(f"{country}-") else told
    if told and told != "EU":
        return {"UK": "GB", "EL": "GR"}.get(told, told)
    kind = str(case.get("kind") or read.raw.get("kind") or "").lower().split("_")[0]
    if kind in OF_KIND:
        return OF_KIND[kind]
    currencies = [read.currency, *read.currencies.values()]
    found = next((JURISDICTION_OF_UNIT[one] for one in currencies if one in JURISDICTION_OF_UNIT), "")
    if found:
        return found
    if read.fx.get("tds") or read.has("tds_position", "self_invoice_date", "T_total_input_tax", "supplier_state"):
        return "IN"
    if read.has("customer_state", "usage_share_by_state"):
        return "US"
    raise BadTax("jurisdiction: the payer's country is needed, such as IN, DE, GB, AU, SG, US, CA or JP, as "
                 "jurisdiction or customer_country", field="jurisdiction")  # fmt: skip


def _us(read: Case, where: str, working: Working) -> None:
    if "-" in where and not read.has("customer_state"):
        read.values["customer_state"] = where.partition("-")[2]
    compute_us(read, working)


def _bill(read: Case, book: RuleBook, where: str, working: Working, *, lenient: bool) -> None:
    """Each line by its own issuer; what the bill says holds for lines that don't say otherwise."""
    lines = read.values["lines"]
    if len(lines) > LINES_MAX:
        raise BadTax(f"lines: {len(lines)}, at most {LINES_MAX}", field="lines")
    shared = {name: value for name, value in read.raw.items() if name not in read.line_names}
    own = [Case(overlaid(shared, line), lenient=lenient, rate_of=read.rate_of, into=read.into) for line in lines]
    found = [evaluate(one, book, where) for one in own]
    working.results["lines"] = [one.results for one in found]
    for at, one in enumerate(found):
        working.figures |= {
            f"lines.{at + 1}.{key}": msgspec.structs.replace(figure, key=f"lines.{at + 1}.{key}")
            for key, figure in one.figures.items()
        }
    merge_rules(found, working)
    bill_totals(found, working)


def _what_ifs(case: Mapping[str, Any], read: Case, book: RuleBook, where: str, working: Working) -> None:
    """`if_customer_state_is_DL`: the same with one thing otherwise; a rate that was stated doesn't follow it."""
    asked = {*(case.get("expected") or {}), *(case.get("wanted") or ()), *_usual_what_ifs(read, book, where)}
    for key in sorted(asked):
        if found := WHAT_IF.match(key):
            other = read.replaced(found[1], found[2], without=("rate",))
            place = where
            if other.text("customer_country") and other.text("customer_country") != read.text("customer_country"):
                place = other.text("customer_country")
            made = evaluate(other, book, place)
            working.results[key] = made.results
            working.figures |= {
                f"{key}.{name}": msgspec.structs.replace(figure, key=f"{key}.{name}")
                for name, figure in made.figures.items()
            }


def _usual_what_ifs(read: Case, book: RuleBook, where: str) -> list[str]:
    """What people ask next: the customer in the State, or the member state, of the entity that bills."""
    if read.has("lines"):
        return []
    seller, buyer = state_of(read.text("supplier_state")), state_of(read.text("customer_state"))
    if where == "IN" and seller and buyer and seller != buyer:
        return [f"if_customer_state_is_{seller}"]
    home = book.at("vat.regime", None, read.text("vendor_country"))
    here = book.at("vat.regime", None, where)
    if home and here and home.key != here.key and home.text("union") == here.text("union") == "EU":
        return [f"if_customer_country_is_{home.key}"]
    return []


def _checked(expected: Mapping[str, Any], results: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """matches: how many keys agree to the last digit; differ and missing: which don't."""
    found: dict[str, Any] = {"matches": 0, "differ": {}, "missing": []}
    for key, want in expected.items():
        if key not in results:
            found["missing"].append(prefix + key)
        elif isinstance(want, Mapping) and isinstance(results[key], Mapping):
            inner = _checked(want, results[key], f"{prefix}{key}.")
            found["matches"] += inner["matches"]
            found["differ"] |= inner["differ"]
            found["missing"] += inner["missing"]
        elif results[key] == want:
            found["matches"] += 1
        else:
            found["differ"][prefix + key] = {"expected": want, "computed": results[key]}
    return found


__all__ = ["Computed", "Figure", "compute", "evaluate", "jurisdiction_of"]
