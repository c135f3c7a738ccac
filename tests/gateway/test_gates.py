"""Quality gates at work: what of a request is judged, which way it then goes, and what its receipt says."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.quality.test_gate import made_up

from bursar.domain.clock import FixedClock
from bursar.domain.gates import QualityGate, judgement_words
from bursar.domain.routes import Experiment, RouteRule, Target, faults_of
from bursar.domain.snapshot import Snapshot
from bursar.gateway.call import Worker
from bursar.gateway.gate_text import BODY_BYTES_MAX, question_of
from bursar.gateway.gates import Gates
from bursar.gateway.rehearse import Rehearsal, dry_worker, envelope_of, rehearse
from bursar.gateway.route_table import compile_table, usable
from bursar.gateway.settings import UpstreamSettings, WorkerSettings
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.providers.base import Asked
from bursar.quality.train import train
from bursar.quality.weights import Weights, encode_weights

EASY, HARD = "Question 5: what is the river bank city?", "Question 5: what is the integral of the function king?"
TARGETS = (Target("openai", "gpt-4o-mini"), Target("openai", "gpt-4o"))
GATE = QualityGate(weights="chat", threshold=0.5)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return train(made_up(600))


@pytest.fixture(scope="module")
def worker(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    data = tmp_path_factory.mktemp("dry")
    (data / "secret").write_bytes(bytes(32))
    (data / "gates").mkdir()
    (data / "gates" / "chat.json").write_bytes(encode_weights(weights))
    upstreams = [UpstreamSettings("openai", "https://one.test", "openai", "openai")]
    settings = WorkerSettings(
        "127.0.0.1", 0, str(data), str(data), "", "", str(data / "secret"), "acme", upstreams, gates=str(data / "gates")
    )
    book = PriceBook(compile_rows(None)[0])
    with dry_worker(settings, Snapshot(0), FixedClock(1_790_000_000_000_000), (), book) as worker:
        yield worker


@pytest.fixture
def ask(worker: Worker) -> Callable[..., Rehearsal]:
    def asked(text: Any, gate: QualityGate = GATE, **body: Any) -> Rehearsal:
        rule = RouteRule(name="gated", targets=TARGETS, quality_gate=gate)
        assert faults_of(rule, {"openai"}) == []
        worker.route_table = compile_table((rule,), (), (), worker.routes.by_name)
        worker.gates.use(worker.route_table.rules)
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
        whole = {"model": "gpt-4o", "messages": messages, "max_tokens": 50} | body
        return rehearse(worker, "/v1/chat/completions", json.dumps(whole).encode(), envelope_of(worker, [], None))

    return asked


def test_a_call_that_the_cheap_model_will_answer_goes_there_and_another_to_the_dear_one(ask):
    easy, hard = ask(EASY), ask([{"type": "text", "text": HARD}])
    assert [(one.model, one.why) for one in easy.options] == [("gpt-4o-mini", ""), ("gpt-4o", "")]
    assert [(one.model, one.why) for one in hard.options] == [("gpt-4o", ""), ("gpt-4o-mini", "quality_gate")]
    assert easy.gate is not None
    assert hard.gate is not None
    assert (easy.gate.passed, hard.gate.passed) == (True, False)
    assert (easy.gate.miss or 0) < 0.5 < (hard.gate.miss or 0)
    assert "openai/gpt-4o goes first" in judgement_words(hard.gate)
    assert "0.500 at most" in judgement_words(easy.gate)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"messages": [{"role": "user", "content": EASY}, {"role": "assistant", "content": "Rome"},
                       {"role": "user", "content": "and then?"}]}, "conversation"),
        ({"messages": [{"role": "user", "content": "?"}]}, "length"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test"}}]}]},
         "media"),
        ({"messages": [{"role": "user", "content": "x" * BODY_BYTES_MAX}]}, "size"),
        ({"messages": []}, "unread"),
    ],
)  # fmt: skip
def test_what_is_not_like_the_examples_is_not_judged_and_goes_to_the_dear_model(ask, body, why):
    told = ask(EASY, **body)
    assert told.gate is not None
    assert (told.gate.why, told.gate.passed, told.gate.miss) == (why, False, None)
    assert told.options[0].model == "gpt-4o"
    assert f"not judged ({why})" in judgement_words(told.gate)


def test_without_weights_or_a_threshold_that_keeps_enough_all_goes_to_the_dear_model(ask):
    missing = ask(EASY, QualityGate(weights="nobody", threshold=0.9)).gate
    assert missing is not None
    assert (missing.why, missing.passed) == ("no weights", False)
    too_much = ask(EASY, QualityGate(weights="chat", accuracy_kept=1.0))
    assert too_much.gate is not None
    assert too_much.gate.passed == (too_much.gate.threshold is not None and too_much.gate.miss is not None
                                    and too_much.gate.miss <= too_much.gate.threshold)  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": EASY}]},
        {"system": "x", "messages": [{"role": "user", "content": [{"type": "text", "text": EASY}]}]},
        {"input": EASY},
        {"input": [{"role": "developer", "content": "x"},
                   {"role": "user", "content": [{"type": "input_text", "text": EASY}]}]},
        {"contents": [{"role": "user", "parts": [{"text": EASY}]}]},
        {"contents": {"parts": [{"text": EASY}]}},
        {"messages": [{"role": "user", "content": [{"text": EASY}]}], "inferenceConfig": {}},
        {"prompt": EASY},
    ],
)  # fmt: skip
def test_the_question_is_found_in_every_dialect(body):
    assert question_of(json.dumps(body).encode(), Asked("m"), "chat") == (EASY, "")


def test_nothing_but_chat_is_judged_and_no_body_breaks_it():
    assert question_of(b'{"input":"x"}', Asked("m"), "embeddings").why == "operation"
    for body in (b"", b"[]", b"\xff", b'{"messages":7}', b'{"input":[{"type":"reasoning"}]}', b'{"contents":[{}]}'):
        assert question_of(body, Asked("m"), "chat").why != ""


def test_weights_that_are_trained_anew_are_in_force_and_broken_ones_pass_nothing(weights, tmp_path):
    path = tmp_path / "chat.json"
    gates = Gates(tmp_path)
    gates.use([RouteRule(name="r", targets=TARGETS, quality_gate=GATE)])
    assert gates.get("chat") is None
    path.write_bytes(encode_weights(weights))
    gates.look()
    assert gates.get("chat") == weights
    path.write_bytes(b"{")
    gates.look()
    assert gates.get("chat") is None
    gates.use([])
    assert gates.get("chat") is None


def test_a_node_without_the_cheap_or_the_dear_upstream_never_lets_the_cheap_one_take_all():
    rule = RouteRule(name="r", targets=(Target("cheap", "a"), Target("dear", "b")), quality_gate=GATE)
    (here,) = usable([rule], {"dear"})
    assert (here.quality_gate, [one.upstream for one in here.targets]) == (None, ["dear"])
    (here,) = usable([rule], {"cheap"})
    assert (here.quality_gate, here.targets) == (None, ())
    assert usable([rule], {"cheap", "dear"}) == [rule]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"targets": TARGETS[:1]}, "targets"),
        ({"strategy": "weighted"}, "strategy"),
        ({"experiment": Experiment("x", Target("openai", "o3"), 5.0)}, "experiment"),
        ({"quality_gate": QualityGate(weights="../secret", threshold=0.1)}, "quality_gate"),
        ({"quality_gate": QualityGate(weights="chat")}, "quality_gate"),
        ({"quality_gate": QualityGate(weights="chat", threshold=0.1, accuracy_kept=0.9)}, "quality_gate"),
        ({"quality_gate": QualityGate(weights="chat", threshold=1.1)}, "quality_gate"),
        ({"quality_gate": QualityGate(weights="chat", accuracy_kept=98.0)}, "quality_gate"),
    ],
)
def test_a_gate_that_cannot_be_is_told_by_its_field(changes: dict[str, Any], field: str) -> None:
    rule = RouteRule(**({"name": "r", "targets": TARGETS, "quality_gate": GATE} | changes))
    assert field in [found for found, _ in faults_of(rule, {"openai"})]


def test_gates_without_a_directory_name_nothing(tmp_path: Path) -> None:
    gates = Gates()
    gates.use([RouteRule(name="r", targets=TARGETS, quality_gate=QualityGate(weights="no-such", threshold=0.1))])
    assert gates.get("no-such") is None
