"""A made-up group's tax records: three payers, two vendors of AI, a cloud with entities in two countries."""

from typing import Any

from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.kept import Terms, read_kept

OPENAI, PBC = "OpenAI OpCo, LLC", "Anthropic, PBC"
RECORDS: list[tuple[str, str, dict[str, Any]]] = [
    ("payer", "Acme India", {"jurisdiction": "IN", "inputs": {"customer_state": "KA"},
                             "turnover": {"2026-11": ["6000000", "10000000"]}}),
    ("payer", "Acme GmbH", {"jurisdiction": "DE", "inputs": {"deduction_pct": "80"}}),
    ("payer", "Acme Inc", {"jurisdiction": "US-TX"}),
    ("entity", PBC, {"vendor": "Anthropic", "country": "US", "inputs": {"tax_borne_by_payer": True}}),
    ("entity", "Anthropic Ireland, Limited", {"vendor": "Anthropic", "country": "IE"}),
    ("entity", OPENAI, {"vendor": "OpenAI", "country": "US"}),
    ("entity", "AWS India Private Limited", {"vendor": "AWS", "country": "IN", "state": "DL"}),
    ("entity", "AWS, Inc.", {"vendor": "AWS Marketplace", "country": "US"}),
    ("paper", "TRC OpenAI", {"entity": OPENAI, "kind": "trc", "valid_from": "2026-04-01", "valid_to": "2027-03-31"}),
    ("paper", "Form 41 OpenAI", {"entity": OPENAI, "kind": "form41", "valid_from": "2026-04-01",
                                 "valid_to": "2027-03-31"}),
    ("position", "API calls", {"question": "tds_position", "choice": "royalty_or_fts", "since": "2026-04-01",
                               "adviser": "Rao & Co", "evidence": "memo of 2 Mar 2026"}),
    ("position", "OpenAI", {"question": "tds_position", "choice": "not_chargeable", "since": "2026-04-01",
                            "adviser": "Rao & Co", "evidence": "opinion of 11 Apr 2026", "entity": OPENAI}),
    ("document", "ANT-1042", {"payer": "Acme India", "entity": PBC, "inputs": {
        "amount_usd": "10000.00", "invoice_and_booking_date": "2026-10-30", "payment_date": "2026-11-12",
        "self_invoice_date": "2026-11-12", "service_receipt_date": "2026-10-31",
        "fx_tds_ttbr_on_2026_10_30": "88.45", "fx_gst_policy_rate_on_2026_11_12": "89.125",
        "fx_booking_rate_on_2026_10_30": "88.90", "bank_selling_rate_on_2026_11_12": "89.60"}}),
    ("document", "OAI-77", {"payer": "Acme India", "entity": OPENAI, "inputs": {
        "amount_usd": "4200.50", "invoice_and_booking_date": "2026-11-03", "payment_date": "2026-11-20",
        "self_invoice_date": "2026-11-20", "fx_tds_ttbr_on_2026_11_03": "88.70",
        "fx_gst_policy_rate_on_2026_11_20": "89.30"}}),
    ("document", "AWS-11", {"payer": "Acme India", "inputs": {"invoice_date": "2026-11-02",
                                                              "payment_date": "2026-11-25"}, "lines": [
        {"entity": "AWS India Private Limited", "net_inr": "500000.00",
         "resident_tds_option": "technical_services_2pct"},
        {"entity": "AWS, Inc.", "amount_usd": "1200.00", "fx_gst_policy_rate_on_2026_11_25": "89.40",
         "fx_tds_ttbr_on_2026_11_25": "88.90"}]}),
    ("document", "ANT-EU-9", {"payer": "Acme GmbH", "entity": "Anthropic Ireland, Limited", "inputs": {
        "invoice_net_eur": "8000.00", "invoice_date": "2026-11-05"}}),
    ("document", "OAI-TX-3", {"payer": "Acme Inc", "entity": OPENAI, "inputs": {
        "charge_usd": "3000.00", "invoice_date": "2026-11-07", "combined_rate": "0.0825"}}),
    ("document", "ANT-PRE", {"payer": "Acme India", "entity": PBC, "inputs": {
        "amount_usd": "500.00", "is_prepaid": True, "payment_date": "2026-11-18"}}),
]  # fmt: skip


def records() -> list[tuple[str, str, Terms]]:
    return [(kind, name, read_kept(kind, terms)) for kind, name, terms in RECORDS]


def fill(book: TaxBook) -> TaxBook:
    book.save_all(records(), actor="ada")
    return book
