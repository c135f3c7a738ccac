"""A model nobody has a price for, called through the gateway; then a line in prices.toml, and the books follow."""

import asyncio
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from tests.wire_client import exchange, request_bytes
from tests.world import World, site_world

pytestmark = pytest.mark.slow

MODEL = "house-model-1"
BODY = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}).encode()
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-client"}


def ask(world: World, path: str) -> Any:
    with urlopen(world.console_url + path, timeout=30) as reply:
        return json.loads(reply.read())


def call(world: World) -> str:
    answer = asyncio.run(exchange(world.port, request_bytes("/v1/chat/completions", BODY, HEADERS)))
    assert answer.status == 200
    return answer.headers["x-bursar-cost-quality"]


def until(world: World, wanted: Any) -> Any:
    """The totals, once they are as wanted."""
    deadline = time.monotonic() + 60
    while not wanted(totals := ask(world, "/api/costs?period=today")["totals"]):
        assert time.monotonic() < deadline, (totals, world.logs())
        time.sleep(0.1)
    return totals


def await_worker(world: World) -> None:
    """Until the gateway prices by the new line too: a worker looks four times a second, so it may follow the books."""
    deadline = time.monotonic() + 60
    while call(world) != "reported":
        assert time.monotonic() < deadline, world.logs()
        time.sleep(0.1)


def test_an_unpriced_call_is_priced_by_a_line_written_later(tmp_path: Path) -> None:
    with site_world(tmp_path / "data") as world:
        assert call(world) == "unpriced"
        assert until(world, lambda totals: totals["calls"] == 1)["effective_cost"] is None
        (world.data / "prices.toml").write_text(
            f'[[price]]\nprovider = "*"\nmodel = "{MODEL}"\ninput = 1000\noutput = 2000\n'
        )
        totals = until(world, lambda totals: not totals["unpriced_count"])
        told = ask(world, f"/api/calls/{ask(world, '/api/calls')['calls'][0]['call_id']}")
        (attempt,) = told["attempts"]
        assert [entry["entry"] for entry in attempt["entries"]] == ["usage", "reversal", "correction"]
        lines = sum(Decimal(line["amount"]) for line in attempt["lines"])
        assert lines == Decimal(totals["effective_cost"]) > 0
        await_worker(world)
        assert ask(world, "/api/verify")["ok"]
