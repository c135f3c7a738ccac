"""Policies and kills as tables: what a call is, what the operator said, what comes of it."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bursar.domain.clock import us_from_datetime
from bursar.domain.controls import Kill, KillTerms, Policy, PolicyTerms
from bursar.domain.errors import BadRequest, BursarError, Killed, PolicyRule
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.case import Case
from bursar.gateway.decide import Decider, as_decided, notes_of
from bursar.gateway.identify import Credential
from bursar.providers.errors import anthropic_error, openai_error
from bursar.providers.registry import DIALECTS
from bursar.providers.values import Asked

CREDENTIAL = Credential("vk_core", "virtual", Scope("acme", "core", "apollo"), Attribution(), b"", b"")
SAID = Attribution(
    feature="checkout", team="core", customer="c1", environment="prod", request_type="summary", session="s1",
    agent="crawler", user="u1", tags={"plan": "free"},
)  # fmt: skip
DAY_US = 86_400_000_000


def policy(policy_id: str = "pl_1", **terms: Any) -> Policy:
    return Policy(policy_id, f"name of {policy_id}", PolicyTerms(**terms), True, 1, "ada")


def decider(*policies: Policy, kills: list[Kill] = []) -> Decider:  # noqa: B006
    found = Decider()
    found.use(Snapshot(0, policies=list(policies), kills=kills))
    return found


def judged(
    decider: Decider, *, model: str = "gpt-4o", operation: str = "chat", size: int = 1000, most: int | None = 100,
    said: Attribution = SAID, provider: str = "openai", region: str = "", now_us: int = 0,
) -> Case:  # fmt: skip
    case = decider.judge(CREDENTIAL, said, Asked(model, max_output_tokens=most), operation, size, now_us)
    assert case is not None
    decider.admit(case, provider, region, now_us)
    return case


def refusal(decider: Decider, **call: Any) -> str:
    """The rule that refuses the call; "" if it passes."""
    try:
        judged(decider, **call)
    except PolicyRule as error:
        return error.details["rule"]
    return ""


MATCHES = {
    "organization": "acme", "scope_team": "core", "project": "apollo", "credential": "vk_core",
    "credential_kind": "virtual", "feature": "checkout", "team": "core", "customer": "c1", "environment": "prod",
    "request_type": "summary", "session": "s1", "agent": "crawler", "user": "u1", "provider": "openai",
    "model": "gpt-4o", "tag:plan": "free",
}  # fmt: skip


@pytest.mark.parametrize("name", MATCHES)
def test_a_policy_is_about_calls_with_the_equal_value_and_no_others(name):
    assert refusal(decider(policy(match={name: MATCHES[name]}, deny_models=("*",)))) == "denied_model"
    assert refusal(decider(policy(match={name: "another"}, deny_models=("*",)))) == ""


@pytest.mark.parametrize("other", MATCHES)
def test_all_conditions_must_hold(other):
    both = {"customer": "c1", other: MATCHES[other]}
    assert refusal(decider(policy(match=both, deny_models=("*",)))) == "denied_model"
    assert refusal(decider(policy(match=both | {"user": "nobody"}, deny_models=("*",)))) == ""


TABLE = """
deny_models=gpt-4o            model=gpt-4o                denied_model
deny_models=gpt-4o            model=gpt-4o-mini           -
deny_models=gpt-*,o1*         model=o1-pro                denied_model
allow_models=*mini*           model=gpt-4o-mini           -
allow_models=*mini*           model=gpt-4o                model_not_allowed
allow_models=*mini*           model=                      model_not_allowed
allow_models=gpt-*            model=GPT-4O                model_not_allowed
deny_providers=open*          provider=openai             denied_provider
deny_providers=azure          provider=openai             -
allow_providers=azure,groq    provider=openai             provider_not_allowed
allow_regions=eu-*            region=eu-west-1            -
allow_regions=eu-*            region=us-east-1            region_not_allowed
allow_regions=eu-*            region=                     region_not_allowed
deny_regions=us-*             region=us-east-1            denied_region
deny_regions=us-*             region=                     -
input_bytes_max=999           size=1000                   input_too_large
input_bytes_max=1000          size=1000                   -
input_tokens_max=250          size=1000                   -
input_tokens_max=249          size=1000                   input_too_large
require_tags=feature          said=                       missing_tag
require_tags=feature          size=1                      -
require_tags=release          size=1                      missing_tag
"""


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_what_a_rule_says_of_a_call(line):
    rule, call, expected = line.split()
    field, _, value = rule.partition("=")
    terms = {field: int(value) if value.isdigit() else tuple(value.split(","))}
    name, _, said = call.partition("=")
    given = {name: Attribution() if name == "said" else int(said) if name == "size" else said}
    assert refusal(decider(policy(**terms)), **given) == expected.replace("-", "")


OUTPUT = """
most=100    lower   asked=50     sent=0
most=100    lower   asked=100    sent=0
most=100    lower   asked=101    sent=100
most=100    lower   asked=none   sent=100
most=100    refuse  asked=100    sent=0
most=100    refuse  asked=101    refused
most=100    refuse  asked=none   refused
"""


@pytest.mark.parametrize("line", OUTPUT.strip().splitlines())
def test_max_tokens_above_the_cap_is_lowered_or_refused(line):
    most, excess, asked, expected = line.split()
    rules = decider(policy(output_tokens_max=int(most[5:]), on_output_excess=excess))
    given = None if asked == "asked=none" else int(asked[6:])
    if expected == "refused":
        assert refusal(rules, most=given) == "output_tokens_max"
    else:
        assert judged(rules, most=given).output_tokens_sent == int(expected[5:])


def test_of_two_caps_the_lower_one_holds_and_embeddings_have_none():
    rules = decider(policy("pl_1", output_tokens_max=80), policy("pl_2", output_tokens_max=40, match={"team": "core"}))
    assert judged(rules, most=200).output_tokens_sent == 40
    assert judged(rules, most=200, operation="embeddings").output_tokens_sent == 0


@pytest.mark.parametrize(
    ("dialect", "provider", "body", "sent"),
    [
        ("openai-chat", "openai", b'{ "model":"m","max_tokens" : 9,"x":1}', b'{ "model":"m","max_tokens" : 40,"x":1}'),
        ("openai-chat", "openai", b'{"model":"m"}', b'{"max_completion_tokens":40,"model":"m"}'),
        ("openai-chat", "groq", b'{"model":"m"}', b'{"max_completion_tokens":40,"model":"m"}'),
        ("openai-chat", "groq", b'{"max_completion_tokens":null}', b'{"max_completion_tokens":40}'),
        ("openai-chat", "x", b'{"max_tokens":1,"max_completion_tokens":99}',
         b'{"max_tokens":40,"max_completion_tokens":40}'),
        ("openai-completions", "openai", b'{"model":"m"}', b'{"max_tokens":40,"model":"m"}'),
        ("openai-responses", "openai", b"{}", b'{"max_output_tokens":40}'),
        ("anthropic-messages", "anthropic", b'{"max_tokens":4096,"messages":[{"max_tokens":1}]}',
         b'{"max_tokens":40,"messages":[{"max_tokens":1}]}'),
        ("gemini-generate", "google", b'{"generationConfig":{"topK":1, "maxOutputTokens" : 99}}',
         b'{"generationConfig":{"topK":1, "maxOutputTokens" : 40}}'),
    ],
)  # fmt: skip
def test_lowering_changes_that_one_field_and_no_other_byte(dialect, provider, body, sent):
    case = judged(decider(policy(output_tokens_max=40)), most=900, provider=provider)
    asked, changed = as_decided(Asked("gpt-4o", max_output_tokens=900), body, case, DIALECTS[dialect])
    assert changed == sent
    assert asked.max_output_tokens == 40
    assert notes_of(case, asked) == [(b"x-bursar-max-tokens", b"40")]


def test_a_field_given_twice_cannot_be_changed_so_the_call_is_refused():
    case = judged(decider(policy(output_tokens_max=40)), most=900)
    with pytest.raises(BadRequest, match="max_tokens is given more than once"):
        as_decided(Asked("m"), b'{"max_tokens":900,"max_tokens":901}', case, DIALECTS["anthropic-messages"])


FORCED = """
summary=small          request_type=summary   small
summary=small          request_type=chat      -
*=small                request_type=          small
*=small,summary=mid    request_type=summary   mid
*=gpt-4o               request_type=summary   -
"""


@pytest.mark.parametrize("line", FORCED.strip().splitlines())
def test_a_model_is_forced_by_request_type(line):
    forces, said, expected = line.split()
    terms = dict(pair.split("=") for pair in forces.split(","))
    case = judged(decider(policy(force_models=terms)), said=Attribution(request_type=said.partition("=")[2]))
    assert case.model_forced == expected.replace("-", "")
    if case.model_forced:
        asked, body = as_decided(Asked("gpt-4o"), b'{"model":"gpt-4o","n":1}', case, DIALECTS["openai-chat"])
        assert (asked.model, body) == (expected, b'{"model":"%b","n":1}' % expected.encode())
        assert notes_of(case, Asked()) == [(b"x-bursar-model-forced", expected.encode())]


TIERS = """
                                       | priority | priority
standard                               | priority | standard
standard                               | default  |
standard                               |          |
flex                                   |          | flex
flex                                   | flex     |
standard, flex for feature=checkout    | priority | flex
flex, standard for feature=checkout    | fast     | standard
flex, standard for feature=elsewhere   |          | flex
"""


@pytest.mark.parametrize("line", TIERS.strip("\n").splitlines())
def test_the_policy_closest_to_the_call_says_the_tier(line: str):
    said, asked_tier, sent = (part.strip() for part in line.split("|"))
    policies = []
    for number, one in enumerate(part for part in said.split(", ") if part):
        tier, _, feature = one.partition(" for feature=")
        policies.append(policy(f"pl_{number}", service_tier=tier, match={"feature": feature} if feature else {}))
    policies.append(policy("pl_other", output_tokens_max=10_000))
    body = json.dumps({"model": "gpt-5"} | ({"service_tier": asked_tier} if asked_tier else {})).encode()
    dialect = DIALECTS["openai-chat"]
    asked = dialect.read_request(body)
    case = decider(*policies).judge(CREDENTIAL, SAID, asked, "chat", len(body), 0)
    assert case is not None
    assert case.tier_sent == ("" if sent == "priority" else sent)
    there, decided = as_decided(asked, body, case, dialect)
    notes = dict(notes_of(case, there))
    if sent in ("", "priority"):
        assert json.loads(decided).get("service_tier", "") == asked_tier
        assert b"x-bursar-service-tier" not in notes
    else:
        assert json.loads(decided)["service_tier"] == ("flex" if sent == "flex" else "default")
        assert notes[b"x-bursar-service-tier"] == sent.encode()
        assert there.tier == ("flex" if sent == "flex" else "")


def test_a_tier_that_cannot_be_changed_refuses_the_call_and_one_that_a_dialect_lacks_leaves_it():
    body = b'{"model":"m","prompt":"x","service_tier":"priority"}'
    dialect = DIALECTS["openai-completions"]
    asked = msgspec.structs.replace(Asked("m"), tier="priority")
    case = decider(policy(service_tier="standard")).judge(CREDENTIAL, SAID, asked, "chat", len(body), 0)
    assert case is not None
    with pytest.raises(BadRequest) as caught:
        as_decided(asked, body, case, dialect)
    assert caught.value.field == "service_tier"
    claude = DIALECTS["anthropic-messages"]
    whole = b'{"model":"m","max_tokens":5,"messages":[]}'
    asked = claude.read_request(whole)
    case = decider(policy(service_tier="flex")).judge(CREDENTIAL, SAID, asked, "chat", len(whole), 0)
    assert case is not None
    there, sent = as_decided(asked, whole, case, claude)
    assert (there, sent) == (asked, whole)
    assert notes_of(case, there) == []
    assert decider(policy(service_tier="flex")).judge(CREDENTIAL, SAID, asked, "embeddings", 9, 0).tier_sent == ""


def test_a_large_input_is_refused_or_only_told_of():
    assert refusal(decider(policy(input_tokens_max=100)), size=401) == "input_too_large"
    warning = decider(policy(input_tokens_max=100, on_input_excess="warn"))
    assert judged(warning, size=400).warnings == ()
    case = judged(warning, size=401)
    assert case.warnings == ("name of pl_1: input of 401 bytes is above 400",)
    assert warning.reconsider(case, "gpt-4.1", "openai", "", 0).warnings == case.warnings


def test_a_forced_model_that_stands_in_the_path_leaves_the_body_as_it_came():
    case = judged(decider(policy(force_models={"*": "small"})))
    body = b'{"contents":[]}'
    asked, sent = as_decided(Asked("gemini", model_in_path=True), body, case, DIALECTS["gemini-generate"])
    assert (asked.model, sent) == ("small", body)
    with pytest.raises(BadRequest, match="embeddings"):
        as_decided(Asked("e", max_output_tokens=0, model_in_path=True), body, case, DIALECTS["gemini-embed"])


def test_the_policy_closest_to_the_call_forces_and_the_forced_model_is_the_one_that_must_be_allowed():
    wide, close = policy("pl_1", force_models={"*": "wide"}), policy("pl_2", force_models={"*": "close"},
                                                                     match={"team": "core"})  # fmt: skip
    assert judged(decider(wide, close)).model == "close"
    assert refusal(decider(wide, policy("pl_3", deny_models=("wide",)))) == "denied_model"
    assert refusal(decider(wide, policy("pl_3", deny_models=("gpt-4o",)))) == ""
    assert judged(decider(wide), operation="embeddings").model_forced == ""


def test_missing_tags_are_put_in_or_warned_of_and_what_was_said_stays():
    rules = decider(policy(require_tags=("feature", "plan"), on_missing="default",
                           tag_defaults={"feature": "unknown", "plan": "free"}))  # fmt: skip
    assert judged(rules, said=Attribution()).attribution == Attribution(feature="unknown", tags={"plan": "free"})
    assert judged(rules).attribution is SAID
    warned = judged(decider(policy(require_tags=("plan", "release"), on_missing="warn")))
    assert notes_of(warned, Asked()) == [(b"x-bursar-policy-warning", b"missing_tag=release")]


def test_a_default_is_what_kills_and_the_other_policies_see():
    default = policy(require_tags=("feature",), on_missing="default", tag_defaults={"feature": "unknown"})
    denied = policy("pl_2", match={"feature": "unknown"}, deny_models=("*",))
    assert refusal(decider(default, denied), said=Attribution()) == "denied_model"


def test_a_tag_has_only_the_values_on_its_list():
    rules = decider(policy(tag_values={"plan": ("pro", "team")}))
    assert refusal(rules) == "tag_value"
    assert refusal(rules, said=Attribution(tags={"plan": "pro"})) == ""
    assert refusal(rules, said=Attribution()) == ""
    warned = judged(decider(policy(tag_values={"environment": ("dev",)}, on_tag_value="warn")))
    assert warned.warnings == ("tag_value=environment",)


def test_a_tag_has_at_most_so_many_values_a_day_and_those_it_had_stay_good():
    rules = decider(policy(tag_values_max={"customer": 2}))

    def of(customer: str, day: int = 0) -> str:
        return refusal(rules, said=Attribution(customer=customer), now_us=day * DAY_US)

    assert [of("a"), of("b"), of("c"), of("a"), of(""), of("c")] == [
        "",
        "",
        "tag_cardinality",
        "",
        "",
        "tag_cardinality",
    ]
    rules.use(Snapshot(0, policies=[policy(tag_values_max={"customer": 2})]))
    assert of("c") == "tag_cardinality", "a new snapshot must not forget what was counted"
    assert of("c", day=1) == ""


def kill(**match: str) -> Kill:
    return Kill(
        "ks_1", "agent=crawler", KillTerms(match=match, reason="runaway loop"), 1_795_000_000_000_000, "cli:ada"
    )


@pytest.mark.parametrize("match", [{}, *({name: value} for name, value in MATCHES.items())])
def test_a_kill_says_who_when_why_and_how_to_lift_it(match):
    with pytest.raises(Killed) as refused:
        judged(decider(kills=[kill(**match)]))
    error = refused.value
    assert (error.code, error.status, error.retry) == ("killed", 403, False)
    for word in ("agent=crawler", "cli:ada", "2026-11-18 11:06:40 UTC", "runaway loop", "bursar kill lift ks_1"):
        assert word in error.message
    if match:
        judged(decider(kills=[kill(**match | {"customer": "another"})]))


@pytest.mark.parametrize("match", [{"agent": "crawler"}, {"model": "gpt-4o"}])
def test_a_kill_lapses_at_its_instant_and_says_when_without_any_news_from_anybody(match):
    ends = datetime(2026, 11, 26, 18, tzinfo=UTC)
    ends_us = us_from_datetime(ends)
    stopped = decider(kills=[Kill("ks_1", "agent=crawler", KillTerms(match=match, reason="x", until=ends), 1, "ada")])
    with pytest.raises(Killed) as caught:
        judged(stopped, now_us=ends_us - 1)
    assert "until 2026-11-26 18:00:00 UTC" in caught.value.message
    judged(stopped, now_us=ends_us)


def test_a_lapsed_kill_hides_no_other_one():
    terms = KillTerms(match={"agent": "crawler"}, reason="x", until=datetime(2026, 1, 1, tzinfo=UTC))
    past = Kill("ks_1", "agent=crawler", terms, 1, "ada")
    with pytest.raises(Killed, match="ks_2"):
        judged(
            decider(kills=[past, msgspec.structs.replace(kill(agent="crawler"), kill_id="ks_2")]),
            now_us=1_795_000_000_000_000,
        )


def test_a_kill_comes_before_what_policies_say():
    with pytest.raises(Killed):
        judged(decider(policy(deny_models=("*",)), kills=[kill(agent="crawler")]))


def test_a_killed_model_stays_dead_when_it_would_be_forced():
    forced = policy(force_models={"*": "gpt-4o-mini"})
    with pytest.raises(Killed):
        judged(decider(forced, kills=[kill(model="gpt-4o-mini")]))
    assert judged(decider(forced, kills=[kill(model="gpt-4o")])).model == "gpt-4o-mini"


def test_nothing_configured_judges_nothing():
    idle = Decider()
    assert not idle.is_active
    assert idle.judge(CREDENTIAL, SAID, Asked("m"), "chat", 1, 0) is None
    idle.use(Snapshot(0, policies=[Policy("pl_1", "off", PolicyTerms(deny_models=("*",)), False, 1, "ada")]))
    assert not idle.is_active


def test_a_refusal_is_no_reason_to_try_again():
    with pytest.raises(PolicyRule) as refused:
        judged(decider(policy(deny_models=("*",))))
    assert (refused.value.code, refused.value.status, refused.value.retry) == ("policy_rule", 403, False)


def test_a_refusal_is_in_the_shape_that_clients_of_other_gateways_know():
    error: BursarError
    with pytest.raises(PolicyRule) as refused:
        judged(decider(policy(deny_models=("gpt-*",))))
    error = refused.value
    told = msgspec.json.decode(openai_error(error))["error"]
    assert told["type"] == "policy_rule"
    assert (told["rule"], told["denied_value"], told["code"]) == ("denied_model", "gpt-4o", "policy_rule")
    assert "name of pl_1" in told["message"]
    told = msgspec.json.decode(anthropic_error(error, "id"))["error"]
    assert (told["type"], told["code"], told["rule"]) == ("permission_error", "policy_rule", "denied_model")
