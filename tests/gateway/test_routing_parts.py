"""The parts of a route that are pure: conditions, order, health and the headers that ask for a rest."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.routes import RouteRule, Target, faults_of
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.gateway.case import Case
from bursar.gateway.health import COOL_KEYS_MAX, OPEN_AFTER, Health
from bursar.gateway.route_table import RouteTable
from bursar.gateway.strategies import order
from bursar.gateway.upstream_rates import COOL_MAX_US, cool_until_us

S = 1_000_000
HOUR_US = 3_600 * S


def case(**changes: object) -> Case:
    own = {
        "scope": Scope("acme", "core", "apollo"),
        "credential_id": "vk_1",
        "credential_kind": "virtual",
        "attribution": Attribution(feature="chat", tags={"plan": "pro"}),
        "model": "gpt-4o-mini",
        "operation": "chat",
        "body_bytes": 1_000,
        "output_tokens_max": None,
    }
    return Case(**(own | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({}, True),
        ({"match": {"feature": "chat", "model": "gpt-4o*"}}, True),
        ({"match": {"feature": "chat", "model": "gpt-5*"}}, False),
        ({"match": {"tag:plan": "pro"}}, True),
        ({"match": {"tag:plan": "free"}}, False),
        ({"match": {"credential": "vk_1", "operation": "chat"}}, True),
        ({"match": {"operation": "embeddings"}}, False),
        ({"input_bytes_min": 1_000, "input_bytes_max": 1_000}, True),
        ({"input_bytes_min": 1_001}, False),
        ({"input_bytes_max": 999}, False),
        ({"hours": "22:00-06:00"}, True),  # it is 23:30
        ({"hours": "06:00-22:00"}, False),
        ({"hours": "23:00-23:30"}, False),
        ({"hours": "23:30-23:31"}, True),
    ],
)
def test_a_route_is_about_a_call_when_all_its_conditions_hold(conditions: dict[str, object], holds: bool) -> None:
    rule = RouteRule(name="r", targets=(Target("openai"),), **conditions)  # type: ignore[arg-type]
    assert faults_of(rule, frozenset({"openai"})) == []
    assert (RouteTable([rule]).about(case(), 23 * HOUR_US + HOUR_US // 2) is rule) == holds


def test_the_first_route_that_is_about_the_call_is_taken() -> None:
    rules = [
        RouteRule(name=name, targets=(Target("openai"),), match=match)
        for name, match in (("no", {"feature": "x"}), ("yes", {"feature": "ch?t"}), ("late", {}))
    ]
    found = RouteTable(rules).about(case(), 0)
    assert found is not None
    assert found.name == "yes"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"targets": ()}, "targets"),
        ({"targets": (Target("nobody"),)}, "targets.0.upstream"),
        ({"targets": (Target("openai"), Target("nobody"))}, "targets.1.upstream"),
        ({"targets": (Target("openai", weight=0),)}, "targets.0.weight"),
        ({"match": {"provider": "openai"}}, "match"),
        ({"hours": "25:00-06:00"}, "hours"),
        ({"hours": "evening"}, "hours"),
        ({"first_byte_timeout_s": 0.0}, "first_byte_timeout_s"),
    ],
)
def test_what_is_wrong_with_a_route_is_told_by_its_field(changes: dict[str, object], field: str) -> None:
    rule = RouteRule(**({"name": "r", "targets": (Target("openai"),)} | changes))  # type: ignore[arg-type]
    assert [found for found, _ in faults_of(rule, frozenset({"openai"}))] == [field]


def drawn(strategy: str, key: bytes, weights: list[int], loads: list[float] | None = None) -> list[int]:
    names = [f"upstream-with-a-long-name-{at}" for at in range(len(weights))]
    return order(strategy, key, names, weights, loads or [0.0] * len(weights), [None] * len(weights))  # type: ignore[arg-type]


@given(
    strategy=st.sampled_from(["ordered", "weighted", "sticky", "lowest-latency", "cheapest"]),
    key=st.binary(max_size=20),
    weights=st.lists(st.integers(1, 1_000), min_size=1, max_size=6),
)
def test_an_order_has_every_candidate_once_and_is_the_same_again(strategy: str, key: bytes, weights: list[int]) -> None:
    found = drawn(strategy, key, weights)
    assert sorted(found) == list(range(len(weights)))
    assert drawn(strategy, key, weights) == found


def test_weights_are_kept_and_taking_one_away_moves_only_its_own() -> None:
    keys = [str(at).encode() for at in range(6_000)]
    first = {key: drawn("weighted", key, [3, 2, 1])[0] for key in keys}
    shares = Counter(first.values())
    assert [round(shares[at] / len(keys), 1) for at in range(3)] == [0.5, 0.3, 0.2], shares
    for key, took in first.items():
        if took != 2:
            assert drawn("weighted", key, [3, 2])[0] == took


def test_cheapest_puts_unknown_prices_last_and_never_takes_them_for_free() -> None:
    assert order("cheapest", b"", ["a", "b", "c", "d"], [1] * 4, [], [7, None, 3, 0]) == [3, 2, 0, 1]


def test_lowest_latency_leaves_the_slow_one_but_never_for_one_upstream_alone() -> None:
    firsts = Counter(drawn("lowest-latency", str(at).encode(), [1, 1, 1], [9e6, 1e3, 2e3])[0] for at in range(3_000))
    assert firsts[0] == 0  # of any two it is the slower
    assert firsts[2] > 500


def test_the_breaker_opens_tries_one_and_closes() -> None:
    health, now = Health(), 100 * S
    for _ in range(OPEN_AFTER):
        assert health.why_not(now) == ""
        health.begin(now)
        health.failed(now)
    assert health.why_not(now) == "open"
    now += S
    assert health.why_not(now) == ""
    health.begin(now)
    assert health.why_not(now) == "probing"
    health.failed(now)
    assert health.why_not(now + S) == "open"  # for twice as long
    now += 2 * S
    health.begin(now)
    health.answered(now, 5_000)
    assert health.why_not(now) == ""
    assert health.in_flight == 0


def test_a_half_broken_upstream_opens_too() -> None:
    health = Health()
    for at in range(200):
        health.begin(at)
        if at % 3:
            health.failed(at)
        else:
            health.answered(at, 10)
        if health.why_not(at + 1):
            return
    raise AssertionError("two failures of three never opened it")


def test_a_slow_answer_counts_at_once_and_is_forgotten_with_time() -> None:
    health = Health()
    health.begin(0)
    health.answered(0, 1_000)
    health.begin(S)
    health.answered(S, 50_000)
    assert health.load(S) == 50_000
    for at in range(2, 60):
        health.begin(at * S)
        health.answered(at * S, 1_000)
    assert health.load(60 * S) < 2_000


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (200, {}, 0),
        (200, {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "8s"}, 0),
        (200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s"}, 62.5),
        (200, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        (
            200,
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "1970-01-01T00:01:10Z",
            },
            60,
        ),
        (200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0),
        (429, {"retry-after": "7"}, 7),
        (429, {"retry-after": "Thu, 01 Jan 1970 00:00:20 GMT"}, 2),
        (429, {}, 2),
        (429, {"retry-after": "99999"}, COOL_MAX_US / S),
        (503, {"retry-after": "3"}, 3),
        (200, {"retry-after": "3"}, 0),
    ],
)
def test_a_provider_that_asks_for_a_rest_gets_it(status: int, headers: dict[str, str], seconds: float) -> None:
    now_us = 10 * S
    found = cool_until_us(status, [(name.encode(), value.encode()) for name, value in headers.items()], now_us)
    assert found == (now_us + round(seconds * S) if seconds else 0)


@given(name=st.sampled_from([b"x-ratelimit-reset-requests", b"retry-after"]), value=st.binary(max_size=30))
def test_no_header_breaks_a_call(name: bytes, value: bytes) -> None:
    found = cool_until_us(429, [(b"x-ratelimit-remaining-requests", b"0"), (name, value)], S)
    assert 0 <= found <= S + COOL_MAX_US


def test_a_callers_own_key_rests_alone_and_the_memory_of_keys_is_bounded():
    health = Health()
    health.cool(5 * S, S, "pt_1")
    assert [health.why_not(2 * S, key) for key in ("pt_1", "pt_2", "")] == ["cooling", "", ""]
    health.cool(5 * S, S)
    assert [health.why_not(2 * S, key) for key in ("pt_1", "pt_2", "")] == ["cooling", "", "cooling"]
    for number in range(3 * COOL_KEYS_MAX):
        health.cool(number * S + S // 2, number * S, f"pt_{number}")
    assert len(health.cool_keys) <= COOL_KEYS_MAX
    assert health.why_not(6 * S) == ""
