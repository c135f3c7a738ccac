"""A quality gate through a real worker: where calls go, what their rows and `bursar explain` say."""

import asyncio
import json
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.quality.test_gate import made_up
from tests.system.test_routes import call_detail_of, routed_world
from tests.wire_client import exchange, request_bytes

from bursar.cli.commands.calls import told_ways
from bursar.domain.gates import QualityGate
from bursar.domain.routes import RECEIPTS, RouteRule, Target
from bursar.quality.train import train
from bursar.quality.weights import encode_weights
from bursar.simulate.launch import provider_thread

pytestmark = pytest.mark.slow

EASY, HARD = "Question 5: what is the river bank city?", "Question 5: what is the integral of the function king?"


def chat(text: str) -> bytes:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "max_tokens": 30}
    headers = {"content-type": "application/json", "authorization": "Bearer sk-client"}
    return request_bytes("/v1/chat/completions", json.dumps(body).encode(), headers)


def test_an_easy_call_goes_to_the_cheap_model_and_its_receipt_says_what_the_dear_one_costs(tmp_path: Path) -> None:
    targets = (Target("one", "gpt-4o-mini"), Target("two", "gpt-4o"))
    gate = QualityGate(weights="chat", threshold=0.5)
    with (
        provider_thread() as one,
        provider_thread() as two,
        routed_world(tmp_path / "data", {"one": one, "two": two}) as world,
    ):
        directory = world.site.paths.gates
        directory.mkdir()
        (directory / "chat.json").write_bytes(encode_weights(train(made_up(600))))
        controls = world.site.controls()
        controls.routes.set(RouteRule(name="gated", targets=targets, quality_gate=gate), actor="test")
        controls.publish()
        world.until_known()
        easy, hard = asyncio.run(exchange(world.port, chat(EASY))), asyncio.run(exchange(world.port, chat(HARD)))
        assert (easy.status, hard.status) == (200, 200)
        assert (len(one.log()), len(two.log())) == (1, 1)
        (directory / "chat.json").write_bytes(b"broken")
        lost = asyncio.run(exchange(world.port, chat(EASY)))
        deadline = time.monotonic() + 60
        while len(two.log()) == 1:  # the worker looks for changed weights now and then
            assert time.monotonic() < deadline, world.logs()
            lost = asyncio.run(exchange(world.port, chat(EASY)))
        world.settle_down()
        details = [call_detail_of(world, answer.call_id).attempts[0] for answer in (easy, hard, lost)]
        kept = b"".join(path.read_bytes() for path in world.site.paths.data.rglob("*.journal"))
        assert b"river bank" not in kept
    receipts = [RECEIPTS.decode(detail.routing) for detail in details]
    judged = [receipt.gate for receipt in receipts]
    assert [one.passed if one else None for one in judged] == [True, False, False]
    assert [detail.model_sent for detail in details] == ["gpt-4o-mini", "gpt-4o", "gpt-4o"]
    assert judged[2] is not None
    assert judged[2].why == "no weights"
    cheap = details[0]
    assert cheap.lever == "routing"
    assert cheap.list_cost is not None
    assert cheap.counterfactual_cost is not None
    assert 0 < cheap.list_cost < cheap.counterfactual_cost
    told = "\n".join(told_ways(msgspec.to_builtins([cheap], builtin_types=(Decimal,), str_keys=True)))
    assert "quality gate 'chat'" in told
    assert "without any lever $0.0" in told
