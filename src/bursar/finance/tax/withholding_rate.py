"""At which rate India withholds from a non-resident: the Act's with surcharge and cess, a treaty's, or without PAN."""

from datetime import date
from decimal import Decimal

import msgspec

from bursar.finance.tax.case import Case
from bursar.finance.tax.exact import ZERO, times
from bursar.finance.tax.rules import Row
from bursar.finance.tax.working import Working

ONE = Decimal(1)


class Rate(msgspec.Struct, frozen=True):
    """rate: the whole of it, a fraction. kind: domestic, treaty, no_pan, certificate or given."""

    rate: Decimal
    kind: str
    rules: list[str]
    base: Decimal = ZERO
    surcharge: Decimal = ZERO
    cess: Decimal = ZERO
    row: Row | None = None


UNKNOWN = Rate(ZERO, "unknown", ["IN-TDS-07"])
"""Of a payee that isn't a company: its slabs of surcharge are in no rule here."""


def rate_of(case: Case, working: Working, trigger: date | None, amount_inr: Decimal | None) -> Rate | None:
    """None where the treaty leaves nothing to withhold, UNKNOWN where no rule says the rate.

    amount_inr: of this payment, for the slab of surcharge.
    """
    if (given := case.rate("officer_certificate_rate")) is not None:
        return Rate(given, "certificate", ["IN-TDS-12"])
    if (given := case.rate("effective_rate")) is not None:
        return Rate(given, "given", ["IN-TDS-01"])
    treaty = _treaty(case, working, trigger)
    if not _is_company(case):
        is_safe = treaty is not None and case.flag("vendor_pan", True)
        return treaty if is_safe and treaty and treaty.kind != "not_available" else None if is_safe else UNKNOWN
    domestic = domestic_rate(case, working, trigger, amount_inr)
    if treaty is not None and treaty.rate == 0:
        return None if treaty.kind == "not_available" else treaty
    chosen = treaty if treaty is not None and treaty.rate < domestic.rate else domestic
    return chosen if case.flag("vendor_pan", True) else _without_pan(case, working, trigger, domestic, chosen)


def _is_company(case: Case) -> bool:
    """Slabs of surcharge are known for companies; who states the surcharge needs none."""
    return case.flag("vendor_is_foreign_company", True) or case.rate("surcharge_rate") is not None


def domestic_rate(case: Case, working: Working, trigger: date | None, amount_inr: Decimal | None) -> Rate:
    """The Act's rate, with the surcharge of the year's aggregate, and cess on both."""
    business = case.text("tds_position") == "business_income"
    row = working.book.need("in.tds.business" if business else "in.tds.royalty", trigger) if (
        case.rate("base_rate") is None) else None  # fmt: skip
    base = row.decimal("rate") if row else case.rate("base_rate") or ZERO
    given = case.rate("surcharge_rate")
    cess = case.rate("cess_rate")
    if cess is None:
        cess = working.book.need("in.tds.cess", trigger).decimal("rate")
    slabs: list[tuple[str, str]] = working.book.need("in.tds.surcharge", trigger).values["slabs"]
    surcharge = given if given is not None else _surcharge(case, working, slabs, base, cess, amount_inr)
    whole = times(base, ONE + surcharge, ONE + cess)
    rule = "IN-TDS-04" if business else "IN-TDS-06"
    return Rate(whole, "domestic", [rule, "IN-TDS-07"], base, surcharge, cess, row)


def _surcharge(
    case: Case, working: Working, slabs: list[tuple[str, str]], base: Decimal, cess: Decimal,
    amount_inr: Decimal | None,
) -> Decimal:  # fmt: skip
    """Of the slab that the year's aggregate lies in; a grossed-up payment counts gross."""
    known = case.money("aggregate") or case.money("aggregate_at_most")
    before = case.money("aggregate_before") or ZERO
    for limit, rate in slabs:
        surcharge = Decimal(rate)
        year = known
        if year is None:
            gross = amount_inr or ZERO
            if case.flag("tax_borne_by_payer", False):
                gross = gross / (ONE - times(base, ONE + surcharge, ONE + cess))
            year = before + gross
        if not limit or year <= Decimal(limit):
            _tell_relief(working, year, base, surcharge, slabs)
            return surcharge
    return ZERO


def _tell_relief(
    working: Working, year: Decimal, base: Decimal, surcharge: Decimal, slabs: list[tuple[str, str]]
) -> None:  # fmt: skip
    """Just above a slab's limit surcharge takes more than what lies above it: marginal relief, which isn't computed."""
    below = [(Decimal(limit), Decimal(rate)) for limit, rate in slabs if limit and Decimal(limit) < year]
    if not below:
        return
    limit, rate = below[-1]
    more = times(year, base, surcharge) - times(limit, base, rate) + times(year - limit, base)
    if more > year - limit:
        working.tell(f"just above the limit of {limit} rupees: marginal relief of surcharge is in no rule here and is "
                     "not computed")  # fmt: skip
        working.ask("marginal relief of surcharge just above a slab's limit")


def _treaty(case: Case, working: Working, trigger: date | None) -> Rate | None:
    """The treaty's rate where its papers are held; without them, none, and it says which is missing."""
    country = case.text("vendor_country")
    row = working.book.at("in.treaty", trigger, country) if country else None
    given = case.rate("treaty_rate")
    if (row is None and given is None) or case.text("tds_position") == "business_income":
        return None
    if missing := papers_missing(case, working, trigger):
        working.tell(f"the domestic rate: {', '.join(missing)} missing for the treaty's")
        return None
    if case.values.get("treaty_rate_confirmed") is False:
        working.tell("the domestic rate: no professional has confirmed the treaty's row for this entity")
        return None
    if case.text("tds_position") == "fts" and row and _technical_fees_untaxed(case, working, row):
        return Rate(ZERO, "not_available", ["IN-TDS-08"])
    if given is not None:
        rate = given
    elif row is not None:
        rate = row.decimal(
            "equipment" if case.flag("equipment_linked", False) and "equipment" in row.values else "rate"
        )
    else:
        return None
    if not case.flag("treaty_rate_confirmed", False):
        working.ask(f"the treaty rate {rate} for {country or 'the vendor'}: rows of treaties are low until confirmed "
                    "for the exact entity, with protocol and MLI")  # fmt: skip
    return Rate(rate, "treaty", ["IN-TDS-08", "IN-TDS-09"], base=rate, row=row)


def _technical_fees_untaxed(case: Case, working: Working, row: Row) -> bool:
    """Technical fees that make nothing available, or that the treaty has no article for."""
    limit = row.text("make_available")
    if limit == "article_missing" or (limit == "yes" and case.values.get("make_available") is False):
        working.ask("that the treaty's article on technical fees leaves this fee untaxed")
        return True
    return False


def papers_missing(case: Case, working: Working, trigger: date | None) -> list[str]:
    """Names of papers that a treaty claim of that day needs and that aren't held."""
    form = working.book.need("in.form", trigger, "treaty_declaration") if trigger else None
    held = [] if case.flag("trc_on_file", False) else ["residency certificate"]
    if form is None or form.text("needed") == "always":
        if not case.flag("form41_on_file", False):
            held.append(form.text("name") if form else "Form 41")
    elif case.values.get("form10f_on_file") is False:
        held.append(form.text("name"))
    for flag, name in (("no_pe_declaration_on_file", "no-PE declaration"),
                       ("beneficial_owner_declaration_on_file", "beneficial-owner declaration")):  # fmt: skip
        if case.values.get(flag) is False:
            held.append(name)
    return held


def _without_pan(case: Case, working: Working, trigger: date | None, domestic: Rate, chosen: Rate) -> Rate:
    """The higher of the Act's rate, the rate in force and 20 %, unless the particulars of the relief rule are held."""
    if case.flag("pan_relief_particulars", False):
        relief = working.book.need("in.tds.no_pan_relief", trigger)
        if working.book.confidence(relief) == "low":
            working.ask(f"relief without PAN: the rule's successor after 2026-03-31 ({relief.text('name')})")
        return Rate(chosen.rate, chosen.kind, [*chosen.rules, "IN-TDS-10"], chosen.base, chosen.surcharge, chosen.cess,
                    chosen.row)  # fmt: skip
    row = working.book.need("in.tds.no_pan", trigger)
    floor = row.decimal("rate")
    working.tell("no PAN: the higher of the Act's rate, the rate in force and 20 %; courts have let the treaty's "
                 "rate prevail")  # fmt: skip
    working.ask("the rate without PAN")
    if domestic.rate >= floor:
        return Rate(domestic.rate, "no_pan", [*domestic.rules, "IN-TDS-10"], domestic.base, domestic.surcharge,
                    domestic.cess, domestic.row)  # fmt: skip
    return Rate(floor, "no_pan", [*domestic.rules, "IN-TDS-10"], floor, row=row)
