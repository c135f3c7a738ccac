"""Where the next attempt goes, and what it is told there."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bursar.domain.clock import SystemClock
from bursar.domain.errors import Overloaded, UpstreamTimeout
from bursar.domain.routes import RouteRule, Target
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway import turns
from bursar.gateway.call import Arrival, Attempt, Call, Worker
from bursar.gateway.heads import Headers
from bursar.gateway.identify import Credential
from bursar.gateway.pipeline import route
from bursar.gateway.prepare import prepare_routed
from bursar.gateway.rehearse import dry_worker, envelope_of
from bursar.gateway.settings import UpstreamSettings, WorkerSettings
from bursar.gateway.turns import may_follow, next_way, note_answer, turn
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.providers.openai_chat import CHAT

CLAUDE = "claude-haiku-4-5"
TARGETS = (Target("openai"), Target("anthropic", CLAUDE), Target("gemini", "gemini-2.5-flash"), Target("second"))
BODY = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "tea?"}]}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    directory: Path = tmp_path_factory.mktemp("turns")
    families = {"openai": "openai", "anthropic": "anthropic", "gemini": "gemini", "second": "openai"}
    upstreams = [UpstreamSettings(name, "https://x.test", family, name) for name, family in families.items()]
    with worker_of(directory, upstreams, TARGETS) as worker:
        yield worker


def worker_of(
    directory: Path, upstreams: list[UpstreamSettings], targets: tuple[Target, ...]
) -> AbstractContextManager[Worker]:
    site = str(directory)
    (directory / "secret").write_bytes(bytes(32))
    settings = WorkerSettings("127.0.0.1", 0, site, site, "", "", str(directory / "secret"), "acme", upstreams)
    rules = [RouteRule(name="all", targets=targets)]
    return dry_worker(settings, Snapshot(0), SystemClock(), rules, PriceBook(compile_rows(None)[0]))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that a request was translated for, in order."""
    models: list[str] = []

    def counted(other, caller, asked, body, limit=None):
        models.append(asked.model)
        return translate(other, caller, asked, body, limit)

    translate = turns.translate
    monkeypatch.setattr(turns, "translate", counted)
    return models


def routed(worker: Worker, credential: Credential | None = None, **more: object) -> Call:
    body = json.dumps({**BODY, **more}).encode()
    envelope = envelope_of(worker, [], None)
    if credential is not None:
        envelope = msgspec.structs.replace(envelope, credential=credential)
    asked = CHAT.read_request(body)
    now_us = worker.clock.now_us()
    arrival = Arrival(worker.ids.new(now_us), now_us, CHAT, "/v1/chat/completions", "", body, envelope, asked)
    routing = route(worker, arrival, envelope, asked, envelope.attributed, None)
    assert routing is not None
    call = prepare_routed(worker, arrival, envelope, asked, envelope.attributed, None, routing)
    call.routing = routing
    return call


def test_a_way_is_told_once_however_often_it_is_asked_whether_it_suits(worker: Worker, told: list[str]):
    call = routed(worker)
    assert may_follow(call, Overloaded("full"))
    assert not may_follow(call, UpstreamTimeout("slow"))  # it may be billed
    for _ in range(3):
        way = next_way(worker, call)
        assert way is not None
    turn(worker, call, way)
    assert told == [CLAUDE]
    assert (call.route.name, call.asked.model, json.loads(call.body)["model"]) == ("anthropic", CLAUDE, CLAUDE)
    assert way.told is None  # what is sent is the call's own
    way = next_way(worker, call)
    assert way is not None
    turn(worker, call, way)
    assert told == [CLAUDE, "gemini-2.5-flash"]
    way = next_way(worker, call)
    assert way is not None
    turn(worker, call, way)
    assert (call.route.name, call.translation, json.loads(call.body)) == ("second", None, BODY)
    assert len(told) == 2
    assert next_way(worker, call) is None


def test_a_limit_that_a_budget_lowered_in_between_is_told_anew(worker: Worker, told: list[str]):
    call = routed(worker)
    way = next_way(worker, call)
    assert way is not None
    turn(worker, call, way)
    second = next_way(worker, call)
    assert second is not None
    call.asked = msgspec.structs.replace(call.asked, max_output_tokens=7)  # as a budget does
    turn(worker, call, second)
    assert call.asked.max_output_tokens == 7
    assert json.loads(call.body)["generationConfig"]["maxOutputTokens"] == 7


def test_a_way_that_can_not_say_it_is_passed_by(worker: Worker, told: list[str]):
    odd = [{"type": "function", "function": {"name": "a b"}}]
    call = routed(worker, tools=odd)
    way = next_way(worker, call)
    assert way is not None
    assert way.plan.route.name == "second"
    assert told == [CLAUDE, "gemini-2.5-flash"]
    assert next_way(worker, call) is way
    assert len(told) == 2


class Refused:
    """A provider's word that this key has asked often enough."""

    status = 429
    headers: Headers = [(b"retry-after", b"20")]
    first_byte_us = 0


def test_who_brings_a_key_beside_a_bursar_key_rests_alone(tmp_path: Path):
    """An application's customers bring their keys: one of them is at its limit, the operator and the others aren't."""

    def brings(own_key: str) -> Credential:
        header, secret = (b"authorization", own_key.encode()) if own_key else (b"", b"")
        return Credential("vk_app", "virtual", Scope("acme"), Attribution(), header, secret, own_key)

    upstreams = [UpstreamSettings(name, "https://x.test", "openai", "openai") for name in ("first", "second")]
    with worker_of(tmp_path, upstreams, (Target("first"), Target("second"))) as worker:
        call = routed(worker, brings("pt_one"))
        assert call.route.name == "first"
        refused: Any = Refused()
        note_answer(worker, call, Attempt("at", 1, worker.clock.now_us(), None, ""), refused)
        goes_to = {key: routed(worker, brings(key)).route.name for key in ("pt_one", "pt_two", "")}
    assert goes_to == {"pt_one": "second", "pt_two": "first", "": "first"}
