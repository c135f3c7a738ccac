"""Three weeks of calls of three features, with one evening on which search went wrong; and the same as plain values."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.ledger.records import call_facts, dispatched, settled

from bursar.domain.clock import FixedClock
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.spool.journal import Journal

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
START = 1_793_145_600_000_000  # 2026-10-28 00:00 UTC, a Wednesday
BAD = START + 22 * DAY_US + 18 * HOUR_US  # the third Thursday after, 18:00
UNTIL = BAD + 2 * HOUR_US
SMALL, LARGE = ("gpt-5-mini", 250_000_000, 2_000_000_000), ("gpt-5", 1_250_000_000, 10_000_000_000)
"""Name, femto-USD of a token in and out."""


class Made(NamedTuple):
    """One call as it was made."""

    call_id: str
    at_us: int
    feature: str
    customer: str
    model: str
    pico: int


class Watched(NamedTuple):
    """A ledger, and the calls that are in it."""

    ledger: Ledger
    calls: list[Made]

    def cost(self, start_us: int, end_us: int, **having: str) -> int:
        """In pico USD, of the calls with these values."""
        return sum(
            one.pico
            for one in self.calls
            if start_us <= one.at_us < end_us and all(getattr(one, name) == value for name, value in having.items())
        )


def write_calls(directory: Path, now_us: int, *, bad: bool = True) -> list[Made]:
    """Journal files: 8 calls an hour; on the bad evening search asks the large model, mostly for one customer."""
    rng = random.Random(5)
    journal = Journal(directory / "spool", "w0", sync=False)
    made: list[Made] = []
    for hour in range((now_us - START) // HOUR_US):
        is_bad = bad and START + hour * HOUR_US >= BAD
        features = ["checkout", "support", "search", "search"] * 2 + (["search"] * 12 if is_bad else [])
        for number, feature in enumerate(features):
            at_us = START + hour * HOUR_US + number * 170_000_000 + 1_000_000
            model, femto_in, femto_out = LARGE if is_bad and feature == "search" else SMALL
            customer = "acme" if is_bad and number >= 8 else f"customer-{rng.randrange(6)}"
            tokens_in, tokens_out = 1_000 + rng.randrange(200), 100 + rng.randrange(20)
            mark = Attribution(
                feature=feature, team="web" if feature == "search" else "core", customer=customer,
                request_type="chat", session=f"s{hour}-{number}", tags={"plan": "pro" if number % 2 else "free"},
            )  # fmt: skip
            call = call_facts(at_us, model_asked=model, attribution=mark)
            one = dispatched(len(made) + 1, call)
            pico = (tokens_in * femto_in + tokens_out * femto_out) // 1_000
            lines = [("input", tokens_in, femto_in), ("output", tokens_out, femto_out)]
            usage = Usage(input=tokens_in, output=tokens_out)
            journal.append(one)
            journal.append(settled(one, model_served=model, usage=usage, lines=lines, list_pico=pico))
            made.append(Made(call.call_id, at_us, feature, customer, model, pico))
    journal.close()
    return made


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("watched")
    made = write_calls(directory, UNTIL)
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    Loader(ledger, directory / "spool", FixedClock(UNTIL)).load_all()
    yield Watched(ledger, made)
    ledger.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Watched]:
    ledger = open_ledger(tmp_path / "empty.duckdb", threads=1)
    yield Watched(ledger, [])
    ledger.close()
