"""Cached contents through a real worker: a row for the storage, and what costs nothing leaves none."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest
from tests.wire_client import exchange, request_bytes
from tests.world import gateway_world

from bursar.domain.usage import Usage
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.prices.rates import price_usage

pytestmark = pytest.mark.slow

HEADERS = {"content-type": "application/json", "x-goog-api-key": "AIza-own"}
PRICE = '[[price]]\nprovider = "google"\nmodel = "gemini-2.5-flash"\ncache_storage = 1.00\n'


def test_what_is_kept_is_counted_and_is_unpriced_until_storage_has_a_price(tmp_path: Path) -> None:
    body = json.dumps({"model": "models/gemini-2.5-flash", "ttl": "7200s", "contents": []}).encode()
    control = HEADERS | {"x-sim": json.dumps({"input": 50_000})}
    with gateway_world(tmp_path / "data") as world:
        made = asyncio.run(exchange(world.port, request_bytes("/v1beta/cachedContents", body, control)))
        assert made.status == 200
        assert json.loads(made.body)["usageMetadata"] == {"totalTokenCount": 50_000}
        name = json.loads(made.body)["name"]
        gone, kept = "/v1beta/cachedContents/c1", f"/v1beta/{name}"
        answers = {}
        for path, method, content in (
            (gone, "PATCH", b'{"ttl":"60s"}'),
            (gone, "GET", b""),
            (gone, "DELETE", b""),
            (kept, "PATCH", b'{"ttl":"60s"}'),
            (kept, "GET", b""),
            (kept, "DELETE", b""),
            (kept, "GET", b""),
        ):
            answer = asyncio.run(exchange(world.port, request_bytes(path, content, HEADERS, method)))
            assert answer.status == (404 if path == gone or "DELETE" in answers else 200), (method, path)
            if path == kept:
                answers.setdefault(method, json.loads(answer.body))
        assert answers["PATCH"]["expireTime"] < json.loads(made.body)["expireTime"]
        assert answers["GET"] == answers["PATCH"]
        assert answers["DELETE"] == {}
        world.settle_down()
        world.load()
        rows = world.rows(
            "SELECT operation, model, quality, list_cost, upstream_id, finish_reason, outcome, http_status, "
            "cache_storage_token_hours AS kept FROM charges ORDER BY seq"
        )
    assert [(row["operation"], row["http_status"], row["kept"]) for row in rows] == [
        ("create_cache", 200, 100_000),
        ("change_cache", 404, 0),
        ("delete_cache", 404, 0),
        ("change_cache", 200, 0),
        ("delete_cache", 200, 0),
    ]
    created, changed, deleted = rows[0], rows[3], rows[4]
    assert created["upstream_id"] == changed["upstream_id"] == deleted["upstream_id"] == name
    assert created["finish_reason"] > changed["finish_reason"] > "until 20"
    assert (changed["quality"], changed["list_cost"]) == ("unpriced", None)
    assert (deleted["quality"], deleted["list_cost"]) == ("reported", 0)
    assert (rows[0]["model"], rows[0]["quality"], rows[0]["list_cost"]) == ("gemini-2.5-flash", "unpriced", None)
    assert rows[1]["list_cost"] == 0  # it was refused
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICE)
    sheet = PriceBook(compile_rows(prices)[0]).at("google", "gemini-2.5-flash", 1_790_000_000_000_000)
    assert sheet is not None
    assert price_usage(Usage(cache_storage=100_000), sheet).list_pico == int(Decimal("0.1") * 10**12)
