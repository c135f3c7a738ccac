"""The semantic cache by an upstream's embeddings, through real workers: each is booked, and none harms a call."""

import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests import world as worlds
from tests.system.test_budget_race import until_in_force
from tests.system.test_semantic_cache import KNOWN_WITHIN_S, MODEL, WAYS, ask, measured, said
from tests.wire_client import request_bytes
from tests.world import OPERATOR_KEYS, World, gateway_world, kill9

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.config import Upstream
from bursar.domain.caching import CacheTerms, SemanticCaching, measured_as
from bursar.domain.controls import LimitTerms
from bursar.domain.errors import BadControl
from bursar.domain.money import usd_from_pico
from bursar.domain.resemblance import Measured
from bursar.domain.routes import RECEIPTS
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.gateway.metrics import counts_in
from bursar.ledger.verify import verify
from bursar.simulate.launch import provider_thread
from bursar.simulate.provider import Options

pytestmark = pytest.mark.slow

EMBEDDER = "text-embedding-3-small"
SLOW_MS = 2_000
UPSTREAMS = ("openai", "slow", "broken")
DROPPED = "bursar_semantic_embeddings_dropped_total"


def terms(upstream: str, mode: Any = "shadow") -> CacheTerms:
    semantic = SemanticCaching(mode, f"{upstream}/{EMBEDDER}", 0.6, sample_percent=0.001)
    return CacheTerms(match={"feature": upstream}, semantic=semantic)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    plain = worlds.make_config
    with (
        provider_thread(Options(delay_ms=SLOW_MS)) as slow,
        provider_thread(Options(faults={"500": 1.0})) as broken,
        pytest.MonkeyPatch.context() as patch,
    ):

        def with_embedders(*arguments: Any, **settings: Any) -> Any:
            config = plain(*arguments, **settings)
            for name, running in {"slow": slow, "broken": broken}.items():
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
            time.sleep(KNOWN_WITHIN_S)
            yield world


@pytest.fixture(scope="module")
def key(world: World) -> str:
    book = world.site.keys()
    made = book.create("a", Scope("default", "core"), Attribution(team="core"), actor="test")
    world.site.publish(book)
    time.sleep(KNOWN_WITHIN_S)
    return made.text


def request(upstream: str, session: str, question: str, key: str, **more: str) -> bytes:
    body = {"model": MODEL, "messages": [{"role": "user", "content": question}],
            "user": "sim:" + json.dumps({"label": session, "text": "Open settings."})}  # fmt: skip
    told = {"authorization": f"Bearer {key}", "content-type": "application/json", "connection": "close",
            "x-bursar-tags": f"feature={upstream},session={session},customer=acme", **more}  # fmt: skip
    return request_bytes("/v1/chat/completions", json.dumps(body).encode(), told)


def counts(world: World, name: str, *labels: str) -> int:
    """Of the workers' counters, those with all these labels."""
    found = counts_in(world.site.paths.run)
    return sum(value for key, value in found.items() if key[0] == name and set(labels) <= set(key))


def until(world: World, holds: Callable[[], bool], seconds: float = 20.0) -> None:
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
    answers = ask(world, *[request("openai", "shadow", one, key) for one in (*questions, questions[0])])
    assert set(said(answers)) == {"miss"}
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
    seen = measured(world)  # of the rule `help`, which there isn't here
    assert seen is None


@pytest.mark.parametrize("upstream", ["anthropic", "vertex", "nowhere", "keyless"])
def test_an_upstream_that_cannot_embed_on_the_operators_account_is_refused(world: World, upstream: str):
    caches = world.site.controls().caches
    told = {"nowhere": "there is no upstream", "keyless": "set NOBODY_HAS_SET_THIS where"}
    with pytest.raises(BadControl, match=told.get(upstream, "has no embeddings")) as refused:
        caches.create(f"by {upstream}", terms(upstream), is_on=True, actor="test")
    assert refused.value.field == "semantic.embedder"
