"""The whole slice: calls go in at the gateway; pages, API and terminal say to the pico what the provider billed."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import OPERATOR_KEYS, World, environment, site_world

from bursar.domain.money import usd_from_pico
from bursar.simulate.billing import LogEntry

pytestmark = pytest.mark.slow

CLIENT_KEY = "sk-canary-spine-client-93c1"
PROMPT = "canary-spine-prompt-77d0"
FEATURES = ("checkout", "search", "triage")
CUSTOMERS = ("acme", "globex")
CALLS = 60

SURFACES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": PROMPT}]}),
    ("/v1/responses", {"model": "gpt-4.1", "input": PROMPT}),
    ("/v1/embeddings", {"model": "text-embedding-3-small", "input": PROMPT}),
    (
        "/v1/messages",
        {"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 99},
    ),
)


class Spine:
    """What was sent and what came of it. `sent`: label → (feature, customer)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: dict[str, tuple[str, str]] = {}
        self.answers: list[Answer] = []
        self.bill: list[LogEntry] = []

    def billed(self, feature: str = "", customer: str = "") -> Decimal:
        """What the provider billed for these calls."""
        pico = 0
        for entry in self.bill:
            of_feature, of_customer = self.sent[entry.label]
            if entry.billed and feature in ("", of_feature) and customer in ("", of_customer):
                pico += entry.cost_pico or 0
        return usd_from_pico(pico)

    def get(self, path: str) -> bytes:
        with urlopen(self.world.console_url + path, timeout=30) as reply:
            body: bytes = reply.read()
        return body

    def ask(self, path: str) -> Any:
        return json.loads(self.get(path))

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bursar.cli.main", *arguments, "--data", str(self.world.data)]
        return subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=60, cwd=self.world.data
        )


async def send_all(spine: Spine) -> None:
    async def send(number: int) -> None:
        label = f"n{number}"
        feature, customer = FEATURES[number % 3], CUSTOMERS[number % 2]
        spine.sent[label] = (feature, customer)
        path, body = SURFACES[number % 4]
        control: dict[str, Any] = {"label": label}
        if number % 10 == 9:
            control |= {"fault": "529", "times": 1}  # billed nothing, tried again
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {CLIENT_KEY}",
            "x-sim": json.dumps(control),
            "x-bursar-tags": f"feature={feature},customer={customer},release=2026.11",
        }
        if number % 3 == 0 and "embeddings" not in path:
            body = body | {"stream": True}
        request = request_bytes(path, json.dumps(body).encode(), headers)
        spine.answers.append(await exchange(spine.world.port, request))

    async with asyncio.TaskGroup() as group:
        for number in range(CALLS):
            group.create_task(send(number))


@pytest.fixture(scope="module")
def spine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spine]:
    with site_world(tmp_path_factory.mktemp("spine") / "data") as world:
        spine = Spine(world)
        asyncio.run(send_all(spine))
        spine.bill = world.sim_log()
        deadline = time.monotonic() + 60
        while spine.ask("/api/costs?by=feature&period=7d")["totals"]["calls"] < CALLS:
            assert time.monotonic() < deadline, world.logs()
            time.sleep(0.1)
        yield spine


def test_every_call_was_answered(spine: Spine) -> None:
    assert [(answer.status, answer.whole) for answer in spine.answers] == [(200, True)] * CALLS


def test_cost_by_feature_customer_and_model_is_what_the_provider_billed(spine: Spine) -> None:
    for by, wanted in (
        ("feature", {feature: spine.billed(feature=feature) for feature in FEATURES}),
        ("customer", {customer: spine.billed(customer=customer) for customer in CUSTOMERS}),
    ):
        answer = spine.ask(f"/api/costs?by={by}&period=7d")
        assert {row["keys"][0]: Decimal(row["effective_cost"]) for row in answer["rows"]} == wanted
        assert Decimal(answer["totals"]["effective_cost"]) == spine.billed()
    by_model = spine.ask("/api/costs?by=model&period=7d")
    assert sum(Decimal(row["effective_cost"]) for row in by_model["rows"]) == spine.billed()
    by_tag = spine.ask("/api/costs?by=tag:release&period=7d")
    assert [row["keys"] for row in by_tag["rows"]] == [["2026.11"]]


def test_a_figure_opens_down_to_the_calls_and_lines_behind_it(spine: Spine) -> None:
    page = spine.ask("/api/calls?period=7d&filter=feature=checkout&limit=1000")
    calls = page["calls"] if "calls" in page else page["rows"]
    assert len(calls) == CALLS // 3
    total = Decimal(0)
    for call in calls:
        detail = spine.ask(f"/api/calls/{call['call_id']}")
        attempts = detail["attempts"]
        total += sum(Decimal(attempt["list_cost"] or 0) for attempt in attempts)
    assert total == spine.billed(feature="checkout")


@pytest.mark.parametrize("page", ["/", "/explore?by=feature&period=7d", "/calls?period=7d", "/prices?period=7d"])
def test_pages_open_and_have_twins(spine: Spine, page: str) -> None:
    path, _, query = page.partition("?")
    html = spine.get(page).decode()
    assert "<html" in html
    if path != "/":
        assert json.loads(spine.get(f"{path}.json?{query}"))
        assert b"," in spine.get(f"{path}.csv?{query}").splitlines()[0]


def test_the_terminal_says_the_same(spine: Spine) -> None:
    told = spine.cli("costs", "--by", "feature", "--period", "7d", "--format", "json")
    assert told.returncode == 0, told.stderr
    assert Decimal(json.loads(told.stdout)["totals"]["effective_cost"]) == spine.billed()
    table = spine.cli("costs", "--by", "customer", "--period", "7d")
    assert "acme" in table.stdout
    proofs = spine.cli("verify", "--format", "json")
    assert proofs.returncode == 0, proofs.stdout


def test_the_gateway_tells_a_calls_cost_to_the_key_that_made_it_and_to_no_other(spine: Spine) -> None:
    answer = next(answer for answer in spine.answers if answer.headers["content-type"].startswith("text/event-stream"))
    address = f"{spine.world.url}/bursar/calls/{answer.call_id}"
    with urlopen(Request(address, headers={"authorization": f"Bearer {CLIENT_KEY}"}), timeout=30) as reply:
        told = json.loads(reply.read())
    assert told["state"] == "ended"
    detail = spine.ask(f"/api/calls/{answer.call_id}")
    assert Decimal(told["cost"]["usd"]) == sum(Decimal(attempt["list_cost"]) for attempt in detail["attempts"])
    for path, key in ((answer.call_id, "sk-another"), ("a", CLIENT_KEY), ("0" * 36, CLIENT_KEY)):
        request = request_bytes(f"/bursar/calls/{path}", b"", {"authorization": f"Bearer {key}"}, method="GET")
        assert asyncio.run(exchange(spine.world.port, request)).status == 404


def test_no_secret_and_no_text_is_on_any_page_or_in_any_file(spine: Spine) -> None:
    places: dict[str, bytes] = {}
    call = spine.answers[0].call_id
    for page in (
        "/",
        "/explore?by=feature&period=7d",
        "/calls?period=7d",
        "/prices",
        f"/calls/{call}",
        "/openapi.json",
    ):
        try:
            places[page] = spine.get(page)
        except OSError:
            assert page == "/openapi.json"
    for path in ("/api/costs?by=customer", "/api/calls?period=7d", f"/api/calls/{call}", "/api/status", "/api/verify"):
        places[path] = spine.get(path)
    with urlopen(f"{spine.world.url}/metrics", timeout=30) as reply:
        places["/metrics"] = reply.read()
    for root, _, files in os.walk(spine.world.data):
        for name in files:
            places[name] = Path(root, name).read_bytes()
    secrets = [CLIENT_KEY, PROMPT, "invoice now shows", *OPERATOR_KEYS.values()]
    found = [(where, secret) for where, data in places.items() for secret in secrets if secret.encode() in data]
    assert found == []


def test_after_a_stop_the_terminal_still_answers_from_the_ledger(spine: Spine) -> None:
    spine.world.stop()
    told = spine.cli("costs", "--by", "feature", "--period", "7d", "--format", "json")
    assert told.returncode == 0, told.stderr
    assert Decimal(json.loads(told.stdout)["totals"]["effective_cost"]) == spine.billed()
    assert spine.cli("verify").returncode == 0
