"""A ledger with two weeks of varied calls over October and November 2026, and the same facts as plain values."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import pytest
from tests.ledger.records import T0, call_facts, dispatched, ended, failed, settled, unpriced

from bursar.domain.clock import FixedClock
from bursar.domain.money import usd_from_pico
from bursar.domain.tags import Attribution
from bursar.explore.query import Explorer
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.spool.journal import Journal

FEATURES = ("checkout", "search", "support", "")
CUSTOMERS = tuple(f"customer-{number}" for number in range(40))
MODELS = ("gpt-5", "gpt-5-mini", "claude-opus-5")
DAYS = 14
CALLS = 600


class Fact(NamedTuple):
    """One attempt as it was made: what every answer is compared with."""

    call_id: str
    received_us: int
    feature: str
    customer: str
    model: str
    plan: str
    cost: Decimal | None
    input: int
    is_final: bool
    attempt_number: int


class World:
    """An explorer and the facts it must agree with."""

    def __init__(self, explorer: Explorer, facts: list[Fact]) -> None:
        self.explorer, self.facts = explorer, facts

    def __repr__(self) -> str:
        return f"World of {len(self.facts)} attempts"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("explore")
    rng = random.Random(11)
    journal = Journal(directory / "spool", "w0", sync=False)
    facts: list[Fact] = []
    seq = 0
    for number in range(CALLS):
        at_us = T0 + number * DAYS * 86_400_000_000 // CALLS + rng.randrange(60_000_000)
        mark = Attribution(
            feature=rng.choice(FEATURES),
            team="core" if number % 3 else "growth",
            customer=rng.choice(CUSTOMERS),
            tags={"plan": rng.choice(("pro", "free"))} if number % 4 else {},
        )
        call = call_facts(at_us, model_asked=rng.choice(MODELS), attribution=mark)
        if rng.random() < 0.03:
            journal.append(ended(call))
            continue
        attempts = 1 + (rng.random() < 0.1)
        for attempt in range(1, attempts + 1):
            seq += 1
            one = dispatched(seq, call, attempt_number=attempt, dispatched_us=at_us + attempt * 1_000)
            last = attempt == attempts
            tokens = rng.randrange(1, 20_000)
            changes = {"model_served": call.model_asked, "final": last}
            if not last:
                bill = failed(one, **changes)
            elif rng.random() < 0.05:
                bill = unpriced(one, tokens, 7, **changes)
            else:
                bill = settled(one, tokens, tokens % 13, **changes)
            journal.append(one)
            journal.append(bill)
            cost = None if bill.list_pico is None else usd_from_pico(bill.list_pico)
            plan = mark.tags.get("plan", "")
            facts.append(
                Fact(
                    call.call_id,
                    at_us,
                    mark.feature,
                    mark.customer,
                    call.model_asked,
                    plan,
                    cost,
                    bill.usage.input,
                    last,
                    attempt,
                )
            )
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    week_later = T0 + 8 * 86_400_000_000  # days until then are rolled up, the others aren't yet
    loader = Loader(ledger, directory / "spool", FixedClock(week_later), records_max=500)
    loader.load_once()
    loader.compact()
    loader.load_all()  # the rest stays partial sums
    yield World(Explorer(ledger), facts)
    journal.close()
    ledger.close()
