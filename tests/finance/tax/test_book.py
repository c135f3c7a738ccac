"""What is said of taxes: kept in versions, audited, refused whole, in both kinds of store."""

from datetime import date

import pytest
from tests.finance.tax.world import OPENAI, fill, records

from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadTax, UnknownControl
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.documents import case_of, documents_from_csv, position_on, what_is_known
from bursar.finance.tax.kept import DocumentTerms, PositionTerms, read_kept
from bursar.governance.audit import audit_entries
from bursar.governance.store import ControlStore

CSV = b"""Invoice no,payer,entity,amount_usd,net_inr,payment_date
A-1,Acme India,"OpenAI OpCo, LLC",120.50,,2026-11-20
A-2,Acme India,AWS India Private Limited,,900.00,2026-11-21
A-2,Acme India,"AWS, Inc.",10.00,,2026-11-21
"""


@pytest.fixture
def book(store: ControlStore) -> TaxBook:
    return fill(TaxBook(store, b"secret", FixedClock(1_000_000)))


def test_records_come_back_as_they_were_said_and_twice_is_once(book: TaxBook, store: ControlStore):
    assert book.save_all(records(), actor="bob") == 0
    assert [one.name for one in book.all("paper")] == ["Form 41 OpenAI", "TRC OpenAI"]
    terms = book.one("document", "AWS-11").terms
    assert isinstance(terms, DocumentTerms)
    assert len(terms.lines) == 2
    with store.reading() as connection:
        actions = [one.action for one in audit_entries(connection) if one.action.startswith("tax.")]
    assert len(actions) == len(records())
    assert set(actions) == {f"tax.{kind}.create" for kind in ("payer", "entity", "paper", "position", "document")}


def test_a_position_is_changed_by_a_version_and_the_old_one_holds_for_older_days(book: TaxBook):
    told = {"question": "tds_position", "choice": "not_chargeable", "since": "2026-12-01", "adviser": "Rao & Co",
            "evidence": "opinion of 20 Nov 2026"}  # fmt: skip
    assert book.save("position", "API calls", read_kept("position", told), actor="bob").version == 2
    known = what_is_known(book)
    for day, choice in ((date(2026, 11, 30), "royalty_or_fts"), (date(2026, 12, 1), "not_chargeable")):
        found = position_on(known, "tds_position", "Anthropic, PBC", day)
        assert isinstance(found, PositionTerms)
        assert found.choice == choice
    assert position_on(known, "tds_position", "Anthropic, PBC", date(2026, 3, 31)) is None
    assert [one.version for one in book.history("position", "API calls")] == [1, 2]


def test_a_paper_is_held_on_the_days_it_is_valid(book: TaxBook):
    known = what_is_known(book)
    for day, held in (("2026-11-03", True), ("2027-04-01", False)):
        terms = DocumentTerms("Acme India", OPENAI, {"amount_usd": "1.00", "invoice_and_booking_date": day})
        inputs = case_of(terms, known)["inputs"]
        assert (inputs["trc_on_file"], inputs["form41_on_file"]) == (held, held)
        assert inputs["treaty_rate_confirmed"] is False


def test_removed_is_out_of_every_list_and_its_versions_stay(book: TaxBook):
    book.remove("document", "ANT-PRE", actor="bob")
    assert "ANT-PRE" not in [one.name for one in book.all("document")]
    assert [one.terms is None for one in book.history("document", "ANT-PRE")] == [False, True]
    with pytest.raises(UnknownControl):
        book.remove("document", "ANT-PRE", actor="bob")


def test_a_file_is_kept_whole_or_not_at_all(book: TaxBook):
    found = documents_from_csv(CSV, {"Invoice no": "number"})
    assert [name for name, _ in found] == ["A-1", "A-2"]
    assert book.save_all([("document", *one) for one in found], actor="ada") == 2
    assert book.save_all([("document", *one) for one in found], actor="ada") == 0
    strange = documents_from_csv(CSV.replace(b'"AWS, Inc."', b"Nobody").replace(b"A-", b"B-"), {"Invoice no": "number"})
    with pytest.raises(UnknownControl, match="Nobody"):
        book.save_all([("document", *one) for one in strange], actor="ada")
    assert not [one for one in book.all("document") if one.name.startswith("B-")]


@pytest.mark.parametrize(
    ("content", "field"),
    [(b"payer,amount_usd\nAcme India,1.00\n", "number"), (b"number,payer,colour\nX,Acme India,red\n", "colour"),
     (b"number,payer,amount_usd\nX,Acme India,ten\n", "amount_usd"), (b"number,payer\nX,Acme India\n", "amount"),
     (b"\xff\xfe", "csv")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_names_the_field(content, field):
    with pytest.raises(BadTax) as told:
        documents_from_csv(content, {})
    assert told.value.field == field


@pytest.mark.parametrize(
    ("kind", "terms", "field"),
    [
        ("position", {"question": "tds_position", "choice": "advance", "since": "2026-04-01", "adviser": "x",
                      "evidence": "y"}, "choice"),
        ("position", {"question": "tds_position", "choice": "royalty", "since": "2026-04-01", "adviser": "",
                      "evidence": "y"}, "adviser"),
        ("paper", {"entity": "x", "kind": "letter", "valid_from": "2026-04-01", "valid_to": "2027-03-31"}, "kind"),
        ("paper", {"entity": "x", "kind": "trc", "valid_from": "2026-04-01", "valid_to": "2025-03-31"}, "valid_to"),
        ("entity", {"vendor": "x", "country": "Atlantis"}, "country"),
        ("payer", {"jurisdiction": "IN", "turnover": {"2026-11": ["9", "5"]}}, "turnover"),
        ("document", {"payer": "x", "inputs": {"colour": "red"}}, "colour"),
        ("document", {"payer": "x"}, "amount"),
        ("rules", {"toml": "[[row]]"}, "rules"),
        ("wish", {}, "kind"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_its_field(kind, terms, field):
    with pytest.raises(BadTax) as told:
        read_kept(kind, terms)
    assert told.value.field == field


def test_ones_own_treaty_is_used_by_documents(book: TaxBook):
    toml = """
[[row]]
table = "in.treaty"
key = "US"
rule = "IN-TDS-08"
from = "2026-04-01"
to = ""
confidence = "medium"
values = {rate = "0.12", make_available = "yes"}
"""
    book.save("rules", "confirmed", read_kept("rules", {"toml": toml}), actor="ada")
    row = book.rules().need("in.treaty", date(2026, 11, 1), "US")
    assert (row.text("rate"), row.origin) == ("0.12", "own rules confirmed")
