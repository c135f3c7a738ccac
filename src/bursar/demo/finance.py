"""What the made-up company's finance has kept: a contract, who bears shared costs, payers, vendors and papers for tax.

Each is what a person would send to the console's API, in order. Companies of the group, rates and bills are made up;
vendors' legal names are as their bills say them.
"""

from datetime import date, timedelta
from typing import Any, NamedTuple

from bursar.domain.calendar import month_on

VENDOR, ENTITY = "anthropic", "Anthropic, PBC"
INDIA, GERMANY = "Example Labs India Pvt Ltd", "Example Labs GmbH"
MADE_UP = "made up for the demo"
PAID_ON_DAY = 12
RUPEES = (("books", "89.10"), ("gst", "89.25"), ("tds", "88.70"), ("report", "89.00"))


class Act(NamedTuple):
    """A POST of JSON to the console's API."""

    path: str
    body: Any


def terms_since(today: date) -> date:
    """The first day of the month before: terms hold from it on, and months before it are closed."""
    return month_on(today.replace(day=1), -1)


def close_of(month: str) -> Act:
    """month: "2026-09". What its checklist says was looked at."""
    return Act(
        f"/api/close/{month}",
        {"by": "Ada Lovelace", "note": "the history of the demo begins in it", "accepted": True},
    )


def finance_acts(today: date) -> list[Act]:
    """All but what rests on a bill. today: of the demo's start."""
    since = terms_since(today)
    return [
        _contract(since),
        Act("/api/contracts/rate", {}),  # at once, so that no figure moves while somebody looks
        _rule("untagged", {"kind": "split", "start": since, "where": ["team="], "note": "shared by who uses most"}),
        _rule(
            "observability",
            {"kind": "flat", "start": since, "amount": "400", "method": "even", "note": "one tool for all teams"},
        ),
        Act("/api/rates", _rates(today)),
        *_tax(today),
    ]


def tax_of_bill(today: date) -> dict[str, Any]:
    """What a person says of the vendor's bill of last month to make it a tax document."""
    issued = _last_month_ends(today)
    return {
        "payer": INDIA,
        "entity": ENTITY,
        "number": f"ANT-{issued:%Y%m}",
        "invoice_date": issued,
        "inputs": {"payment_date": _paid(today), "self_invoice_date": _paid(today)},
        "although_open": True,  # its differences are there for whoever looks at the demo to decide
    }


def _contract(since: date) -> Act:
    """Off the two dearest models, and less than is promised: the pace falls short of it by a tenth."""
    terms = {
        "provider": "openai",
        "entity": "OpenAI OpCo, LLC",
        "owner": "Ada Lovelace, finance",
        "discounts": [{"models": ["gpt-5.6-sol", "gpt-5.5*"], "percent": "12"}],
        "commitments": [
            {"name": "year", "amount": "21000", "start": since, "end": month_on(since, 12) - timedelta(days=1)}
        ],
    }
    return Act("/api/contracts", {"name": "openai-enterprise", "since": since, "terms": terms, "why": "signed by Ada"})


def _rule(name: str, terms: dict[str, Any]) -> Act:
    return Act("/api/allocation/rules", {"name": name, "terms": terms})


def _rates(today: date) -> list[dict[str, Any]]:
    """Rupees for a dollar on the days that tax and books ask for, by purpose."""
    days = sorted({_last_month_ends(today), _paid(today), today})
    return [
        {"day": day, "currency": "USD", "into": "INR", "rate": rate, "purposes": [purpose], "source": MADE_UP}
        for day in days
        for purpose, rate in RUPEES
    ]


def _tax(today: date) -> list[Act]:
    """Two payers; a vendor abroad, one at home, one in the Union; what is held, and the position that was taken."""
    year = date(today.year if today.month >= 4 else today.year - 1, 4, 1)  # India's financial year
    held = {"entity": ENTITY, "valid_from": year, "valid_to": date(year.year + 1, 3, 31), "evidence": "vendor's portal"}
    aws, ireland = "AWS India Private Limited", "Anthropic Ireland, Limited"
    issued, this = _last_month_ends(today), today.replace(day=1)
    return [
        _record("payer", INDIA, {
            "jurisdiction": "IN", "inputs": {"customer_state": "KA", "payer_gst_registered": True},
            "turnover": {f"{this:%Y-%m}": ["1500000", "12000000"]},
        }),
        _record("payer", GERMANY, {"jurisdiction": "DE", "inputs": {"deduction_pct": "100"}}),
        _record("entity", ENTITY, {"vendor": "Anthropic", "country": "US"}),
        _record("entity", ireland, {"vendor": "Anthropic", "country": "IE"}),
        _record("entity", aws, {"vendor": "AWS", "country": "IN", "state": "KA", "registration": "29AAAAA0000A1Z5"}),
        _record("paper", "Residency certificate", held | {"kind": "trc"}),
        _record("paper", "Form 41", held | {"kind": "form41"}),
        _record("position", "API calls", {
            "question": "tds_position", "choice": "not_chargeable", "since": year,
            "adviser": "an adviser, made up", "evidence": "memo of the demo",
        }),
        _record("document", f"AWS-{issued:%Y%m}", {
            "payer": INDIA, "entity": aws,
            "inputs": {"net_inr": "185000.00", "invoice_and_booking_date": this, "payment_date": _paid(today),
                       "resident_tds_option": "technical_services_2pct"},
        }),
        _record("document", f"ANT-EU-{issued:%Y%m}", {
            "payer": GERMANY, "entity": ireland, "inputs": {"invoice_net_eur": "640.00", "invoice_date": this},
        }),
    ]  # fmt: skip


def _record(kind: str, name: str, terms: dict[str, Any]) -> Act:
    return Act(f"/api/tax/records/{kind}/{name}", terms)


def _last_month_ends(today: date) -> date:
    return today.replace(day=1) - timedelta(days=1)


def _paid(today: date) -> date:
    """The day of this month that bills are paid on, or today where that is to come."""
    return min(today.replace(day=PAID_ON_DAY), today)
