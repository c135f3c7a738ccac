"""Sums per step and series, against the calls as they were made."""

from fractions import Fraction

from tests.watch.conftest import BAD, DAY_US, HOUR_US, START, UNTIL, Watched

from bursar.domain.watching import Bucket, Clock, SeriesKey
from bursar.watch.buckets import WATCHED, minutes
from bursar.watch.dear import TypeModel, dear_pairs, dear_pairs_of
from bursar.watch.long_sums import LongReader

MINUTE_US = 60_000_000


def test_minutes_say_what_every_series_did_and_empty_ones_are_there(watched: Watched):
    with watched.ledger.reading() as session:
        found = minutes(session, "duckdb", BAD, BAD + HOUR_US, dimensions=(*WATCHED, "tag:plan"))
    assert [one.start_us for one in found] == list(range(BAD, BAD + HOUR_US, MINUTE_US))
    calls = [one for one in watched.calls if BAD <= one.at_us < BAD + HOUR_US]
    assert sum(one.buckets[SeriesKey()].calls for one in found if one.buckets) == len(calls)
    assert any(not one.buckets for one in found)
    for key in (SeriesKey(), SeriesKey("feature", "search"), SeriesKey("customer", "acme"), SeriesKey("team", "web")):
        name = "feature" if key.dimension == "team" else key.dimension
        value = "search" if key.dimension == "team" else key.value
        mine = [one for one in calls if not name or getattr(one, name) == value]
        total = sum(one.buckets.get(key, Bucket()).cost_pico for one in found)
        assert total == sum(one.pico for one in mine)
    assert sum(one.buckets.get(SeriesKey("tag:plan", "pro"), Bucket()).calls for one in found) == len(calls) // 2


def test_only_the_dearest_values_of_a_minute_are_told(watched: Watched):
    with watched.ledger.reading() as session:
        (found,) = minutes(session, "duckdb", BAD, BAD + MINUTE_US, dimensions=("session",), values=1)
        (everything,) = minutes(session, "duckdb", BAD, BAD + MINUTE_US, dimensions=("session",))
    assert set(found.buckets) <= set(everything.buckets)
    assert len([key for key in found.buckets if key.dimension]) == 1


def test_hours_and_days_add_up_to_the_calls(watched: Watched):
    with watched.ledger.reading() as session:
        hours = LongReader("duckdb").read(session, Clock.HOUR, START, UNTIL)
        days = LongReader("duckdb").read(session, Clock.DAY, START, START + 22 * DAY_US)
    assert len(hours.starts_us) == 22 * 24 + 20
    assert hours.keys[0] == SeriesKey()
    assert all(key.dimension != "session" for key in hours.keys)
    search = hours.buckets(hours.keys.index(SeriesKey("feature", "search")))
    assert search[0].calls == 4
    assert search[-1].calls == 16
    assert sum(one.cost_pico for one in search) == watched.cost(START, UNTIL, feature="search")
    whole = days.buckets(0)
    assert [one.calls for one in whole] == [192] * 22
    assert whole[3].cost_pico == watched.cost(START + 3 * DAY_US, START + 4 * DAY_US)


def test_a_model_is_dear_where_cheap_ones_answer(watched: Watched):
    with watched.ledger.reading() as session:
        dear = dear_pairs_of(session, START, UNTIL)
        assert dear == {("chat", "gpt-5")}
        (hour,) = LongReader("duckdb", ()).read(session, Clock.HOUR, BAD, BAD + HOUR_US, dear).buckets(0)
    assert hour.dear_calls == 16
    assert hour.calls == 20


def test_a_type_that_is_always_asked_of_dear_models_has_no_dear_ones():
    rows = [
        TypeModel("agent", "large", 500, 1_000, Fraction(30)),
        TypeModel("faq", "small", 99, 1_000, Fraction(1)),  # too few to have a habit
        TypeModel("", "small", 500, 1_000, Fraction(1)),
    ]
    assert dear_pairs(rows) == frozenset()
    rows.append(TypeModel("faq", "large", 1, 1_000, Fraction(30)))
    assert dear_pairs(rows) == {("faq", "large")}
