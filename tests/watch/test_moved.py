"""Onto whom an excess falls: sums are conserved, whatever is shown one by one; and which detections are one thing."""

from fractions import Fraction

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.domain.watching import Change, Clock, Detection, SeriesKey, Signal
from bursar.watch.merge import Amount, at_one_time, merged
from bursar.watch.moved import SHOWN_MAX, movement_of, movements
from bursar.watch.spent import Sums

WEIGHTS = (Fraction(1, 3), Fraction(1, 7))
PICO = st.integers(0, 10**15)
ONE = st.builds(lambda now, first, second: Sums(now, (first, second)), PICO, PICO, PICO)
MINUTE_US = 60_000_000


def added(sums: list[Sums]) -> Sums:
    return Sums(sum(one.now for one in sums), tuple(sum(one.before[at] for one in sums) for at in range(2)))


@given(st.dictionaries(st.text(max_size=3), ONE, min_size=1, max_size=14), st.lists(ONE, max_size=3))
@settings(max_examples=80, deadline=None)
def test_values_and_the_rest_add_up_to_the_whole_to_the_last_pico(values, unknown):
    whole = added([*values.values(), *unknown])
    movement = movement_of("feature", values, whole, WEIGHTS)
    excess = whole.now - whole.expected(WEIGHTS)
    if movement is None:
        assert not excess
        return
    assert sum(value.actual_pico for value in movement.values) == whole.now
    assert sum(value.excess_pico for value in movement.values) == whole.now - round(whole.expected(WEIGHTS))
    assert sum(not value.is_rest for value in movement.values) <= SHOWN_MAX
    assert 0 <= movement.score <= 1


def test_the_dimension_that_says_most_is_told_first_and_then_what_is_inside():
    """Half of the cost is of gpt-5, and all of the excess is acme's, in one session."""
    moved, steady = Sums(90, (10,)), Sums(10, (10,))
    outside = {
        SeriesKey(): Sums(180, (100,)),
        SeriesKey("model", "gpt-5"): Sums(90, (50,)), SeriesKey("model", "gpt-4"): Sums(90, (50,)),
        SeriesKey("customer", "acme"): Sums(100, (20,)), SeriesKey("customer", "other"): Sums(80, (80,)),
    }  # fmt: skip
    inside = {SeriesKey(): Sums(100, (20,)), SeriesKey("session", "s1"): moved, SeriesKey("session", "s2"): steady}

    def sums_of(path: tuple[SeriesKey, ...]) -> dict[SeriesKey, Sums]:
        return inside if SeriesKey("customer", "acme") in path else outside

    found = movements(sums_of, (Fraction(1),), SeriesKey("feature", "search"), ("model", "customer", "session"))
    assert [(one.dimension, one.values[0].value) for one in found] == [("customer", "acme"), ("session", "s1")]
    assert found[1].within == (SeriesKey("customer", "acme"),)


def seen(series: SeriesKey, began_us: int = 0, signal: Signal = Signal.COST, lasted_us: int = MINUTE_US) -> Detection:
    return Detection(series, signal, Clock.MINUTE, Change.SPIKE, began_us, began_us + lasted_us, 1.0, 2.0, 5.0)


def test_what_follows_within_a_quarter_of_an_hour_or_while_it_goes_on_is_at_one_time():
    whole = SeriesKey()
    long = seen(whole, 0, lasted_us=60 * MINUTE_US)
    assert len(at_one_time([seen(whole, 30 * MINUTE_US), seen(whole, 15 * MINUTE_US), seen(whole)])) == 1
    assert len(at_one_time([seen(whole), seen(whole, 16 * MINUTE_US)])) == 2
    assert len(at_one_time([seen(whole, 50 * MINUTE_US), long])) == 1
    hours = [msgspec.structs.replace(seen(whole, at), clock=Clock.HOUR, seen_us=10**13) for at in (0, 7_200_000_000)]
    later = msgspec.structs.replace(hours[0], began_us=20 * 3_600_000_000)
    assert [len(one) for one in at_one_time([*hours, later])] == [2, 1]  # all of them are seen until now


class Facts:
    """Calls as (feature, team, model, excess in cents, usual cents): what is left without some of them is counted."""

    def __init__(self, *calls: tuple[str, str, str, int, int]) -> None:
        self.calls = calls

    def __call__(self, measure: str, without: tuple[SeriesKey, ...]) -> dict[SeriesKey, Amount]:
        found: dict[SeriesKey, Amount] = {}
        for feature, team, model, excess, usual in self.calls:
            keys = [SeriesKey("feature", feature), SeriesKey("team", team), SeriesKey("model", model)]
            if not set(keys) & set(without):
                for key in (SeriesKey(), *keys):
                    was = found.get(key, Amount(Fraction(0), 0))
                    found[key] = Amount(was.expected + usual, was.now + usual + excess)
        return found


def test_two_things_at_one_time_are_two_findings_and_what_contains_both_is_neither():
    facts = Facts(("search", "web", "gpt-5", 90, 10), ("faq", "web", "mini", 60, 20), ("buy", "core", "gpt-5", 0, 50))
    keys = [SeriesKey(), SeriesKey("team", "web"), SeriesKey("feature", "search"), SeriesKey("feature", "faq")]
    groups = merged([seen(key) for key in [*keys, SeriesKey("model", "gpt-5")]], facts)
    named = {group.series: set(group.nested) for group in groups}
    assert SeriesKey("feature", "search") in named or SeriesKey("team", "web") in named
    assert sum(len(group.detections) for group in groups) == 5
    assert all(len(group.detections) == len(set(group.detections)) for group in groups)


def test_the_whole_team_is_named_where_every_feature_of_it_moved():
    facts = Facts(*((name, "web", "mini", 10, 10) for name in "abcdefghij"), ("buy", "core", "mini", 0, 500))
    keys = [SeriesKey(), SeriesKey("team", "web"), SeriesKey("model", "mini"), SeriesKey("feature", "a")]
    (group,) = merged([seen(key) for key in keys], facts)
    assert group.series == SeriesKey("team", "web")
    assert set(group.nested) == set(keys) - {group.series}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from("mn"), st.integers(-50, 90),
                          st.integers(0, 50)), min_size=1, max_size=5), st.data())  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_every_detection_is_in_exactly_one_group(calls, data):
    facts = Facts(*calls)
    keys = data.draw(st.lists(st.sampled_from(sorted(facts("cost_pico", ()))), min_size=1, unique=True))
    signals = data.draw(st.lists(st.sampled_from(list(Signal)), min_size=1, max_size=3, unique=True))
    given_ = [seen(key, signal=signal) for key in keys for signal in signals]
    groups = merged(given_, facts)
    everything = [one for group in groups for one in group.detections]
    assert len(everything) == len(given_)
    assert all(one in everything for one in given_)
    assert len({group.series for group in groups}) == len(groups)
