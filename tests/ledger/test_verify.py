"""Each law can fail: break it on purpose, and verify says so and says where."""

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest
from tests.ledger.records import T0, call_facts, dispatched, ended, failed, settled, unpriced

from bursar.domain.clock import FixedClock
from bursar.ledger.adjusting import Adjustment, post_adjustments
from bursar.ledger.journal import reverse
from bursar.ledger.laws import LAWS
from bursar.ledger.loader import Loader
from bursar.ledger.rollups import DAY_ROLLUPS, ROLLUPS
from bursar.ledger.store import Ledger
from bursar.ledger.verify import verify
from bursar.spool.journal import Journal
from bursar.spool.records import Line


def rows_of_fifth(ledger: Ledger) -> str:
    with ledger.reading() as session:
        return str(session.query("SELECT attempt_id FROM charges WHERE seq = 5").only())


@pytest.fixture
def books(ledger: Ledger, spool: Path) -> Iterator[Ledger]:
    """Some of everything: plain, retried, refused, unpriced, reversed, in flight."""
    journal = Journal(spool, "w0", sync=False)
    for seq in range(1, 6):
        one = dispatched(seq, call_facts(T0 + seq * 1_000_000_000))
        journal.append(one)
        journal.append(settled(one, 100 * seq, seq))
    call = call_facts(T0 + 7_000_000_000)
    first, second = dispatched(6, call), dispatched(7, call, attempt_number=2, retry_cause="status_529")
    for record in (first, failed(first), second, settled(second), ended()):
        journal.append(record)
    dark = dispatched(8, bound_pico=None)
    journal.append(dark)
    journal.append(unpriced(dark))
    journal.append(dispatched(9))
    line = dispatched(0, call_facts(T0 + 8_000_000_000))
    journal.append(Line(line, settled(line)))
    journal.append(Line(line, settled(line)))
    loader = Loader(ledger, spool, FixedClock(T0 + 3 * 86_400_000_000))  # the calls' day is over
    loader.load_all()
    loader.compact()
    reverse(ledger, second.attempt_id, "a test", T0)
    fifth = rows_of_fifth(ledger)
    with ledger.writing() as session:
        post_adjustments(session, [Adjustment(attempt_id=fifth, billed_pico=-5)], "a test", "a test", T0)
    yield ledger
    journal.close()  # only now: the worker lives on


def test_untouched_books_hold_every_law(books: Ledger, spool: Path) -> None:
    findings = verify(books, spool)
    assert [finding for finding in findings if not finding.ok] == []
    assert len(findings) == len(LAWS) + 2
    assert {finding.law for finding in findings} == {1, 2, 3, 5, 7, 8}


ROLLUP_LAWS = {f"{rollup.name} = charges" for rollup in (*ROLLUPS, *DAY_ROLLUPS)}
BREAKS = {
    "a charge is lost": (
        "DELETE FROM charges WHERE seq = 3",
        {
            "attempts in the journal = charges + in flight",
            "settlements in the journal + assumed = charges",
            "no gap in any worker's sequence",
            *ROLLUP_LAWS,
            "each attempt in the journal files is in the books",
            "costs in the journal files = costs in the books",
        },
    ),
    "a batch's line is lost": (
        "DELETE FROM charges WHERE seq = 0",
        {
            "batch lines in the journal, without copies = their charges",
            *ROLLUP_LAWS,
            "each attempt in the journal files is in the books",
        },
    ),
    "a charge is there twice": (
        "INSERT INTO charges SELECT * FROM charges WHERE seq = 3",
        {
            "attempts in the journal = charges + in flight",
            "settlements in the journal + assumed = charges",
            "one charge for each attempt",
            "one row and one outcome for each call",
            "each call = its charges",
            *ROLLUP_LAWS,
            "costs in the journal files = costs in the books",
        },
    ),
    "a cost is changed by a pico": (
        "UPDATE charges SET list_cost = list_cost + 0.000000000001::DECIMAL(18,12) WHERE seq = 3",
        {
            "lines of a charge, rounded once = its list cost",
            *ROLLUP_LAWS,
            "costs in the journal files = costs in the books",
        },
    ),
    "an unpriced charge becomes free": (
        "UPDATE charges SET list_cost = 0, effective_cost = 0 WHERE quality = 'unpriced'",
        {"unpriced means no cost, and no cost means unpriced", *(f"{rollup.name} = charges" for rollup in ROLLUPS)},
    ),
    "an adjusting entry counts an attempt": (
        "UPDATE charges SET weight = 1 WHERE entry = 'adjustment'",
        {
            "an adjusting entry changes nothing but money, and stands for an attempt of the books or for none",
            *ROLLUP_LAWS,
        },
    ),
    "a call's own row forgets an attempt": (
        "UPDATE call_rows SET attempts = 5, effective_cost = 1 WHERE attempts > 0",
        {"each call = its charges", "all calls add up to all charges"},
    ),
    "a call has two rows": (
        "INSERT INTO call_rows SELECT * FROM call_rows",
        {"one row and one outcome for each call"},
    ),
    "a call has no row": (
        "UPDATE charges SET is_whole_call = false",
        {"one row and one outcome for each call", "each call = its charges", "all calls add up to all charges"},
    ),
    "a rollup counts a retry too few": (
        "UPDATE rollup_state SET retries = retries - 1 WHERE retries > 0",
        {"rollup_state = charges"},
    ),
    "a rollup counts a partial sum twice": (
        "INSERT INTO rollup_new SELECT * FROM rollup_new",
        {f"{rollup.name} = charges" for rollup in ROLLUPS},
    ),
    "a reversal is no opposite": (
        "UPDATE charges SET input_tokens = input_tokens + 1 WHERE entry = 'reversal'",
        {
            "a reversal is the exact opposite of what it reverses",
            "each call = its charges",
            *ROLLUP_LAWS,
        },
    ),
    "a reversal takes back what another lever saved": (
        "UPDATE charges SET saved_batch = saved_batch + 1, saved_routing = saved_routing - 1 WHERE entry = 'reversal'",
        {"a reversal is the exact opposite of what it reverses", *ROLLUP_LAWS},
    ),
    "a reversal is posted twice": (
        "INSERT INTO charges SELECT * FROM charges WHERE entry = 'reversal'",
        {
            "no entry is posted or reversed twice",
            "each call = its charges",
            "all calls add up to all charges",
            *ROLLUP_LAWS,
        },
    ),
    "a sequence number is skipped": (
        "UPDATE charges SET seq = 20 WHERE seq = 4",
        {"no gap in any worker's sequence"},
    ),
    "what is in flight is forgotten": (
        "DELETE FROM pending",
        {
            "attempts in the journal = charges + in flight",
            "each attempt in the journal files is in the books",
        },
    ),
    "a dead worker's attempt stays in flight": (
        "INSERT INTO writers VALUES ('w0', now()::TIMESTAMP, 0)",
        {"what is in flight is in no charge and has a living worker"},
    ),
    "a saving that nobody made": (
        "UPDATE charges SET counterfactual_cost = list_cost + 1 WHERE seq = 1 AND list_cost IS NOT NULL",
        {"each charge: its cost and what each lever saved = its counterfactual"},
    ),
    "a fault nobody looked at": (
        "INSERT INTO loader_faults VALUES (now()::TIMESTAMP, 'damaged_record', 'w0.000000.journal at byte 99')",
        {"all of the journal could be read"},
    ),
    "the watermark is ahead of the books": (
        "UPDATE segments SET dispatched = dispatched + 1, settled = settled + 1",
        {"attempts in the journal = charges + in flight", "settlements in the journal + assumed = charges"},
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_law_is_found(books: Ledger, spool: Path, name: str) -> None:
    statement, expected = BREAKS[name]
    with books.writing() as session:
        session.run(statement)
    broken = {finding.name: finding for finding in verify(books, spool) if not finding.ok}
    assert set(broken) == expected
    for finding in broken.values():
        assert finding.expected != finding.actual or finding.detail


@pytest.mark.parametrize("femto", [0, 1, 499, 500, 501, 999, 1_500, 2_499, 2_500, 2_501, 10**15 + 500, -500, -1_500])
def test_lines_are_rounded_half_even_and_no_other_way(books: Ledger, femto: int) -> None:
    law = next(law for law in LAWS if law.name.startswith("lines"))
    exact = Decimal(femto) / 10**15
    right = exact.quantize(Decimal("1e-12"), ROUND_HALF_EVEN)
    for pico_off in (-1, 0, 1):
        with books.writing() as session:
            session.run(
                "UPDATE charges SET lines = [{'unit': 'input', 'quantity': 1, 'unit_price': $price::DECIMAL(28,15)}], "
                "list_cost = $cost::DECIMAL(18,12) WHERE seq = 3",
                {"price": f"{exact:f}", "cost": f"{right + Decimal(pico_off) / 10**12:f}"},
            )
        with books.reading() as session:
            assert session.query(law.sql).rows[0][1] == abs(pico_off)


def test_every_law_is_broken_by_some_test() -> None:
    always_true: set[str] = {"the days add up to the whole"}  # arithmetic of one table: it can't be broken by rows
    broken = set[str]().union(*(names for _, names in BREAKS.values()))
    assert {law.name for law in LAWS} - broken == always_true
