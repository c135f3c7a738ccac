"""From a figure to the calls behind it, to one call's lines."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.explore.conftest import World
from tests.explore.test_query import ALL
from tests.ledger.records import T0, call_facts, dispatched, settled

from bursar.domain.clock import FixedClock, datetime_from_us
from bursar.domain.errors import BadQuery, UnknownCall
from bursar.domain.periods import Period
from bursar.explore.query import CallSummary, Explorer
from bursar.ledger.adjusting import Adjustment, post_adjustments
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.journal import Correction, post
from bursar.ledger.loader import Loader
from bursar.spool.journal import Journal


def every_call(world: World, **more: Any) -> list[CallSummary]:
    found: list[CallSummary] = []
    cursor = None
    while True:
        page = world.explorer.calls(ALL, cursor=cursor, limit=70, **more)
        found += page.calls
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("order", ["newest", "oldest", "dearest", "slowest"])
def test_pages_show_each_call_once_in_order(world: World, order: str) -> None:
    calls = every_call(world, order=order)
    assert len({call.call_id for call in calls}) == len(calls) >= len({fact.call_id for fact in world.facts})
    if order in ("newest", "oldest"):
        times = [call.received_at for call in calls]
        assert times == sorted(times, reverse=order == "newest")
    if order == "dearest":
        costs = [-1 if call.effective_cost is None else call.effective_cost for call in calls]
        assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize(
    "filters",
    [[("feature", "checkout")], [("customer", "customer-3")], [("tag:plan", "free"), ("model", "gpt-5")], []],
    ids=str,
)
def test_the_calls_behind_a_figure_add_up_to_it(world: World, filters: list[tuple[str, str]]) -> None:
    bar = world.explorer.totals(ALL, filters=filters, compare=False).totals
    calls = every_call(world, filters=filters)
    assert sum(call.effective_cost or 0 for call in calls) == bar["effective_cost"]
    assert sum(call.unpriced_count for call in calls) == bar["unpriced_count"]
    assert sum(call.attempts > 0 for call in calls) == bar["calls"]


def test_a_filter_on_attempts_keeps_the_call_and_says_what_the_attempts_cost(world: World) -> None:
    bar = world.explorer.totals(ALL, filters=[("outcome", "provider_error")], compare=False).totals
    calls = every_call(world, filters=[("outcome", "provider_error")])
    assert bar["attempts"] == len(calls) > 0
    assert all(call.attempts == 2 and call.outcome == "ok" and call.cost_here == 0 for call in calls)


def test_refused_calls_are_listed_though_they_have_no_charge(world: World) -> None:
    calls = every_call(world, filters=[("outcome", "client_error")])
    assert calls
    assert all((call.attempts, call.effective_cost, call.quality) == (0, Decimal(0), "") for call in calls)


def test_calls_asked_by_id_are_the_rows_of_the_list(world: World) -> None:
    some = every_call(world)[::7]
    strangers = ["nonsense", "018bcfe5-6800-7abc-8def-0123456789ab"]
    found = world.explorer.calls_by_id([*(call.call_id for call in some), *strangers])
    assert sorted(found, key=lambda call: call.call_id) == sorted(some, key=lambda call: call.call_id)
    assert world.explorer.calls_by_id([]) == world.explorer.calls_by_id(strangers) == []


@pytest.mark.parametrize("cursor", ["x", "AAAA", "WyJhIiwiYiJd", "W10", "é"])
def test_a_strange_cursor_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(BadQuery, match="first page"):
        world.explorer.calls(ALL, cursor=cursor)


def test_a_call_opens_down_to_its_lines(world: World) -> None:
    fact = next(fact for fact in world.facts if fact.attempt_number == 2 and fact.cost)
    detail = world.explorer.call(fact.call_id)
    assert detail.call is not None
    assert [attempt.attempt_number for attempt in detail.attempts] == [1, 2]
    first, second = detail.attempts
    assert (first.outcome, first.http_status, first.list_cost) == ("provider_error", 529, 0)
    assert second.usage["input"] == fact.input
    exact = sum(line.amount for line in second.lines)
    assert second.list_cost is not None
    assert abs(exact - second.list_cost) <= Decimal("0.0000000000005")
    assert detail.call.list_cost == fact.cost


def test_a_call_nobody_made_is_unknown(world: World) -> None:
    for call_id in ("nonsense", "018bcfe5-6800-7abc-8def-0123456789ab", "'; DROP TABLE calls; --"):
        with pytest.raises(UnknownCall):
            world.explorer.call(call_id)


def test_a_call_in_flight_and_a_corrected_one(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    journal = Journal(tmp_path / "spool", "w0", sync=False)
    one, two = dispatched(1), dispatched(2, call_facts(T0 + 1))
    for record in (one, two, settled(two)):
        journal.append(record)
    Loader(ledger, tmp_path / "spool", FixedClock(T0)).load_all()
    post(ledger, [Correction(two.attempt_id, "k", "as invoiced", 5, lines=[("input", 5, 1_000)])], T0)
    explorer = Explorer(ledger)

    waiting = explorer.call(one.call.call_id)
    assert waiting.in_flight
    assert [(attempt.state, attempt.bound_cost) for attempt in waiting.attempts] == [("in_flight", Decimal("0.04"))]
    corrected = explorer.call(two.call.call_id).attempts[0]
    assert corrected.list_cost == Decimal("0.000000000005")
    assert [entry.entry for entry in corrected.entries] == ["usage", "reversal", "correction"]
    assert [line.quantity for line in corrected.lines] == [5]
    at = datetime_from_us(T0)
    page = explorer.calls(Period(at, at + timedelta(hours=1)))
    assert [call.effective_cost for call in page.calls] == [Decimal("0.000000000005")]
    with ledger.writing() as session:
        post_adjustments(session, [Adjustment(attempt_id=two.attempt_id, effective_pico=-2)], "key", "a discount", T0)
    (named,) = explorer.calls_by_id([two.call.call_id])
    assert (named.list_cost, named.effective_cost) == (Decimal("0.000000000005"), Decimal("0.000000000003"))
    journal.close()
    ledger.close()
