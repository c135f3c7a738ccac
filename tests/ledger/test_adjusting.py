"""Adjusting entries: money that contracts and invoices change, posted once, opened like any charge."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger.records import T0, call_facts, dispatched, failed, settled, unpriced

from bursar.domain.clock import FixedClock, datetime_from_us
from bursar.domain.money import PICO_PER_USD, usd_from_pico
from bursar.domain.periods import Period
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer, Query
from bursar.ledger.adjusting import ABOUT, Adjusted, Adjustment, about, entry_id, post_adjustments
from bursar.ledger.journal import Correction, post
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.ledger.verify import verify
from bursar.maturity.books import read_books
from bursar.spool.journal import Journal
from bursar.spool.records import Dispatched

LATER = T0 + 86_400_000_000
WEEK = Period(datetime_from_us(T0 - T0 % 900_000_000), datetime_from_us(T0 - T0 % 900_000_000 + 7 * 86_400_000_000))


def rows(ledger: Ledger, sql: str) -> list[tuple[Any, ...]]:
    with ledger.reading() as session:
        return session.query(sql).rows


def broken(ledger: Ledger, spool: Path) -> list[str]:
    return [finding.name for finding in verify(ledger, spool) if not finding.ok]


def adjust(ledger: Ledger, given: list[Adjustment] | str, key: str = "k", now_us: int = LATER) -> Adjusted:
    with ledger.writing() as session:
        return post_adjustments(session, given, key, "a test of it", now_us)


@pytest.fixture
def attempts(ledger: Ledger, spool: Path) -> list[Dispatched]:
    """One whole call, one unpriced, and a call of two attempts of which the first failed."""
    journal = Journal(spool, "w0", sync=False)
    twice = call_facts()
    made = [dispatched(1), dispatched(2), dispatched(3, twice), dispatched(4, twice, attempt_number=2)]
    for one in made:
        journal.append(one)
    journal.append(settled(made[0]))
    journal.append(unpriced(made[1], 1_000, 0))
    journal.append(failed(made[2]))
    journal.append(settled(made[3]))
    journal.close()
    Loader(ledger, spool, FixedClock(T0)).load_all()
    return made


def test_an_entry_takes_over_all_that_its_attempt_can_be_asked_by(
    ledger: Ledger, spool: Path, attempts: list[Dispatched]
) -> None:
    done = adjust(ledger, [Adjustment(attempt_id=attempts[0].attempt_id, contracted_pico=-7, effective_pico=-9)])
    assert (done.posted, done.effective_cost) == (1, usd_from_pico(-9))
    names = ", ".join(("attempt_id", "call_id", "received_at", *ABOUT))
    assert len(set(map(str, rows(ledger, f"SELECT {names} FROM charges WHERE seq <= 1 AND call_id = "
                                         f"'{attempts[0].call.call_id}'")))) == 1  # fmt: skip
    own = "weight, contracted_cost, effective_cost, billed_cost, list_cost, input_tokens, duration_ms, reason, writer"
    assert rows(ledger, f"SELECT {own} FROM charges WHERE entry = 'adjustment'") == [
        (0, usd_from_pico(-7), usd_from_pico(-9), Decimal(0), Decimal(0), 0, 0, "a test of it", "k")
    ]
    assert broken(ledger, spool) == []


def test_posting_adjustments_twice_is_posting_them_once(ledger: Ledger, attempts: list[Dispatched]) -> None:
    given = [Adjustment(attempt_id=attempts[0].attempt_id, effective_pico=-9), Adjustment(part="x", billed_pico=5)]
    assert adjust(ledger, given).posted == 2
    again = adjust(ledger, given, now_us=LATER + 1)
    assert (again.posted, again.already, again.billed_cost) == (0, 2, Decimal(0))
    assert adjust(ledger, given, key="another").posted == 2
    ids = {str(found) for (found,) in rows(ledger, "SELECT entry_id FROM charges WHERE entry = 'adjustment'")}
    assert ids == {entry_id(key, part) for key in ("k", "another") for part in ("x", attempts[0].attempt_id)}


def test_what_changes_nothing_is_not_posted_and_strangers_are_counted(
    ledger: Ledger, attempts: list[Dispatched]
) -> None:
    stranger = dispatched(9).attempt_id
    given = [Adjustment(attempt_id=attempts[0].attempt_id), Adjustment(attempt_id=stranger, billed_pico=1)]
    assert adjust(ledger, given) == Adjusted(unknown=1)


def test_an_amount_that_no_entry_holds_becomes_several_whose_sum_it_is(ledger: Ledger, spool: Path) -> None:
    pico = 2_500_000 * PICO_PER_USD + 1
    done = adjust(ledger, [Adjustment(part="commitment", at_us=T0, about={"provider": "openai"}, billed_pico=pico)])
    assert (done.posted, done.billed_cost) == (6, usd_from_pico(pico))
    assert adjust(ledger, [Adjustment(part="commitment", at_us=T0, billed_pico=pico)]).already == 6
    assert rows(ledger, "SELECT SUM(billed_cost), any_value(provider) FROM charges") == [
        (usd_from_pico(pico), "openai")
    ]
    assert broken(ledger, spool) == []


def test_a_query_posts_for_many_attempts_and_the_unpriced_stay_unknown(
    ledger: Ledger, spool: Path, attempts: list[Dispatched]
) -> None:
    tenth = (
        f"SELECT {about('charges')}, (list_cost * -0.1)::DECIMAL(18,12) AS effective_cost FROM charges "
        "WHERE entry = 'usage' AND list_cost IS NOT NULL"
    )
    done = adjust(ledger, tenth)
    assert done.posted == 2  # nothing is taken off an attempt that cost nothing
    assert adjust(ledger, tenth).already == 2
    total = rows(ledger, "SELECT SUM(list_cost) FROM charges WHERE entry = 'usage'")[0][0]
    assert done.effective_cost == -total / 10
    found = Explorer(ledger).run(Query(WEEK, ("effective_cost", "unpriced_count", "retry_cost"), ("customer",)))
    assert found.totals["effective_cost"] == total - total / 10
    assert found.totals["unpriced_count"] == 1
    assert (
        found.totals["retry_cost"] == (total / 2) * 9 / 10
    )  # the second attempt of a call is what a retry costs, adjusted too
    assert broken(ledger, spool) == []


def test_calls_and_their_attempts_add_up_to_the_adjusted_figure(ledger: Ledger, attempts: list[Dispatched]) -> None:
    adjust(ledger, [Adjustment(attempt_id=one.attempt_id, effective_pico=-1_000) for one in attempts])
    explorer = Explorer(ledger)
    page = explorer.calls(WEEK)
    whole = explorer.run(Query(WEEK, ("effective_cost",))).totals["effective_cost"]
    own = sum(call.effective_cost for call in page.calls if call.effective_cost is not None)
    unknown = usd_from_pico(-1_000)  # of the unpriced call, whose cost stays unknown
    assert whole == own + unknown
    detail = explorer.call(attempts[0].call.call_id)
    assert detail.attempts[0].effective_cost == detail.attempts[0].list_cost - usd_from_pico(1_000)
    assert [entry.entry for entry in detail.attempts[0].entries] == ["usage", "adjustment"]


def test_what_stands_for_no_call_is_told_beside_the_calls(ledger: Ledger, attempts: list[Dispatched]) -> None:
    idle = Adjustment(part="i", at_us=T0, about={"provider": "openai", "sku_id": "idle"}, effective_pico=5_000)
    adjust(ledger, [idle, msgspec.structs.replace(idle, part="j")])
    explorer = Explorer(ledger)
    page = explorer.calls(WEEK, filters=(("provider", "openai"),))
    whole = explorer.run(Query(WEEK, ("effective_cost",), (), (("provider", "openai"),))).totals["effective_cost"]
    assert [(one.reason, one.sku_id, one.entries) for one in page.apart] == [("a test of it", "idle", 2)]
    own = sum(call.effective_cost for call in page.calls if call.effective_cost is not None)
    assert own + page.apart[0].effective_cost == whole
    assert explorer.calls(WEEK, filters=(("provider", "anthropic"),)).apart == []


def test_an_entry_beside_a_later_correction_stays(ledger: Ledger, spool: Path, attempts: list[Dispatched]) -> None:
    adjust(ledger, [Adjustment(attempt_id=attempts[0].attempt_id, effective_pico=-1_000)])
    post(ledger, [Correction(attempts[0].attempt_id, "late", "late", 5_000)], LATER)
    found = Explorer(ledger).calls(WEEK, filters=(("call_id", attempts[0].call.call_id),)).calls
    assert [call.effective_cost for call in found] == [usd_from_pico(4_000)]
    assert broken(ledger, spool) == []


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(-(10**13), 10**13)), min_size=1, max_size=6
    )
)
def test_any_adjustments_are_in_every_sum_to_the_last_pico(
    ledger: Ledger, spool: Path, attempts: list[Dispatched], steps: list[tuple[int, int, int]]
) -> None:
    expected = rows(ledger, "SELECT coalesce(SUM(effective_cost), 0) FROM charges")[0][0]
    for which, key, pico in steps:
        attempt_id = attempts[which].attempt_id if which < len(attempts) else ""
        one = Adjustment(attempt_id=attempt_id, part=f"{which}", at_us=T0, effective_pico=pico, billed_pico=1)
        done = adjust(ledger, [one], key=f"key {key}")
        assert done.posted + done.already == 1
        expected += done.effective_cost
    assert rows(ledger, "SELECT SUM(effective_cost) FROM charges")[0][0] == expected
    assert broken(ledger, spool) == []


def test_what_stands_for_no_call_is_nobodys_missing_tag_budget_or_policy(
    ledger: Ledger, attempts: list[Dispatched]
) -> None:
    whole = [Filter("feature", ("",))], [Filter("provider", ("openai",))]
    with ledger.reading() as session:
        before = read_books(session, WEEK, {})
    apart = Adjustment(part="idle", at_us=T0, about={"provider": "openai"}, effective_pico=7 * PICO_PER_USD)
    adjust(ledger, [apart, Adjustment(attempt_id=attempts[0].attempt_id, effective_pico=-9)])
    with ledger.reading() as session:
        now = read_books(session, WEEK, {})
    assert now.whole.attempts == before.whole.attempts
    assert now.whole.spent == before.whole.spent + usd_from_pico(-9), "of calls alone"
    assert [Explorer(ledger).cost_apart(WEEK, filters=filters) for filters in whole] == [7, 7]
    assert Explorer(ledger).cost_apart(WEEK, filters=[Filter("provider", ("anthropic",))]) == 0
