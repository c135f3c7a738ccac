"""The semantic cache through real workers: measured as a shadow, refused until it pays, then answering."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

from bursar.config.settings import Cache
from bursar.console.measuring import Measuring
from bursar.domain.caching import CacheTerms, SemanticCaching, measured_as
from bursar.domain.errors import BadControl
from bursar.domain.resemblance import COMPARED_MIN, Measured, read_measured
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.ledger.verify import verify
from bursar.simulate.provider import Options
from bursar.spool.records import Resembled

pytestmark = pytest.mark.slow

MODEL = "gpt-4o-mini"
WAYS = (
    "How do I reset my {}?",
    "How can I reset my {}?",
    "What is the way to reset my {}?",
    "Please, how do I reset my {}?",
)
SHADOW = CacheTerms(match={"feature": "help"}, semantic=SemanticCaching(similarity_min=0.8, sample_percent=0.001))
ON = CacheTerms(match={"feature": "help"}, semantic=SemanticCaching("on", similarity_min=0.8, sample_percent=0.001))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A call waits for its comparison as long as a busy machine needs."""
    data, cache = tmp_path_factory.mktemp("semantic") / "data", Cache(semantic_wait_s=20.0)
    with gateway_world(data, workers=1, options=Options(delay_ms=5), cache=cache) as world:
        controls = world.site.controls()
        controls.caches.create("help", SHADOW, is_on=True, actor="test")
        controls.publish()
        world.until_known()
        yield world


@pytest.fixture(scope="module")
def keys(world: World) -> dict[str, str]:
    book = world.site.keys()
    found = {name: book.create(name, Scope("default", "core"), Attribution(), actor="test").text for name in ("a", "b")}
    world.site.publish(book)
    world.until_known()
    return found


def request(
    label: str, question: Any, key: str, *, says: str = "Open settings.", headers: dict[str, str] | None = None,
    **body: Any,
) -> bytes:  # fmt: skip
    sim = "sim:" + json.dumps({"label": label, "text": says})  # as a label, which says nothing of the question
    asked = {"model": MODEL, "messages": [{"role": "user", "content": question}], "user": sim, **body}
    told = {
        "authorization": f"Bearer {key}", "content-type": "application/json",
        "x-bursar-tags": f"feature=help,session={label}",
        "connection": "close", **(headers or {}),
    }  # fmt: skip
    return request_bytes("/v1/chat/completions", json.dumps(asked).encode(), told)


def ask(world: World, *requests: bytes, in_shadow: bool = False) -> list[Answer]:
    """One after the other.

    in_shadow: an answer is compared and kept behind the client's back then; the next one waits for that.
    """
    found = []
    for one in requests:
        answer = asyncio.run(exchange(world.port, one))
        if in_shadow:
            world.until(partial(is_measured, world, answer.call_id))
        found.append(answer)
    return found


def is_measured(world: World, call_id: str) -> bool:
    return any(isinstance(one, Resembled) and str(one.call_id) == call_id for one in world.records())


def said(answers: list[Answer]) -> list[str]:
    return [answer.headers.get("x-bursar-cache", "") for answer in answers]


def measured(world: World) -> Any:
    """What the console writes into the rule, of what is in the ledger."""
    world.settle_down()
    ledger = world.load()
    Measuring(ledger, world.site.controls, world.site.clock).look()
    return read_measured(world.site.controls().caches.one("help").measured)


def test_the_whole_way_from_shadow_to_on(world: World, keys: dict[str, str]):
    caches = world.site.controls().caches
    with pytest.raises(BadControl, match="hasn't been measured as it is written here"):
        caches.change("help", ON, actor="test")
    with pytest.raises(BadControl, match="hasn't been measured"):
        caches.create("other", ON, is_on=True, actor="test")

    things = [f"pass{word}" for word in ("word", "key", "code", "phrase", "book", "port")]
    subjects = [f"{thing} for {place}" for thing in things for place in
                ("mail", "chat", "wiki", "shop", "bank", "cloud")]  # fmt: skip
    firsts = ask(world, *[request("first", WAYS[0].format(subject), keys["a"]) for subject in subjects], in_shadow=True)
    again = ask(
        world,
        *[request("again", way.format(subject), keys["a"]) for subject in subjects for way in WAYS[1:]],
        in_shadow=True,
    )
    assert set(said(firsts + again)) == {"miss"}  # in shadow every call goes to its provider
    assert len(world.sim_log("again")) == len(again)
    seen = measured(world)
    assert (seen.calls, seen.false_hits) == (len(firsts + again), 0)
    assert seen.hits == seen.compared == len(again) >= COMPARED_MIN
    rows = world.rows("SELECT sum(list_cost) AS cost FROM charges WHERE session = 'again'")
    assert Decimal(seen.saved_pico) / 10**12 == rows[0]["cost"]

    caches.change("help", ON, actor="test")  # the measurement says that it pays
    world.site.controls().publish()
    world.until_known()
    subject = subjects[0]
    [hit] = ask(world, request("hit", WAYS[2].format(subject), keys["a"], headers={"x-prism-cache": "on"}))
    assert said([hit]) == ["semantic"]
    assert hit.body == firsts[0].body
    assert Decimal(hit.headers["x-bursar-saved"]) > 0
    assert 0.8 <= float(hit.headers["x-prism-cache-similarity"]) <= 1
    assert not world.sim_log("hit")
    others = ask(
        world,
        request("never", f"Why do I reset my {subject}?", keys["a"]),  # another question
        request("never", f"How do I not reset my {subject}?", keys["a"]),  # its opposite
        request("never", WAYS[1].format(subject), keys["b"]),  # another key
        request("never", WAYS[1].format(subject), keys["a"], temperature=0.5),  # other parameters
        request("never", WAYS[1].format(subject), keys["a"], headers={"cache-control": "no-cache"}),
        request("never", WAYS[1].format(subject), keys["a"], headers={"x-bursar-cache-namespace": "b"}),
        request("never", [{"type": "text", "text": text} for text in (WAYS[1].format(subject), "now")], keys["a"]),
        request("never", WAYS[1].format(subject), keys["a"],
                tools=[{"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}]),
    )  # fmt: skip
    assert set(said(others)) == {"miss"}
    world.settle_down()
    world.load()
    assert measured(world).compared == len(again)  # nothing of these was sampled
    [row] = world.rows("SELECT * FROM charges WHERE session = 'hit'")
    assert (row["list_cost"], row["lever"], row["upstream"]) == (0, "semantic_cache", "(cache)")
    assert row["saved_semantic_cache"] == row["counterfactual_cost"] > 0
    assert all(finding.ok for finding in verify(world.load(), world.site.paths.spool))


def test_a_stream_comes_again_as_a_stream(world: World, keys: dict[str, str]):
    first, again = ask(world, *[request("stream", way.format("laptop"), keys["a"], stream=True) for way in WAYS[:2]])
    assert said([first, again]) == ["miss", "semantic"]
    assert again.body == first.body
    assert again.headers["content-type"].startswith("text/event-stream")


def test_what_was_cleared_is_not_met_by_its_meaning_either(world: World, keys: dict[str, str]):
    first, again = ask(world, *[request("clear", way.format("printer"), keys["a"]) for way in WAYS[:2]])
    assert said([first, again]) == ["miss", "semantic"]
    controls = world.site.controls()
    controls.caches.clear("help", actor="test")
    controls.publish()
    world.until_known()
    after = ask(world, *[request("clear", way.format("printer"), keys["a"]) for way in WAYS[:2]])
    assert said(after) == ["miss", "semantic"]  # asked anew, and kept anew


def test_answers_that_differ_are_false_hits_and_keep_it_off(world: World, keys: dict[str, str]):
    caches = world.site.controls().caches
    terms = CacheTerms(match={"feature": "help"}, semantic=SemanticCaching(similarity_min=0.81))
    caches.change("help", terms, actor="test")
    world.site.controls().publish()
    world.until_known()
    texts = ("Take the red pill now.", "Entirely other words stand here instead")
    for at in range(3):
        ask(world, *[
            request("false", way.format(f"router number {at}"), keys["a"], says=text)
            for way, text in zip(WAYS[:2], texts, strict=True)
        ], in_shadow=True)  # fmt: skip
    seen = measured(world)
    assert (seen.hits, seen.false_hits, seen.saved_pico) == (3, 3, 0)
    live = CacheTerms(match={"feature": "help"}, semantic=SemanticCaching("on", similarity_min=0.81))
    with pytest.raises(BadControl, match=f"3 of {COMPARED_MIN} would-be hits in other words"):
        caches.change("help", live, actor="test")


def test_one_that_answers_wrongly_is_put_back_into_shadow(world: World, keys: dict[str, str]):
    """Every hit is asked anyway here, so that its false ones are seen."""
    controls = world.site.controls()
    semantic = SemanticCaching("on", similarity_min=0.82, sample_percent=100)
    live = CacheTerms(match={"feature": "help"}, semantic=semantic)
    rule = controls.caches.change("help", msgspec.structs.replace(live, semantic=SemanticCaching(similarity_min=0.82)),
                                  actor="test")  # fmt: skip
    pays = Measured(measured_as(live), 0.6, calls=400, hits=200, compared=200, saved_pico=10**12)
    controls.caches.measured(rule.rule_id, msgspec.json.encode(pays).decode())
    controls.caches.change("help", live, actor="test")
    controls.publish()
    world.until_known()
    for at in range(6):
        answers = ask(world, *[
            request("wrong", way.format(f"monitor number {at}"), keys["a"], says=text)
            for way, text in zip(WAYS[:2], ("Take the red pill now.", "Entirely other words stand here"), strict=True)
        ])  # fmt: skip
        assert said(answers) == ["miss", "miss"]  # asked anyway: the caller has its provider's answer
    seen = measured(world)
    assert (seen.calls, seen.compared, seen.false_hits) == (0, 6, 6)
    after = controls.caches.one("help").terms.semantic
    assert after is not None
    assert after.mode == "shadow"
