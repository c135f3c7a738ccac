"""The semantic cache by an upstream's embeddings, through real workers: each is booked, and none harms a call."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from tests import world as worlds
from tests.system.test_budget_race import until_nothing_is_held
from tests.system.test_semantic_cache import MODEL, WAYS, ask, said
from tests.wire_client import exchange, request_bytes
from tests.world import OPERATOR_KEYS, World, gateway_world, kill9

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.config import Upstream
from bursar.console.measuring import Measuring
from bursar.domain.caching import CacheTerms, SemanticCaching, measured_as
from bursar.domain.controls import LimitTerms, PolicyTerms
from bursar.domain.errors import BadControl
from bursar.domain.money import usd_from_pico
from bursar.domain.resemblance import Measured, read_measured
from bursar.domain.routes import RECEIPTS, receipt_words
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.gateway.metrics import counts_in
from bursar.ledger.verify import verify
from bursar.simulate.launch import provider_thread
from bursar.simulate.provider import Options
from bursar.spool.records import Dispatched

pytestmark = pytest.mark.slow

EMBEDDER = "text-embedding-3-small"
SLOW_MS, STUCK_MS = 2_500, 60_000
UPSTREAMS = ("openai", "slow", "broken", "stuck")
DROPPED = "bursar_semantic_embeddings_dropped_total"


def terms(upstream: str, mode: Any = "shadow") -> CacheTerms:
    semantic = SemanticCaching(mode, f"{upstream}/{EMBEDDER}", 0.85, sample_percent=0.001)
    return CacheTerms(match={"feature": upstream}, semantic=semantic)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    plain = worlds.make_config
    with (
        provider_thread(Options(delay_ms=SLOW_MS)) as slow,
        provider_thread(Options(faults={"500": 1.0})) as broken,
        provider_thread(Options(delay_ms=STUCK_MS)) as stuck,
        pytest.MonkeyPatch.context() as patch,
    ):

        def with_embedders(*arguments: Any, **settings: Any) -> Any:
            config = plain(*arguments, **settings)
            for name, running in {"slow": slow, "broken": broken, "stuck": stuck}.items():
                config.upstreams[name] = Upstream(running.url, provider="openai", api_key_env="SIM_OPENAI_KEY")
            config.upstreams["keyless"] = Upstream(slow.url, provider="openai", api_key_env="NOBODY_HAS_SET_THIS")
            return config

        patch.setattr(worlds, "make_config", with_embedders)
        with gateway_world(tmp_path_factory.mktemp("embedder") / "data", options=Options(delay_ms=5)) as world:
            until(world, lambda: counts(world, "bursar_upstream_has_key", "upstream=openai") == 1)
            controls = world.site.controls()
            for upstream in UPSTREAMS:
                controls.caches.create(upstream, terms(upstream), is_on=True, actor="test")
            controls.publish()
            world.until_known()
            yield world


@pytest.fixture(scope="module")
def key(world: World) -> str:
    book = world.site.keys()
    made = book.create("a", Scope("default", "core"), Attribution(team="core"), actor="test")
    world.site.publish(book)
    world.until_known()
    return made.text


def request(upstream: str, session: str, question: str, key: str, customer: str = "acme", **more: str) -> bytes:
    body = {"model": MODEL, "messages": [{"role": "user", "content": question}], "max_completion_tokens": 40,
            "user": "sim:" + json.dumps({"label": session, "text": "Open settings."})}  # fmt: skip
    told = {"authorization": f"Bearer {key}", "content-type": "application/json", "connection": "close",
            "x-bursar-tags": f"feature={upstream},session={session},customer={customer}", **more}  # fmt: skip
    return request_bytes("/v1/chat/completions", json.dumps(body).encode(), told)


def switch_on(world: World, upstream: str) -> None:
    """As if its shadow had been measured."""
    controls, on = world.site.controls(), terms(upstream, "on")
    pays = Measured(measured_as(on), 0.6, calls=400, hits=200, compared=200, saved_pico=10**12)
    controls.caches.measured(controls.caches.one(upstream).rule_id, msgspec.json.encode(pays).decode())
    controls.caches.change(upstream, on, actor="test")
    controls.publish()
    world.until_known()


def measured(world: World, upstream: str) -> Any:
    """What the console writes into the rule, of what is in the ledger."""
    world.settle_down()
    Measuring(world.load(), world.site.controls, world.site.clock).look()
    return read_measured(world.site.controls().caches.one(upstream).measured)


def counts(world: World, name: str, *labels: str) -> int:
    """Of the workers' counters, those with all these labels."""
    found = counts_in(world.site.paths.run)
    return sum(value for key, value in found.items() if key[0] == name and set(labels) <= set(key))


def until(world: World, holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, world.logs()
        time.sleep(0.05)


def rows_of(world: World, session: str, embeddings: int) -> list[dict[str, Any]]:
    """The charges of its embeddings, when there are so many and all is settled."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        nonlocal found
        world.settle_down()
        world.load()
        found = world.rows(
            "SELECT * FROM charges WHERE session = $session AND traffic = 'cache_embedding' ORDER BY received_at",
            session=session,
        )
        return len(found) == embeddings

    until(world, there)
    return found


def test_in_shadow_each_question_is_embedded_once_and_booked_to_whom_it_is_for(world: World, key: str):
    questions = [way.format("password for mail") for way in WAYS[:2]]
    answers = ask(world, request("openai", "shadow", questions[0], key))
    until(world, lambda: bool(measured(world, "openai")))  # the first comparison loads numpy
    answers += ask(world, *[request("openai", "shadow", one, key) for one in (questions[1], questions[0])])
    assert said(answers) == ["miss"] * 3
    rows = rows_of(world, "shadow", 2)  # the third question was embedded already
    billed = [one for one in world.sim_log() if one.dialect == "openai-embeddings"]
    assert [row["list_cost"] for row in rows] == [usd_from_pico(one.cost_pico or 0) for one in billed]
    calls = world.rows("SELECT * FROM charges WHERE session = 'shadow' AND traffic = 'live' ORDER BY received_at")
    for row, call in zip(rows, calls[:2], strict=True):
        assert (row["operation"], row["upstream"], row["model_sent"]) == ("embeddings", "openai", EMBEDDER)
        assert (row["feature"], row["team"], row["customer"]) == ("openai", "core", "acme")
        assert (row["credential_id"], row["scope_team"]) == (call["credential_id"], "core")
        assert (row["quality"], row["counterfactual_cost"], row["lever"]) == ("reported", 0, "semantic_cache")
        assert row["saved_semantic_cache"] == -row["list_cost"] < 0
        assert row["bound_cost"] > row["list_cost"]  # of the input in bytes
        assert row["call_id"] != call["call_id"]
        embeds = RECEIPTS.decode(row["routing"]).embeds
        assert embeds is not None
        assert (embeds.call_id, embeds.mode) == (str(call["call_id"]), "shadow")
        assert f"cache rule {embeds.rule_id}" in receipt_words(RECEIPTS.decode(row["routing"]), "openai", EMBEDDER)
    assert {one.key_sha256 for one in billed} == {sha256(OPERATOR_KEYS["SIM_OPENAI_KEY"].encode()).hexdigest()[:16]}
    until(world, lambda: measured(world, "openai").calls == 3)
    seen = measured(world, "openai")
    assert (seen.calls, seen.hits, seen.false_hits, seen.embeds_unpriced) == (3, 2, 0, 0)
    assert usd_from_pico(seen.embed_pico) == sum(row["list_cost"] for row in rows)


def test_when_on_a_hit_is_answered_and_what_comparing_cost_is_taken_off_what_it_saves(world: World, key: str):
    switch_on(world, "openai")
    # more than once where a machine is so busy that a comparison takes longer than a call waits for it
    for place in ("shops", "banks", "ships", "parks", "farms"):
        session = f"on at {place}"
        questions = [request("openai", session, way.format(f"badge for {place}"), key) for way in WAYS[:2]]
        first, again = ask(world, *questions)
        if said([again]) == ["semantic"]:
            break
    assert said([first, again]) == ["miss", "semantic"]
    assert again.body == first.body
    rows = rows_of(world, session, 2)
    assert {RECEIPTS.decode(row["routing"]).embeds.mode for row in rows} == {"on"}  # type: ignore[union-attr]
    of_it = "FROM charges WHERE session = $session"
    [net] = world.rows(f"SELECT sum(saved_semantic_cache) AS saved {of_it}", session=session)
    [hit] = world.rows(f"SELECT * {of_it} AND upstream = '(cache)'", session=session)
    assert net["saved"] == hit["counterfactual_cost"] - sum(row["list_cost"] for row in rows) > 0


def test_only_a_bursar_key_has_its_questions_embedded_and_never_on_its_own_providers_account(world: World, key: str):
    own = {"authorization": "Bearer sk-somebodys-own"}
    ask(world, request("openai", "passed", WAYS[0].format("locker for bikes"), key, **own))
    ask(world, request("openai", "both", WAYS[0].format("locker for bikes"), key, **own, **{"x-bursar-key": key}))
    rows_of(world, "both", 1)
    assert rows_of(world, "passed", 0) == []
    ours = sha256(OPERATOR_KEYS["SIM_OPENAI_KEY"].encode()).hexdigest()[:16]
    assert {one.key_sha256 for one in world.sim_log() if one.dialect == "openai-embeddings"} == {ours}
    assert {one.key_sha256 for one in world.sim_log("both")} != {ours}


def live_ended_first(world: World, session: str) -> bool:
    [found] = world.rows(
        "SELECT max(received_at + to_milliseconds(duration_ms)) FILTER (traffic = 'live') < "
        "min(received_at + to_milliseconds(duration_ms)) FILTER (traffic <> 'live') AS first "
        "FROM charges WHERE session = $session",
        session=session,
    )
    return bool(found["first"])


def test_a_slow_embedding_delays_a_call_by_its_bound_at_most_and_serves_the_next_one(world: World, key: str):
    ask(world, request("slow", "slow shadow", WAYS[0].format("ticket"), key))
    rows_of(world, "slow shadow", 1)
    assert live_ended_first(world, "slow shadow")
    switch_on(world, "slow")
    first = request("slow", "slow", WAYS[0].format("receipt"), key)
    assert said(ask(world, first)) == ["miss"]
    [row] = rows_of(world, "slow", 1)
    assert live_ended_first(world, "slow")  # it waited half a second, then went to its provider
    assert (row["quality"], row["outcome"]) == ("reported", "ok")
    until(world, lambda: said(ask(world, first)) == ["semantic"])  # its vector came, and its answer was kept
    assert len(rows_of(world, "slow", 1)) == 1


def test_an_embedding_that_takes_too_long_is_given_up_and_its_bound_is_assumed(world: World, key: str):
    [answer] = ask(world, request("stuck", "stuck", WAYS[0].format("drawer"), key))
    assert answer.status == 200
    [row] = rows_of(world, "stuck", 1)
    assert (row["quality"], row["outcome"], row["error_code"]) == ("assumed", "timeout", "upstream_timeout")
    assert row["list_cost"] == row["bound_cost"] > 0


def test_an_embedder_that_fails_fails_no_call_and_is_left_alone_for_a_while(world: World, key: str):
    switch_on(world, "broken")
    questions = [request("broken", "broken", way.format(f"thing {at}"), key) for at in range(3) for way in WAYS]
    assert set(said(ask(world, *questions))) == {"miss"}
    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM charges WHERE session = 'broken' AND traffic = 'cache_embedding'")
    assert 1 <= len(rows) < len(questions)  # it rests a second, then two
    assert {(row["outcome"], row["http_status"], row["list_cost"]) for row in rows} == {("provider_error", 500, 0)}


def test_what_is_against_an_embedding_costs_the_cache_and_not_the_call(world: World, key: str):
    """A limit counts a caller's request once; one about embeddings alone counts those."""
    controls = world.site.controls()
    for name, match, most in (("few", {"customer": "few"}, 2), ("one", {"customer": "one", "model": EMBEDDER}, 1)):
        controls.limits.create(name, LimitTerms(match=match, requests_per_minute=most), actor="test")
    controls.policies.create(
        "no", PolicyTerms(match={"customer": "denied"}, deny_models=(EMBEDDER,)), is_on=True, actor="test"
    )
    controls.publish()
    world.until_known()
    statuses = {
        customer: [answer.status for answer in ask(world, *[
            request("openai", customer, WAYS[0].format(f"flat {at} {customer}"), key, customer) for at in range(3)
        ])]
        for customer in ("few", "one", "denied")
    }  # fmt: skip
    assert statuses == {"few": [200, 200, 429], "one": [200] * 3, "denied": [200] * 3}
    for customer, embeddings in (("few", 2), ("one", 1), ("denied", 0)):
        rows_of(world, customer, embeddings)
    budgets = world.site.budgets()
    window = Schedule(parse_spec("lifetime"))
    poor = Budget(budget_id="", name="poor", match={"model": EMBEDDER}, limit=LimitPlan(1), window=window)
    budgets.create(poor, actor="test")
    world.site.publish_budgets(budgets)
    controls.publish()
    world.until_known()
    [answer] = ask(world, request("openai", "poor", WAYS[0].format("boat"), key))
    assert (answer.status, said([answer])) == (200, ["miss"])
    wanted = {"budget_exhausted": 1, "policy_rule": 3, "rate_limited": 2}
    until(world, lambda: wanted == {one: counts(world, DROPPED, "upstream=openai", f"reason={one}") for one in wanted})
    assert rows_of(world, "poor", 0) == []
    budgets.remove(budgets.all()[0].budget_id, actor="test")
    world.site.publish_budgets(budgets)
    world.until_known()


@pytest.mark.parametrize("upstream", ["anthropic", "vertex", "nowhere", "keyless"])
def test_an_upstream_that_cannot_embed_on_the_operators_account_is_refused(world: World, upstream: str):
    caches = world.site.controls().caches
    told = {"nowhere": "there is no upstream", "keyless": "set NOBODY_HAS_SET_THIS where"}
    with pytest.raises(BadControl, match=told.get(upstream, "has no embeddings")) as refused:
        caches.create(f"by {upstream}", terms(upstream), is_on=True, actor="test")
    assert refused.value.field == "semantic.embedder"


def test_a_budget_bears_calls_and_their_embeddings_and_is_never_exceeded(world: World, key: str):
    """Many at once, until it refuses. What is posted to it is what both kinds of rows say together."""
    budgets, limit = world.site.budgets(), 10**9
    window = Schedule(parse_spec("lifetime"))
    purse = budgets.create(
        Budget(budget_id="", name="purse", match={"customer": "purse"}, limit=LimitPlan(limit), window=window),
        actor="test",
    )
    world.site.publish_budgets(budgets)
    world.until_known()

    async def go(start: int) -> list[int]:
        found = await asyncio.gather(*(
            exchange(world.port, request("openai", "purse", f"Where is desk {at} of row {at * 7}?", key, "purse"))
            for at in range(start, start + 20)
        ))  # fmt: skip
        return [answer.status for answer in found]

    statuses: list[int] = []
    while 402 not in statuses:
        statuses += asyncio.run(go(len(statuses)))
    assert set(statuses) == {200, 402}
    now = until_nothing_is_held(world, purse)
    world.settle_down()
    world.load()
    sums = {
        row["traffic"]: row["cost"]
        for row in world.rows(
            "SELECT traffic, sum(list_cost) AS cost FROM charges WHERE customer = 'purse' GROUP BY traffic"
        )
    }
    assert usd_from_pico(now.posted) == sums["live"] + sums["cache_embedding"] <= usd_from_pico(limit)
    assert (now.overrun, now.assumed) == (0, 0)
    assert sums["cache_embedding"] > 0
    budgets.remove(purse.budget_id, actor="test")
    world.site.publish_budgets(budgets)
    world.until_known()


def test_an_embedding_under_way_when_its_worker_dies_is_in_the_books_at_its_bound(world: World, key: str):
    until(
        world,
        lambda: (
            said(ask(world, request("stuck", "killed", WAYS[0].format("parcel"), key))) == ["miss"]
            and len(under_way(world, "killed")) == 1
        ),
    )  # it rests for a second after the last one
    kill9([process.pid for process in world.processes])
    for process in world.processes:
        process.wait()
    world.load()
    [lost] = world.rows("SELECT * FROM charges WHERE session = 'killed' AND traffic = 'cache_embedding'")
    assert (lost["quality"], lost["error_code"]) == ("assumed", "worker_lost")
    assert lost["list_cost"] == lost["bound_cost"] > 0
    assert [one for one in verify(world.load(), world.site.paths.spool) if not one.ok] == []


def under_way(world: World, session: str) -> list[Dispatched]:
    return [
        record
        for record in world.records()
        if isinstance(record, Dispatched)
        and (record.call.traffic, record.call.attribution.session) == ("cache_embedding", session)
    ]
