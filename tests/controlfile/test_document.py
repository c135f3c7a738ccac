"""Whatever text stands in a control file is read back to the character."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.controlfile.amounts import PICO_MAX, amount_text, pico_from_text
from bursar.controlfile.document import Document, write_document

breaks = st.sampled_from("\x85\u2028\u2029\ufeff\xa0\n\r\t \\'\":#&*!|>%@`-?~\x00\x9b")
texts = st.text(breaks | st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(texts, st.dictionaries(texts, texts | st.lists(texts, max_size=3), max_size=4), max_size=4))
def test_any_text_is_read_back_as_it_was_written(value):
    assert Document(write_document(value).encode()).value == value


@given(st.integers(0, PICO_MAX))
def test_any_amount_is_read_back_to_the_last_pico(pico):
    written = write_document({"limit": amount_text(pico)})
    assert "'" not in written
    assert pico_from_text(Document(written.encode()).value["limit"], "limit") == pico


def test_what_yaml_would_make_other_values_of_stays_the_text_that_was_written():
    text = b"{a: no, b: 010, c: 1e3, d: 2026-11-01, e: 1_000, f: '', g: 0x1F, h: 12:30:45}"
    assert list(Document(text).value.values()) == ["no", "010", "1e3", "2026-11-01", "1_000", "", "0x1F", "12:30:45"]
