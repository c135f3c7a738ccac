"""Files, batches and background responses with the real clients, through a real worker, against the simulator."""

import io
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
from tests.world import World, gateway_world

from bursar.domain.money import usd_from_pico
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.governance.jobs import JobBook
from bursar.governance.store import ControlStore


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("batches") / "data") as world:
        yield world


def make_key(world: World, name: str, team: str) -> str:
    keys = world.site.keys()
    made = keys.create(name, Scope("default", team), Attribution(), actor="test")
    world.site.publish(keys)
    return made.text


def lines(label: str, count: int = 3, **body: Any) -> bytes:
    return b"".join(
        json.dumps(
            {
                "custom_id": f"{label}-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    "model": "gpt-4o-mini",
                    "max_tokens": 100,
                    "messages": [{"role": "user", "content": f"hi {number}"}],
                    "user": "sim:" + json.dumps({"label": label, "input": 1000 * (number + 1), "output": 10}),
                    **body,
                },
            }
        ).encode()
        + b"\n"
        for number in range(count)
    )


def upload(client: openai.OpenAI, content: bytes) -> str:
    return client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch").id


def charges_of(world: World, batch_id: str) -> list[dict[str, Any]]:
    world.settle_down()
    world.load()
    return world.rows(
        "SELECT *, tags['batch_custom_id'] AS custom_id FROM charges WHERE tags['batch_id'] = $id ORDER BY custom_id",
        id=batch_id,
    )


def jobs(world: World) -> JobBook:
    return JobBook(ControlStore(world.site.paths.control))


def test_a_batch_is_charged_a_line_at_a_time_when_its_results_are_read_however_often(world: World) -> None:
    with openai.OpenAI(base_url=world.url + "/v1", api_key="sk-own", max_retries=0) as client:
        content = lines("own") + lines("expired", 1).replace(b'"expired-0"', b'"expired-7"')
        batch = client.batches.create(
            input_file_id=upload(client, content), endpoint="/v1/chat/completions", completion_window="24h",
            extra_headers={"x-bursar-tags": "feature=nightly,customer=acme"},
        )  # fmt: skip
        world.settle_down()
        world.load()
        [created] = world.rows("SELECT * FROM calls WHERE operation = 'batch'")
        assert (created["quality"], created["feature"]) == ("assumed", "nightly")
        assert created["list_cost"] > 0
        seen = client.batches.retrieve(batch.id)
        assert seen.status == "expired"
        assert seen.output_file_id
        assert seen.error_file_id
        for _ in range(2):
            results = client.files.content(seen.output_file_id).content
        assert len(results.splitlines()) == 3
        client.files.content(seen.error_file_id)
    rows = charges_of(world, batch.id)
    assert [row["custom_id"] for row in rows] == ["expired-7", "own-0", "own-1", "own-2"]
    billed = {entry.answer_id: entry for entry in world.sim_log("own")}
    for row in rows[1:]:
        entry = billed[row["upstream_id"]]
        assert row["list_cost"] == usd_from_pico(entry.cost_pico or 0)
        assert (row["input_tokens"], row["quality"], row["tier_served"]) == (entry.usage.input, "reported", "batch")
        assert (row["lever"], row["counterfactual_cost"]) == ("batch", 2 * row["list_cost"])
        assert (row["feature"], row["customer"], row["model_asked"]) == ("nightly", "acme", "gpt-4o-mini")
    assert (rows[0]["list_cost"], rows[0]["outcome"], rows[0]["error_code"]) == (0, "timeout", "batch_expired")
    [after] = world.rows("SELECT * FROM calls WHERE operation = 'batch'")
    assert (after["quality"], after["list_cost"]) == ("reported", 0)
    assert Decimal(world.rows("SELECT SUM(list_cost) AS s FROM charges")[0]["s"]) == sum(r["list_cost"] for r in rows)


def test_a_bursar_key_sees_what_its_own_team_made_and_nothing_else(world: World) -> None:
    ours, theirs = make_key(world, "ours", "red"), make_key(world, "theirs", "blue")
    mate = make_key(world, "mate", "red")
    with (
        openai.OpenAI(base_url=world.url + "/v1", api_key=ours, max_retries=0) as us,
        openai.OpenAI(base_url=world.url + "/v1", api_key=mate, max_retries=0) as colleague,
        openai.OpenAI(base_url=world.url + "/v1", api_key=theirs, max_retries=0) as them,
    ):
        file_id = wait_for_key(us)
        batch = us.batches.create(input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h")
        assert colleague.batches.retrieve(batch.id).id == batch.id
        for forbidden in (them.batches.retrieve, them.batches.cancel):
            with pytest.raises(openai.NotFoundError) as refused:
                forbidden(batch.id)
            assert refused.value.response.headers["x-bursar-error"] == "unknown_job"
        with pytest.raises(openai.NotFoundError):
            them.files.content(file_id)
        assert [one.id for one in us.batches.list().data] == [batch.id]
        assert them.batches.list().data == []
        output = us.batches.retrieve(batch.id).output_file_id
        assert output
        with pytest.raises(openai.NotFoundError):
            them.files.content(output)
        us.files.content(output)
    rows = charges_of(world, batch.id)
    assert {(row["scope_team"], row["credential_kind"]) for row in rows} == {("red", "virtual")}


def wait_for_key(client: openai.OpenAI) -> str:
    for _ in range(800):
        try:
            return upload(client, lines("red", 2))
        except openai.AuthenticationError:
            time.sleep(0.05)
    raise AssertionError("the key isn't known to the worker")


def test_anthropic_s_batches_are_charged_with_their_results(world: World) -> None:
    with anthropic.Anthropic(base_url=world.url, api_key="sk-ant-own", max_retries=0) as client:
        requests: list[Any] = [
            {
                "custom_id": name,
                "params": {
                    "model": "claude-sonnet-4-6",
                    "max_tokens": 50,
                    "messages": [{"role": "user", "content": "hi"}],
                    "metadata": {"user_id": "sim:" + json.dumps({"label": "ant", "input": 2000, "output": 20})},
                },
            }
            for name in ("a", "b", "expired-c")
        ]
        batch = client.messages.batches.create(requests=requests)
        assert client.messages.batches.retrieve(batch.id).processing_status == "ended"
        for _ in range(2):
            kinds = [one.result.type for one in client.messages.batches.results(batch.id)]
        assert kinds == ["succeeded", "succeeded", "expired"]
        client.messages.batches.delete(batch.id)
    rows = charges_of(world, batch.id)
    assert [(row["custom_id"], row["outcome"]) for row in rows] == [("a", "ok"), ("b", "ok"), ("expired-c", "timeout")]
    billed = sum(
        entry.cost_pico or 0 for entry in world.sim_log() if entry.tier == "batch" and "claude" in entry.model_asked
    )
    assert sum(row["list_cost"] for row in rows) == usd_from_pico(billed) > 0


def test_results_are_read_before_they_are_deleted(world: World) -> None:
    with anthropic.Anthropic(base_url=world.url, api_key="sk-ant-own", max_retries=0) as client:
        params: Any = {"model": "claude-sonnet-4-6", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
        batch = client.messages.batches.create(requests=[{"custom_id": "x", "params": params}])
        client.messages.batches.retrieve(batch.id)
        client.messages.batches.delete(batch.id)
    assert [row["custom_id"] for row in charges_of(world, batch.id)] == ["x"]


def test_a_batch_that_its_provider_refused_is_none(world: World) -> None:
    with (
        openai.OpenAI(base_url=world.url + "/v1", api_key="sk-own", max_retries=0) as client,
        pytest.raises(openai.BadRequestError),
    ):
        client.batches.create(input_file_id="file-none", endpoint="/v1/chat/completions", completion_window="24h")
    world.settle_down()
    world.load()
    [row] = world.rows("SELECT * FROM calls WHERE operation = 'batch' AND outcome = 'client_error'")
    assert (row["list_cost"], row["quality"]) == (0, "reported")
    assert all(job.upstream_id for job in jobs(world).all())


def test_a_background_response_is_settled_at_its_real_usage_when_it_is_seen_done(world: World) -> None:
    with openai.OpenAI(base_url=world.url + "/v1", api_key="sk-own", max_retries=0) as client:
        sim = {"x-sim": '{"input":3000,"output":30,"label":"bg"}'}
        begun = client.responses.create(model="gpt-4o-mini", input="hi", background=True, extra_headers=sim)
        streamed = client.responses.create(model="gpt-4o-mini", input="hi", background=True, extra_headers=sim)
        for _ in range(3):
            assert client.responses.retrieve(begun.id).status == "completed"
        events = list(client.responses.retrieve(streamed.id, stream=True, starting_after=1))
        assert events[-1].type == "response.completed"
        client.responses.delete(begun.id)
    world.settle_down()
    world.load()
    for one in (begun, streamed):
        [row] = world.rows(
            "SELECT SUM(list_cost) AS cost, SUM(weight) AS n, SUM(input_tokens) AS i, SUM(output_tokens) AS o "
            "FROM charges WHERE upstream_id = $id",
            id=one.id,
        )
        entry = next(entry for entry in world.sim_log("bg") if entry.answer_id == one.id)
        assert (row["cost"], row["n"], row["i"], row["o"]) == (usd_from_pico(entry.cost_pico or 0), 1, 3000, 30)
    assert {job.settled_us is not None for job in jobs(world).all() if job.kind == "response"} == {True}
