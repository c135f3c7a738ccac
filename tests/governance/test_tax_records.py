"""Tax records in both kinds of store: versions, removal, all or none."""

import pytest
from tests.finance.tax.world import fill, records

from bursar.domain.clock import FixedClock
from bursar.domain.errors import UnknownControl
from bursar.finance.tax.book import TaxBook
from bursar.finance.tax.kept import read_kept
from bursar.finance.tax.sheet import work_sheet
from bursar.governance.store import ControlStore


def test_records_are_versions_in_either_store(store: ControlStore):
    book = fill(TaxBook(store, b"secret", FixedClock(1_000_000)))
    assert book.save_all(records(), actor="bob") == 0
    terms = read_kept("entity", {"vendor": "OpenAI", "country": "IE"})
    assert book.save("entity", "OpenAI OpCo, LLC", terms, actor="bob").version == 2
    book.remove("document", "ANT-PRE", actor="bob")
    assert [one.version for one in book.history("document", "ANT-PRE")] == [1, 2]
    lost = read_kept("paper", {"entity": "Nobody", "kind": "trc", "valid_from": "2026-04-01", "valid_to": "2027-03-31"})
    with pytest.raises(UnknownControl):
        book.save_all([("entity", "New", terms), ("paper", "lost", lost)], actor="bob")
    assert "New" not in [one.name for one in book.all("entity")]
    assert {one.document for one in work_sheet(book, "2026-11").of("pay")} >= {"ANT-1042", "AWS-11"}
