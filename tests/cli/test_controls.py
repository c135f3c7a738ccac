import csv
import io
import json

import pytest

from bursar.domain.snapshot import read_snapshot

FULL = (
    "--match", "feature=tagging", "--match", "tag:plan=free", "--allow-model", "*mini*", "--deny-model", "gpt-3*",
    "--input-tokens-max", "8000", "--output-tokens-max", "500", "--force-model", "summary=gpt-4o-mini",
    "--require-tag", "customer", "--tag-default", "customer=none", "--tag-value", "plan=free,pro",
    "--tag-values-max", "customer=100",
)  # fmt: skip


def test_a_policy_made_on_the_command_line_is_what_the_workers_read(bursar, tmp_path):
    made = bursar("policies", "add", "small", *FULL, "--format", "json")
    assert made.code == 0, made.err
    (told,) = json.loads(made.out)
    (policy,) = read_snapshot(tmp_path / "bursar-data" / "snapshot.msgpack").policies
    terms = policy.terms
    assert (policy.policy_id, policy.name) == (told["id"], "small")
    assert terms.match == {"feature": "tagging", "tag:plan": "free"}
    assert (terms.allow_models, terms.deny_models, terms.body_bytes_max) == (("*mini*",), ("gpt-3*",), 32_000)
    assert (terms.force_models, terms.on_missing) == ({"summary": "gpt-4o-mini"}, "default")
    assert (terms.require_tags, terms.tag_defaults) == (("customer",), {"customer": "none"})
    assert (terms.tag_values, terms.tag_values_max) == ({"plan": ("free", "pro")}, {"customer": 100})
    assert told["rules"]["output_tokens_max"] == 500


def test_a_policy_is_switched_and_removed_by_its_name(bursar, tmp_path):
    snapshot = tmp_path / "bursar-data" / "snapshot.msgpack"
    bursar("policies", "add", "small", "--deny-model", "gpt-4o", "--off")
    assert read_snapshot(snapshot).policies == []
    assert "is on" in bursar("policies", "on", "small").err
    assert len(read_snapshot(snapshot).policies) == 1
    assert "is off" in bursar("policies", "off", "small").err
    assert "off" in bursar("policies", "list").out
    assert bursar("policies", "remove", "small").code == 0
    assert "no policies yet" in bursar("policies", "list").err
    assert bursar("policies", "add", "small", "--deny-model", "gpt-4o").code == 0, "a removed one's name is free again"


def test_limits_are_made_listed_and_removed(bursar, tmp_path):
    made = bursar("limits", "add", "each", "--each", "customer", "--requests", "60", "--concurrent", "4")
    assert made.code == 0
    (limit,) = read_snapshot(tmp_path / "bursar-data" / "snapshot.msgpack").limits
    assert (limit.terms.each, limit.terms.requests_per_minute, limit.terms.concurrent) == ("customer", 60, 4)
    (row,) = csv.DictReader(io.StringIO(bursar("limits", "list", "--format", "csv").out))
    assert (row["name"], row["match"], row["tokens_per_minute"]) == ("each", "everything", "")
    assert "60" in bursar("limits", "list").out
    assert bursar("limits", "remove", limit.limit_id).code == 0
    assert "no limits yet" in bursar("limits", "list").err


def test_a_limit_that_leaves_workers_without_a_share_says_so(bursar, monkeypatch):
    monkeypatch.setenv("BURSAR_GATEWAY__WORKERS", "4")
    assert "has no share for each" in bursar("limits", "add", "three", "--concurrent", "3").err
    assert "share" not in bursar("limits", "add", "four", "--concurrent", "4").err


def test_a_kill_names_a_key_by_its_name_and_is_lifted_by_what_it_stops(bursar, tmp_path):
    bursar("keys", "create", "checkout")
    stopped = bursar("kill", "add", "--key", "checkout", "--agent", "crawler", "--reason", "runaway loop")
    assert stopped.code == 0, stopped.err
    (kill,) = read_snapshot(tmp_path / "bursar-data" / "snapshot.msgpack").kills
    assert kill.terms.match["credential"].startswith("vk_")
    assert kill.terms.match["agent"] == "crawler"
    assert kill.created_by.startswith("cli:")
    assert "runaway loop" in bursar("kill", "list").out
    assert bursar("kill", "lift", "agent=crawler credential=checkout").code == 0
    assert read_snapshot(tmp_path / "bursar-data" / "snapshot.msgpack").kills == []


def test_everything_is_stopped_only_when_it_is_said(bursar):
    assert "--everything" in bursar("kill", "add", "--reason", "x").err
    assert bursar("kill", "add", "--everything", "--agent", "a", "--reason", "x").code == 2
    assert bursar("kill", "add", "--everything", "--reason", "audit").code == 0
    assert "[name_taken]" in bursar("kill", "add", "--everything", "--reason", "again").err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("policies", "add", "x"), "bad_control", "deny_models"),
        (("policies", "add", "x", "--deny-model", "y", "--match", "feature"), "bad_control", "NAME=VALUE"),
        (("policies", "add", "x", "--deny-model", "y", "--match", "colour=red"), "bad_control", "tag:NAME"),
        (("policies", "add", "x", "--deny-model", "y", "--match", "team=a", "--match", "team=b"), "bad_control",
         "twice"),
        (("policies", "add", "x", "--output-tokens-max", "0"), "bad_control", "from 1"),
        (("policies", "add", "x", "--output-tokens-max", "9", "--on-output-excess", "cut"), "bad_control",
         "on_output_excess"),
        (("policies", "add", "x", "--require-tag", "plan", "--on-missing", "default"), "bad_control", "tag_defaults"),
        (("policies", "add", "x", "--tag-default", "a=b", "--on-missing", "warn"), "bad_control", "on_missing"),
        (("policies", "add", "x", "--tag-values-max", "customer=many"), "bad_control", "whole number"),
        (("policies", "add", "x", "--tag-values-max", "customer=99999"), "bad_control", "10000"),
        (("policies", "add", "x", "--match", "provider=openai", "--force-model", "*=m"), "bad_control",
         "before the provider is known"),
        (("policies", "add", "x", "--deny-model", "y", "--match", "credential=nobody"), "unknown_key", "keys list"),
        (("policies", "add", "a\nb", "--deny-model", "y"), "bad_control", "printable"),
        (("limits", "add", "x"), "bad_control", "requests_per_minute"),
        (("limits", "add", "x", "--requests", "-1"), "bad_control", "bursar kill add"),
        (("limits", "add", "x", "--requests", "1", "--each", "moon"), "bad_control", "there is no"),
        (("limits", "add", "x", "--requests", "1", "--each", "team", "--match", "team=a"), "bad_control", "one value"),
        (("kill", "add", "--agent", "a", "--reason", " "), "bad_control", "say why"),
        (("kill", "lift", "nobody"), "unknown_control", "bursar kill list"),
        (("policies", "remove", "nobody"), "unknown_control", "bursar policies list"),
        (("limits", "remove", "nobody"), "unknown_control", "bursar limits list"),
    ],
)  # fmt: skip
def test_a_mistake_is_wrong_usage_and_says_what_to_write(bursar, words, code, said):
    bursar("keys", "create", "any")
    answer = bursar(*words)
    assert answer.code == 2
    assert f"[{code}]" in answer.err
    assert said in " ".join(answer.err.split())


def test_a_policy_is_tried_against_the_past_with_a_running_console(bursar, running):
    where = ("--data", str(running))
    bursar("policies", "add", "no-claude", "--deny-model", "claude*", "--off", *where)
    bursar("policies", "add", "quiet", "--deny-model", "nothing", "--off", *where)
    tried = bursar("policies", "try", "no-claude", "--period", "7d", *where)
    assert tried.code == 0, tried.err
    assert "denied_model" in tried.out
    assert "refused" in tried.out
    told = json.loads(bursar("policies", "try", "no-claude", "--period", "7d", *where, "--format", "json").out)
    costs = json.loads(
        bursar("costs", "--period", "7d", "--filter", "model_asked^=claude", *where, "--format", "json").out
    )
    assert told["effects"]["refused"]["calls"] == costs["totals"]["calls"]
    assert told["effects"]["refused"]["effective_cost"] == costs["totals"]["effective_cost"]
    rows = csv.DictReader(
        io.StringIO(bursar("policies", "try", "no-claude", "--period", "7d", *where, "--format", "csv").out)
    )
    assert {row["effect"] for row in rows} == {"refused"}
    assert "would have changed nothing" in bursar("policies", "try", "quiet", "--period", "7d", *where).err
    assert "[unknown_control]" in bursar("policies", "try", "nobody", *where).err


def test_a_policy_is_tried_against_the_past_without_a_console(
    bursar, running, filled
):  # `running` copies `filled` first
    where = ("--data", str(filled))
    assert bursar("policies", "add", "no-claude", "--deny-model", "claude*", "--off", *where).code == 0
    told = json.loads(bursar("policies", "try", "no-claude", "--period", "7d", *where, "--format", "json").out)
    assert told["effects"]["refused"]["calls"] > 0
