"""Routes on the command line: made, changed, tried on a request and against the past."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.quality.test_gate import made_up

from bursar.domain.routes import Experiment, Shadow, Target
from bursar.domain.snapshot import read_snapshot

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 100}
MINI_FOR_CHAT = """
routes:
  chat-is-mini:
    match: {feature: chat}
    targets: [{upstream: openai, model: gpt-4o-mini}, {upstream: openai}]
    strategy: cheapest
  off: {targets: [{upstream: anthropic}], enabled: false}
"""


def published(tmp_path: Path) -> Any:
    return read_snapshot(tmp_path / "bursar-data" / "snapshot.msgpack").routes


def test_a_route_is_what_the_workers_read_and_keeps_its_place_when_it_is_changed(bursar, tmp_path):
    first = bursar("routes", "set", "one", "--target", "openai/gpt-4o-mini=3", "--target", "openai", "--match",
                   "feature=chat", "--strategy", "weighted", "--hours", "22:00-06:00")  # fmt: skip
    assert first.code == 0, first.err
    assert bursar("routes", "set", "two", "--target", "openai").code == 0
    assert bursar("routes", "set", "zero", "--target", "openai", "--position", "-1").code == 0
    zero, one, two = published(tmp_path)
    assert [rule.name for rule in (zero, one, two)] == ["zero", "one", "two"]
    assert [(target.upstream, target.model, target.weight) for target in one.targets] == [
        ("openai", "gpt-4o-mini", 3),
        ("openai", "", 1),
    ]
    bursar("routes", "set", "one", "--target", "anthropic", "--after-timeout")
    _, one, _ = published(tmp_path)
    assert (one.name, one.targets[0].upstream, one.after_timeout, one.match) == ("one", "anthropic", True, {})
    rows = list(csv.DictReader(io.StringIO(bursar("routes", "list", "--format", "csv").out)))
    assert [(row["name"], row["targets"]) for row in rows] == [
        ("zero", "openai"), ("one", "anthropic"), ("two", "openai"),
    ]  # fmt: skip
    assert "anthropic" in bursar("routes", "list").out
    bursar("routes", "set", "one", "--target", "anthropic", "--off")
    assert [rule.name for rule in published(tmp_path)] == ["zero", "two"]
    for name in ("zero", "one", "two"):
        assert bursar("routes", "remove", name).code == 0
    assert published(tmp_path) == []
    assert "no routes" in bursar("routes", "list").err


def test_what_is_tried_on_a_route_is_an_option_and_survives_the_control_file(bursar, tmp_path):
    told = bursar(
        "routes", "set", "one", "--target", "openai", "--region", "eu-*", "--region", "us-1", "--hedge-after-ms", "800",
        "--experiment", "openai/gpt-4o-mini=10", "--alpha", "0.01", "--shadow", "anthropic/claude-haiku-4-5=2.5%",
        "--shadow-name", "claude",
    )  # fmt: skip
    assert told.code == 0, told.err
    (one,) = published(tmp_path)
    mini, claude = Target("openai", "gpt-4o-mini"), Target("anthropic", "claude-haiku-4-5")
    assert (one.regions, one.hedge_after_ms) == (("eu-*", "us-1"), 800)
    assert one.experiment == Experiment("openai/gpt-4o-mini", mini, 10.0, 0.01)
    assert one.shadow == Shadow("claude", claude, 2.5)
    (tmp_path / "all.yaml").write_text(bursar("export").out.replace("percent: 2.5", "percent: 5"))
    assert bursar("apply", "-f", "all.yaml").code == 0
    assert published(tmp_path) == [msgspec.structs.replace(one, shadow=Shadow("claude", claude, 5.0))]
    shadow = bursar("routes", "shadow", "one")
    assert "5 % to anthropic/claude-haiku-4-5; none has ended yet" in " ".join(shadow.err.split())


def test_a_route_is_read_from_a_file_of_its_own_and_applied_with_the_control_file(bursar, tmp_path):
    (tmp_path / "one.yaml").write_text("targets: [{upstream: openai, weight: 2}]\nfirst_byte_timeout_s: 2.5\n")
    assert bursar("routes", "set", "one", "-f", "one.yaml").code == 0
    (one,) = published(tmp_path)
    assert (one.targets[0].weight, one.first_byte_timeout_s) == (2, 2.5)
    exported = bursar("export").out
    assert "first_byte_timeout_s: 2.5" in exported
    (tmp_path / "all.yaml").write_text(exported.replace("2.5", "3"))
    assert bursar("apply", "-f", "all.yaml").code == 0
    assert published(tmp_path)[0].first_byte_timeout_s == 3
    (tmp_path / "all.yaml").write_text(MINI_FOR_CHAT.replace("openai", "nowhere", 1))
    answer = bursar("apply", "-f", "all.yaml")
    assert answer.code == 2
    assert "there is no upstream 'nowhere'" in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "a route needs targets"),
        (("--target", "nowhere"), "there is no upstream 'nowhere'"),
        (("--target", "openai", "--strategy", "best"), "strategy"),
        (("--target", "openai", "--match", "colour=red"), "can't be matched"),
        (("--target", "openai", "--match", "credential=nobody"), "no key is named"),
        (("--target", "openai=0"), "a weight is from 1"),
        (("--target", "openai=x"), "whole number"),
        (("--target", "openai", "--hours", "night"), "no time of day"),
        (("--target", "openai", "--position", "9999999"), "position"),
        (("--target", "openai", "--hedge-after-ms", "0"), "a hedge comes after 1"),
        (("--target", "openai", "--experiment", "openai/gpt-4o-mini"), "write UPSTREAM/MODEL=PERCENT"),
        (("--target", "openai", "--experiment", "openai/gpt-4o-mini=80"), "a percent up to 50"),
        (("--target", "openai", "--shadow", "openai/gpt-4o-mini=nan"), "a percent up to 100"),
        (("--target", "openai", "--shadow", "nowhere=10"), "there is no upstream 'nowhere'"),
        (("-f", "missing.yaml"), "can't read missing.yaml"),
        (("-f", "-", "--target", "openai"), "leave out what it can say"),
    ],
)
def test_a_mistake_is_wrong_usage_and_says_what_to_write(bursar, words, said):
    answer = bursar("routes", "set", "x", *words)
    assert answer.code == 2
    assert said in " ".join(answer.err.split())


def tried(bursar: Any, *words: str) -> dict[str, Any]:
    answer = bursar("routes", "test", "request.json", *words, "--format", "json")
    assert answer.code == 0, answer.err
    return dict(json.loads(answer.out))


def test_a_request_is_tried_before_a_change_with_its_bound_at_each_place(bursar, tmp_path):
    (tmp_path / "request.json").write_text(json.dumps(CHAT))
    (tmp_path / "routes.yaml").write_text(MINI_FOR_CHAT)
    now = tried(bursar, "--tag", "feature=chat")
    assert (now["route"], [one["model"] for one in now["options"]]) == ("", ["gpt-4o"])
    then = tried(bursar, "--tag", "feature=chat", "-f", "routes.yaml")
    assert (then["route"], then["strategy"]) == ("chat-is-mini", "cheapest")
    cheap, dear = then["options"]
    assert [cheap["model"], dear["model"]] == ["gpt-4o-mini", "gpt-4o"]
    assert 0 < float(cheap["bound_usd"]) < float(dear["bound_usd"])
    assert then["default"] == dear
    assert tried(bursar, "--tag", "feature=other", "-f", "routes.yaml")["route"] == ""
    shown = bursar("routes", "test", "request.json", "--tag", "feature=chat", "-f", "routes.yaml")
    assert "Route chat-is-mini" in shown.out
    assert "without a route: openai/gpt-4o" in shown.err


def test_a_request_that_would_be_refused_says_why_and_an_unknown_price_is_not_zero(bursar, tmp_path):
    (tmp_path / "request.json").write_text(json.dumps(CHAT | {"model": "made-up-1"}))
    assert tried(bursar)["options"][0]["bound_usd"] is None
    assert "no price is known" in bursar("routes", "test", "request.json").out
    bursar("policies", "add", "no", "--deny-model", "made-up*")
    assert tried(bursar)["refusal"]["code"] == "policy_rule"
    bursar("keys", "create", "mine", "--team", "core")
    bursar("routes", "set", "core", "--match", "scope_team=core", "--target", "openai/gpt-4o-mini")
    (tmp_path / "request.json").write_text(json.dumps(CHAT))
    assert tried(bursar, "--key", "mine")["route"] == "core"
    assert tried(bursar)["route"] == ""
    assert "[unknown_key]" in bursar("routes", "test", "request.json", "--key", "nobody").err
    assert "no path of a call" in bursar("routes", "test", "request.json", "--path", "/v2/x").err


def test_an_experiment_without_calls_is_told_apart_from_nothing(bursar, running, tmp_path):
    where = ("--data", str(running))
    assert "no experiments" in bursar("routes", "experiments", *where).err
    (tmp_path / "one.yaml").write_text(
        "targets: [{upstream: openai}]\n"
        "experiment: {name: mini, candidate: {upstream: openai, model: gpt-4o-mini}, percent: 10}\n"
    )
    assert bursar("routes", "set", "tried", "-f", "one.yaml", "--match", "feature=nobody", *where).code == 2
    assert bursar("routes", "set", "tried", "-f", "one.yaml", *where).code == 0
    shown = bursar("routes", "experiments", *where)
    assert "10 % to openai/gpt-4o-mini" in shown.out
    assert "not told apart" in shown.out
    rows = list(csv.DictReader(io.StringIO(bursar("routes", "experiments", *where, "--format", "csv").out)))
    assert {row["verdict"] for row in rows} == {""}
    assert bursar("routes", "remove", "tried", *where).code == 0


def test_the_past_is_replayed_through_a_changed_table(bursar, running, tmp_path):
    where = ("--data", str(running))
    (tmp_path / "routes.yaml").write_text(
        "routes: {mini: {match: {model: 'claude-*'}, targets: [{upstream: anthropic, model: claude-3-haiku-20240307}]}}"
    )
    told = json.loads(bursar("routes", "replay", "-f", "routes.yaml", "--period", "7d", *where, "--format", "json").out)
    assert 0 < told["moved"]["calls"] < told["total"]["calls"]
    assert {row["to_model"] for row in told["rows"]} == {"claude-3-haiku-20240307"}
    assert sum(row["calls"] for row in told["rows"]) == told["moved"]["calls"]
    shown = bursar("routes", "replay", "-f", "routes.yaml", "--period", "7d", *where)
    assert "go elsewhere" in shown.out
    assert "claude-3-haiku-20240307" in shown.out


def test_a_gate_is_trained_named_in_a_route_and_asked_before_anything_is_sent(bursar, tmp_path):
    rows = [f"{one.prompt},{one.cheap},{one.dear},{one.group}" for one in made_up(700)]
    (tmp_path / "examples.csv").write_text(
        "\n".join(["prompt,cheap_correct,dear_correct,group", *rows, "x,maybe,true,g"])
    )
    words = ("routes", "train", "examples.csv", "--name", "chat", "--hold-back", "0.4")
    told = json.loads(bursar(*words, "--format", "json", "--picture", "curve.svg").out)
    assert told["left_out"] == 1
    assert told["verdict"]["apgr"]["low"] > 0.6
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")
    again = bursar(*words, "--by-group")
    assert "APGR 0." in again.err
    assert "accuracy_kept" in again.out
    gated = ("routes", "set", "easy", "--target", "openai/gpt-4o-mini", "--target", "openai/gpt-4o", "--gate")
    assert bursar(*gated, "nobody", "--threshold", "0.3").code == 2
    assert bursar(*gated, "chat").code == 2  # neither a threshold nor an accuracy
    done = bursar(*gated, "chat", "--threshold", "0.5")
    assert done.code == 0, done.err
    (rule,) = published(tmp_path)
    assert (rule.quality_gate.weights, rule.quality_gate.threshold) == ("chat", 0.5)
    question = "Question 5: what is the integral of the function king?"
    (tmp_path / "r.json").write_text(json.dumps(CHAT | {"messages": [{"role": "user", "content": question}]}))
    tried = json.loads(bursar("routes", "test", "r.json", "--format", "json").out)
    assert [one["why"] for one in tried["options"]] == ["", "quality_gate"]
    assert tried["quality_gate"]["miss"] > 0.5
    assert "goes first" in bursar("routes", "test", "r.json").err
    assert "quality_gate" in bursar("export").out
