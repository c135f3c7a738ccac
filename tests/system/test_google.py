"""Google's clients through the gateway: keys in the address, models in the path, refusals in their own words."""

import asyncio
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import OPERATOR_KEYS, World, gateway_world

from bursar.domain.controls import PolicyTerms
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.simulate.billing import LogEntry

PATH = "/v1beta/models/gemini-2.5-pro"
ASK = {"contents": [{"role": "user", "parts": [{"text": "What does a cup of tea cost?"}]}]}


@pytest.fixture(scope="module")
def key() -> list[str]:
    return []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, key: list[str]) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("google") / "data") as world:
        keys = world.site.keys()
        key.append(keys.create("google", Scope("default"), Attribution(team="core"), actor="test").text)
        world.site.publish(keys)
        controls = world.site.controls()
        terms = PolicyTerms(force_models={"summary": "gemini-2.5-flash"}, output_tokens_max=70)
        controls.policies.create("small", terms, is_on=True, actor="test")
        controls.publish()
        world.until_known()
        yield world


def call(world: World, path: str, label: str, tags: str = "", **headers: str) -> tuple[Answer, list[LogEntry]]:
    sent: dict[str, Any] = {"x-sim": json.dumps({"label": label, "output": 90}), "content-type": "application/json"}
    answer = asyncio.run(
        exchange(world.port, request_bytes(path, json.dumps(ASK).encode(), {**sent, "x-bursar-tags": tags, **headers}))
    )
    return answer, world.sim_log(label)


def of_key(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize("form", ["?key=%s", "?alt=sse&key=%s"])
def test_a_bursar_key_in_the_address_stays_here(world: World, key: list[str], form: str):
    answer, seen = call(world, PATH + ":streamGenerateContent" + form % key[0], f"virtual{form}")
    assert answer.status == 200
    assert [entry.key_sha256 for entry in seen] == [of_key(OPERATOR_KEYS["SIM_GEMINI_KEY"])]
    assert answer.headers["content-type"].startswith("text/event-stream" if "alt" in form else "application/json")
    assert key[0] not in world.logs()


def test_a_clients_own_key_in_the_address_goes_on_as_a_header(world: World):
    answer, seen = call(world, PATH + ":generateContent?key=AIza-own-canary", "own")
    assert answer.status == 200
    assert seen[0].key_sha256 == of_key("AIza-own-canary")
    assert "x-goog-api-key" in seen[0].header_names
    assert "AIza-own-canary" not in world.logs()


def test_a_policy_changes_the_model_in_the_path_and_the_limit_in_the_body(world: World, key: list[str]):
    tags = "request_type=summary"
    answer, seen = call(world, PATH + ":generateContent", "forced", tags, **{"x-goog-api-key": key[0]})
    assert answer.status == 200
    assert (seen[0].path, seen[0].model_asked) == (
        "/v1beta/models/gemini-2.5-flash:generateContent",
        "gemini-2.5-flash",
    )
    assert answer.headers["x-bursar-model-forced"] == "gemini-2.5-flash"
    said = json.loads(answer.body)
    assert said["candidates"][0]["finishReason"] == "MAX_TOKENS"
    usage = said["usageMetadata"]
    assert usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0) == 70


@pytest.mark.parametrize("path", [PATH + ":generateContent", "/v1/models/m:generateContent", "/v1beta/corpora"])
def test_a_refusal_has_googles_envelope(world: World, path: str):
    answer, seen = call(world, path, f"refused{path}", **{"x-goog-api-key": "sk-bursar-nobody"})
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"]) in {(401, 401), (404, 404)}
    assert error["status"] in {"UNAUTHENTICATED", "NOT_FOUND"}
    assert error["details"][0]["reason"]
    assert seen == []


def test_vertex_gets_the_clients_own_token_or_the_operators(world: World, key: list[str]):
    path = "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent"
    for sent, wanted in (("ya29.own", "ya29.own"), (key[0], OPERATOR_KEYS["SIM_VERTEX_KEY"])):
        answer, seen = call(world, path, f"vertex {wanted}", authorization=f"Bearer {sent}")
        assert (answer.status, answer.headers["x-bursar-cost-quality"]) == (200, "reported")
        assert [entry.key_sha256 for entry in seen] == [of_key(wanted)]
        assert "authorization" in seen[0].header_names


def test_a_path_that_only_vertex_has_is_not_sent_to_the_gemini_api(world: World):
    path = "/gemini/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent"
    answer, seen = call(world, path, "astray", authorization="Bearer ya29.own")
    error = json.loads(answer.body)["error"]
    assert (answer.status >= 400, error["details"][0]["reason"]) == (True, "NO_UPSTREAM")
    assert seen == []
