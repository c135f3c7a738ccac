"""Kept answers through real workers: equals ask once, streams come again as streams, nobody meets another's answer."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world, kill9

from bursar.domain.caching import CacheTerms, ExactCaching
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.ledger.verify import verify
from bursar.simulate.provider import Options

pytestmark = pytest.mark.slow

MODEL = "gpt-4o-mini"
RULES = {
    "own": CacheTerms(match={"feature": "own"}, exact=ExactCaching()),
    "shared": CacheTerms(match={"feature": "shared"}, exact=ExactCaching(share="team")),
    "brief": CacheTerms(match={"feature": "brief"}, exact=ExactCaching(ttl_s=1)),
    "tools": CacheTerms(match={"feature": "tools"}, exact=ExactCaching(with_tools=True)),
    "small": CacheTerms(match={"feature": "small"}, exact=ExactCaching(entry_bytes_max=64)),
}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "pay", "parameters": {"type": "object", "properties": {}}}}
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    options = Options(delay_ms=150)
    with gateway_world(tmp_path_factory.mktemp("exact") / "data", workers=2, options=options) as world:
        controls = world.site.controls()
        for name, terms in RULES.items():
            controls.caches.create(name, terms, is_on=True, actor="test")
        controls.publish()
        world.until_known()
        yield world


@pytest.fixture(scope="module")
def keys(world: World) -> dict[str, str]:
    """Keys of two teams, and one of a provider's own."""
    found = {"own": "sk-somebody"}
    book = world.site.keys()
    for name, team in (("a", "core"), ("a2", "core"), ("b", "growth")):
        found[name] = book.create(name, Scope("default", team), Attribution(), actor="test").text
    world.site.publish(book)
    world.until_known()
    return found


def request(
    label: str, feature: str, key: str, *, path: str = "/v1/chat/completions", headers: dict[str, str] | None = None,
    **body: Any,
) -> bytes:  # fmt: skip
    asked = {"model": MODEL, "messages": [{"role": "user", "content": f"Tell me of {label}"}], **body}
    told = {
        "authorization": f"Bearer {key}", "content-type": "application/json",
        "x-bursar-tags": f"feature={feature},session={label}", "x-sim": json.dumps({"label": label}),
        "connection": "close", **(headers or {}),
    }  # fmt: skip
    return request_bytes(path, json.dumps(asked).encode(), told)


def send(world: World, *requests: bytes) -> list[Answer]:
    """All at once, each on a connection of its own: the kernel spreads them over both workers.

    An answer is kept before its caller has the end of it, so that the next call may come at once.
    """

    async def go() -> list[Answer]:
        return await asyncio.gather(*(exchange(world.port, one) for one in requests))

    return asyncio.run(go())


def said(answer: Answer) -> str:
    return answer.headers.get("x-bursar-cache", "")


def asked_of_provider(world: World, label: str) -> int:
    return len(world.sim_log(label))


def test_a_hundred_equals_at_once_ask_once(world: World, keys: dict[str, str]):
    answers = send(world, *[request("hundred", "own", keys["a"])] * 100)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert asked_of_provider(world, "hundred") == 1
    assert sorted(map(said, answers)) == ["exact"] * 99 + ["miss"]
    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM charges WHERE session = 'hundred' ORDER BY list_cost DESC")
    first, hits = rows[0], rows[1:]
    assert len(hits) == 99
    assert first["list_cost"] > 0
    for hit in hits:
        assert (hit["list_cost"], hit["quality"], hit["lever"]) == (0, "reported", "response_cache")
        assert hit["counterfactual_cost"] == hit["saved_response_cache"] == first["list_cost"]
        assert (hit["upstream"], hit["provider"], hit["input_tokens"]) == ("(cache)", "openai", 0)
    assert all(finding.ok for finding in verify(world.load(), world.site.paths.spool))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_the_same_bytes_come_again_in_the_same_form(world: World, keys: dict[str, str], stream: bool):
    label = f"again-{stream}"
    one = request(label, "own", keys["a"], stream=stream)
    [first] = send(world, one)
    [again] = send(world, one)
    assert asked_of_provider(world, label) == 1
    assert again.body == first.body
    assert again.headers["content-type"] == first.headers["content-type"]
    assert (said(first), said(again)) == ("miss", "exact")
    assert Decimal(again.headers["x-bursar-saved"]) > 0
    assert again.headers["x-bursar-cost"] == "0"
    assert int(again.headers["age"]) <= 2
    assert again.headers["x-bursar-call-id"] != first.headers["x-bursar-call-id"]


def test_real_clients_read_a_kept_answer_plain_and_streamed(world: World, keys: dict[str, str]):
    extra = {"x-bursar-tags": "feature=own", "x-sim": json.dumps({"label": "clients"})}
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key=keys["a"], max_retries=0) as client:
        for stream in (False, True):
            texts = []
            for _ in range(2):
                answer: Any = client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": "Hi"}], stream=stream, extra_headers=extra
                )
                pieces = [chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices] if stream else []
                texts.append("".join(pieces) if stream else answer.choices[0].message.content)
            assert texts[0] == texts[1] != ""
    with anthropic.Anthropic(base_url=world.url, api_key=keys["a"], max_retries=0) as other:
        told = []
        for _ in range(2):  # of another dialect than its provider's: kept as its caller has it
            message = other.messages.create(
                model="openai/gpt-4o-mini", max_tokens=50, messages=[{"role": "user", "content": "Hi"}],
                extra_headers=extra,
            )  # fmt: skip
            told.append(message.content[0].text)
    assert told[0] == told[1]
    assert asked_of_provider(world, "clients") == 3


def test_who_left_while_its_equal_was_asked_for_has_no_answer_in_the_books(world: World, keys: dict[str, str]):
    slow = {"x-sim": json.dumps({"label": "leaves", "delay_ms": 3000})}  # a busy machine too reads both before it ends
    one = request("leaves", "own", keys["a"], headers=slow)

    async def go() -> None:
        first = asyncio.create_task(exchange(world.port, one))
        await asyncio.sleep(0.5)
        await exchange(world.port, one, leave_after_s=1.0)
        await first

    asyncio.run(go())
    question = "SELECT call_outcome, client_status, upstream FROM charges WHERE session = 'leaves' ORDER BY 3"
    rows: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while len(rows) < 2 and time.monotonic() < deadline:  # an equal in the other worker looks only now and then
        world.settle_down()
        world.load()
        rows = world.rows(question)
    assert [(row["call_outcome"], row["client_status"]) for row in rows] == [("aborted", 0), ("ok", 200)]


def test_nobody_meets_the_answer_of_another_tenant(world: World, keys: dict[str, str]):
    for feature, hits in (("own", set[str]()), ("shared", {"a2"})):
        label = f"tenants-{feature}"
        for name in ("a", "b", "own", "a2"):
            [answer] = send(world, request(label, feature, keys[name]))
            assert said(answer) == ("exact" if name in hits else "miss"), (feature, name)


def test_providers_own_keys_that_come_with_one_bursar_key_are_tenants_of_their_own(world: World, keys: dict[str, str]):
    """Of an application whose customers bring their keys, and which is known by one of ours."""
    for feature in ("own", "shared"):
        for own, expected in (("sk-one", "miss"), ("sk-two", "miss"), ("sk-one", "exact"), ("", "miss")):
            headers = {"x-bursar-key": keys["a"]} if own else {}
            [answer] = send(world, request(f"brought-{feature}", feature, own or keys["a"], headers=headers))
            assert (answer.status, said(answer)) == (200, expected), (feature, own)


@pytest.mark.parametrize(
    ("name", "feature", "change"),
    [
        ("another temperature", "own", {"temperature": 0.3}),
        ("tools", "own", {"tools": TOOLS}),
        ("functions", "own", {"functions": [TOOLS[0]["function"]]}),
        ("a search", "own", {"web_search_options": {}}),
        ("an index", "own", {"data_sources": [{"type": "azure_search", "parameters": {}}]}),
        ("kept by its provider", "own", {"store": True}),
        ("too large", "small", {}),
        ("no rule", "other", {}),
    ],
)
def test_what_is_not_the_same_or_has_effects_is_asked_anew(
    world: World, keys: dict[str, str], name: str, feature: str, change: dict[str, Any]
):
    label = name.replace(" ", "-")
    first = {} if name == "another temperature" else change
    for body in (first, change):
        [answer] = send(world, request(label, feature, keys["a"], **body))
        assert (answer.status, said(answer)) == (200, "miss")
    assert asked_of_provider(world, label) == 2


def test_labels_order_and_white_space_change_nothing(world: World, keys: dict[str, str]):
    label = "labels"
    send(world, request(label, "own", keys["a"], user="one", temperature=0.1, top_p=0.5))
    [again] = send(world, request(label, "own", keys["a"], top_p=0.5, temperature=0.1, user="two"))
    assert said(again) == "exact"


def test_a_tool_call_comes_again_only_where_the_rule_says_so(world: World, keys: dict[str, str]):
    for expected in ("miss", "exact"):
        [answer] = send(world, request("tools", "tools", keys["a"], tools=TOOLS))
        assert said(answer) == expected


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("cache-control", "no-store", ["miss", "miss", "miss"]),
        ("cache-control", "no-cache", ["miss", "miss", "exact"]),
        ("cache-control", "max-age=0", ["miss", "miss", "exact"]),
        ("cache-control", "max-age=600", ["miss", "exact", "exact"]),
        ("x-bursar-cache", "off", ["miss", "miss", "miss"]),
        ("helicone-cache-enabled", "false", ["miss", "miss", "miss"]),
        ("cf-aig-skip-cache", "true", ["miss", "miss", "miss"]),
        ("x-portkey-cache-force-refresh", "true", ["miss", "miss", "exact"]),
        ("x-bf-cache-no-store", "true", ["miss", "miss", "miss"]),
        ("cf-aig-cache-ttl", "60", ["miss", "exact", "exact"]),
    ],
)
def test_a_caller_may_narrow_it_in_its_own_dialect(
    world: World, keys: dict[str, str], header: str, value: str, expected: list[str]
):
    """Twice with the header, then once without: what was kept under it is found, or isn't there."""
    label = f"{header}-{value}"
    found = []
    for headers in ({header: value}, {header: value}, {}):
        [answer] = send(world, request(label, "own", keys["a"], headers=headers))
        found.append(said(answer))
    assert found == expected


def test_a_namespace_is_a_space_of_its_own_and_prism_is_answered_in_its_words(world: World, keys: dict[str, str]):
    for headers, expected in (
        ({"helicone-cache-seed": "one"}, "miss"),
        ({"helicone-cache-seed": "two"}, "miss"),
        ({"helicone-cache-seed": "one", "x-prism-tags": "a=b"}, "exact"),
    ):
        [answer] = send(world, request("spaces", "own", keys["a"], headers=headers))
        assert said(answer) == expected
    assert answer.headers["x-prism-cache-status"] == "HIT"
    assert Decimal(answer.headers["x-prism-cache-saved-cents"]) == 100 * Decimal(answer.headers["x-bursar-saved"])


def test_an_answer_is_forgotten_after_its_time(world: World, keys: dict[str, str]):
    for number in range(5):
        one, began = request(f"brief-{number}", "brief", keys["a"]), time.monotonic()
        found = [said(send(world, one)[0]) for _ in range(2)]
        if found != ["miss", "miss"] or time.monotonic() - began < 1.0:
            break  # otherwise this machine took longer than the answer's time
    assert found == ["miss", "exact"]
    time.sleep(1.1)
    assert said(send(world, one)[0]) == "miss"


def test_a_shorter_time_holds_for_what_was_kept_before(tmp_path: Path):
    with gateway_world(tmp_path / "data", workers=1) as world:
        controls = world.site.controls()
        controls.caches.create("own", RULES["own"], is_on=True, actor="test")
        controls.publish()
        world.until_known()
        one = request("shorter", "own", "sk-x")
        send(world, one)
        assert said(send(world, one)[0]) == "exact"
        shorter = CacheTerms(match={"feature": "own"}, exact=ExactCaching(ttl_s=1))
        controls.caches.change("own", shorter, actor="test")
        controls.publish()
        world.until_known()
        time.sleep(1.1)
        assert said(send(world, one)[0]) == "miss"


def test_what_was_cleared_is_met_by_no_call_of_any_worker_nor_after_a_restart(tmp_path: Path):
    """Also what was being asked for meanwhile; and another rule's answers stay."""
    with gateway_world(tmp_path / "data", workers=2, options=Options(delay_ms=100)) as world:
        controls = world.site.controls()
        for name in ("own", "shared"):
            controls.caches.create(name, RULES[name], is_on=True, actor="test")
        controls.publish()
        world.until_known()
        path = world.data / "cache" / "answers.sqlite"
        kept = [request(f"clear-{number}", "own", "sk-x") for number in range(10)]
        other = request("stays", "shared", "sk-x")
        slow = {"x-sim": json.dumps({"label": "slow", "delay_ms": 4_000})}
        under_way = request("slow", "own", "sk-x", headers=slow)

        def keys_on_disk() -> set[bytes]:
            with contextlib.closing(sqlite3.connect(path)) as connection:
                return {row[0] for row in connection.execute("SELECT key FROM answers")}

        def clear(name: str | None) -> None:
            controls.caches.clear(name, actor="test")
            controls.publish()

        async def cleared_meanwhile() -> Answer:
            asked = asyncio.create_task(exchange(world.port, under_way))
            await asyncio.to_thread(world.until, lambda: world.dispatched("slow"))
            await asyncio.to_thread(clear, "own")
            await asyncio.to_thread(world.until_known)
            assert not asked.done()
            return await asked

        send(world, *kept, other)
        world.until(lambda: len(keys_on_disk()) == 11)
        assert {said(answer) for answer in send(world, *kept, *kept)} == {"exact"}  # at hand in both workers
        before = keys_on_disk()
        assert len(before) == 11
        assert asyncio.run(cleared_meanwhile()).status == 200
        assert said(send(world, under_way)[0]) == "miss"
        assert {said(answer) for answer in send(world, *kept)} == {"miss"}
        assert said(send(world, other)[0]) == "exact"
        world.until(lambda: len(before & keys_on_disk()) <= 1)
        assert len(before & keys_on_disk()) == 1  # the other rule's

        for process in world.processes[-2:]:
            kill9([process.pid])
            process.wait()
        clear(None)  # while no worker runs
        for slot in range(2):
            world.start_worker(slot)
        world.wait_ready(f"{world.url}/readyz")
        assert {said(answer) for answer in send(world, *kept, other)} == {"miss"}


def test_headers_that_the_operator_passes_on_make_another_request(world: World, keys: dict[str, str]):
    for extra, expected in (({}, "miss"), ({"output": 9}, "miss"), ({}, "exact")):
        sim = {"x-sim": json.dumps({"label": "passed-on", **extra})}
        [answer] = send(world, request("passed-on", "own", keys["a"], headers=sim))
        assert said(answer) == expected


def test_a_hundred_equals_whose_first_fails_ask_twice(world: World, keys: dict[str, str]):
    """In two workers: one of those that waited asks in the name of them all."""
    once = {"x-sim": json.dumps({"label": "once", "fault": "400", "times": 1, "delay_ms": 1500})}
    answers = send(world, *[request("once", "own", keys["a"], headers=once)] * 100)
    assert asked_of_provider(world, "once") == 2
    assert sorted(answer.status for answer in answers) == [200] * 99 + [400]
    assert sum(said(answer) == "exact" for answer in answers) == 98


def test_equals_of_a_provider_that_is_down_are_not_asked_one_after_the_other(world: World, keys: dict[str, str]):
    down = {"x-sim": json.dumps({"label": "down", "fault": "400", "delay_ms": 1500})}
    started = time.monotonic()
    answers = send(world, *[request("down", "own", keys["a"], headers=down)] * 40)
    assert {answer.status for answer in answers} == {400}
    assert asked_of_provider(world, "down") == 40
    assert time.monotonic() - started < 30  # in a row it would be a minute


def test_a_failure_is_never_kept_and_those_that_waited_ask_themselves(world: World, keys: dict[str, str]):
    broken = {"x-sim": json.dumps({"label": "broken", "fault": "400"})}
    answers = send(world, *[request("broken", "own", keys["a"], headers=broken)] * 5)
    assert {answer.status for answer in answers} == {400}
    [after] = send(world, request("broken", "own", keys["a"]))
    assert (after.status, said(after)) == (200, "miss")


def test_damaged_or_exchanged_entries_are_misses_and_calls_go_on(tmp_path: Path):
    with gateway_world(tmp_path / "data", workers=1) as world:
        controls = world.site.controls()
        controls.caches.create("own", RULES["own"], is_on=True, actor="test")
        controls.publish()
        world.until_known()
        one, two = (request(name, "own", "sk-x") for name in ("first", "second"))
        first, second = send(world, one)[0], send(world, two)[0]
        path = world.data / "cache" / "answers.sqlite"

        def on_disk() -> int:
            with contextlib.closing(sqlite3.connect(path)) as connection:
                return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])

        world.until(lambda: on_disk() == 2)
        assert first.body[:40] not in path.read_bytes()  # sealed

        def restart() -> None:
            process = world.processes[-1]
            kill9([process.pid])
            process.wait()
            world.start_worker(0)
            world.wait_ready(f"{world.url}/readyz")

        restart()
        assert said(send(world, one)[0]) == "exact"  # it outlives the worker
        restart()
        with sqlite3.connect(path) as connection:  # each under the other's key
            rows = connection.execute("SELECT key, sealed FROM answers").fetchall()
            for key, sealed in zip([row[0] for row in rows], [row[1] for row in rows[::-1]], strict=True):
                connection.execute("UPDATE answers SET sealed = ? WHERE key = ?", (sealed, key))
        assert [said(answer) for answer in send(world, one)] == ["miss"]
        restart()
        path.write_bytes(b"nothing of the kind" * 1_000)
        for name in ("answers.sqlite-wal", "answers.sqlite-shm"):
            (path.parent / name).unlink(missing_ok=True)
        damaged = send(world, two)[0]
        assert (damaged.status, said(damaged)) == (200, "miss")
        assert said(send(world, two)[0]) == "exact"
        assert second.status == 200
