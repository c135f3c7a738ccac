"""Corrections: reversed and posted again, exactly once, in the books of the day they were learned."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger.records import INPUT_FEMTO, T0, dispatched, settled, unpriced

from bursar.domain.charge import Quality
from bursar.domain.clock import FixedClock, datetime_from_us
from bursar.domain.money import usd_from_pico
from bursar.ledger.journal import Correction, post, reverse
from bursar.ledger.loader import Loader
from bursar.ledger.pricing import Price, Unpriced, price_unpriced
from bursar.ledger.store import Ledger
from bursar.ledger.verify import verify
from bursar.spool.journal import Journal
from bursar.spool.records import Dispatched

LATER = T0 + 86_400_000_000


def rows(ledger: Ledger, sql: str) -> list[tuple[Any, ...]]:
    with ledger.reading() as session:
        return session.query(sql).rows


def broken(ledger: Ledger, spool: Path) -> list[str]:
    return [finding.name for finding in verify(ledger, spool) if not finding.ok]


@pytest.fixture
def attempts(ledger: Ledger, spool: Path) -> list[Dispatched]:
    """One priced, one unpriced with usage, one unpriced that never said what it used."""
    journal = Journal(spool, "w0", sync=False)
    made = [dispatched(seq) for seq in (1, 2, 3)]
    for one in made:
        journal.append(one)
    journal.append(settled(made[0]))
    journal.append(unpriced(made[1], 1_000, 0))
    journal.append(unpriced(made[2], 0, 0))
    journal.close()
    Loader(ledger, spool, FixedClock(T0)).load_all()
    return made


def test_a_reversal_undoes_a_charge_and_leaves_both_rows(
    ledger: Ledger, spool: Path, attempts: list[Dispatched]
) -> None:
    assert reverse(ledger, attempts[0].attempt_id, "billed twice by the provider", LATER)
    assert not reverse(ledger, attempts[0].attempt_id, "again", LATER)
    found = rows(ledger, "SELECT entry, SIGN(list_cost), weight FROM charges WHERE seq = 1 ORDER BY weight DESC")
    assert found == [("usage", 1, 1), ("reversal", -1, -1)]
    assert rows(ledger, "SELECT SUM(list_cost), SUM(input_tokens), SUM(weight) FROM charges WHERE seq = 1") == [
        (Decimal(0), 0, 0)
    ]
    assert broken(ledger, spool) == []


def test_a_correction_is_dated_and_says_why(ledger: Ledger, spool: Path, attempts: list[Dispatched]) -> None:
    correction = Correction(
        attempts[0].attempt_id, "invoice:2026-10", "as invoiced", 7_000, Quality.RECONCILED, [("input", 7, 1_000_000)]
    )
    assert post(ledger, [correction], LATER).posted == 1
    call = rows(ledger, "SELECT list_cost, quality, attempts FROM calls ORDER BY received_at, list_cost NULLS LAST")[0]
    assert call == (usd_from_pico(7_000), "reconciled", 1)
    posted = rows(ledger, "SELECT posted_at, reason, dispatched_at FROM charges WHERE entry = 'correction'")
    dispatched_at = datetime_from_us(attempts[0].dispatched_us).replace(tzinfo=None)
    assert posted == [(datetime_from_us(LATER).replace(tzinfo=None), "as invoiced", dispatched_at)]
    assert broken(ledger, spool) == []


def test_posting_twice_is_posting_once(ledger: Ledger, spool: Path, attempts: list[Dispatched]) -> None:
    correction = Correction(attempts[0].attempt_id, "invoice:2026-10", "as invoiced", 7_000, Quality.RECONCILED)
    post(ledger, [correction, correction], LATER)
    before = rows(ledger, "SELECT count(*), SUM(list_cost) FROM charges")
    again = post(ledger, [correction], LATER + 1)
    assert (again.posted, again.already) == (0, 1)
    assert rows(ledger, "SELECT count(*), SUM(list_cost) FROM charges") == before


def test_a_correction_of_an_attempt_that_is_not_there_posts_nothing(
    ledger: Ledger, spool: Path, attempts: list[Dispatched]
) -> None:
    stranger = dispatched(9).attempt_id
    assert post(ledger, [Correction(stranger, "x", "x", 1)], LATER).unknown == [stranger]
    assert rows(ledger, "SELECT count(*) FROM charges") == [(3,)]


def test_pricing_later_posts_adjustments_and_prices_only_what_was_used(
    ledger: Ledger, spool: Path, attempts: list[Dispatched]
) -> None:
    seen: list[Unpriced] = []

    def price(charge: Unpriced) -> Price:
        seen.append(charge)
        quantity = charge.usage.input
        return Price([("input", quantity, INPUT_FEMTO)], quantity * INPUT_FEMTO // 1_000, "gpt-9", "gpt-9@2026-10-01")

    done = price_unpriced(ledger, price, LATER)
    assert (done.posted, [charge.attempt_id for charge in seen]) == (1, [attempts[1].attempt_id])
    cost = usd_from_pico(1_000 * INPUT_FEMTO // 1_000)
    assert rows(ledger, "SELECT SUM(list_cost), SUM(unpriced_count), SUM(attempts) FROM rollup_new") == [
        (cost + rows(ledger, "SELECT list_cost FROM charges WHERE seq = 1")[0][0], 1, 3)
    ]
    assert rows(ledger, "SELECT quality, list_cost FROM calls ORDER BY list_cost NULLS LAST")[0] == ("reported", cost)
    assert price_unpriced(ledger, price, LATER).posted == 0
    assert broken(ledger, spool) == []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 10**12)), max_size=5))
def test_any_corrections_leave_books_that_hold(
    ledger: Ledger, spool: Path, attempts: list[Dispatched], steps: list[tuple[int, int, int]]
) -> None:
    for which, key, pico in steps:
        if key == 3:
            reverse(ledger, attempts[which].attempt_id, "a test", LATER)
        else:
            post(ledger, [Correction(attempts[which].attempt_id, f"{key}:{pico}", "a test", pico)], LATER)
    assert broken(ledger, spool) == []
