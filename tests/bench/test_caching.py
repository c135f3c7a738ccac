"""Marks for providers' caches on made-up traffic: what they may cost at most, and that they pay where they can."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.bench.cache_rivals import FixedRule, foresight, replay_ends, replay_rule
from bursar.bench.cache_trace import MINIMUM_TOKENS, Bill, CacheCall, CacheModel, load_calls, made_call, made_up
from bursar.bench.caching import replay_learned
from bursar.gateway.prompt_cache.account import ADVANCE_SHARE, ADVANCE_TOKENS
from bursar.gateway.prompt_cache.policy import Mark, Plan, Series, Terms, plan_marks
from bursar.gateway.prompt_cache.prefixes import Prefixes
from bursar.gateway.prompt_cache.rates import ANTHROPIC_RATES, FIVE_MINUTES_US, MARKS_MAX, ONE_HOUR_US, CacheRates

SECOND = 1_000_000
ROUNDING = 1e-3
RATES = [
    ANTHROPIC_RATES,
    CacheRates(0.025, 1.25, 2.0),
    CacheRates(0.1, 1.25, None),
    CacheRates(0.5, 1.0, None),  # nothing for a write
]


call = made_call


chains = st.lists(st.integers(0, 2), min_size=1, max_size=8)
gaps = st.sampled_from([0.0, 1.0, 5.0, 60.0, 299.0, 301.0, 1_800.0, 4_000.0])
traces = st.lists(st.tuples(gaps, chains, st.sampled_from([100, 600, 5_000])), min_size=1, max_size=60)


def made(steps: list[tuple[float, list[int], int]]) -> list[CacheCall]:
    """Calls one after the other."""
    at_s, calls = 0.0, []
    for gap_s, chain, tokens in steps:
        at_s += gap_s
        calls.append(call(at_s, chain, tokens))
    return calls


def play(
    calls: list[CacheCall], rates: CacheRates, *, ttl: str = "auto", late: int = 0, forgets: random.Random | None = None
) -> tuple[float, float]:
    """(the most that it cost above its bound at any moment, what it cost less than no cache at the end), in tokens.

    late: bills come so many calls later. forgets: the provider loses everything now and then.
    """
    prefixes, series, provider = Prefixes(256), Series(), CacheModel()
    terms, premiums = Terms(rates, MINIMUM_TOKENS, ttl), rates.premiums()
    bills: list[tuple[Plan, Bill]] = []
    cost = sent = worst = 0.0
    for one in calls:
        if forgets is not None and forgets.random() < 0.3:
            provider = CacheModel()
        plan = plan_marks(one.blocks, series, prefixes, terms, one.at_us)
        assert len(plan.marks) <= MARKS_MAX
        assert [mark.block for mark in plan.marks] == sorted({mark.block for mark in plan.marks})
        kept = [mark.is_1h for mark in plan.marks]
        assert kept == sorted(kept, reverse=True)  # an hour stands before five minutes
        plan.keep(plan.marks, one.at_us)
        bill = provider.call(one, plan.marks)
        bills.append((plan, bill))
        cost += bill.cost(rates)
        sent += one.tokens
        if len(bills) > late:
            planned, old = bills.pop(0)
            hour = old.write_1h * premiums.hour if old.write_1h else 0.0
            planned.end(old.write_5m * premiums.minutes + hour, old.read * premiums.one_read)
        worst = max(worst, cost - sent * (1 + ADVANCE_SHARE) - ADVANCE_TOKENS)
    return worst, sent - cost


@settings(max_examples=80)
@given(
    steps=traces,
    rates=st.sampled_from(RATES),
    ttl=st.sampled_from(["auto", "5m", "1h"]),
    late=st.sampled_from([0, 1, 7]),
)
def test_marks_never_cost_more_than_their_bound_whatever_comes(steps, rates, ttl, late):
    worst, _ = play(made(steps * 3), rates, ttl=ttl, late=late)
    assert worst <= ROUNDING


@pytest.mark.parametrize("seed", range(12))
def test_traffic_made_to_hurt_stays_within_the_bound(seed):
    """Each prompt comes just often enough to be written, and then never again."""
    drawn = random.Random(seed)
    steps = []
    for number in range(400):
        times = drawn.choice([2, 2, 2, 3])
        gap_s = drawn.choice([3.0, 290.0, 310.0])
        steps += [(gap_s, [number, number + 1, number + 2], drawn.choice([600, 20_000]))] * times
    worst, _ = play(made(steps), ANTHROPIC_RATES)
    assert worst <= ROUNDING


@pytest.mark.parametrize("seed", range(6))
def test_a_provider_that_forgets_costs_one_prompt_more_and_then_nothing(seed):
    drawn = random.Random(seed)
    steps = [(5.0, [drawn.randrange(4), 1, number], 5_000) for number in range(400)]
    worst, _ = play(made(steps), ANTHROPIC_RATES, forgets=drawn)
    assert worst <= 15_000 * 1.0


@pytest.mark.parametrize("name", made_up())
def test_where_reuse_can_be_known_from_what_came_before_foresight_saves_hardly_more(name):
    calls = made_up()[name]
    learned = replay_learned(calls, ANTHROPIC_RATES, Series())
    assert learned.total.saving >= 0.95 * foresight(calls, ANTHROPIC_RATES).saving


def test_where_nothing_is_kept_for_an_hour_calls_a_quarter_of_one_apart_save_nothing():
    _, saved = play(made_up()["a call each 15 minutes"], CacheRates(write_1h=None))
    assert saved <= 0


@settings(max_examples=60)
@given(steps=traces, marks=st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=4))
def test_no_marks_cost_less_than_foresight(steps, marks):
    calls = made(steps)
    provider, cost = CacheModel(), 0.0
    for one in calls:
        placed = [Mark(at, is_1h) for at, is_1h in sorted(dict(marks).items()) if at < len(one.blocks)]
        cost += provider.call(one, placed).cost(ANTHROPIC_RATES)
    assert foresight(calls, ANTHROPIC_RATES).cost <= cost + ROUNDING


def test_a_bill_is_what_the_documentation_says():
    provider = CacheModel()
    first = provider.call(call(0, [1, 2, 3], 600), [Mark(0), Mark(1)])
    assert first == Bill(0, 1_200, 0, 600)  # the first mark stands below the minimum
    assert provider.call(call(1, [1, 2, 4], 600), [Mark(1)]) == Bill(0, 1_200, 0, 600)  # not ready yet
    assert provider.call(call(10, [1, 2, 4], 600), [Mark(2)]) == Bill(1_200, 600, 0, 0)
    late = provider.call(call(10 + FIVE_MINUTES_US / SECOND + 1, [1, 2, 5], 600), [Mark(1, is_1h=True)])
    assert late == Bill(0, 0, 1_200, 600)
    assert provider.call(call(ONE_HOUR_US / SECOND, [1, 2, 6], 600), [Mark(1, is_1h=True)]).read == 1_200


@pytest.mark.slow
def test_on_the_first_minutes_of_the_trace_learned_marks_beat_those_that_are_set_blindly():
    calls = load_calls(0.25)
    learned = replay_learned(calls, ANTHROPIC_RATES, Series())
    assert learned.total.saving > replay_ends(calls, ANTHROPIC_RATES).saving
    assert learned.total.saving > 0
    assert learned.behind <= ADVANCE_SHARE * learned.total.sent + ADVANCE_TOKENS
    best = replay_rule(calls, FixedRule(1, 8_192, is_1h=False), ANTHROPIC_RATES)
    assert 0 < best.saving < foresight(calls, ANTHROPIC_RATES).saving
