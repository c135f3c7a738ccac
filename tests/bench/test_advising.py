"""The large ledger that advice is timed on is one made world, many times over, and each copy is advised on."""

from pathlib import Path

import pytest

from bursar.bench.advice_outputs import HungUp
from bursar.bench.advice_plants import Questions
from bursar.bench.advising import NAMES, copy_world, make_world, timed
from bursar.ledger.duckdb import open_ledger
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows


@pytest.mark.slow
def test_a_world_is_copied_whole_and_apart(tmp_path: Path):
    book = PriceBook(compile_rows(None)[0])
    charges = make_world(tmp_path, book, (Questions, HungUp))
    copied = copy_world(tmp_path / "world.duckdb", tmp_path / "large.duckdb", charges, NAMES * charges / 5_000_000)
    assert copied == NAMES * charges
    ledger = open_ledger(tmp_path / "large.duckdb")
    with ledger.reading() as session:
        rows = session.query(
            "SELECT count(*) AS charges, count(DISTINCT attempt_id) AS attempts, count(DISTINCT feature) AS features "
            "FROM charges"
        ).dicts()
    ledger.close()
    assert rows == [{"charges": copied, "attempts": copied, "features": 2 * NAMES}]
    seconds, given = timed(tmp_path / "large.duckdb", book)
    assert seconds > 0
    assert given == 2 * NAMES
