"""An experiment in the books: its arms are told apart, feedback counts once, and a worse candidate is stopped."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient
from tests.console.conftest import NOW, make_context
from tests.ledger.records import call_facts, dispatched, settled

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.experiments import ExperimentAnswer, Stopping, experiment_so_far
from bursar.domain.caching import NO_UPSTREAM
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BadRequest
from bursar.domain.routes import CANDIDATE, CONTROL, Experiment, Receipt, RouteRule, Target, with_stops
from bursar.domain.snapshot import read_snapshot
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.gateway.arms import arm_of
from bursar.gateway.feedback import read_feedback
from bursar.ledger.loader import Loader
from bursar.prices.book import PriceBook
from bursar.spool.journal import Journal
from bursar.spool.records import Scored

TRIAL = Experiment("cheaper", Target("openai", "gpt-4o-mini"), 20.0)
RULE = RouteRule(name="chat", targets=(Target("openai"),), experiment=TRIAL)
NOW_US = us_from_datetime(NOW)
CALLS = 1_500
KEPT = 300


def write_calls(spool: Path) -> Counter[str]:
    """Of the candidate's calls each seventh fails; users like both alike, and some say so twice."""
    journal = Journal(spool, "trial", sync=False)
    seen: Counter[str] = Counter()
    for number in range(CALLS):
        at_us = NOW_US - (CALLS - number) * 1_000_000
        call = call_facts(at_us)
        arm = arm_of(RULE, Attribution(user=f"u{number}"), call.call_id)
        seen[arm] += 1
        routing = msgspec.json.encode(Receipt("chat", "ordered", [], None, "cheaper", arm)).decode()
        sent = dispatched(number + 1, call, routing=routing)
        fails = arm == CANDIDATE and seen[arm] % 7 == 0
        outcome = {"outcome": "provider_error", "call_outcome": "provider_error"} if fails else {}
        journal.append(sent)
        journal.append(settled(sent, **outcome))  # type: ignore[arg-type]
        for score in (0.0, 0.8) if number % 10 == 0 else ():
            journal.append(Scored(at_us + int(score * 10), call.call_id, "vk_1", score))
        journal.append(Scored(at_us, call.call_id, "vk_other", 0.0))  # of a key that didn't make the call
    for number in range(CALLS, CALLS + KEPT):  # of the arm that most calls go to there are more kept answers
        call = call_facts(NOW_US - 1_000_000)
        routing = msgspec.json.encode(Receipt("chat", "ordered", [], None, "cheaper", CONTROL)).decode()
        hit = dispatched(number + 1, call, routing=routing, upstream=NO_UPSTREAM)
        journal.append(hit)
        journal.append(settled(hit, list_pico=0, lines=[], usage=Usage(), ended_us=call.received_us))
    journal.close()
    return seen


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[tuple[ConsoleContext, Counter[str]]]:
    directory = tmp_path_factory.mktemp("trial")
    context = make_context(directory, book, history=False)
    seen = write_calls(context.spool_dir)
    Loader(context.ledger, context.spool_dir, context.clock).load_all()
    yield context, seen
    context.ledger.close()


def told(context: ConsoleContext) -> ExperimentAnswer:
    return experiment_so_far(context.ledger, RULE, TRIAL, NOW)


def test_each_arm_is_counted_by_its_own_calls(trial):
    context, seen = trial
    answer = told(context)
    assert (answer.control_calls, answer.candidate_calls) == (seen[CONTROL], seen[CANDIDATE])
    found = {one.metric: one for one in answer.findings}
    assert found["error"].verdict == "worse"
    assert found["error"].control == 0
    assert found["error"].candidate == pytest.approx(1 / 7, abs=0.01)
    assert {found[name].verdict for name in ("latency", "cost", "truncated", "dissatisfaction")} == {""}
    assert found["dissatisfaction"].control_calls + found["dissatisfaction"].candidate_calls == CALLS // 10
    assert found["dissatisfaction"].control == pytest.approx(0.2)  # the last word of the key that made the call


def test_a_worse_candidate_is_stopped_once_and_the_workers_hear_of_it(trial):
    context, _ = trial
    controls = context.controls()
    controls.routes.set(RULE, actor="test")
    stopping = Stopping(context.ledger, context.controls, context.clock)
    assert stopping.look() == ["chat"]
    assert stopping.look() == []
    (rule,) = read_snapshot(context.config.data_path / "snapshot.msgpack").routes
    assert "error 0 → 0.14" in rule.experiment.stopped
    assert arm_of(rule, Attribution(user="u1"), "") == ""
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        (answer,) = client.get("/api/experiments").json()
    assert (answer["route"], answer["candidate"]) == ("chat", "openai/gpt-4o-mini")
    assert answer["stopped"].startswith("the candidate is worse")


def test_a_worse_candidate_of_the_settings_file_is_stopped_too_and_another_name_goes_on(trial):
    context, _ = trial
    filed = msgspec.structs.replace(RULE, name="chat")
    context.controls().routes.remove("chat", actor="test")
    context.config.routes = [filed]
    stopping = Stopping(context.ledger, context.controls, context.clock, [filed])
    assert stopping.look() == ["chat"]
    assert stopping.look() == []
    snapshot = read_snapshot(context.config.data_path / "snapshot.msgpack")
    (rule,) = with_stops([filed], snapshot.stopped)
    assert arm_of(rule, Attribution(user="u1"), "") == ""
    anew = msgspec.structs.replace(filed, experiment=msgspec.structs.replace(TRIAL, name="another"))
    assert with_stops([anew], snapshot.stopped) == [anew]
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        (answer,) = client.get("/api/experiments").json()
        assert answer["stopped"].startswith("the candidate is worse: error 0")
        assert "stopped" in client.get("/routes/chat").text
    context.config.routes = []


def test_arms_are_stable_keep_their_share_and_only_grow():
    users = [Attribution(user=f"user-{number}") for number in range(4_000)]
    wider = msgspec.structs.replace(RULE, experiment=msgspec.structs.replace(TRIAL, percent=40.0))
    narrow, wide = [[arm_of(rule, one, "x") for one in users] for rule in (RULE, wider)]
    assert narrow == [arm_of(RULE, one, "y") for one in users]
    assert narrow.count(CANDIDATE) / len(users) == pytest.approx(0.2, abs=0.02)
    assert all(now == CANDIDATE for before, now in zip(narrow, wide, strict=True) if before == CANDIDATE)
    assert arm_of(msgspec.structs.replace(RULE, experiment=None), users[0], "x") == ""


@pytest.mark.parametrize(
    ("body", "field"),
    [(b"{", "body"), (b'{"call_id": "x", "score": 1}', "call_id"), (b'{"score": 1}', "body"),
     (b'{"call_id": "018bcfe5-6800-7abc-8def-0123456789a0", "score": 1.5}', "score"),
     (b'{"call_id": "018bcfe5-6800-7abc-8def-0123456789a0", "score": 1, "text": "secret"}', "body")],
)  # fmt: skip
def test_feedback_that_says_nothing_is_refused(body: bytes, field: str):
    with pytest.raises(BadRequest) as refused:
        read_feedback(body, "vk_1", 1)
    assert refused.value.field == field


def test_feedback_is_a_record():
    body = b'{"call_id": "018BCFE5-6800-7abc-8def-0123456789a0", "score": 0.5}'
    assert read_feedback(body, "vk_1", 7) == Scored(7, "018bcfe5-6800-7abc-8def-0123456789a0", "vk_1", 0.5)
