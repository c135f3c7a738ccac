"""A semantic cache is switched on by its measurement alone, wherever that is asked for."""

from pathlib import Path

import msgspec
import pytest

from bursar.domain.caching import CacheTerms, SemanticCaching, measured_as
from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadControl
from bursar.domain.resemblance import MONTH_US, Measured, shown_measured
from bursar.governance.caches import CacheBook
from bursar.governance.store import ControlStore

SHADOW = CacheTerms(match={"feature": "help"}, semantic=SemanticCaching())
ON = CacheTerms(match={"feature": "help"}, semantic=SemanticCaching("on"))
PAYS = Measured(measured_as(ON), 0.6, calls=300, hits=150, compared=150, saved_pico=10**12, until_us=MONTH_US)


@pytest.fixture
def book(tmp_path: Path) -> CacheBook:
    return CacheBook(ControlStore(tmp_path / "control.sqlite"), b"secret", FixedClock(1))


def note(book: CacheBook, rule_id: str, measured: Measured) -> None:
    book.measured(rule_id, msgspec.json.encode(measured).decode())


def test_it_is_refused_until_its_measurement_pays_and_stays_on_after(book: CacheBook):
    for make in (book.create, book.set):
        with pytest.raises(BadControl, match=r"semantic\.mode: .* hasn't been measured") as refused:
            make("help", ON, is_on=True, actor="ann")
        assert refused.value.field == "semantic.mode"
    rule = book.create("help", SHADOW, is_on=True, actor="ann")
    note(book, rule.rule_id, msgspec.structs.replace(PAYS, calls=4_100, saved_pico=7, embed_pico=11 * 10**12))
    with pytest.raises(BadControl, match=r"at 4,100 calls .* cost \$"):
        book.set("help", ON, is_on=True, actor="ann")
    note(book, rule.rule_id, PAYS)
    assert book.set("help", ON, is_on=True, actor="ann").terms == ON
    note(book, rule.rule_id, msgspec.structs.replace(PAYS, false_hits=100))
    moved = msgspec.structs.replace(ON, position=3)
    assert book.change("help", moved, actor="ann").terms == moved  # it answers already: that was judged before
    looser = msgspec.structs.replace(ON, semantic=SemanticCaching("on", similarity_min=0.8))
    with pytest.raises(BadControl, match="hasn't been measured as it is written here"):
        book.change("help", looser, actor="ann")


def test_one_that_was_off_answers_again_only_while_something_is_known_of_it(book: CacheBook):
    rule = book.create("help", SHADOW, is_on=True, actor="ann")
    note(book, rule.rule_id, PAYS)
    book.set("help", ON, is_on=True, actor="ann")
    samples = Measured(measured_as(ON), 0.6, compared=200, live_compared=200)  # a month later: its shadow is forgotten
    for known, is_refused in (
        (PAYS, False), (samples, False), (msgspec.structs.replace(samples, false_hits=90, live_false=90), True),
        (msgspec.structs.replace(PAYS, saved_pico=0), True), (None, True),
    ):  # fmt: skip
        book.measured(rule.rule_id, "" if known is None else msgspec.json.encode(known).decode())
        book.switch("help", False, actor="ann")
        if is_refused:
            with pytest.raises(BadControl, match="semantic cache can't be switched on"):
                book.switch("help", True, actor="ann")
            with pytest.raises(BadControl, match="semantic cache can't be switched on"):
                book.set("help", ON, is_on=True, actor="ann")
        assert book.one("help").is_on is False
        if not is_refused:
            assert book.switch("help", True, actor="ann").is_on


def test_what_the_system_counts_is_no_decision_of_anybody(book: CacheBook, tmp_path: Path):
    rule = book.create("help", SHADOW, is_on=True, actor="ann")
    note(book, rule.rule_id, PAYS)
    assert book.one("help").measured
    assert book.one("help").terms == SHADOW


@pytest.mark.parametrize("embedder", ["ada", "/ada", "openai/", "", "openai/a\nb", "openai/" + "a" * 200])
def test_an_embedder_is_local_or_an_upstreams_model(book: CacheBook, embedder: str):
    terms = CacheTerms(semantic=SemanticCaching(embedder=embedder))
    with pytest.raises(BadControl, match="UPSTREAM/MODEL") as refused:
        book.create("help", terms, is_on=True, actor="ann")
    assert refused.value.field == "semantic.embedder"


def test_an_upstream_that_cannot_embed_is_refused_with_why(tmp_path: Path):
    why = {"openai": "", "keyless": "it has no key"}
    book = CacheBook(ControlStore(tmp_path / "c.sqlite"), b"secret", FixedClock(1), lambda name: why[name])
    for upstream, told in why.items():
        terms = CacheTerms(semantic=SemanticCaching(embedder=f"{upstream}/text-embedding-3-small"))
        if told:
            with pytest.raises(BadControl, match=told):
                book.create(upstream, terms, is_on=True, actor="ann")
        else:
            assert book.create(upstream, terms, is_on=True, actor="ann").terms == terms


def test_embeddings_without_a_price_keep_it_off(book: CacheBook):
    rule = book.create("help", SHADOW, is_on=True, actor="ann")
    note(book, rule.rule_id, msgspec.structs.replace(PAYS, embeds_unpriced=2))
    with pytest.raises(BadControl, match="what comparing costs isn't known: give local a price"):
        book.set("help", ON, is_on=True, actor="ann")
    assert "the cost of 2 embeddings isn't known" in shown_measured(book.one("help"))
