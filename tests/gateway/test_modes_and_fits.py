"""Modes as ladders, and targets that a call doesn't fit: decided by the gateway's own steps."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from tests.gateway.test_routing_parts import case

from bursar.config import load_config
from bursar.domain.clock import FixedClock
from bursar.domain.controls import Limit, LimitTerms, Policy, PolicyTerms
from bursar.domain.errors import ConfigError, RateLimited
from bursar.domain.ladders import DEFAULT_LADDERS, Ladder, faults_of_ladder, rules_of
from bursar.domain.routes import RouteRule, Target
from bursar.domain.snapshot import Snapshot
from bursar.gateway.call import Worker
from bursar.gateway.rates import RateRule, Taken, move, take
from bursar.gateway.rehearse import Rehearsal, dry_worker, envelope_of, rehearse
from bursar.gateway.route_table import compile_table
from bursar.gateway.settings import UpstreamSettings, WorkerSettings
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows

NOW_US = 1_790_000_000_000_000
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 100}
UPSTREAMS = (
    UpstreamSettings("openai", "https://one.test", "openai", "openai", region="us"),
    UpstreamSettings(
        "eu", "https://two.test", "openai", "openai", region="eu-west-1", data_classes=["public", "internal"]
    ),
    UpstreamSettings("anthropic", "https://three.test", "anthropic", "anthropic"),
)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(compile_rows(None)[0])


@pytest.fixture(scope="module")
def worker(book: PriceBook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    data = tmp_path_factory.mktemp("dry")
    (data / "secret").write_bytes(bytes(32))
    settings = WorkerSettings(
        "127.0.0.1", 0, str(data), str(data), "", "", str(data / "secret"), "acme", list(UPSTREAMS)
    )
    with dry_worker(settings, Snapshot(0), FixedClock(NOW_US), (), book) as worker:
        yield worker


@pytest.fixture
def ask(worker: Worker) -> Callable[..., Rehearsal]:
    def asked(
        *routes: RouteRule,
        body: dict[str, Any] = CHAT,
        headers: dict[str, str] | None = None,
        ladders: tuple[Ladder, ...] = DEFAULT_LADDERS,
        policies: tuple[Policy, ...] = (),
    ) -> Rehearsal:
        worker.route_table = compile_table(routes, (), ladders, worker.routes.by_name)
        worker.decider.use(Snapshot(0, policies=list(policies)))
        told = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        return rehearse(worker, "/v1/chat/completions", json.dumps(body).encode(), envelope_of(worker, told, None))

    return asked


def models(told: Rehearsal) -> list[str]:
    return [one.model for one in told.options if not one.why]


def left_out(told: Rehearsal) -> dict[str, str]:
    return {f"{one.upstream}/{one.model}": one.why for one in told.options if one.why}


@pytest.mark.parametrize(
    ("header", "mode", "model", "expected"),
    [
        ("x-bursar-mode", "eco", "gpt-4.1", ["gpt-4.1-nano", "gpt-4.1-mini", "gpt-4.1"]),
        ("x-prism-mode", " Sport ", "gpt-4.1-nano", ["gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"]),
        ("x-bursar-mode", "balanced", "gpt-4.1", ["gpt-4.1-mini", "gpt-4.1-nano", "gpt-4.1"]),
        ("x-bursar-mode", "eco", "o3", ["o3"]),  # on no ladder
        ("x-bursar-mode", "warp", "gpt-4.1", ["gpt-4.1"]),
    ],
)
def test_a_mode_takes_its_rung_of_the_ladder(ask, header, mode, model, expected):
    told = ask(body=CHAT | {"model": model}, headers={header: mode})
    assert models(told) == expected
    assert told.route == (f"gpt-4.1: {mode.strip().lower()}" if len(expected) > 1 else "")


def test_without_a_mode_nothing_changes_and_the_operators_ladder_comes_first(ask):
    assert ask().route == ""
    mine = Ladder(name="mine", models=("gpt-4o", "eu/o3"), modes={"eco": 2, "night": 1})
    assert models(ask(headers={"x-bursar-mode": "night"}, ladders=(mine, *DEFAULT_LADDERS))) == ["gpt-4o"]
    tagged = {"x-bursar-tags": "data_class=public"}
    told = ask(headers={"x-bursar-mode": "eco"} | tagged, ladders=(mine, *DEFAULT_LADDERS))
    assert (told.route, models(told)) == ("mine: eco", ["o3", "gpt-4o"])
    chat = RouteRule(name="chat", match={"mode": "eco"}, targets=(Target("openai", "gpt-4o-mini"),))
    assert ask(chat, headers={"x-bursar-mode": "eco"}).route == "chat"


def test_rungs_of_the_default_ladders_are_priced_and_get_dearer(book):
    for ladder in DEFAULT_LADDERS:
        assert faults_of_ladder(ladder) == []
        provider = {"g": "openai", "c": "anthropic"}[ladder.name[0]] if "gemini" not in ladder.name else "google"
        sheets = [book.at(provider, model, NOW_US) for model in ladder.models]
        prices = [max(sheet.unit_prices.values()) if sheet else None for sheet in sheets]
        assert None not in prices, ladder.name
        assert prices == sorted(prices), ladder.name
        assert len(rules_of(ladder)) == 3 * (len(ladder.models) + len(ladder.asked))


@pytest.mark.parametrize(
    "ladder",
    [Ladder(name="", models=("a", "b")), Ladder(name="x", models=("a",)), Ladder(name="x", models=("a", "")),
     Ladder(name="x", models=("a", "b"), modes={"eco": 3}), Ladder(name="x", models=("nowhere/a", "b"))],
)  # fmt: skip
def test_a_ladder_that_cannot_be_is_named_at_the_start(ladder):
    with pytest.raises(ConfigError, match=r"ladders\[0\]"):
        load_config(env={}, overrides={"ladders": msgspec.to_builtins([ladder])})


def both(**changes: Any) -> RouteRule:
    return RouteRule(name="both", targets=(Target("openai"), Target("eu")), **changes)


def test_region_and_data_class_keep_an_upstream_out(ask):
    assert left_out(ask(both(regions=("eu-*",)), headers={"x-bursar-tags": "data_class=public"})) == {
        "openai/gpt-4o": "region"
    }
    assert left_out(ask(both(), headers={"x-bursar-tags": "data_class=secret"})) == {"eu/gpt-4o": "data_class"}
    assert left_out(ask(both())) == {"eu/gpt-4o": "data_class"}  # not said is not cleared
    told = ask(both(regions=("ap-*",)))
    assert told.refusal is not None
    assert told.refusal[0] == "no_upstream"
    assert "region" in told.refusal[1]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, ""),
        ({"max_tokens": 130_000}, "context"),  # gpt-4o-mini's catalogue: 128,000 in and out
        ({"messages": [{"role": "user", "content": "x" * 520_000}]}, "context"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]}]}, "image"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_model_goes_to_the_next_one(ask, body, why):
    small = Target("openai", "gpt-4o-mini", lacks=("tools", "image"))
    rule = RouteRule(name="small", strategy="cheapest", targets=(Target("openai", "gpt-4.1"), small))
    told = ask(rule, body=CHAT | body)
    assert models(told)[0] == ("gpt-4.1" if why else "gpt-4o-mini")
    assert left_out(told) == ({"openai/gpt-4o-mini": why} if why else {})


def test_a_context_that_nobody_knows_keeps_nothing_out_and_the_operators_word_does(ask):
    unknown = Target("openai", "made-up-1")
    assert models(ask(RouteRule(name="r", targets=(unknown,)), body=CHAT | {"max_tokens": 10**6})) == ["made-up-1"]
    said = Target("openai", "made-up-1", context_tokens=50)
    assert ask(RouteRule(name="r", targets=(said,))).refusal is not None


def test_a_policys_cap_about_the_routes_model_holds_for_the_first_way_too(ask):
    terms = PolicyTerms(match={"model": "gpt-4o-mini"}, deny_models=("gpt-4o-mini",))
    rule = RouteRule(name="r", targets=(Target("openai", "gpt-4o-mini"), Target("openai")))
    told = ask(rule, policies=(Policy("pl_1", "no-mini", terms, True, 0, "test"),))
    assert left_out(told) == {"openai/gpt-4o-mini": "policy_rule"}


def limit(name: str, **terms: Any) -> RateRule:
    return RateRule(Limit(f"lm_{name}", name, LimitTerms(**terms), 0, "test"), 1, 0)


def test_a_call_that_goes_on_elsewhere_takes_its_place_there_and_keeps_what_it_has():
    everyone = limit("all", requests_per_minute=10, concurrent=5)
    here = limit("here", match={"provider": "openai"}, concurrent=1)
    there = limit("there", match={"provider": "groq"}, requests_per_minute=1)
    call = case()
    held = take([everyone, here], call, NOW_US)
    moved = move([everyone, there], call, NOW_US, held)
    counters = {rule.limit.name: rule.counter(call, NOW_US // 10**6) for rule in (everyone, here, there)}
    assert isinstance(moved, Taken)
    assert {name: (one.running, one.requests.total) for name, one in counters.items() if one} == {
        "all": (1, 1), "here": (0, 1), "there": (1, 1),
    }  # fmt: skip
    moved.add_tokens(7, NOW_US)
    moved.release()
    assert {name: (one.running, one.tokens.total) for name, one in counters.items() if one} == {
        "all": (0, 7), "here": (0, 0), "there": (0, 7),
    }  # fmt: skip


def test_where_there_is_no_room_it_stays_where_it_was():
    here, there = limit("here", concurrent=1), limit("there", requests_per_minute=1)
    call = case()
    take([there], call, NOW_US)
    held = take([here], call, NOW_US)
    with pytest.raises(RateLimited):
        move([there], call, NOW_US, held)
    counter = here.counter(call, NOW_US // 10**6)
    assert counter is not None
    assert counter.running == 1
