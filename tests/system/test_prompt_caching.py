"""Marks for a provider's prompt cache through a real worker: learned, billed as reads, off where they don't belong."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import boto3
import pytest
from botocore.config import Config
from tests.world import World, gateway_world

from bursar.console.prompt_stopping import PromptStopping
from bursar.domain.caching import CacheTerms, PromptCaching
from bursar.domain.clock import SystemClock
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.gateway.prompt_cache.news import RuleSums, Told, read_told
from bursar.gateway.prompt_cache.watch import Sums
from bursar.ledger.verify import verify

pytestmark = pytest.mark.slow

MODEL = "claude-sonnet-4-6"
SYSTEM = "You are the clerk of a large shop, and answer kindly. " * 400  # some 5,000 tokens
CALLS = 14
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("prompt") / "data") as world:
        controls = world.site.controls()
        for feature in ("marked", "agents", "stopped", "told"):
            controls.caches.create(
                feature, CacheTerms(match={"feature": feature}, prompt=PromptCaching()), is_on=True, actor="test"
            )
        controls.publish()
        world.until_known()
        yield world


def ask(
    world: World, feature: str, question: str, *, stream: bool = False, api_key: str = "sk-ant-x", **more: Any
) -> Any:
    headers = {"x-bursar-tags": f"feature={feature},session={feature}", "x-sim": json.dumps({"label": feature})}
    with anthropic.Anthropic(base_url=world.url, api_key=api_key, max_retries=0) as client:
        given: dict[str, Any] = {
            "model": MODEL, "max_tokens": 4_000, "system": SYSTEM, "messages": [{"role": "user", "content": question}],
            "extra_headers": {**headers, **more.pop("headers", {})}, **more,
        }  # fmt: skip
        if stream:
            with client.messages.stream(**given) as events:
                return events.get_final_message()
        return client.messages.with_raw_response.create(**given)


def test_marks_are_learned_and_their_reads_are_saved_by_the_prompt_cache(world: World):
    notes = []
    for number in range(CALLS):
        answer = ask(world, "marked", f"Question {number}: where is aisle {number}?")
        notes.append(answer.headers.get("x-bursar-prompt-cache", ""))
    assert notes[0] == ""  # nothing is written to find out
    assert notes[-1] == "cache_control"
    assert answer.headers["x-bursar-cache"] == "provider"
    assert float(answer.headers["x-bursar-saved"]) > 0
    ask(world, "marked", "And in a stream?", stream=True)
    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM charges WHERE session = 'marked' ORDER BY received_at")
    assert len(rows) == CALLS + 1
    assert rows[-1]["cache_read_tokens"] > 1_024
    saved = sum(row["saved_prompt_cache"] for row in rows)
    assert saved > 0
    assert all(row["counterfactual_cost"] == row["list_cost"] + row["saved_prompt_cache"] for row in rows)
    assert all(finding.ok for finding in verify(world.load(), world.site.paths.spool))


def test_a_call_that_marks_itself_or_has_no_rule_goes_out_as_it_came(world: World):
    system = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    for feature, more in (("marked", {"system": system}), ("other", {})):
        for number in range(4):
            answer = ask(world, feature, f"Mine {number}", **more)
            assert "x-bursar-prompt-cache" not in answer.headers


def test_what_one_account_keeps_another_does_not(world: World):
    """Customers' own keys beside one Bursar key: a prompt that the first one's account has is new to the second's."""
    keys = world.site.keys()
    key = keys.create("brings", Scope("default"), Attribution(), actor="test").text
    world.site.publish(keys)
    world.until_known()

    def note(own: str, number: int) -> str:
        answer = ask(world, "marked", f"Brought {number}", api_key=own, headers={"x-bursar-key": key})
        return str(answer.headers.get("x-bursar-prompt-cache", ""))

    notes = [note("sk-ant-one", number) for number in range(CALLS)]
    assert (notes[0], notes[-1]) == ("", "cache_control")
    assert note("sk-ant-two", CALLS) == ""  # nothing of it is there to be read


def test_coding_agents_are_left_alone(world: World):
    for number in range(CALLS):
        answer = ask(world, "agents", f"Task {number}", headers={"user-agent": "claude-cli/2.1.0 (external, cli)"})
        assert "x-bursar-prompt-cache" not in answer.headers


def test_what_breaks_a_cache_is_told_without_a_text(world: World):
    for number in range(30):
        ask(world, "marked", "What now?", system=f"It is 2026-11-26T10:{number:02d}:07Z. " + SYSTEM)

    def is_told() -> bool:
        told = read_told(world.site.paths.run)
        places = [place for one in told.series if one.feature == "marked" for place in one.breaks.places]
        return any(place.part == "system[0]" and place.cause == "time" for place in places)

    controls = world.site.controls()  # a rule that begins anew is told at once, not with the next half minute's news
    controls.caches.change("told", CacheTerms(match={"feature": "others"}, prompt=PromptCaching()), actor="test")
    controls.publish()
    world.until(is_told)
    for path in world.site.paths.run.glob("prompt-cache-*.json"):
        assert b"clerk" not in path.read_bytes()


def test_marks_that_do_not_pay_are_turned_off_and_the_rule_says_why(world: World, monkeypatch: pytest.MonkeyPatch):
    controls, clock = world.site.controls(), SystemClock()
    rule = controls.caches.one("stopped")
    hour_us = 3_600_000_000
    sums = Sums(9_000_000_000, 1_000_000_000, 50, 3, clock.now_us() - 2 * hour_us)
    monkeypatch.setattr(
        "bursar.console.prompt_stopping.read_told", lambda _: Told(rules=[RuleSums(rule.rule_id, MODEL, sums)])
    )
    stopping = PromptStopping(world.site.paths.run, lambda: controls, clock)
    assert stopping.look() == ["stopped"]
    assert "50 writes" in controls.caches.one("stopped").stopped
    assert stopping.look() == []
    controls.caches.resume("stopped", actor="test")
    assert stopping.look() == []  # what was counted before doesn't stop it again
    assert controls.caches.one("stopped").stopped == ""


def test_converse_gets_its_points(world: World):
    keys = world.site.keys()
    key = keys.create("bedrock", Scope("default"), Attribution(), actor="test").text
    world.site.publish(keys)
    world.until_known()
    client = boto3.session.Session(region_name="us-east-1").client(
        "bedrock-runtime", endpoint_url=world.url, aws_access_key_id=key, aws_secret_access_key="not looked at",
        config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip

    def add(request: Any, **_: Any) -> None:
        request.headers["x-bursar-tags"] = "feature=marked,session=converse"

    client.meta.events.register("before-sign.bedrock-runtime.*", add)
    usage: dict[str, Any] = {}
    for number in range(CALLS):
        usage = client.converse(
            modelId=HAIKU, system=[{"text": SYSTEM}], inferenceConfig={"maxTokens": 4_000},
            messages=[{"role": "user", "content": [{"text": f"Question {number}"}]}],
        )["usage"]  # fmt: skip
    assert usage.get("cacheReadInputTokens", 0) > 1_024, usage
