"""Worlds of twelve bills with planted differences, and whether each is found, named and priced."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bursar.bench.reconcile_cases import Case, make_cases
from bursar.bench.reconcile_world import Attempt, Planted
from bursar.domain.clock import SystemClock, us_from_datetime
from bursar.domain.ids import Ids
from bursar.domain.money import femto_from_usd_per_million
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.finance.reconcile.result import Reconciliation, Variance
from bursar.finance.reconcile.run import reconcile
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.spool.journal import Journal
from bursar.spool.records import CallFacts, Dispatched, Settled


class Score(msgspec.Struct):
    """What became of the plants of one seed. unfound, false: in words."""

    bills: int
    planted: int
    found: int
    unfound: list[str]
    false: list[str]


def fill_ledger(cases: Sequence[Case], directory: Path) -> Ledger:
    """Our side, written as a gateway's worker writes it and loaded as always."""
    spool = directory / "spool"
    spool.mkdir()
    journal = Journal(spool, "reconcile", sync=False)
    ids = Ids()
    attempts = [(one, case.traffic) for case in cases for one in case.traffic.ours]
    for one, traffic in sorted(attempts, key=lambda pair: pair[0].at):
        for record in _records(journal, ids, one, traffic.provider):
            journal.append(record)
    journal.close()
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    Loader(ledger, spool, SystemClock()).load_all()
    return ledger


def score(seed: int, *, mixed: bool = False) -> Score:
    """Make a world, reconcile it, compare with what was planted."""
    cases = make_cases(seed, mixed=mixed)
    total = Score(len(cases), 0, 0, [], [])
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as directory:
        ledger = fill_ledger(cases, Path(directory))
        try:
            for case in cases:
                with ledger.reading() as session:
                    found = reconcile(session, case.lines(), case.terms)
                _score(case, found, total)
        finally:
            ledger.close()
    return total


def _score(case: Case, found: Reconciliation, total: Score) -> None:
    left = list(found.variances)
    name = case.traffic.name
    if sum(one.money for one in left) != found.difference:
        total.false.append(f"{name}: the variances don't add up to the difference")
    for planted in case.traffic.planted:
        total.planted += 1
        match = next((one for one in left if _is(planted, one)), None)
        if match is None:
            total.unfound.append(f"{name}: {planted}")
        else:
            left.remove(match)
            total.found += 1
    total.false += [
        f"{name}: {one.cause} {one.first}..{one.last} {one.key} {one.model} {one.unit} {one.money / 1e12:.6f}"
        for one in left
    ]


def _is(planted: Planted, one: Variance) -> bool:
    return (
        one.cause.value == planted.cause
        and (planted.key is None or one.key == planted.key)
        and (planted.model is None or one.model == planted.model)
        and (planted.day is None or one.first == planted.day)
        and abs(one.money - planted.money) <= max(planted.within, len(one.cells))
    )


def _records(journal: Journal, ids: Ids, one: Attempt, provider: str) -> list[Dispatched | Settled]:
    at_us = us_from_datetime(one.at)
    facts = CallFacts(
        ids.new(at_us), at_us, "openai-chat", "chat", Scope("acme", "team", one.credential), one.credential, "virtual",
        one.model, False, 400, "ab" * 16, Attribution("feature"), 0, "openai-python/2.7", 0,
    )  # fmt: skip
    journal.seq += 1
    attempt_id, known = ids.new(at_us), one.quality not in ("unpriced", "assumed")
    lines = [(unit, count, femto_from_usd_per_million(one.rates[unit])) for unit, count in one.usage.items() if count]
    usage = Usage() if one.quality == "assumed" else Usage(**one.usage)
    cost = one.pico if known else one.bound if one.quality == "assumed" else None
    return [
        Dispatched(journal.seq, attempt_id, 1, at_us, provider, provider, one.model, "", "", "", 10**12, "", facts),
        Settled(
            attempt_id, at_us + 1, at_us + 2, 200, "ok", one.quality, "", "stop", one.model, one.tier, "id", usage,
            lines if known else [], cost, cost, "", "", "", None, 100, True, "ok", 200,
        ),
    ]  # fmt: skip
