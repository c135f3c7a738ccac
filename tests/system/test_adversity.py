"""Around the gateway something fails: no provider, no disk, no place, no key. Calls go on, or say clearly why not."""

import asyncio
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import world as worlds
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import BOOKS, World, free_port, gateway_world, make_config

from bursar.config import Upstream
from bursar.domain.money import usd_from_pico
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.simulate.launch import Running
from bursar.site import Site

pytestmark = pytest.mark.slow

SMALL_DISK_BYTES = 4 * 1024 * 1024  # less than a journal segment claims: the next one can't begin


def chat(key: str = "sk-client", path: str = "/v1/chat/completions", **control: Any) -> bytes:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "tea"}]}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}", "x-sim": json.dumps(control)}
    return request_bytes(path, json.dumps(body).encode(), headers)


def send(world: World, request: bytes) -> Answer:
    return asyncio.run(exchange(world.port, request))


def test_a_provider_that_is_not_there_costs_nothing_and_is_tried_three_times(tmp_path: Path) -> None:
    nobody = Running(free_port())
    with gateway_world(tmp_path / "data", simulator=nobody, connect_timeout_s=2.0) as world:
        answer = send(world, chat())
        assert answer.status == 502
        assert answer.headers["x-should-retry"] == "true"
        assert json.loads(answer.body)["error"]["code"] == "upstream_unreachable"
        world.load()
        rows = world.rows("SELECT outcome, quality, list_cost, retry_cause FROM charges ORDER BY attempt_number")
        assert [row["retry_cause"] for row in rows] == ["", "connect", "connect"]
        assert {(row["outcome"], row["quality"], row["list_cost"]) for row in rows} == {
            ("provider_error", "reported", 0)
        }


def test_when_the_disk_takes_no_more_calls_go_on_and_their_records_wait(tmp_path: Path) -> None:
    ready = request_bytes("/readyz", b"", {}, method="GET")
    large_tags = ",".join(f"k{at}={'v' * 400}" for at in range(64))  # 30 KB a record: a segment is full sooner

    async def fill(world: World) -> tuple[list[int], Answer]:
        statuses = []
        for _ in range(100):
            answers = await asyncio.gather(*(exchange(world.port, large) for _ in range(10)))
            statuses += [answer.status for answer in answers]
            state = await exchange(world.port, ready)
            if state.status != 200:
                break
        return statuses, state

    with gateway_world(tmp_path / "data") as world:
        large = chat().replace(b"x-sim:", b"x-bursar-tags: " + large_tags.encode() + b"\r\nx-sim:")
        pid = world.processes[0].pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (SMALL_DISK_BYTES, resource.RLIM_INFINITY))
        statuses, state = asyncio.run(fill(world))
        assert set(statuses) == {200}
        assert state.status == 503
        assert b"journal" in state.body
        assert send(world, chat(label="during")).status == 200
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert send(world, ready).status == 200
        assert send(world, chat(label="after")).status == 200
        calls = len(statuses) + 2
        world.settle_down()
        world.load()
        billed = sum(entry.cost_pico or 0 for entry in world.sim_log())
        told = world.rows("SELECT count(*) AS n, sum(list_cost) AS total, max(seq) AS seq FROM charges")[0]
        assert told == {"n": calls, "total": usd_from_pico(billed), "seq": calls}
        assert world.rows("SELECT * FROM loader_faults") == []


def test_a_worker_with_no_place_left_refuses_at_once_and_recovers(tmp_path: Path) -> None:
    async def scenario(world: World) -> tuple[list[int], Answer]:
        slow = [asyncio.create_task(exchange(world.port, chat(delay_ms=3_000))) for _ in range(4)]
        await asyncio.to_thread(world.until, lambda: len(world.records()) >= 4)
        refused = await exchange(world.port, chat())
        return [answer.status for answer in await asyncio.gather(*slow)], refused

    with gateway_world(tmp_path / "data", waiting_calls_max=4) as world:
        statuses, refused = asyncio.run(scenario(world))
        assert statuses == [200] * 4
        assert refused.status == 503
        assert (refused.headers["x-should-retry"], refused.headers["retry-after"]) == ("true", "1")
        assert json.loads(refused.body)["error"]["message"].startswith("4 calls are under way")
        assert send(world, chat()).status == 200


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A site with a third upstream by configuration, one that takes no foreign keys."""
    data = tmp_path_factory.mktemp("adversity") / "data"
    original = worlds.make_config

    def with_third(data: Path, simulator: str, **gateway: Any) -> Any:
        config = original(data, simulator, **gateway)
        config.upstreams["own-llm"] = Upstream(
            base_url=simulator + "/v1", api_key_env="SIM_OPENAI_KEY", passthrough=False, provider="openai"
        )
        config.upstreams["keyless"] = Upstream(base_url=simulator + "/v1", api_key_env="SIM_UNSET_KEY")
        return config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "make_config", with_third)
        with gateway_world(data) as world:
            yield world


def test_a_bursar_key_without_the_providers_own_key_is_refused_with_what_to_set(world: World) -> None:
    keys = world.site.keys()
    made = keys.create("early", Scope("default", "core", "apollo"), Attribution(team="core"), actor="test")
    world.site.publish(keys)
    world.until_known()
    refused = send(world, chat(made.text, "/keyless/v1/chat/completions"))
    assert (refused.status, refused.headers["x-bursar-error"]) == (503, "no_upstream_key")
    assert refused.headers["x-should-retry"] == "false"
    assert "set SIM_UNSET_KEY where" in json.loads(refused.body)["error"]["message"]
    assert send(world, chat(path="/keyless/v1/chat/completions")).status == 200, "the caller's own key passes through"


def test_a_key_works_from_its_making_until_it_is_revoked(world: World) -> None:
    keys = world.site.keys()
    made = keys.create("short-lived", Scope("default", "core", "apollo"), Attribution(team="core"), actor="test")
    assert send(world, chat(made.text)).status == 401, "not published yet"
    world.site.publish(keys)
    world.until_known()
    answer = send(world, chat(made.text))
    assert answer.status == 200
    keys.revoke("short-lived", actor="test")
    world.site.publish(keys)
    world.until_known()
    refused = send(world, chat(made.text))
    assert refused.status == 401
    assert "was revoked" in json.loads(refused.body)["error"]["message"]
    world.load()
    row = world.rows("SELECT * FROM charges WHERE call_id = $id", id=answer.call_id)[0]
    assert (row["credential_id"], row["scope_team"], row["project"]) == (made.key.credential_id, "core", "apollo")
    assert row["team"] == "core"


def test_an_upstream_by_configuration_is_reached_by_its_name_in_the_path(world: World) -> None:
    refused = send(world, chat(path="/own-llm/v1/chat/completions"))
    assert refused.status == 403
    assert "takes Bursar keys only" in json.loads(refused.body)["error"]["message"]
    keys = world.site.keys()
    made = keys.create("by-name", Scope("default"), Attribution(), actor="test")
    world.site.publish(keys)
    world.until_known()
    answer = send(world, chat(made.text, path="/own-llm/v1/chat/completions"))
    assert answer.status == 200
    world.load()
    row = world.rows("SELECT upstream, provider, quality FROM charges WHERE call_id = $id", id=answer.call_id)[0]
    assert row == {"upstream": "own-llm", "provider": "openai", "quality": "reported"}


def test_a_model_without_a_price_is_unpriced_and_never_zero(world: World) -> None:
    body = json.dumps({"model": "nobodys-model-9", "messages": [{"role": "user", "content": "tea"}]}).encode()
    request = request_bytes("/v1/chat/completions", body, {"authorization": "Bearer sk-x"})
    answer = send(world, request)
    assert answer.status == 200
    assert answer.headers["x-bursar-cost-quality"] == "unpriced"
    assert "x-bursar-cost" not in answer.headers
    world.load()
    row = world.rows("SELECT list_cost, quality, input_tokens FROM charges WHERE call_id = $id", id=answer.call_id)[0]
    assert (row["list_cost"], row["quality"]) == (None, "unpriced")
    assert row["input_tokens"] > 0


NOT_CALLS = """
GET  /v1/chat/completions     405
PUT  /v1/messages             405
GET  /                        200
GET  /healthz                 200
GET  /nothing/here            404
POST /v1/fine_tuning/jobs   404
POST /unknown/v1/messages     404
"""


@pytest.mark.parametrize("line", NOT_CALLS.strip().splitlines())
def test_what_is_not_a_call_gets_a_clear_answer(world: World, line: str) -> None:
    method, path, status = line.split()
    answer = send(world, request_bytes(path, b"", {"authorization": "Bearer sk-x"}, method=method))
    assert answer.status == int(status)
    if answer.status >= 400:
        assert json.loads(answer.body)["error"]["message"]


def test_no_key_at_all_says_what_to_send(world: World) -> None:
    answer = send(world, request_bytes("/v1/messages", b"{}", {"anthropic-version": "2023-06-01"}))
    assert answer.status == 401
    assert json.loads(answer.body)["error"]["type"] == "authentication_error"
    assert "x-api-key" in json.loads(answer.body)["error"]["message"]


def test_a_site_that_cannot_start_says_why(tmp_path: Path) -> None:
    site = Site(make_config(tmp_path / "data", "http://127.0.0.1:9"))
    site.prepare()
    BOOKS.put(site)
    site.write_settings()
    site.paths.worker.write_text("{}")
    world = World(site, Running(0))
    process = world.start_worker(0)
    assert process.wait(20) == 2
    assert "worker.json" in world.logs()
