"""Limits, second by second: never more than the limit in any sixty seconds, all limits or none, bounded memory."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.domain.controls import Limit, LimitTerms
from bursar.domain.errors import RateLimited
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway import rates
from bursar.gateway.case import Case
from bursar.gateway.decide import Decider
from bursar.gateway.rates import RateRule, share, take

SECOND = 1_000_000


def case(customer: str = "c1", feature: str = "checkout") -> Case:
    said = Attribution(customer=customer, feature=feature)
    return Case(Scope("acme"), "vk_1", "virtual", said, "gpt-4o", "chat", 100, None)


def rule(limit_id: str = "lm_1", workers: int = 1, slot: int = 0, **terms: Any) -> RateRule:
    return RateRule(Limit(limit_id, f"name of {limit_id}", LimitTerms(**terms), 1, "ada"), workers, slot)


TIMETABLE = """
   0.0  ok
   0.5  ok
   0.9  limited  retry-after 61
  59.0  limited  retry-after 2
  60.9  limited  retry-after 1
  61.0  ok
  61.1  ok
  61.2  limited  retry-after 61
"""


def test_two_requests_a_minute_by_the_timetable():
    limit = rule(requests_per_minute=2)
    for line in TIMETABLE.strip().splitlines():
        at, expected, *rest = line.split()
        now_us = int(float(at) * SECOND)
        if expected == "ok":
            assert take([limit], case(), now_us) is not None, line
        else:
            with pytest.raises(RateLimited) as refused:
                take([limit], case(), now_us)
            assert refused.value.headers == {"retry-after": rest[1]}, line
            assert (refused.value.code, refused.value.status, refused.value.retry) == ("rate_limited", 429, True)


@given(
    steps=st.lists(st.integers(0, 20_000_000), min_size=1, max_size=120),
    most=st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_no_sixty_seconds_ever_hold_more_requests_than_the_limit(steps, most):
    limit = rule(requests_per_minute=most)
    now_us, taken = 0, []
    for step in steps:
        now_us += step
        try:
            take([limit], case(), now_us)
        except RateLimited as refused:
            now_us += int(refused.headers["retry-after"]) * SECOND
            take([limit], case(), now_us)  # waiting as long as we said is enough
        taken.append(now_us)
        assert sum(at > now_us - 60 * SECOND for at in taken) <= most


def test_a_refusal_names_the_limit_its_figure_and_whose_calls_it_counts():
    limit = rule(requests_per_minute=1, each="customer", match={"feature": "checkout"})
    take([limit], case(), 0)
    with pytest.raises(RateLimited) as refused:
        take([limit], case(), 0)
    for word in ("name of lm_1", "lm_1", "1 requests a minute", "customer=c1", "feature=checkout", "61 s"):
        assert word in refused.value.message
    assert refused.value.details["limit"] == "lm_1"


def test_each_value_is_counted_by_itself_and_a_call_that_says_none_is_not():
    limit = rule(requests_per_minute=1, each="customer")
    assert take([limit], case("a"), 0)
    assert take([limit], case("b"), 0)
    assert take([limit], case(""), 0) is None
    with pytest.raises(RateLimited):
        take([limit], case("a"), 0)


def test_calls_under_way_are_counted_until_they_end():
    limit = rule(concurrent=2)
    first, second = take([limit], case(), 0), take([limit], case(), 0)
    assert first
    assert second
    with pytest.raises(RateLimited) as refused:
        take([limit], case(), 0)
    assert refused.value.headers == {"retry-after": "1"}
    first.release()
    first.release()  # a second time gives nothing back
    assert take([limit], case(), 0)
    with pytest.raises(RateLimited):
        take([limit], case(), 0)


def test_tokens_are_added_when_a_call_is_settled_and_refuse_the_next():
    limit = rule(tokens_per_minute=1000)
    taken = take([limit], case(), 0)
    assert taken
    assert take([limit], case(), SECOND), "what is under way has used nothing that is known"
    taken.add_tokens(1000, 2 * SECOND)
    with pytest.raises(RateLimited) as refused:
        take([limit], case(), 3 * SECOND)
    assert refused.value.headers == {"retry-after": "60"}
    assert take([limit], case(), 63 * SECOND)


def test_a_call_takes_a_place_in_all_its_limits_or_in_none():
    wide, narrow = rule("lm_wide", requests_per_minute=10, concurrent=10), rule("lm_narrow", requests_per_minute=1)
    assert take([wide, narrow], case(), 0)
    for _ in range(20):
        with pytest.raises(RateLimited, match="lm_narrow"):
            take([wide, narrow], case(), 0)
    assert sum(1 for _ in range(9) if take([wide], case(), 0)) == 9


@given(figure=st.integers(1, 10_000), workers=st.integers(1, 64))
def test_the_workers_shares_add_up_to_the_limit(figure, workers):
    shares = [share(figure, workers, slot) or 0 for slot in range(workers)]
    assert sum(shares) == figure
    assert max(shares) - min(shares) <= 1


def test_a_worker_without_a_share_says_so():
    with pytest.raises(RateLimited, match="no share"):
        take([rule(workers=4, slot=3, concurrent=3)], case(), 0)


def test_values_past_the_bound_are_counted_together_and_idle_ones_make_room(monkeypatch):
    monkeypatch.setattr(rates, "COUNTERS_MAX", 2)
    limit = rule(requests_per_minute=1, each="customer")
    for customer in "abc":
        taken = take([limit], case(customer), 0)
        assert taken
        taken.release()
    for customer in "cde":
        with pytest.raises(RateLimited):
            take([limit], case(customer), 0)
    assert len(limit.counters) == 2
    later = 120 * SECOND
    assert take([limit], case("d"), later)
    assert take([limit], case("e"), later)
    assert set(limit.counters) == {"d", "e"}


def test_a_new_snapshot_keeps_what_a_limit_has_counted():
    limit = Limit("lm_1", "one", LimitTerms(requests_per_minute=1), 1, "ada")
    decider = Decider()
    decider.use(Snapshot(0, limits=[limit]))
    assert decider.admit(case(), "openai", "", 0)
    decider.use(Snapshot(1, limits=[limit, Limit("lm_2", "two", LimitTerms(concurrent=9), 1, "ada")]))
    with pytest.raises(RateLimited, match="lm_1"):
        decider.admit(case(), "openai", "", SECOND)


def test_a_call_that_was_never_sent_counts_as_no_request():
    limit = rule(requests_per_minute=1, concurrent=1)
    taken = take([limit], case(), 0)
    assert taken
    taken.release(was_sent=False)
    assert take([limit], case(), 10 * SECOND)


def test_what_is_taken_back_too_late_undoes_nobody_elses_count():
    limit = rule(requests_per_minute=1)
    early = take([limit], case(), 0)
    assert early
    assert take([limit], case(), 70 * SECOND)
    early.release(was_sent=False)
    with pytest.raises(RateLimited):
        take([limit], case(), 71 * SECOND)


def test_a_clock_set_back_lets_nothing_more_through():
    limit = rule(requests_per_minute=2)
    take([limit], case(), 100 * SECOND)
    take([limit], case(), 50 * SECOND)
    with pytest.raises(RateLimited):
        take([limit], case(), 50 * SECOND)


def test_what_is_done_for_a_call_has_no_second_place_in_its_limits_and_one_in_those_of_its_own():
    all_calls, own = rule("lm_1", requests_per_minute=1), rule("lm_2", requests_per_minute=1)
    call = take([all_calls], case(), 0)
    first = take([all_calls, own], case(), 0, call)
    assert first is not None
    assert (len(first.counters), first.holds(call.counters[0])) == (1, False)
    assert take([all_calls], case(), 0, call) is None
    with pytest.raises(RateLimited, match="name of lm_2"):
        take([all_calls, own], case(), 0, call)
    with pytest.raises(RateLimited, match="name of lm_1"):
        take([all_calls, own], case(), 0)
