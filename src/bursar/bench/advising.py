"""How long advice takes on a large ledger: one made world many times over, features, sessions and requests apart."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

from bursar.advisor.look import Look
from bursar.advisor.review import review
from bursar.bench.advice import FIRST_DAY, PLANTS, WEEKS, calls_of
from bursar.bench.advice_making import Plant
from bursar.bench.advice_world import DAY_US, write_ledger
from bursar.bench.figure import Figure, Options, median
from bursar.domain.clock import datetime_from_us
from bursar.domain.periods import Period
from bursar.gateway.meter import Meter
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows

CHARGES = 5_000_000
SECONDS_MAX = 10.0
NAMES = 4  # features that each of the world's becomes
APART_MS = 700  # copies of a call are so far apart, so that clocks and gaps stay what they were


def measure(options: Options) -> list[Figure]:
    """A review of four weeks with every family's saving in them: median of rounds, nothing remembered between them."""
    book = PriceBook(compile_rows(None)[0])
    with tempfile.TemporaryDirectory(prefix="bursar-bench-review-") as name:
        directory = Path(name)
        world = make_world(directory, book)
        charges = copy_world(directory / "world.duckdb", directory / "large.duckdb", world, options.scale)
        samples, given = [], 0
        for _ in range(max(options.rounds // 2, 1)):
            seconds, given = timed(directory / "large.duckdb", book)
            samples.append(seconds)
    note = (
        f"{charges:,} charges, {given} pieces of advice, {len(samples)} rounds, {min(samples):.1f}–{max(samples):.1f}"
    )
    return [Figure("a review", median(samples), "s", SECONDS_MAX, note=note)]


def make_world(directory: Path, book: PriceBook, plants: Sequence[type[Plant]] = PLANTS) -> int:
    """`world.duckdb` of these plants; how many charges it has."""
    made = calls_of([plant(0) for plant in plants], 0, FIRST_DAY, 7 * WEEKS)
    calls = sorted((call for of_plant in made for call in of_plant), key=lambda one: one.at_us)
    write_ledger(calls, directory / "spool", Meter(book))
    ledger = open_ledger(directory / "world.duckdb")
    try:
        Loader(ledger, directory / "spool").load_all()
        with ledger.reading() as session:
            return int(session.query("SELECT count(*) FROM charges").only())
    finally:
        ledger.close()


def copy_world(world: Path, large: Path, charges: int, scale: float = 1.0) -> int:
    """The world's charges as often as it takes to CHARGES, in order of time; how many these are."""
    times = max(round(CHARGES * scale / charges), 1)
    open_ledger(large).close()
    with duckdb.connect(str(large)) as connection:
        connection.execute(f"ATTACH '{world}' AS world (READ_ONLY)")
        connection.execute(_COPY.format(times=times))
        connection.execute("CHECKPOINT")
    return times * charges


def timed(path: Path, book: PriceBook) -> tuple[float, int]:
    """Seconds that a review takes, and how many pieces of advice come of it."""
    end_us = (FIRST_DAY + 7 * WEEKS) * DAY_US
    period = Period(datetime_from_us(FIRST_DAY * DAY_US), datetime_from_us(end_us))
    ledger = open_ledger(path)
    try:
        started = time.perf_counter()
        with ledger.reading() as session:
            found = review(Look(session, ledger.dialect, period, book, end_us))
        return time.perf_counter() - started, len(found.ranked)
    finally:
        ledger.close()


_ID = "(substr({id}::VARCHAR, 1, 24) || printf('%012x', (hash({id}, number) % 281474976710656)::BIGINT))::UUID AS {id}"
_COPY = f"""
INSERT INTO charges SELECT made.* REPLACE (
  {_ID.format(id="attempt_id")}, {_ID.format(id="call_id")},
  received_at + to_milliseconds(number * {APART_MS}) AS received_at,
  CASE WHEN number % {NAMES} = 0 THEN feature ELSE feature || '-' || number % {NAMES} END AS feature,
  CASE WHEN session = '' THEN '' ELSE session || '-' || number END AS session,
  CASE WHEN request_fingerprint = '' THEN '' ELSE request_fingerprint || '-' || number END AS request_fingerprint
) FROM world.charges AS made, range({{times}}) AS copies(number)
ORDER BY received_at + to_milliseconds(number * {APART_MS})
"""
