"""Every model that the simulator sells, in every class of usage, tier and context band: the ledger equals its bill.

The simulator bills by a table of its own (LiteLLM's catalogue); the gateway prices by genai-prices. Where the two
catalogues disagree it is listed here with the reason, and must keep disagreeing until somebody looks.
"""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

from bursar.domain.money import usd_from_pico
from bursar.gateway.tag_grammar import format_tags
from bursar.simulate.billing import Model, load_models

USAGES: dict[str, dict[str, Any]] = {
    "small": {"input": 1000, "output": 50},
    "cached": {"input": 500, "cached": 2048, "output": 77},
    "long context": {"input": 300_000, "output": 900},
    "reasoning": {"input": 40, "output": 600, "reasoning": 512},
    "cache writes": {"input": 11, "cached": 1024, "cache_write_5m": 1500, "cache_write_1h": 700, "output": 13},
    "flex": {"input": 100, "output": 10, "tier": "flex"},
    "priority": {"input": 100, "output": 10, "tier": "priority"},
}

# model, usage: (simulator's bill, ledger's cost) and why
DISAGREEMENTS = {
    # LiteLLM 1.100.0: 2x the standard price, 10 and 60 USD a million; genai-prices 0.2.3: 2.5x, 12.50 and 75.
    ("gpt-5.5-2026-04-23", "priority"): (Decimal("0.0016"), Decimal("0.0020")),
    # Nova's cache: no price of its own in LiteLLM 1.100.0, so that of input; genai-prices 0.2.3: a quarter of it.
    ("amazon.nova-lite-v1:0", "cached"): (Decimal("0.00017136"), Decimal("0.0000792")),
    ("us.amazon.nova-micro-v1:0", "cached"): (Decimal("0.00009996"), Decimal("0.0000462")),
}


def asked() -> Iterator[tuple[str, Model, str, bool]]:
    """(model, its entry, usage, streamed) of each call that makes sense."""
    for name, model in load_models().items():
        for usage, control in USAGES.items():
            if control.get("tier") and control["tier"] not in model.tiers:
                continue
            if usage == "cache writes" and not model.bills_cache_writes:
                continue
            if model.kind == "embedding":
                if usage == "small" and model.provider != "google":  # Google's say no usage: they are estimated
                    yield name, model, usage, False
                continue
            yield name, model, usage, False
            yield name, model, usage, True


def request_for(name: str, model: Model, usage: str, stream: bool) -> tuple[str, bytes]:
    control = USAGES[usage]
    text: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}]}
    path = "/v1/chat/completions"
    if model.kind == "embedding":
        path, text = "/v1/embeddings", {"input": "x"}
    elif model.provider == "anthropic":
        path, text = "/v1/messages", text | {"max_tokens": 5000}
    body = {"model": name, **text}
    if stream:
        body["stream"] = True
    if model.provider == "google":
        path = f"/v1beta/models/{name}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")
        body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    if model.provider == "aws":
        action = "invoke" if model.kind == "embedding" else "converse-stream" if stream else "converse"
        path = f"/model/{name}/{action}"
        said = {"messages": [{"role": "user", "content": [{"text": "x"}]}], "inferenceConfig": {"maxTokens": 5000}}
        body = {"inputText": "x"} if model.kind == "embedding" else said
    if "tier" in control:
        body["service_tier"] = control["tier"]
    label = f"{name}, {usage}, {'stream' if stream else 'plain'}"
    headers = {
        "authorization": "Bearer sk-x",
        "x-sim": json.dumps(control | {"label": label}),
        "x-bursar-tags": format_tags({"label": label}),
    }
    return label, request_bytes(path, json.dumps(body).encode(), headers)


async def send_all(world: World) -> dict[str, Answer]:
    some = asyncio.Semaphore(16)

    async def send(request: bytes) -> Answer:
        async with some:
            return await exchange(world.port, request)

    requests = dict(request_for(*one) for one in asked())
    answers = await asyncio.gather(*(send(request) for request in requests.values()))
    return dict(zip(requests, answers, strict=True))


def test_each_model_usage_and_tier_costs_what_the_provider_bills(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data") as world:
        answers = asyncio.run(send_all(world))
        world.settle_down()
        world.load()
        bills = {entry.label: entry for entry in world.sim_log()}
        rows = {row["label"]: row for row in world.rows("SELECT tags['label'] AS label, * FROM charges")}
    assert len(rows) == len(answers) > 350
    assert {answer.status for answer in answers.values()} == {200}
    wrong, disagreeing = [], {}
    for label, row in rows.items():
        billed = usd_from_pico(bills[label].cost_pico or 0)
        usage = label.split(", ")[1]
        lines = sum(Decimal(line["quantity"]) * line["unit_price"] for line in row["lines"])
        assert abs(lines - row["list_cost"]) <= Decimal("5e-13"), "the lines are the cost, rounded once"
        model = row["model_served"] or row["model_asked"]  # Bedrock's answers name none
        if (model, usage) in DISAGREEMENTS:
            disagreeing[model, usage] = (billed, row["list_cost"])
        elif (row["list_cost"], row["quality"]) != (billed, "reported"):
            wrong.append((label, row["quality"], row["list_cost"], billed))
    assert wrong == []
    assert disagreeing == DISAGREEMENTS
