"""What a batch costs is charged once, whoever reads its results and wherever a process dies; budgets hold it before."""

import contextlib
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tests.system.test_batches import jobs, lines, make_key, upload, wait_for_key
from tests.system.test_budget_race import make_budget, standing
from tests.world import OPERATOR_KEYS, World, gateway_world, kill9

from bursar.console.polling import Polling
from bursar.domain.clock import FixedClock, SystemClock
from bursar.domain.ids import attempt_id
from bursar.domain.jobs import Job, JobDetail
from bursar.domain.money import usd_from_pico
from bursar.ledger.verify import verify
from bursar.simulate.provider import Options

pytestmark = pytest.mark.slow


def client_of(world: World, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=world.url + "/v1", api_key=key, max_retries=0)


def create(client: openai.OpenAI, file_id: str) -> Any:
    return client.batches.create(input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h")


def poll(world: World, monkeypatch: pytest.MonkeyPatch, later_us: int = 300_000_000) -> int:
    """As the console does, a while later."""
    for name, value in OPERATOR_KEYS.items():
        monkeypatch.setenv(name, value)
    return Polling(world.site, FixedClock(SystemClock().now_us() + later_us)).look()


def booked(world: World) -> tuple[int, Decimal]:
    """(lines, cost of everything) in the books, all of whose laws hold."""
    world.settle_down()
    ledger = world.load()
    assert [finding for finding in verify(ledger, world.site.paths.spool) if not finding.ok] == []
    [row] = world.rows("SELECT SUM(CASE WHEN seq = 0 THEN 1 ELSE 0 END) AS n, SUM(list_cost) AS cost FROM charges")
    return int(row["n"]), Decimal(row["cost"])


def billed(world: World) -> Decimal:
    """What the provider billed, of background responses in full."""
    return sum((usd_from_pico(entry.cost_pico or 0) for entry in world.sim_log() if entry.billed), Decimal(0))


def test_results_that_nobody_fetches_are_charged_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway_world(tmp_path / "data") as world, client_of(world, make_key(world, "k", "red")) as client:
        batch = create(client, wait_for_key(client))
        sim = {"x-sim": '{"input":3000,"output":30}'}
        client.responses.create(model="gpt-4o-mini", input="hi", background=True, extra_headers=sim)
        assert booked(world)[0] == 0
        assert poll(world, monkeypatch) == 2
        assert booked(world) == (2, billed(world))
        assert poll(world, monkeypatch) == 0, "nothing is left to ask for"
        output = client.batches.retrieve(batch.id).output_file_id
        client.files.content(output or "")
        assert booked(world) == (2, billed(world))
        assert world.rows("SELECT DISTINCT quality FROM calls") == [{"quality": "reported"}]
        assert world.rows("SELECT DISTINCT scope_team FROM charges") == [{"scope_team": "red"}]


def test_a_worker_killed_while_results_pass_leaves_no_line_out_and_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway_world(tmp_path / "data") as world, client_of(world, make_key(world, "k", "red")) as client:
        wait_for_key(client)
        batch = create(client, upload(client, lines("many", 2_000)))
        output = client.batches.retrieve(batch.id).output_file_id
        headers = {"authorization": f"Bearer {client.api_key}"}
        with (
            contextlib.suppress(httpx.TransportError),
            httpx.stream("GET", f"{world.url}/v1/files/{output}/content", headers=headers) as stream,
        ):
            for number, _ in enumerate(stream.iter_bytes(4096)):
                if number == 0:
                    kill9([world.processes[-1].pid])
        world.processes[-1].wait()
        world.load()
        before = world.rows("SELECT count(*) AS n FROM charges WHERE seq = 0")[0]["n"]
        assert poll(world, monkeypatch) == 1
        world.start_worker(0)
        world.wait_ready(f"{world.url}/readyz")
        client.files.content(output or "")
        assert booked(world) == (2_000, billed(world)), f"{before} were in the journal when it died"


def test_a_batch_whose_creation_was_never_answered_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a worker's death between the provider's answer and its note: the row is there and has no id."""
    with gateway_world(tmp_path / "data") as world, client_of(world, make_key(world, "k", "red")) as client:
        file_id = wait_for_key(client)
        batch = create(client, file_id)
        book = jobs(world)
        [job] = book.all()
        book.drop(job.job_key)
        book.begin(
            Job(job.job_key, job.kind, job.upstream, job.owner, job.facts, job.detail, job.created_us, job.next_us)
        )
        assert poll(world, monkeypatch) == 1
        assert book.all()[0].upstream_id == batch.id
        assert booked(world) == (2, billed(world))


def test_a_strict_budget_holds_a_batch_at_its_bound_and_keeps_its_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway_world(tmp_path / "data") as world, client_of(world, make_key(world, "k", "red")) as client:
        file_id = wait_for_key(client)
        large = upload(client, lines("large", 400, max_tokens=10_000))
        budget = make_budget(world, limit_pico=10**12)
        with pytest.raises(openai.APIStatusError) as refused:
            create(client, large)
        assert refused.value.response.headers["x-bursar-error"] == "budget_exhausted"
        batch = create(client, file_id)
        [job] = jobs(world).all()
        assert job.detail.posted_pico == job.detail.bound_pico
        assert job.detail.posted_pico > 0
        deadline = time.monotonic() + 40
        while standing(world, budget).posted < job.detail.posted_pico:  # the worker's lease is reported now and then
            assert time.monotonic() < deadline
            time.sleep(0.05)
        unknown = httpx.post(
            f"{world.url}/v1/batches",
            headers={"authorization": f"Bearer {client.api_key}"},
            json={"input_file_id": "file-of-others", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
        )
        assert unknown.headers["x-bursar-error"] == "budget_unpriced"
        assert "uploaded through Bursar" in json.dumps(unknown.json())
        client.batches.retrieve(batch.id)
        poll(world, monkeypatch)
        poll(world, monkeypatch)
        cost = billed(world)
        assert booked(world) == (2, cost)
        world.processes[-1].terminate()  # it reports what it had spent of its lease
        world.processes[-1].wait()
        assert usd_from_pico(standing(world, budget).posted) == cost


def test_a_cancelled_batch_costs_what_was_done_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        gateway_world(tmp_path / "data", options=Options(job_ms=600_000)) as world,
        client_of(world, make_key(world, "k", "red")) as client,
    ):
        batch = create(client, wait_for_key(client))
        begun = client.responses.create(model="gpt-4o-mini", input="hi", background=True)
        assert client.batches.cancel(batch.id).status == "cancelled" or poll(world, monkeypatch)
        assert client.responses.cancel(begun.id).status == "cancelled"
        poll(world, monkeypatch)
        count, _ = booked(world)
        assert count == 2
        assert world.rows(
            "SELECT outcome, quality, list_cost > 0 AS costs FROM charges WHERE seq = 0 ORDER BY outcome"
        ) == [
            {"outcome": "aborted", "quality": "reported", "costs": False},
            {"outcome": "ok", "quality": "reported", "costs": True},
        ]
        [row] = world.rows("SELECT quality FROM calls WHERE dialect = 'openai-responses'")
        assert row == {"quality": "assumed"}, "it never said what it used"


def test_a_job_is_claimed_by_one_and_settled_once(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data") as world:
        book = jobs(world)
        call_id = "018bcfe5-6800-7abc-8def-0123456789a0"
        book.begin(Job(call_id, "response", "openai", "pt_1", "{}", JobDetail(attempt_id(call_id, 1), "openai"), 1, 2))
        assert [job.job_key for job in book.claim(5, 10)] == [call_id]
        assert book.claim(5, 10) == [], "claimed by the first"
        assert book.read(call_id, "output", 7, is_unpriced=False, is_all=True, now_us=9)
        assert not book.read(call_id, "output", 7, is_unpriced=False, is_all=True, now_us=9)
