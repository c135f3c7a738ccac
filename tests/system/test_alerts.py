"""All of `bursar up`: a call nobody has a price for becomes a message at a webhook that was down, across kill -9."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tests.alerts.conftest import SECRET, Hook
from tests.postgres import postgresql
from tests.system.test_budget_race import make_budget
from tests.wire_client import exchange, request_bytes
from tests.world import World, children, environment, site_world

from bursar.alerts.deliver import Deliverer
from bursar.alerts.desk import AlertDesk
from bursar.domain.alerts import Finding, Severity
from bursar.domain.clock import SystemClock
from bursar.governance.alerts import Channel
from bursar.governance.store import ControlStore

pytestmark = pytest.mark.slow

BODY = json.dumps({"model": "house-model-1", "messages": [{"role": "user", "content": "hello"}]}).encode()
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-client"}


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


def ask(world: World, path: str, wish: object = None) -> Any:
    body = None if wish is None else json.dumps(wish).encode()
    with urlopen(Request(world.console_url + path, body, {"content-type": "application/json"}), timeout=30) as reply:
        return json.loads(reply.read())


def until(what: Callable[[], Any], world: World, seconds: float = 40.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, world.logs()
        time.sleep(0.1)
    return found


def test_an_alert_outlives_a_channel_that_is_down_and_a_console_that_is_killed(tmp_path: Path, hook: Hook, monkeypatch):
    monkeypatch.setenv("OPS_HOOK", hook.address)
    monkeypatch.setenv("OPS_SECRET", "open sesame")
    hook.status = 503
    with site_world(tmp_path / "data") as world:
        ask(world, "/api/alerts/channels",
            {"name": "ops", "kind": "webhook", "target": "env:OPS_HOOK", "secret_env": "OPS_SECRET"})  # fmt: skip
        assert asyncio.run(exchange(world.port, request_bytes("/v1/chat/completions", BODY, HEADERS))).status == 200
        until(lambda: hook.requests, world)
        (alert,) = ask(world, "/api/alerts")["alerts"]
        assert (alert["rule"], alert["title"]) == ("unpriced", "house-model-1 has no price")
        (console,) = children(world.processes[-1], "bursar.console.main")
        console.kill()
        hook.status = 204
        until(lambda: hook.accepted, world)
        assert {headers["idempotency-key"] for headers, _ in hook.requests} == {alert["id"]}
        world.wait_ready(f"{world.console_url}/api/status")
        command = [sys.executable, "-m", "bursar.cli.main", "alerts", "test", "ops", "--data", str(world.data)]
        tried = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=90)
        assert tried.returncode == 0, tried.stderr
        assert "ops took it" in tried.stderr
        (alert,) = ask(world, "/api/alerts")["alerts"]
        assert [one["state"] for one in alert["deliveries"]] == ["delivered"]
        assert hook.accepted == 2  # the alert and the test, each once
        assert ask(world, "/api/status")["process"]["alert_fault"] == ""


def test_a_budget_that_is_nearly_used_up_is_told_once(tmp_path: Path):
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 900})
    request = request_bytes("/v1/chat/completions", body.encode(), HEADERS | {"x-sim": '{"output": 900}'})
    with site_world(tmp_path / "data") as world:
        made = make_budget(world, limit_pico=600_000_000)
        assert asyncio.run(exchange(world.port, request)).status == 200
        found = until(lambda: ask(world, "/api/alerts")["alerts"], world)
        assert [alert["rule"] for alert in found] == ["budgets"]
        assert "race" in found[0]["title"]
        assert made.budget_id in json.dumps(ask(world, "/api/budgets"))
        assert asyncio.run(exchange(world.port, request)).status == 402
        time.sleep(2.5)  # two more looks
        assert len(ask(world, "/api/alerts")["alerts"]) == 1


def test_alerts_live_in_postgresql_as_well(hook: Hook):
    with postgresql() as address:
        store = ControlStore(address)
        desk = AlertDesk(store, SECRET, SystemClock(), "UTC")
        assert len(desk.rules()) == 10
        desk.put_channel(Channel("ops", "webhook", hook.address, "OPS_SECRET"), actor="test")
        findings = [(Finding("r", str(n), "w", Severity.WARNING, "t", "x", "/"), ["ops"]) for n in range(5)]
        assert len(desk.outbox.raise_new(findings, SystemClock().now_us())) == 5
        assert desk.outbox.raise_new(findings, SystemClock().now_us() + 120_000_000) == []
        deliverer = Deliverer(
            desk.outbox, desk.settings, SystemClock(), {"OPS_SECRET": "x" * 8},
            console_url="http://c", organization="acme", timezone="UTC",
        )  # fmt: skip
        assert deliverer.deliver() == 5
        assert deliverer.deliver() == 0
        assert len(desk.acknowledge("all", actor="ann")) == 5
        desk.outbox.forget(SystemClock().now_us())
        assert len(desk.book.log()) == 5
        store.engine.dispose()
