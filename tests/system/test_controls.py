"""Kills, policies and limits on a running site with two workers, seen by real clients and by the provider."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import Request, urlopen

import anthropic
import openai
import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, site_world

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.controls import KillTerms, LimitTerms, PolicyTerms
from bursar.governance.controls import Controls
from bursar.simulate.billing import LogEntry

MODEL = "gpt-4o-mini"
QUESTION: list[Any] = [{"role": "user", "content": "What is the weather in Pune?"}]
KNOWN_WITHIN_S = 1.0
TRIES = 5  # a promise of time is kept by the program, not by a machine that is busy with other things


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with site_world(tmp_path_factory.mktemp("controls") / "data", workers=2) as world:
        yield world


@pytest.fixture
def controls(world: World) -> Iterator[Controls]:
    """The desk; what a test leaves on it is cleared, and the workers know."""
    controls = world.site.controls()
    yield controls
    for policy in controls.policies.all():
        controls.policies.remove(policy.policy_id, actor="test")
    for limit in controls.limits.all():
        controls.limits.remove(limit.limit_id, actor="test")
    for kill in controls.kills.all():
        controls.kills.lift(kill.kill_id, actor="test")
    in_force(world, controls)


def in_force(world: World, controls: Controls) -> None:
    """Published, and every worker knows."""
    controls.publish()
    world.until_known()


def request(tags: str, sim: dict[str, Any] | None = None, **body: Any) -> bytes:
    asked = {"model": MODEL, "messages": QUESTION, **body}
    headers = {
        "authorization": "Bearer sk-own", "content-type": "application/json", "x-bursar-tags": tags,
        "x-sim": json.dumps(sim or {}), "connection": "close",
    }  # fmt: skip
    return request_bytes("/v1/chat/completions", json.dumps(asked).encode(), headers)


def send_all(world: World, requests: list[bytes]) -> list[Answer]:
    """All at once, each on a connection of its own: the kernel spreads them over both workers."""

    async def send() -> list[Answer]:
        return await asyncio.gather(*(exchange(world.port, one) for one in requests))

    return asyncio.run(send())


def statuses(answers: list[Answer]) -> set[int]:
    return {answer.status for answer in answers}


def test_a_kill_refuses_on_both_workers_within_a_second_and_its_lifting_too(world: World, controls: Controls):
    burst = [request("agent=crawler") for _ in range(30)]
    for _ in range(TRIES):
        assert statuses(send_all(world, burst)) == {200}
        kill = controls.kills.create(KillTerms(match={"agent": "crawler"}, reason="runaway loop"), actor="cli:ada")
        controls.publish()
        published = time.monotonic()
        took_s = refused_from(lambda: send_all(world, burst), published)
        if took_s < KNOWN_WITHIN_S:
            break
        controls.kills.lift("agent=crawler", actor="cli:ada")
        in_force(world, controls)
    assert took_s < KNOWN_WITHIN_S
    answers = send_all(world, burst)
    assert statuses(answers) == {403}
    told = json.loads(answers[0].body)["error"]
    assert told["code"] == "killed"
    assert answers[0].headers["x-should-retry"] == "false"
    for word in ("agent=crawler", "cli:ada", "runaway loop", f"bursar kill lift {kill.kill_id}"):
        assert word in told["message"]
    assert statuses(send_all(world, [request("agent=other") for _ in range(10)])) == {200}
    controls.kills.lift("agent=crawler", actor="cli:ada")
    in_force(world, controls)
    assert statuses(send_all(world, burst)) == {200}


def refused_from(send: Callable[[], list[Answer]], published: float) -> float:
    """Seconds from publishing until a whole burst, over both workers, was refused; when its sending began."""
    while True:
        began = time.monotonic() - published
        if statuses(send()) == {403}:
            return began
        assert began < 30, "the kill never arrived"


def doubled(label: str, body: str) -> bytes:
    """A call whose body is written by hand: a field may stand twice."""
    headers = {
        "authorization": "Bearer sk-own", "content-type": "application/json", "x-sim": json.dumps({"label": label}),
        "connection": "close",
    }  # fmt: skip
    return request_bytes("/v1/chat/completions", body.encode(), headers)


MESSAGES = '"messages":[{"role":"user","content":"hi"}]'
TWICE = [
    ("model", '{"model":"gpt-4o","model":"gpt-4o-mini",' + MESSAGES + "}"),
    ("model", '{"mod\\u0065l":"gpt-4o", ' + MESSAGES + ', "model":"gpt-4o-mini"}'),
    ("max_tokens", '{"model":"gpt-4o-mini","max_tokens":100000,"max_tokens":10,' + MESSAGES + "}"),
    ("n", '{"model":"gpt-4o-mini","n":50,"n":1,' + MESSAGES + "}"),
]
SCHEMA = '{"type":"object","properties":{"model":{"type":"string"},"max_tokens":{"type":"integer"}}}'
TOOL = '{"type":"function","function":{"name":"f","parameters":' + SCHEMA + "}}"
ONCE = '{"model":"gpt-4o-mini",' + MESSAGES + ',"tools":[' + TOOL + "]}"


@pytest.mark.parametrize("rule", ["policy", "limit", "kill", "budget"])
def test_where_a_rule_decides_a_field_that_stands_twice_is_refused_by_name(world: World, controls: Controls, rule: str):
    """Also where the rule isn't about the call: the field in doubt may be what it goes by."""
    budgets = world.site.budgets()
    if rule == "policy":
        controls.policies.create("small", PolicyTerms(allow_models=["*mini*"]), is_on=True, actor="test")
    elif rule == "limit":
        controls.limits.create("few", LimitTerms(match={"model": "gpt-4o"}, requests_per_minute=1), actor="test")
    elif rule == "kill":
        controls.kills.create(KillTerms(match={"model": "gpt-4o"}, reason="too dear"), actor="test")
    else:
        window, match = Schedule(parse_spec("lifetime")), {"model": "gpt-4o"}
        budgets.create(Budget(budget_id="", name="twice", limit=LimitPlan(1), window=window, match=match), actor="test")
        world.site.publish_budgets(budgets)
    in_force(world, controls)
    try:
        label = f"twice-{rule}"
        for field, body in TWICE:
            [answer] = send_all(world, [doubled(label, body)])
            told = json.loads(answer.body)["error"]
            assert (answer.status, told["code"], told["param"]) == (400, "bad_request", field)
            assert field in told["message"]
        assert world.sim_log(label) == []
        assert statuses(send_all(world, [doubled(label, ONCE)])) == {200}
    finally:
        if rule == "budget":
            budgets.remove("twice", actor="test")
            world.site.publish_budgets(budgets)


def test_without_rules_a_body_goes_out_as_it_came(world: World, controls: Controls):
    in_force(world, controls)
    assert statuses(send_all(world, [doubled("free", body) for _, body in TWICE])) == {200}


def test_a_stream_under_way_may_finish_when_its_session_is_killed(world: World, controls: Controls):
    async def run(interval_ms: int) -> tuple[Answer, Answer, bool]:
        session = f"s{interval_ms}"
        sim = {"label": "finishing", "interval_ms": interval_ms, "chunks": 25}
        under_way = asyncio.create_task(
            exchange(world.port, request(f"session={session}", sim, stream=True, max_tokens=200))
        )  # fmt: skip
        await asyncio.to_thread(world.until, lambda: world.dispatched(session))
        controls.kills.create(KillTerms(match={"session": session}, reason="enough"), actor="test")
        await asyncio.to_thread(in_force, world, controls)
        late = await exchange(world.port, request(f"session={session}"))
        was_first = not under_way.done()
        return await under_way, late, was_first

    for interval_ms in (100, 400, 1_500):  # long enough that it is still under way, however slow this machine is
        finished, late, was_first = asyncio.run(run(interval_ms))
        if was_first:
            break
    assert was_first
    assert (finished.status, late.status) == (200, 403)
    assert finished.whole
    assert b"[DONE]" in finished.body


def test_models_that_may_answer_instead_are_denied_like_the_one_asked_for(world: World, controls: Controls):
    deny = PolicyTerms(deny_models=("claude-opus-*",))
    policy = controls.policies.create("no big ones", deny, is_on=True, actor="test")
    in_force(world, controls)
    body: dict[str, Any] = {
        "model": "claude-haiku-4-5",
        "max_tokens": 20,
        "messages": QUESTION,
        "fallbacks": [{"model": "claude-opus-4-1"}],
    }

    def status() -> int:
        headers = {"content-type": "application/json", "x-api-key": "sk-ant-own"}
        return asyncio.run(
            exchange(world.port, request_bytes("/v1/messages", json.dumps(body).encode(), headers))
        ).status

    assert status() == 403
    controls.policies.remove(policy.policy_id, actor="test")
    controls.policies.create("small ones", PolicyTerms(force_models={"*": "claude-haiku-4-5-20251001"}), is_on=True,
                             actor="test")  # fmt: skip
    in_force(world, controls)
    assert status() == 403, "a forced model can't stand beside others"
    del body["fallbacks"]
    assert status() == 200


def test_a_denied_model_reads_alike_in_both_families_of_clients(world: World, controls: Controls):
    controls.policies.create("no big ones", PolicyTerms(deny_models=("gpt-4o", "claude-opus-*")), is_on=True,
                             actor="test")  # fmt: skip
    in_force(world, controls)
    seen = len(world.sim_log())
    with (
        openai.OpenAI(base_url=f"{world.url}/v1", api_key="sk-own", max_retries=3) as client,
        pytest.raises(openai.PermissionDeniedError) as refused,
    ):
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert refused.value.type == "policy_rule"
    assert refused.value.code == "policy_rule"
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["rule"] == "denied_model"
    assert refused.value.body["denied_value"] == "gpt-4o"
    assert "no big ones" in refused.value.message
    with (
        anthropic.Anthropic(base_url=world.url, api_key="sk-own", max_retries=3) as other,
        pytest.raises(anthropic.PermissionDeniedError) as denied,
    ):
        other.messages.create(model="claude-opus-4-1", max_tokens=10, messages=QUESTION)
    assert isinstance(denied.value.body, dict)
    assert denied.value.body["error"]["type"] == "permission_error"
    assert denied.value.body["error"]["rule"] == "denied_model"
    assert len(world.sim_log()) == seen, "a refused call must not reach the provider, nor be tried again"
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key="sk-own") as client:
        assert client.chat.completions.create(model=MODEL, messages=QUESTION).choices


def test_a_forced_model_and_a_lowered_max_tokens_are_all_that_changes_on_the_wire(world: World, controls: Controls):
    controls.policies.create(
        "cheap summaries", PolicyTerms(force_models={"summary": MODEL}, output_tokens_max=50), is_on=True, actor="test"
    )
    in_force(world, controls)
    body = b'{ "model" : "gpt-4o",  "max_completion_tokens":900, "messages":[{"role":"user","content":"caf\\u00e9"}] }'
    headers = {"authorization": "Bearer sk-own", "x-bursar-tags": "request_type=summary",
               "x-sim": '{"label":"forced"}'}  # fmt: skip
    (answer,) = send_all(world, [request_bytes("/v1/chat/completions", body, headers)])
    assert answer.status == 200
    assert answer.headers["x-bursar-model-forced"] == MODEL
    assert answer.headers["x-bursar-max-tokens"] == "50"
    (entry,) = world.sim_log("forced")
    sent = body.replace(b'"gpt-4o"', f'"{MODEL}"'.encode()).replace(b"900", b"50")
    assert entry.body_sha256 == hashlib.sha256(sent).hexdigest()[:16]
    assert entry.usage.output <= 50
    told = in_the_books(world, answer.call_id)
    assert told["call"]["model_asked"] == "gpt-4o"
    assert [attempt["model_sent"] for attempt in told["attempts"]] == [MODEL]


def test_a_dearer_tier_is_taken_off_the_wire_and_only_a_warning_is_told_of_a_large_input(
    world: World, controls: Controls
):
    controls.policies.create(
        "no priority", PolicyTerms(service_tier="standard", input_bytes_max=10, on_input_excess="warn"), is_on=True,
        actor="test",
    )  # fmt: skip
    in_force(world, controls)
    body = b'{ "model":"gpt-4o", "service_tier" : "priority", "messages":[{"role":"user","content":"caf\\u00e9"}] }'
    headers = {"authorization": "Bearer sk-own", "x-sim": '{"label":"tiered"}'}
    (answer,) = send_all(world, [request_bytes("/v1/chat/completions", body, headers)])
    assert answer.status == 200
    assert answer.headers["x-bursar-service-tier"] == "standard"
    assert "is above 10" in answer.headers["x-bursar-policy-warning"]
    (entry,) = world.sim_log("tiered")
    sent = body.replace(b'"priority"', b'"default"')
    assert entry.body_sha256 == hashlib.sha256(sent).hexdigest()[:16]
    assert entry.tier == "default"
    told = in_the_books(world, answer.call_id)
    assert [attempt["tier_asked"] for attempt in told["attempts"]] == [""]


def in_the_books(world: World, call_id: str) -> dict[str, Any]:
    """The call in the books, as soon as the console has read it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"{world.console_url}/api/calls/{call_id}", timeout=30) as reply:
                told = dict(json.load(reply))
                if told["call"]:
                    return told
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_provider_never_sees_more_calls_at_a_time_than_the_limit(world: World, controls: Controls):
    controls.limits.create("four at a time", LimitTerms(match={"feature": "narrow"}, concurrent=4), actor="test")
    in_force(world, controls)
    sim = {"label": "narrow", "delay_ms": 150}
    wave = [request("feature=narrow", sim) for _ in range(24)]
    answers = [answer for _ in range(5) for answer in send_all(world, wave)]
    assert statuses(answers) == {200, 429}
    entries = world.sim_log("narrow")
    assert len(entries) == sum(answer.status == 200 for answer in answers)
    assert most_at_a_time(entries) <= 4
    assert len(entries) >= 5 * 2, "each worker admits its share"
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-should-retry"] == "true"
    assert json.loads(refused.body)["error"]["code"] == "rate_limited"
    assert "four at a time" in json.loads(refused.body)["error"]["message"]


def most_at_a_time(entries: list[LogEntry]) -> int:
    steps = sorted([(one.received_us, 1) for one in entries] + [(one.ended_us, -1) for one in entries])
    running = most = 0
    for _, step in steps:
        running += step
        most = max(most, running)
    return most


def test_a_limit_by_the_minute_holds_over_both_workers_for_each_value(world: World, controls: Controls):
    controls.limits.create(
        "ten each", LimitTerms(match={"feature": "each"}, each="customer", requests_per_minute=10), actor="test"
    )
    in_force(world, controls)
    wave = [request(f"feature=each,customer={name}", {"label": f"each {name}"}) for name in "abc" for _ in range(40)]
    assert statuses(send_all(world, wave)) == {200, 429}
    for name in "abc":
        assert 0 < len(world.sim_log(f"each {name}")) <= 10


def test_tokens_refuse_the_next_call_once_the_minute_has_used_them(world: World, controls: Controls):
    controls.limits.create("tokens", LimitTerms(match={"feature": "tokens"}, tokens_per_minute=2000), actor="test")
    in_force(world, controls)
    sim = {"label": "tokens", "input": 400, "output": 200}
    answers = [answer for _ in range(12) for answer in send_all(world, [request("feature=tokens", sim)])]
    assert statuses(answers) == {200, 429}
    assert sum(answer.status == 200 for answer in answers) <= 4, "1,000 of each worker: two calls of 600 tokens"


def test_the_console_makes_and_lifts_a_kill_and_the_workers_obey(world: World, controls: Controls):
    made = change(world, "POST", "/api/kills", {"match": {"feature": "stopped"}, "reason": "from the console"})
    assert made["name"] == "feature=stopped"
    world.until_known()
    assert statuses(send_all(world, [request("feature=stopped") for _ in range(10)])) == {403}
    assert change(world, "DELETE", f"/api/kills/{made['kill_id']}")["kill_id"] == made["kill_id"]
    world.until_known()
    assert statuses(send_all(world, [request("feature=stopped") for _ in range(10)])) == {200}
    assert controls.kills.all() == []


def change(world: World, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    asked = Request(world.console_url + path, data=data, method=method, headers={"content-type": "application/json"})
    with urlopen(asked, timeout=30) as reply:
        return dict(json.load(reply))
