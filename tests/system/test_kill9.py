"""kill -9 at seeded instants under load, of a worker, of the console, of everything: nothing is lost, nothing doubles.

A few instants here; `BURSAR_CHAOS_INSTANTS=50` (`make chaos`) for many. A failure names the seed.
"""

import asyncio
import json
import os
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, children, kill9, site_world, start_site

from bursar.domain.money import usd_from_pico
from bursar.gateway.tag_grammar import format_tags
from bursar.ledger.verify import verify
from bursar.simulate.billing import LogEntry, read_log
from bursar.simulate.provider import Options

pytestmark = pytest.mark.slow

INSTANTS = int(os.environ.get("BURSAR_CHAOS_INSTANTS", "4"))
SEED = int(os.environ.get("BURSAR_CHAOS_SEED", "20261123"))
CLIENTS = 8
CALLS_MIN = 50  # for each instant
SEGMENT_BYTES = 64 * 1024  # small, so that kills also fall between two journal files
WORKER, CONSOLE = "bursar.gateway.worker", "bursar.console"
VICTIMS = ("worker", "console", "all", "all workers")

SURFACES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "tea"}]}),
    ("/v1/responses", {"model": "gpt-4.1-mini", "input": "tea"}),
    ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "tea"}),
    ("/v1/messages", {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "tea"}], "max_tokens": 99}),
)


@dataclass
class Load:
    """Clients that call without a pause until told to stop. `answers`: by label, what came back."""

    port: int
    seed: int
    answers: dict[str, Answer] = field(default_factory=dict)
    stopping: bool = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for client in range(CLIENTS):
                group.create_task(self._client(client))

    async def _client(self, client: int) -> None:
        chance = random.Random(f"{self.seed}/{client}")
        number = 0
        while not self.stopping:
            number += 1
            label = f"{client}-{number}"
            path, body = chance.choice(SURFACES)
            streams = "embeddings" not in path and chance.random() < 0.5
            control = {"label": label, "delay_ms": chance.choice([0, 0, 20, 60]), "interval_ms": chance.choice([0, 5])}
            headers = {
                "content-type": "application/json",
                "authorization": "Bearer sk-client",
                "x-sim": json.dumps(control),
                "x-bursar-tags": format_tags({"label": label}),
            }
            request = request_bytes(path, json.dumps(body | {"stream": True} if streams else body).encode(), headers)
            try:
                self.answers[label] = await exchange(self.port, request, timeout_s=20)
            except (OSError, TimeoutError):
                self.answers[label] = Answer()  # nobody listens: a worker is being started again
                await asyncio.sleep(0.02)


async def strike(world: World, up: subprocess.Popen[bytes], victim: str) -> subprocess.Popen[bytes]:
    """Kill the victim and see to it that the site stands again."""
    workers = [child.pid for child in children(up, WORKER)]
    consoles = [child.pid for child in children(up, CONSOLE)]
    if victim == "all":
        kill9([up.pid, *workers, *consoles])
        await asyncio.to_thread(up.wait)
        return await asyncio.to_thread(start_site, world)
    kill9({"worker": workers[:1], "console": consoles, "all workers": workers}[victim])
    await asyncio.sleep(0.3)
    return up


async def play(world: World, seed: int, instants: int) -> Load:
    chance = random.Random(seed)
    load = Load(world.port, seed)
    up = world.processes[-1]
    clients = asyncio.create_task(load.run())
    try:
        for instant in range(instants):
            await asyncio.sleep(chance.uniform(0.15, 1.2))
            victim = VICTIMS[instant % len(VICTIMS)] if instants < len(VICTIMS) * 2 else chance.choice(VICTIMS)
            up = await strike(world, up, victim)
        enough = CALLS_MIN * instants  # a busy machine takes its time
        await asyncio.to_thread(world.until, lambda: sum(one.whole for one in list(load.answers.values())) >= enough)
        await asyncio.sleep(0.5)
    finally:
        load.stopping = True
        await clients
    return load


@pytest.mark.timeout(300 + 20 * INSTANTS)
def test_after_kill_9_each_attempt_the_provider_saw_is_in_the_ledger_exactly_once(tmp_path: Path) -> None:
    log = tmp_path / "provider.jsonl"
    options = Options(seed=SEED, log=str(log))
    with site_world(tmp_path / "data", workers=2, options=options, journal_segment_bytes=SEGMENT_BYTES) as world:
        load = asyncio.run(play(world, SEED, INSTANTS))
        world.wait_ready(f"{world.url}/readyz")
        world.wait_ready(f"{world.console_url}/api/status")
        world.stop()  # as SIGTERM does: the console reads everything first
        deadline = time.monotonic() + 60
        while (ledger := world.load()) and world.rows("SELECT count(*) AS n FROM pending")[0]["n"]:
            assert time.monotonic() < deadline, f"attempts stay pending; seed {SEED}"
        charges = world.rows("SELECT *, tags['label'] AS label FROM charges")
        calls = world.rows("SELECT *, tags['label'] AS label FROM calls")
        check(load, read_log(log), charges, calls)
        findings = [finding for finding in verify(ledger, world.site.paths.spool) if not finding.ok]
        assert findings == [], f"seed {SEED}"


def check(load: Load, seen: list[LogEntry], charges: list[dict[str, Any]], calls: list[dict[str, Any]]) -> None:
    """Compare the three stories: the clients', the provider's, the ledger's."""
    where = f"seed {SEED}, {INSTANTS} instants"
    assert len(seen) > CALLS_MIN * INSTANTS / 2, "hardly any load: the test proves nothing"
    assert {"settled", "lost"} <= {"lost" if charge["quality"] == "assumed" else "settled" for charge in charges}
    attempts = Counter(str(charge["attempt_id"]) for charge in charges)
    assert max(attempts.values()) == 1, where
    posted = Counter(charge["upstream_id"] for charge in charges if charge["upstream_id"])
    assert max(posted.values()) == 1, where
    assert max(Counter(call["call_id"] for call in calls).values()) == 1, where
    assert {call["call_id"] for call in calls} >= {charge["call_id"] for charge in charges}, where

    by_label: dict[str, list[dict[str, Any]]] = {}
    for charge in charges:
        by_label.setdefault(charge["label"], []).append(charge)
    requests = Counter(entry.label for entry in seen)
    for entry in seen:
        rows = by_label.get(entry.label, [])
        assert len(rows) >= requests[entry.label], f"{where}: the provider saw {entry.label}, the ledger didn't"
        reported = [row for row in rows if row["quality"] == "reported"]
        if reported:  # this load never makes the provider fail, so a call with a settled attempt has no other
            assert [row["list_cost"] for row in rows] == [usd_from_pico(entry.cost_pico or 0)], (
                f"{where}: {entry.label}"
            )
            assert reported[0]["upstream_id"] in (entry.answer_id, ""), where  # an embedding's answer has no id
        else:
            assert {row["quality"] for row in rows} == {"assumed"}, (
                f"{where}: {entry.label} is neither settled nor flagged"
            )
            assert rows[0]["list_cost"] >= usd_from_pico(entry.cost_pico or 0), f"{where}: a bound below the bill"
    for label, answer in load.answers.items():
        if answer.whole and answer.status == 200:
            assert [row["quality"] for row in by_label.get(label, [])] == ["reported"], f"{where}: {label} was answered"
