"""A bill's line that stands for no call isn't looked at; what re-rates a call is its cost."""

from pathlib import Path

from tests.ledger.records import call_facts, dispatched, settled
from tests.watch.conftest import DAY_US, HOUR_US, START, Watched

from bursar.domain.clock import FixedClock
from bursar.domain.watching import Clock, SeriesKey
from bursar.ledger.adjusting import Adjustment, post_adjustments
from bursar.ledger.loader import Loader
from bursar.spool.journal import Journal
from bursar.watch.buckets import minutes
from bursar.watch.long_sums import LongReader
from bursar.watch.spent import costs_of_spans, was_there

NOON = START + DAY_US // 2
DOLLAR = 10**12


def test_a_line_not_through_bursar_is_no_jump_and_a_re_rated_call_costs_what_it_costs(empty: Watched, tmp_path: Path):
    journal = Journal(tmp_path / "spool", "w0", sync=False)
    one = dispatched(1, call_facts(NOON + 1_000_000))
    for record in (one, settled(one, list_pico=DOLLAR)):
        journal.append(record)
    journal.close()
    Loader(empty.ledger, tmp_path / "spool", FixedClock(NOON)).load_all()
    line = Adjustment(part="line", at_us=NOON, about={"provider": "openai", "model": "theirs"}, list_pico=900 * DOLLAR)
    rated = Adjustment(attempt_id=one.attempt_id, list_pico=DOLLAR // 2)
    with empty.ledger.writing() as session:
        assert post_adjustments(session, [line, rated], "bill:x:1", "not through bursar", NOON + DAY_US).posted == 2
    costs = DOLLAR * 3 // 2
    with empty.ledger.reading() as session:
        days = LongReader("duckdb").read(session, Clock.DAY, START, START + DAY_US)
        found = minutes(session, "duckdb", NOON, NOON + HOUR_US)
        spent = costs_of_spans(session, "duckdb", [(START, START + DAY_US)], [])
        theirs = SeriesKey("model", "theirs")
        assert not was_there(session, "duckdb", theirs, (START, START + DAY_US))
    assert [one.cost_pico for one in days.buckets(0)] == [costs]
    assert theirs not in days.keys
    assert sum(bucket.cost_pico for one in found for key, bucket in one.buckets.items() if not key.dimension) == costs
    assert all(theirs not in one.buckets for one in found)
    assert spent == [costs]
