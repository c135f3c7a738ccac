"""Cached contents through a real worker: a row for the storage, and what costs nothing leaves none."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest
from google import genai
from google.genai import types
from tests.system.test_budget_race import make_budget, standing, until_posted
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world, kill9

from bursar.budgets.budget import Budget
from bursar.budgets.lease import Standing
from bursar.cli.commands.calls import told_ways
from bursar.console.cache_returns import CacheReturns
from bursar.console.pages.call_entries import book_entries
from bursar.domain.usage import Usage
from bursar.explore.query import Explorer
from bursar.ledger.verify import verify
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
            "SELECT operation, model, quality, list_cost, upstream_id, finish_reason, http_status, "
            "cache_storage_token_hours AS kept FROM charges WHERE entry = 'usage' ORDER BY seq"
        )
        stands = world.rows("SELECT quality, list_cost FROM calls WHERE operation = 'create_cache'")
        hours = world.rows("SELECT SUM(cache_storage_token_hours) AS n FROM charges")
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
    assert (changed["quality"], changed["list_cost"]) == ("reported", 0), "it adds nothing, whatever that costs"
    assert (deleted["quality"], deleted["list_cost"]) == ("reported", 0)
    assert (created["model"], created["quality"], created["list_cost"]) == ("gemini-2.5-flash", "unpriced", None)
    assert stands == [{"quality": "unpriced", "list_cost": None}]
    assert hours[0]["n"] < 100, "it was deleted at once"
    assert rows[1]["list_cost"] == 0  # it was refused
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICE)
    sheet = PriceBook(compile_rows(prices)[0]).at("google", "gemini-2.5-flash", 1_790_000_000_000_000)
    assert sheet is not None
    assert price_usage(Usage(cache_storage=100_000), sheet).list_pico == int(Decimal("0.1") * 10**12)


TEXT = "tea " * 12_500  # 50,000 bytes: a token is a byte at most, before anything was learned
TOKENS = 40_000
HOUR_S = 3_600


class Client:
    """Makes, changes and deletes cached contents through whichever worker takes the connection."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made = 0

    def make(self, ttl_s: int, **headers: str) -> Answer:
        self._made += 1  # another text each time: nothing of it is in the provider's own cache
        contents = [{"parts": [{"text": f"{self._made} {TEXT}"}]}]
        body = {"model": "models/gemini-2.5-flash", "ttl": f"{ttl_s}s", "contents": contents}
        return self._ask("/v1beta/cachedContents", body, "POST", {"x-sim": json.dumps({"input": TOKENS}), **headers})

    def patch(self, name: str, ttl_s: int, **headers: str) -> Answer:
        return self._ask(f"/v1beta/{name}?updateMask=ttl", {"ttl": f"{ttl_s}s"}, "PATCH", headers)

    def delete(self, name: str) -> Answer:
        return self._ask(f"/v1beta/{name}", None, "DELETE", {})

    def _ask(self, path: str, body: object, method: str, headers: dict[str, str]) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        return asyncio.run(exchange(self._world.port, request_bytes(path, content, HEADERS | headers, method)))


def priced(world: World) -> Client:
    """Storage has a price, and every worker knows it."""
    (world.data / "prices.toml").write_text(PRICE)
    assert world.site.ensure_price_book() == []
    client, sure, deadline = Client(world), 0, time.monotonic() + 60
    while sure < 6:  # they look four times a second
        sure = sure + 1 if client.make(1).headers["x-bursar-cost-quality"] == "estimated" else 0
        assert time.monotonic() < deadline, world.logs()
    return client


def name_of(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return str(json.loads(answer.body)["name"])


def cost_of(answer: Answer) -> Decimal:
    return Decimal(answer.headers["x-bursar-cost"])


def truth(world: World) -> dict[str, Decimal]:
    """What each cached content costs by its provider's own clock, USD."""
    with urlopen(f"{world.simulator.url}/sim/caches", timeout=30) as reply:
        lives = json.loads(reply.read())
    return {one["name"]: Decimal(one["tokens"] * (one["until_us"] - one["from_us"])) / HOUR_S / 10**12 for one in lives}


SECOND = Decimal(TOKENS) / HOUR_S / 10**6
"""What a second of a cached content costs, USD: clocks and ways there and back are less apart than that."""


def booked(world: World, name: str) -> tuple[Decimal, list[str]]:
    """What a cached content costs by the books, all of whose laws hold, and how sure its charges are."""
    world.settle_down()
    ledger = world.load()
    assert [finding for finding in verify(ledger, world.site.paths.spool) if not finding.ok] == []
    rows = world.rows(
        "SELECT quality, SUM(list_cost) AS cost FROM charges WHERE upstream_id = $name GROUP BY quality "
        "HAVING SUM(weight) > 0 ORDER BY quality", name=name,
    )  # fmt: skip
    [total] = world.rows("SELECT SUM(list_cost) AS cost FROM charges WHERE upstream_id = $name", name=name)
    return Decimal(total["cost"]), [row["quality"] for row in rows]


def test_a_life_over_two_workers_costs_what_the_provider_kept_and_budgets_get_the_rest_back(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data", workers=2) as world:
        client = priced(world)
        hour = Decimal(TOKENS) / 10**6
        budget = make_budget(world, limit_pico=int(5 * hour * 10**12))
        name = name_of(made := client.make(2 * HOUR_S))
        assert cost_of(made) == 2 * hour
        longer = client.patch(name, 4 * HOUR_S)
        assert 2 * hour <= cost_of(longer) < 2 * hour + SECOND * 5
        refused = client.patch(name, 9 * HOUR_S)
        assert (refused.status, refused.headers["x-bursar-error"]) == (402, "budget_exhausted")
        assert cost_of(client.patch(name, 1 * HOUR_S)) == 0
        foreign = client.patch("cachedContents/made-elsewhere", 60)
        assert (foreign.status, foreign.headers["x-bursar-error"]) == (402, "budget_unpriced")
        now = until_posted(world, budget, int(4 * hour * 10**12))
        assert now.overrun == 0
        assert client.delete(name).status == 200
        assert client.delete(name).status == 404
        cost, qualities = booked(world, name)
        assert qualities == ["reported"]
        assert abs(cost - truth(world)[name]) < SECOND
        reasons = world.rows("SELECT DISTINCT reason FROM charges WHERE entry = 'correction' AND upstream_id = $name",
                             name=name)  # fmt: skip
        assert all(row["reason"].startswith("deleted by call ") for row in reasons)
        detail = Explorer(world.load()).call(made.headers["x-bursar-call-id"])
        told = told_ways(msgspec.to_builtins(detail.attempts, builtin_types=(Decimal,), str_keys=True))
        assert re.fullmatch(
            r"  corrected from \$0.08 to \$0.0000[0-9]+ \(reported\): deleted by call [-0-9a-f]{36}", told[1]
        )
        shown = book_entries(detail)
        assert [(entry.word, entry.why, len(entry.cause)) for entry in shown] == [
            ("usage", "", 0),
            ("reversal", "deleted by call ", 36),
            ("correction", "deleted by call ", 36),
        ]
        assert Explorer(world.load()).call(shown[-1].cause).attempts[0].upstream_id == name
        left = until_given_back(world, budget, lambda posted: posted == int(cost * 10**12))
        assert (left.posted, left.overrun) == (int(cost * 10**12), 0)
        give_back(world)
        assert standing(world, budget).posted == left.posted
        assert world.rows("SELECT count(*) AS n FROM cache_news") == [{"n": 0}]


def give_back(world: World) -> None:
    """As the console does."""
    CacheReturns(world.site, world.load()).look()


def until_given_back(world: World, budget: Budget, is_right: Callable[[int], bool]) -> Standing:
    """The budget's standing when the workers have said what they spent, and the books what came back."""

    def is_there() -> bool:
        give_back(world)
        return is_right(standing(world, budget).posted)

    world.until(is_there)
    return standing(world, budget)


def test_a_crowd_of_changes_stays_in_a_strict_budget_and_pays_for_no_time_twice(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data", workers=2) as world:
        client = priced(world)
        hour = Decimal(TOKENS) / 10**6
        name = name_of(client.make(HOUR_S))
        limit = int(Decimal("6.5") * hour * 10**12)
        budget = make_budget(world, limit_pico=limit)
        body, path = json.dumps({"ttl": f"{3 * HOUR_S}s"}).encode(), f"/v1beta/{name}"

        async def all_at_once() -> list[Answer]:
            request = request_bytes(path, body, HEADERS, "PATCH")
            return list(await asyncio.gather(*(exchange(world.port, request) for _ in range(12))))

        answers = asyncio.run(all_at_once())
        assert {answer.status for answer in answers} == {200, 402}
        now = standing(world, budget)
        assert (now.posted + now.held <= limit, now.overrun) == (True, 0)
        cost, _ = booked(world, name)
        assert abs(cost - truth(world)[name]) < SECOND, "who lost the race is corrected by the books"
        of_changes = cost - hour
        now = until_given_back(world, budget, lambda posted: abs(Decimal(posted) / 10**12 - of_changes) < SECOND)
        assert (now.posted + now.held <= limit, now.overrun) == (True, 0)


def test_google_s_own_client_makes_changes_lists_and_deletes(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data") as world:
        priced(world)
        options = types.HttpOptions(base_url=world.url)
        client = genai.Client(api_key="AIza-own", http_options=options)
        caches = client.caches
        wanted = types.CreateCachedContentConfig(contents=["tea " * 5_000], ttl="7200s", display_name="tea")
        name = str(caches.create(model="gemini-2.5-flash", config=wanted).name)
        caches.update(name=name, config=types.UpdateCachedContentConfig(ttl="10800s"))
        end = datetime.now(UTC) + timedelta(hours=5)
        assert caches.update(name=name, config=types.UpdateCachedContentConfig(expire_time=end)).expire_time == end
        assert name in [one.name for one in caches.list()]
        assert caches.get(name=name).expire_time == end
        caches.delete(name=name)
        cost, qualities = booked(world, name)
        assert (abs(cost - truth(world)[name]) < SECOND, qualities) == (True, ["reported"])
        rows = world.rows(
            "SELECT kept_us FROM charges WHERE operation = 'change_cache' AND entry = 'usage' ORDER BY seq"
        )
        assert [round(row["kept_us"] / 10**6 / HOUR_S) for row in rows] == [1, 2], "each bears what it added"


def test_kill_9_between_creation_and_deletion_changes_nothing(tmp_path: Path) -> None:
    with gateway_world(tmp_path / "data") as world:
        client = priced(world)
        name = name_of(client.make(2 * HOUR_S))
        kill9([world.processes[-1].pid])
        world.processes[-1].wait()
        world.load()
        world.start_worker(0)
        world.wait_ready(f"{world.url}/readyz")
        assert cost_of(client.patch(name, 3 * HOUR_S)) < Decimal(TOKENS) / 10**6 + SECOND * 20
        assert client.delete(name).status == 200
        kill9([world.processes[-1].pid])
        world.processes[-1].wait()
        cost, qualities = booked(world, name)
        assert (abs(cost - truth(world)[name]) < SECOND, qualities) == (True, ["reported"])
        assert booked(world, name) == (cost, qualities)
