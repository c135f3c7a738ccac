"""The whole watch, detectors and all: a day of traffic, then one feature goes wrong for a while."""

import math
import random
from pathlib import Path

import pytest
from tests.ledger.records import call_facts, dispatched, settled
from tests.watch.conftest import HOUR_US, START
from tests.watch.test_run import Shelf

from bursar.domain.clock import FixedClock
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.domain.watching import SeriesKey
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.spool.journal import Journal
from bursar.watch.detectors import Detecting
from bursar.watch.findings import Investigator
from bursar.watch.run import Watcher

MINUTE_US = 60_000_000
BEGAN = START + 30 * HOUR_US
ENDED = BEGAN + 25 * MINUTE_US
UNTIL = ENDED + 60 * MINUTE_US
USUAL = {"search": 4.0, "checkout": 3.0, "support": 2.0}
FEMTO_IN, FEMTO_OUT = 1_250_000_000, 10_000_000_000


def poisson(rng: random.Random, mean: float) -> int:
    number, product, limit = 0, rng.random(), math.exp(-mean)
    while product > limit:
        number, product = number + 1, product * rng.random()
    return number


def write_traffic(directory: Path) -> None:
    """Nine calls a minute; from BEGAN on search makes five times as many, with prompts three times as long."""
    rng = random.Random(3)
    journal = Journal(directory / "spool", "w0", sync=False)
    seq = 0
    for minute_us in range(START, UNTIL, MINUTE_US):
        for feature, mean in USUAL.items():
            is_bad = feature == "search" and BEGAN <= minute_us < ENDED
            for _ in range(poisson(rng, mean * (5 if is_bad else 1))):
                seq += 1
                at_us = minute_us + rng.randrange(58_000_000)
                tokens_in = int(rng.lognormvariate(7, 0.4)) * (3 if is_bad else 1)
                tokens_out = int(rng.lognormvariate(5, 0.4))
                mark = Attribution(feature=feature, team="web" if feature == "search" else "core")
                one = dispatched(seq, call_facts(at_us, attribution=mark))
                lines = [("input", tokens_in, FEMTO_IN), ("output", tokens_out, FEMTO_OUT)]
                pico = (tokens_in * FEMTO_IN + tokens_out * FEMTO_OUT) // 1_000
                usage = Usage(input=tokens_in, output=tokens_out)
                journal.append(one)
                journal.append(settled(one, usage=usage, lines=lines, list_pico=pico))
    journal.close()


@pytest.mark.slow
def test_a_feature_that_goes_wrong_is_one_finding_that_says_why_and_ends(tmp_path: Path):
    write_traffic(tmp_path)
    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    clock, shelf = FixedClock(UNTIL), Shelf()
    Loader(ledger, tmp_path / "spool", clock).load_all()
    dimensions = ("feature", "team", "model", "credential_id")
    watcher = Watcher(
        ledger, shelf, Investigator(ledger, dimensions), Detecting(), clock, tmp_path / "watch",
        loaded_us=clock.now_us, dimensions=dimensions,
    )  # fmt: skip
    found_us = 0
    try:
        for at_us in range(BEGAN - 2 * MINUTE_US, UNTIL, MINUTE_US):
            clock.at_us = at_us + 10_000_000
            if watcher.look() and not found_us:
                found_us = at_us
    finally:
        watcher.close()
        ledger.close()
    assert found_us - BEGAN <= 5 * MINUTE_US
    assert len(shelf.kept) == 1
    (one,) = shelf.all()
    assert one.series == SeriesKey("feature", "search")
    assert BEGAN - MINUTE_US <= one.began_us <= BEGAN + 2 * MINUTE_US
    assert one.ended_us is not None
    assert ENDED - MINUTE_US <= one.ended_us <= ENDED + 20 * MINUTE_US
    assert sum(part.pico for part in one.cause.parts) == one.excess_pico > 0
    assert {part.factor for part in one.cause.parts[:2]} == {"calls", "input_length"}
