"""A price learned later: what was unpriced is priced by entries dated then, and nothing that was posted changes."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.ledger.records import T0, call_facts, dispatched, settled, unpriced

from bursar.config import load_config
from bursar.console.repricing import AGAIN_AFTER_S, LOOK_EVERY_S, Repricing
from bursar.domain.clock import FixedClock
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.ledger.verify import verify
from bursar.prices.overrides import price_template, read_overrides
from bursar.site import Site
from bursar.spool.journal import Journal

NOW = T0 + 86_400_000_000
MODEL = "house-model-1"


class World:
    """A site whose ledger has one call with a price and one without; the time between looks is the test's."""

    def __init__(self, data: Path) -> None:
        self.site = Site(load_config(env={}, overrides={"data": str(data)}), FixedClock(NOW))
        self.site.prepare()
        self.ledger: Ledger = self.site.open_ledger()
        self.journal = Journal(self.site.paths.spool, "w0", sync=False)
        self.seconds = 0.0
        known = dispatched(1)
        self.journal.append(known)
        self.journal.append(settled(known))
        self.add_unpriced()
        self.repricing = Repricing(self.site, self.ledger, lambda: self.seconds)

    def add_unpriced(self) -> None:
        lost = dispatched(2, call_facts(model_asked=MODEL))
        self.journal.append(lost)
        self.journal.append(unpriced(lost, 1_000, 200, model_served=MODEL))
        self.load()

    def load(self) -> None:
        Loader(self.ledger, self.site.paths.spool, FixedClock(NOW - 1)).load_all()

    def look(self, after: float = LOOK_EVERY_S) -> None:
        self.seconds += after
        self.repricing.look()

    def write(self, text: str) -> None:
        self.site.paths.prices.write_text(text)

    def entries(self) -> list[tuple[object, ...]]:
        with self.ledger.reading() as session:
            return session.query(
                "SELECT entry, weight, list_cost, quality, epoch_us(posted_at) FROM charges WHERE model = $model "
                "ORDER BY posted_at, weight",
                {"model": MODEL},
            ).rows

    def holds(self) -> bool:
        return all(finding.ok for finding in verify(self.ledger, self.site.paths.spool))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "data")
    yield world
    world.journal.close()
    world.ledger.close()


PRICED = f'[[price]]\nprovider = "openai"\nmodel = "{MODEL}"\ninput = 2\noutput = 10\n'


def test_a_price_learned_later_prices_earlier_calls_by_entries_dated_now(world: World):
    world.look()
    before = world.entries()
    assert [(row[0], row[2]) for row in before] == [("usage", None)]
    world.write(PRICED)
    world.look()
    after = world.entries()
    assert after[0] == before[0]
    cost = Decimal("0.004")
    assert [row[:4] for row in after[1:]] == [("reversal", -1, None, "unpriced"), ("correction", 1, cost, "reported")]
    assert {row[4] for row in after[1:]} == {NOW}
    with world.ledger.reading() as session:
        assert session.query("SELECT SUM(list_cost), SUM(unpriced_count) FROM rollup_new WHERE model = $model",
                             {"model": MODEL}).rows == [(cost, 0)]  # fmt: skip
    assert world.holds()
    world.look(AGAIN_AFTER_S)
    assert world.entries() == after


def test_a_call_that_ended_by_the_old_book_is_priced_a_little_later(world: World):
    world.write(PRICED)
    world.look()
    world.add_unpriced()
    world.look()
    assert [row[0] for row in world.entries()].count("correction") == 1
    world.look(AGAIN_AFTER_S)
    assert [row[0] for row in world.entries()].count("correction") == 2
    assert world.holds()


def test_prices_that_cannot_be_used_leave_those_from_before_in_force(world: World):
    world.write(PRICED)
    world.look()
    book = world.site.paths.price_book.read_bytes()
    world.write(PRICED.replace("= 2\n", "= -2\n"))
    world.look()
    assert "negative" in world.repricing.fault
    assert world.site.paths.price_book.read_bytes() == book
    world.write(PRICED)
    world.look()
    assert world.repricing.fault == ""


def test_the_lines_to_fill_in_cannot_be_used_as_they_are():
    text = price_template('open"ai', "my model")
    read = read_overrides(text)
    assert read.rows == []
    assert 'input is still "?"' in str(read.faults[0])
    filled = read_overrides(text.replace('"?"', "1.5"))
    assert filled.faults == []
    assert (filled.rows[0].provider, filled.rows[0].model, filled.rows[0].valid_from_us) == (
        'open"ai',
        "my model",
        None,
    )
