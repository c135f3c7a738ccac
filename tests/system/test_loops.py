"""The planted loop, through the real gateway: cut on every worker within a second and below half a dollar."""

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tests.world import World, gateway_world, site_world

from bursar.gateway.loop_cuts import lift_cut, list_cuts
from bursar.simulate.generate import LOOP_MODEL, LOOP_USAGE
from bursar.simulate.request import usage_control

pytestmark = pytest.mark.slow

LOOP_CALLS = 400
CUT_REACHES_ALL_S = 1.0
TEXT = "invoice " * 4000
BODY = {
    "model": LOOP_MODEL,
    "messages": [{"role": "user", "content": TEXT}],
    "max_completion_tokens": 4096,
}


def post(world: World, *, text: str = "", retries: str = "", **control: Any) -> tuple[int, dict[str, str], bytes]:
    """One call on a connection of its own, so that it may come to any worker."""
    body = dict(BODY)
    if text:
        body["messages"] = [{"role": "user", "content": text}]
    headers = {
        "content-type": "application/json",
        "authorization": "Bearer sk-billing-sync",
        "x-bursar-tags": "feature=billing-sync",
        "x-sim": json.dumps(control or usage_control(LOOP_USAGE)),
    }
    if retries:
        headers["x-litellm-num-retries"] = retries
    request = Request(f"{world.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urlopen(request, timeout=30) as reply:
            return reply.status, dict(reply.headers), reply.read()
    except HTTPError as error:
        return error.code, dict(error.headers), error.read()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with site_world(tmp_path_factory.mktemp("loops") / "data", workers=2) as running:
        yield running


def ask(world: World, path: str) -> Any:
    with urlopen(world.console_url + path, timeout=30) as reply:
        return json.load(reply)


def test_the_loop_of_twenty_dollars_ends_below_fifty_cents_and_says_so(world: World) -> None:
    answers = [post(world) for _ in range(LOOP_CALLS)]
    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {200, 429}
    spent = sum(Decimal(headers["x-bursar-cost"]) for status, headers, _ in answers if status == 200)
    assert Decimal("0.25") < spent < Decimal("0.50")
    assert statuses.index(429) == statuses.count(200), "nothing comes through once it is cut"
    _, headers, body = answers[-1]
    error = json.loads(body)["error"]
    assert (error["code"], headers["x-should-retry"]) == ("loop_cut", "false")
    assert 7_000 < int(headers["retry-after"]) <= 7_200
    (cut,) = [listed.cut for listed in list_cuts(world.site.paths.run, now_us()) if listed.state == "cut"]
    assert f"bursar loops lift {cut.cut_id}" in error["message"]
    assert f"it has cost ${spent.normalize():f} so far" in error["message"]


def test_the_console_tells_of_the_cut_and_of_the_calls_it_refused(world: World) -> None:
    deadline = time.monotonic() + 40
    while True:
        told = ask(world, "/api/loops")
        (cut,) = told["cuts"]
        refused = ask(world, "/api/calls?period=today&filter=error_code%3Dloop_cut&limit=1000")["calls"]
        if len(refused) == cut["refused"] == LOOP_CALLS - 6 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert (told["in_force"], cut["feature"], cut["calls"]) == (1, "billing-sync", 6)
    assert len(refused) == cut["refused"] == LOOP_CALLS - 6
    assert {call["outcome"] for call in refused} == {"refused"}
    assert all(call["attempts"] == 0 and not Decimal(call["effective_cost"] or 0) for call in refused)


def test_other_requests_of_the_same_key_go_on(world: World) -> None:
    assert post(world, text="something else")[0] == 200


def test_both_workers_know_of_the_cut_and_both_let_go_of_it_within_a_second(world: World) -> None:
    for _ in range(3):  # the program keeps that promise, not a machine that is busy with other things
        world.until(lambda: {post(world)[0] for _ in range(20)} == {429})
        (listed,) = [one for one in list_cuts(world.site.paths.run, now_us()) if one.state == "cut"]
        lift_cut(world.site.paths.run, listed.cut.cut_id, actor="test", now_us=now_us())
        time.sleep(CUT_REACHES_ALL_S)  # the promise itself is what is measured
        statuses = [post(world)[0] for _ in range(4)]
        if statuses == [200] * 4:
            break
    assert statuses == [200] * 4


def test_a_client_may_ask_for_fewer_attempts_but_not_for_more(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data") as world:
        for retries, attempts in (("0", 1), ("1", 2), ("9", 3), ("", 3)):
            label = f"retries-{retries}"
            assert post(world, text=label, retries=retries, fault="500", label=label)[0] == 500
            assert len(world.sim_log(label)) == attempts


def test_retries_that_could_cost_more_than_their_cap_are_not_made(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data", retry_usd_max="0.30") as world:
        assert post(world, fault="500", label="dear")[0] == 500  # each attempt is bound at some $0.21
        assert len(world.sim_log("dear")) == 2
        assert post(world, text="tea", fault="500", label="cheap")[0] == 500
        assert len(world.sim_log("cheap")) == 3


def test_retries_of_an_hour_are_capped_and_the_client_hears_of_it(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data", retry_usd_per_hour_max="0.30", retry_scope="organization") as world:
        status, headers, _ = post(world, fault="500", label="dear")  # each attempt is bound at some $0.21
        assert (status, "x-bursar-retry" in headers) == (500, False)  # they failed at no cost, so none was in the way
        assert len(world.sim_log("dear")) == 3
    with gateway_world(tmp_path / "other", retry_usd_per_hour_max="0.10") as world:
        status, headers, _ = post(world, fault="500", label="dear")
        assert status == 500
        assert "retry_usd_per_hour_max" in headers["x-bursar-retry"]
        assert len(world.sim_log("dear")) == 1


def now_us() -> int:
    return time.time_ns() // 1000
