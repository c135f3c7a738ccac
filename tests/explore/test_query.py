"""Answers against the same sums done by hand, to the last pico."""

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.explore.conftest import Fact, World
from tests.ledger.records import T0

from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadQuery
from bursar.domain.periods import Grain, Period, bucket_start, buckets, parse_period, previous
from bursar.explore.query import Explorer, Filter, Query, Table, parse_filter
from bursar.explore.vocabulary import DIMENSIONS, MEASURES

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
OCTOBER = parse_period("last-month", NOW)
ALL = parse_period("2026-10-01..2026-11-30", NOW)


def by_hand(
    facts: list[Fact], key: Callable[[Fact], Any], period: Period
) -> dict[Any, tuple[Decimal | None, int, int]]:
    """Cost (None: all unpriced), attempts and unpriced attempts by key."""
    found: dict[Any, list[Any]] = defaultdict(lambda: [Decimal(0), 0, 0])
    for fact in facts:
        if datetime_from_us(fact.received_us) in period:
            sums = found[key(fact)]
            sums[0] += fact.cost or 0
            sums[1] += 1
            sums[2] += fact.cost is None
    return {name: (cost if dark < count else None, count, dark) for name, (cost, count, dark) in found.items()}


def answered(world: World, dimensions: tuple[str, ...], period: Period, **more: Any) -> dict[Any, tuple[Any, ...]]:
    query = Query(period, ("effective_cost", "attempts", "unpriced_count"), dimensions, **more)
    width = len(dimensions)
    rows = world.explorer.run(query).dicts()
    names = ("effective_cost", "attempts", "unpriced_count")
    return {
        tuple(row[name] for name in dimensions) if width > 1 else row[dimensions[0]]: tuple(row[name] for name in names)
        for row in rows
    }


@pytest.mark.parametrize("dimension", ["feature", "customer", "model", "tag:plan"])
@pytest.mark.parametrize("period", [OCTOBER, ALL], ids=["october", "all"])
def test_cost_by_a_dimension_is_the_sum_of_its_charges(world: World, dimension: str, period: Period) -> None:
    field = dimension.removeprefix("tag:")
    assert answered(world, (dimension,), period) == by_hand(world.facts, lambda fact: getattr(fact, field), period)


def test_cost_by_two_dimensions(world: World) -> None:
    expected = by_hand(world.facts, lambda fact: (fact.feature, fact.model), ALL)
    assert answered(world, ("feature", "model"), ALL) == expected


@settings(max_examples=20, deadline=None)
@given(
    timezone=st.sampled_from(("UTC", "Asia/Kolkata", "America/New_York", "Asia/Kathmandu", "Australia/Adelaide")),
    grain=st.sampled_from(("hour", "day", "week", "month")),
    charges=st.booleans(),
)
def test_hours_and_days_of_any_zone_add_up(world: World, timezone: str, grain: Grain, charges: bool) -> None:
    period = parse_period("2026-10-20..2026-11-20", NOW, timezone)
    measures = ("effective_cost", "attempts", "unpriced_count", *(("duration_ms_p50",) if charges else ()))
    table = world.explorer.run(Query(period, measures, (grain,), timezone=timezone))
    assert table.source == ("charges" if charges else "rollup_state")
    labels = {bucket.start: bucket.label for bucket in buckets(period, grain)}
    expected = by_hand(
        world.facts, lambda fact: labels[bucket_start(datetime_from_us(fact.received_us), grain, timezone)], period
    )
    assert {row[0]: row[1:4] for row in table.rows} == expected
    assert sum(row[1] or 0 for row in table.rows) == table.totals["effective_cost"]


@settings(max_examples=20, deadline=None)
@given(
    timezone=st.sampled_from(("UTC", "Asia/Kolkata", "Europe/London")),
    grain=st.sampled_from(("hour", "day", "week", "month")),
    minutes=st.integers(1, 60 * 1440),
)
def test_customers_by_any_bucket_add_up_with_rolled_up_days(
    world: World, timezone: str, grain: Grain, minutes: int
) -> None:
    start = datetime(2026, 10, 3, 7, 5, tzinfo=UTC)
    period = Period(start, start + timedelta(minutes=minutes), timezone=timezone)
    labels = {bucket.start: bucket.label for bucket in buckets(period, grain)}

    def key(fact: Fact) -> tuple[str, str]:
        return labels[bucket_start(datetime_from_us(fact.received_us), grain, timezone)], fact.customer

    assert answered(world, (grain, "customer"), period) == by_hand(world.facts, key, period)


@settings(max_examples=20, deadline=None)
@given(start=st.integers(-2, 15), minutes=st.integers(1, 20 * 1440), limit=st.integers(0, 12), data=st.data())
def test_rows_and_others_are_the_total_for_any_period_and_limit(
    world: World, start: int, minutes: int, limit: int, data: st.DataObject
) -> None:
    begin = datetime_from_us(T0) + timedelta(days=start, minutes=data.draw(st.integers(0, 1_000)))
    period = Period(begin, begin + timedelta(minutes=minutes))
    dimension = data.draw(st.sampled_from(("feature", "customer", "tag:plan", "outcome", "credential")))
    table = world.explorer.cost_by(dimension, period, limit=limit, compare=data.draw(st.booleans()))
    everything = by_hand(world.facts, lambda _: "", period).get("", (Decimal(0), 0, 0))
    assert (table.totals["effective_cost"], table.totals["attempts"]) == everything[:2]
    parts = [*table.dicts(), *([table.other] if table.other else [])]
    for name in ("effective_cost", "attempts", "calls", "unpriced_count", "total_input_tokens", "retries"):
        assert sum(part[name] or 0 for part in parts) == (table.totals[name] or 0)
    assert len(table.rows) <= limit
    assert table.groups == len(table.rows) + table.other_groups
    costs = [row["effective_cost"] for row in table.dicts() if row["effective_cost"] is not None]
    assert costs == sorted(costs, reverse=True)


def test_the_period_before_stands_beside_each_row(world: World) -> None:
    period = parse_period("2026-11-02..2026-11-08", NOW)
    table = world.explorer.cost_by("feature", period, compare=True)
    assert table.previous == previous(period)
    expected = by_hand(world.facts, lambda fact: fact.feature, previous(period))
    assert table.before is not None
    found = {
        row["feature"]: before and before["effective_cost"]
        for row, before in zip(table.dicts(), table.before, strict=True)
    }
    assert found == {name: sums[0] for name, sums in expected.items()}
    assert table.before_totals is not None
    assert table.before_totals["effective_cost"] == sum(sums[0] or 0 for sums in expected.values())


def test_what_is_new_has_no_before_and_is_ordered_by_change(world: World) -> None:
    period = Period(datetime_from_us(T0), datetime_from_us(T0) + timedelta(days=3), step="day", steps=7)
    table = world.explorer.cost_by("customer", period, compare=True, order="change:effective_cost", limit=5)
    assert table.before == [None] * 5
    changes = [row["effective_cost"] for row in table.dicts()]
    assert changes == sorted(changes, reverse=True)


@pytest.mark.parametrize("dimension", ["feature", "customer"])
def test_what_moved_most_is_there_beyond_the_limit(world: World, dimension: str) -> None:
    period = parse_period("2026-11-02..2026-11-08", NOW)
    everything = Query(period, dimensions=(dimension,), order="effective_cost", compare=True)
    whole, table = (
        world.explorer.run(msgspec.structs.replace(everything, limit=limit, movers=movers))
        for limit, movers in ((None, 0), (1, 3))
    )

    def moved(table: Table) -> list[tuple[Decimal, str]]:
        assert table.before is not None
        pairs = zip(table.dicts(), table.before, strict=True)
        changes = [
            (-abs((row["effective_cost"] or Decimal(0)) - ((before and before["effective_cost"]) or 0)), row[dimension])
            for row, before in pairs
        ]
        return sorted(changes)

    assert moved(table)[:3] == moved(whole)[:3]
    assert table.rows[0] == whole.rows[0]
    assert len(table.rows) in (3, 4)
    assert table.other is not None
    assert sum(row["attempts"] for row in table.dicts()) + table.other["attempts"] == whole.totals["attempts"]


def test_unknown_is_never_zero(world: World) -> None:
    one = next(fact for fact in world.facts if fact.cost is None)
    at = datetime_from_us(one.received_us)
    period = Period(at, at + timedelta(microseconds=1))
    totals = world.explorer.totals(period, compare=False).totals
    assert (totals["effective_cost"], totals["unpriced_count"], totals["attempts"]) == (None, 1, 1)
    empty = world.explorer.totals(Period(at - timedelta(days=900), at - timedelta(days=899)), compare=False).totals
    assert (empty["effective_cost"], empty["unpriced_count"], empty["attempts"]) == (Decimal(0), 0, 0)


@pytest.mark.parametrize(
    ("filters", "keeps"),
    [
        ([("feature", "checkout")], lambda f: f.feature == "checkout"),
        ([("feature", "")], lambda f: f.feature == ""),
        ([("feature", "checkout"), ("feature", "search")], lambda f: f.feature in ("checkout", "search")),
        ([parse_filter("feature!=checkout")], lambda f: f.feature != "checkout"),
        ([parse_filter("customer~=CUSTOMER-1")], lambda f: "customer-1" in f.customer),
        ([parse_filter("model^=gpt"), ("tag:plan", "pro")], lambda f: f.model.startswith("gpt") and f.plan == "pro"),
        ([Filter("customer", ("customer-1", "customer-2"), "not")], lambda f: f.customer[9:] not in ("1", "2")),
        ([("attempt_number", "2")], lambda f: f.attempt_number == 2),
        ([("tag:plan", "")], lambda f: f.plan == ""),
    ],
)
def test_filters(world: World, filters: list[Any], keeps: Callable[[Fact], bool]) -> None:
    kept = [fact for fact in world.facts if keeps(fact)]
    assert answered(world, ("model",), ALL, filters=tuple(filters)) == by_hand(kept, lambda fact: fact.model, ALL)


@pytest.mark.parametrize("hostile", ["'; DROP TABLE charges; --", "$start", '"', "\x00", "🦊" * 100, "%", "{}"])
def test_hostile_values_are_only_values(world: World, hostile: str) -> None:
    for filters in ([("feature", hostile)], [(f"tag:{hostile[:20]}", "x")], [Filter("model", (hostile,), "contains")]):
        table = world.explorer.cost_by(f"tag:{hostile[:20]}", ALL, filters=filters)
        assert table.totals["attempts"] == 0
    assert world.explorer.dimension_values("feature", ALL, prefix=hostile) == []


@pytest.mark.parametrize(
    "query",
    [
        Query(ALL, dimensions=("charges; DROP TABLE charges",)),
        Query(ALL, measures=("SUM(1)",)),
        Query(ALL, dimensions=("feature", "feature")),
        Query(ALL, dimensions=("day", "hour")),
        Query(ALL, dimensions=("feature", "team", "model", "day")),
        Query(ALL, dimensions=("day",), compare=True),
        Query(ALL, dimensions=("feature",), order="change:list_cost"),
        Query(ALL, dimensions=("feature",), limit=1, movers=1),
        Query(ALL, dimensions=("feature",), order="colour"),
        Query(ALL, dimensions=("feature",), limit=-1),
        Query(ALL, filters=(("colour", "red"),)),
        Query(ALL, dimensions=("tag:",)),
    ],
)
def test_what_can_not_be_asked_is_refused_with_a_reason(world: World, query: Query) -> None:
    with pytest.raises(BadQuery) as caught:
        world.explorer.run(query)
    assert len(caught.value.message) > 20


def test_every_dimension_and_every_measure_can_be_asked_for(world: World) -> None:
    for name in DIMENSIONS:
        assert world.explorer.cost_by(name, OCTOBER, limit=3).totals["attempts"] > 0
    for name in MEASURES:
        table = world.explorer.run(Query(OCTOBER, (name,), ("model",), order=name, compare=True, limit=2))
        assert len(table.rows) == 2
        assert {"effective_cost", name} & set(table.measures) == {name} - {"effective_cost"} | (
            {"effective_cost"} if name == "effective_cost" else set()
        )


def test_a_question_takes_the_smallest_rollup_that_knows_it(world: World) -> None:
    def source(*dimensions: str, period: Period = OCTOBER, **more: Any) -> str:
        return world.explorer.run(Query(period, dimensions=dimensions, **more)).source

    assert source() == source("quality") == "rollup_state"
    assert source("feature", "day") == source("team") == "rollup_feature"
    assert source("model", filters=(("environment", ""),)) == "rollup_model"
    assert source("feature", "model", "day") == "rollup_core"
    assert source("customer") == "rollup_customer_day"
    assert source("credential") == "rollup_key_day"
    kolkata = msgspec.structs.replace(OCTOBER, timezone="Asia/Kolkata")
    assert source("customer", "day") == source("week", "customer") == "rollup_customer_day"
    assert source("customer", "hour") == source("customer", "day", period=kolkata) == "charges"
    assert source("customer", "feature") == "charges"
    assert source("tag:plan") == "charges"
    assert source("feature", measures=("duration_ms_p95",)) == "charges"
    askew = Period(OCTOBER.start + timedelta(minutes=1), OCTOBER.end)
    assert source("feature", period=askew) == "charges"
    assert source("customer", period=askew) == "rollup_customer_day"  # whole days, and charges for the rest
    assert source("customer", period=Period(OCTOBER.start, OCTOBER.start + timedelta(hours=20))) == "charges"


def test_a_series_has_every_bucket_and_adds_up(world: World) -> None:
    period = parse_period("2026-10-20..2026-11-15", NOW, "Asia/Kolkata")
    series = world.explorer.timeseries(period, dimension="customer", top=3)
    assert len(series.buckets) == len(series.totals) == 27
    assert series.names[-1] == "(other)"
    for at, total in enumerate(series.totals):
        assert sum(values[at] or 0 for values in series.values) == total  # type: ignore[misc]  # Decimals
    whole = world.explorer.totals(period, compare=False).totals["effective_cost"]
    assert sum(series.totals) == whole  # type: ignore[call-overload]  # Decimals


def test_answers_are_plain_json_with_exact_decimals(world: World) -> None:
    table = world.explorer.cost_by("feature", ALL, limit=2, compare=True)
    read = msgspec.json.decode(msgspec.json.encode(table))
    assert Decimal(read["totals"]["effective_cost"]) == table.totals["effective_cost"]
    assert msgspec.json.encode(world.explorer.overview(ALL))


def test_many_threads_ask_at_once(world: World) -> None:
    def ask(number: int) -> Decimal:
        table = world.explorer.cost_by(("feature", "customer", "model")[number % 3], ALL, limit=None)
        return sum((row["effective_cost"] or Decimal(0) for row in table.dicts()), Decimal(0))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(24)))) == 1


def test_menus_offer_what_is_there(world: World) -> None:
    explorer: Explorer = world.explorer
    values = explorer.dimension_values("customer", ALL, prefix="Customer-1", limit=5)
    assert [value.value.startswith("customer-1") for value in values] == [True] * 5
    assert [key.value for key in explorer.tag_keys(ALL)] == ["plan"]
    assert {value.value for value in explorer.dimension_values("tag:plan", ALL)} == {"pro", "free", ""}
    used = explorer.prices_used(ALL)
    assert sum(use.attempts for use in used) == len(world.facts)
    assert sum(use.unpriced_count for use in used) == sum(fact.cost is None for fact in world.facts)
    fresh = explorer.freshness()
    assert fresh.charges == len(world.facts)
    assert fresh.last_call is not None
