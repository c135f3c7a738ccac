"""OpenAI's own client asks an Anthropic model: the simulator speaks Anthropic's wire, the gateway translates."""

import asyncio
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
from tests import world as worlds
from tests.wire_client import exchange, request_bytes
from tests.world import World, gateway_world

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.money import pico_from_usd, usd_from_pico
from bursar.domain.routes import RECEIPTS, RouteRule, Target
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution

CLAUDE = "anthropic/claude-haiku-4-5"
QUESTION: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Pune?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
EACH: Any = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    plain = worlds.make_config

    def with_names(*arguments: Any, **settings: Any) -> Any:
        config = plain(*arguments, **settings)
        config.aliases = {"smart": CLAUDE}
        targets = (Target("anthropic", "claude-haiku-4-5"), Target("openai", "gpt-4o-mini"))
        there = RouteRule(name="there", match={"feature": "there"}, targets=targets)
        back = RouteRule(name="back", match={"feature": "back"}, targets=targets[::-1])
        config.routes = [there, back]
        return config

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "make_config", with_names)
        with gateway_world(tmp_path_factory.mktemp("door") / "data") as world:
            yield world


@pytest.fixture(scope="module")
def key(world: World) -> str:
    keys = world.site.keys()
    made = keys.create("door", Scope("default"), Attribution(team="core"), actor="test")
    world.site.publish(keys)
    world.until_known()
    return made.text


@pytest.fixture
def client(world: World, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key=key, max_retries=0) as client:
        yield client


def told(label: str, **control: Any) -> dict[str, str]:
    return {"x-sim": json.dumps({"label": label, **control}), "x-bursar-tags": f"session={label}"}


def charge_of(world: World, session: str) -> dict[str, Any]:
    """The one charge of a session, and that it is what the provider billed for it."""
    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM charges WHERE session = $session", session=session)
    assert len(rows) == 1, rows
    (seen,) = world.sim_log(session)
    assert rows[0]["list_cost"] == usd_from_pico(seen.cost_pico or 0), rows[0]
    assert rows[0]["output_tokens"] == (seen.usage.output if seen.usage else 0)
    assert seen.dialect == "anthropic-messages"
    return rows[0]


@EACH
def test_a_question_is_translated_answered_and_billed_to_the_last_token(
    world: World, client: openai.OpenAI, stream: bool
) -> None:
    session = f"door-{stream}"
    asked: dict[str, Any] = {"model": "smart" if stream else CLAUDE, "messages": QUESTION, "max_tokens": 50}
    headers = told(session, output=20, text="Warm, and dry.")
    if stream:
        raw = client.chat.completions.with_raw_response.create(
            **asked, stream=True, stream_options={"include_usage": True}, extra_headers=headers
        )
        chunks = list(raw.parse())
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Warm, and dry."
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        usage = chunks[-1].usage
        served = chunks[0].model
    else:
        raw = client.chat.completions.with_raw_response.create(**asked, logit_bias={"1": 1}, extra_headers=headers)
        answer = raw.parse()
        assert answer.choices[0].message.content == "Warm, and dry."
        assert answer.choices[0].finish_reason == "stop"
        assert answer.created > 1_700_000_000
        assert raw.headers["x-bursar-dropped"] == "logit_bias"
        usage, served = answer.usage, answer.model
    assert raw.headers["x-bursar-translated"] == "openai-chat>anthropic-messages"
    assert "anthropic" not in " ".join(raw.headers)
    charge = charge_of(world, session)
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (charge["input_tokens"], charge["output_tokens"])
    assert served == charge["model_served"]
    assert (charge["dialect"], charge["upstream"], charge["outcome"]) == ("openai-chat", "anthropic", "ok")
    assert (charge["model_asked"], charge["model_sent"]) == (asked["model"], "claude-haiku-4-5")
    assert charge["quality"] == "reported"
    (seen,) = world.sim_log(session)
    assert "anthropic-version" in seen.header_names
    assert "authorization" not in seen.header_names


@EACH
def test_tools_are_called_and_their_results_taken(client: openai.OpenAI, world: World, stream: bool) -> None:
    headers = told(f"tools-{stream}")
    asked: dict[str, Any] = {"model": CLAUDE, "tools": TOOLS, "tool_choice": "required", "extra_headers": headers}
    if stream:
        with client.chat.completions.stream(messages=QUESTION, **asked) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=QUESTION, **asked).choices[0].message
    assert message.tool_calls
    (call,) = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "weather"
    assert isinstance(json.loads(call.function.arguments), dict)
    charge_of(world, f"tools-{stream}")
    result = {"role": "tool", "tool_call_id": call.id, "content": "31 °C"}
    said = [*QUESTION, message.to_dict(), result]
    then = client.chat.completions.create(
        model=CLAUDE, messages=said, tools=TOOLS, extra_headers=told(f"then-{stream}", text="It is 31 °C.")
    )
    assert then.choices[0].message.content == "It is 31 °C."


def test_a_failure_keeps_its_status_and_its_words_in_the_callers_envelope(client: openai.OpenAI, world: World) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(
            model=CLAUDE, messages=QUESTION, extra_headers=told("limited", fault="429", retry_after=7)
        )
    assert limited.value.response.headers["retry-after"] == "7"
    assert "Rate limit reached" in limited.value.message
    assert limited.value.type == "rate_limit_error"
    with pytest.raises(openai.APIStatusError) as broken:
        client.chat.completions.create(model=CLAUDE, messages=QUESTION, extra_headers=told("garbled", fault="garbage"))
    assert broken.value.status_code == 502
    assert charge_of_all(world, "limited") == [("client_error", Decimal(0))]


def charge_of_all(world: World, session: str) -> list[tuple[str, Decimal | None]]:
    world.settle_down()
    world.load()
    rows = world.rows("SELECT outcome, list_cost FROM charges WHERE session = $session", session=session)
    return [(row["outcome"], row["list_cost"]) for row in rows]


@pytest.mark.parametrize("fault", ["cut", "error_event"])
def test_a_stream_that_breaks_says_so_in_the_callers_words(client: openai.OpenAI, world: World, fault: str) -> None:
    with pytest.raises(openai.APIError) as broken:
        list(
            client.chat.completions.create(
                model=CLAUDE,
                messages=QUESTION,
                stream=True,
                extra_headers=told(f"broken-{fault}", fault=fault, after=4),
            )
        )
    assert ("Overloaded" if fault == "error_event" else "closed the connection") in broken.value.message
    ((outcome, cost),) = charge_of_all(world, f"broken-{fault}")
    assert outcome == "provider_error"
    assert cost is not None
    assert cost > 0


def test_a_caller_who_wants_all_of_it_is_refused_and_a_foreign_key_goes_nowhere(
    client: openai.OpenAI, world: World
) -> None:
    headers = {**told("strict"), "x-bursar-strict": "true"}
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=CLAUDE, messages=QUESTION, seed=1, extra_headers=headers)
    assert refused.value.code == "not_translatable"
    assert refused.value.param == "seed"
    assert client.chat.completions.create(model=CLAUDE, messages=QUESTION, extra_headers=headers).choices
    foreign = openai.OpenAI(base_url=f"{world.url}/v1", api_key="sk-own", max_retries=0)
    with foreign, pytest.raises(openai.PermissionDeniedError):
        foreign.chat.completions.create(model=CLAUDE, messages=QUESTION, extra_headers=told("foreign"))
    assert world.sim_log("foreign") == []


def test_the_other_way_round_and_openais_other_dialect(world: World, key: str, client: openai.OpenAI) -> None:
    with anthropic.Anthropic(base_url=world.url, api_key=key, max_retries=0) as claude:
        said = claude.messages.create(
            model="openai/gpt-4o-mini",
            max_tokens=30,
            messages=[{"role": "user", "content": "tea?"}],
            extra_headers=told("back", text="Yes."),
        )
        assert [block.text for block in said.content if block.type == "text"] == ["Yes."]
        with claude.messages.stream(
            model="openai/gpt-4o-mini",
            max_tokens=30,
            messages=[{"role": "user", "content": "tea?"}],
            extra_headers=told("back-stream", text="Yes, please."),
        ) as stream:
            final = stream.get_final_message()
    assert [block.text for block in final.content if block.type == "text"] == ["Yes, please."]
    (seen,) = world.sim_log("back-stream")
    assert seen.usage is not None
    assert final.usage.output_tokens == seen.usage.output
    ((_, cost),) = charge_of_all(world, "back-stream")
    assert cost == usd_from_pico(seen.cost_pico or 0)
    answer = client.responses.create(model=CLAUDE, input="tea?", extra_headers=told("responses", text="Yes."))
    assert answer.output_text == "Yes."


def test_geminis_dialect_is_translated_from_and_to(world: World, key: str, client: openai.OpenAI) -> None:
    gemini = "gemini/gemini-2.5-flash"
    answer = client.chat.completions.create(
        model=gemini, messages=QUESTION, max_tokens=100, extra_headers=told("to-gemini", text="Yes.")
    )
    assert answer.choices[0].message.content == "Yes."
    chunks = client.chat.completions.create(
        model=gemini,
        messages=QUESTION,
        tools=TOOLS,
        tool_choice="required",
        stream=True,
        extra_headers=told("to-gemini-stream"),
    )
    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    assert [call.function.name for call in calls if call.function and call.function.name] == ["weather"]
    body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "tea?"}]}]}).encode()
    headers = {**told("from-gemini", text="Yes."), "x-goog-api-key": key, "content-type": "application/json"}
    for action in ("generateContent", "streamGenerateContent?alt=sse"):
        sent = request_bytes(f"/v1beta/models/smart:{action}", body, headers)
        reply = asyncio.run(exchange(world.port, sent))
        assert reply.status == 200, reply.body
        said = re.findall(rb'"text": ?"([^"]*)"', reply.body)
        assert b"".join(said) == b"Yes."
        assert reply.headers["x-bursar-translated"] == "gemini-generate>anthropic-messages"
    for session in ("to-gemini", "to-gemini-stream", "from-gemini"):
        charged = sum(cost or 0 for _, cost in charge_of_all(world, session))
        assert charged == sum(usd_from_pico(seen.cost_pico or 0) for seen in world.sim_log(session))


def test_a_key_sees_what_it_may_use_and_what_that_costs(world: World, key: str, client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {"smart", CLAUDE, "openai/gpt-4o-mini", "gemini/gemini-2.5-flash"} <= set(listed)
    assert listed["openai/gpt-4o-mini"].to_dict()["description"].startswith("$0.15 in, $0.075 cached, $0.6 out per mi")
    with anthropic.Anthropic(base_url=world.url, api_key=key, max_retries=0) as claude:
        assert CLAUDE in [model.id for model in claude.models.list(limit=1000)]
    sent = request_bytes("/v1beta/models", b"", {"x-goog-api-key": key}).replace(b"POST", b"GET", 1)
    names = [model["name"] for model in json.loads(asyncio.run(exchange(world.port, sent)).body)["models"]]
    assert "models/gemini-2.5-flash" in names
    assert not any("claude" in name for name in names)


def test_a_way_that_can_not_say_the_request_is_left_out_and_the_receipt_says_so(world, client):
    """Anthropic is first: it can't have that tool's name, nor all of the request where the caller is strict."""
    odd: list[Any] = [{"type": "function", "function": {"name": "weather.now", "parameters": PARAMETERS}}]
    cases: list[tuple[str, dict[str, Any], dict[str, str], str]] = [
        ("odd-tool", {"tools": odd}, {}, "bad_request"),
        ("all-or-elsewhere", {"seed": 7}, {"x-bursar-strict": "true"}, "not_translatable"),
    ]
    for session, more, headers, why in cases:
        answer = client.chat.completions.create(
            model="gpt-4o-mini", messages=QUESTION, **more,
            extra_headers={**told(session), "x-bursar-tags": f"feature=there,session={session}", **headers},
        )  # fmt: skip
        assert answer.choices[0].finish_reason
        world.settle_down()
        world.load()
        (charge,) = world.rows("SELECT * FROM charges WHERE session = $session", session=session)
        receipt = RECEIPTS.decode(charge["routing"])
        assert (charge["upstream"], charge["model_sent"], charge["outcome"]) == ("openai", "gpt-4o-mini", "ok")
        assert [(one.upstream, one.why) for one in receipt.candidates] == [("openai", ""), ("anthropic", why)]


@pytest.mark.parametrize("feature", ["there", "back"])
def test_a_route_falls_over_to_a_provider_of_another_dialect(client: openai.OpenAI, world: World, feature: str) -> None:
    """The first answer is a failure: the second attempt says the same in the other dialect, there and back."""
    headers = told(f"route-{feature}", fault="529", times=1, text="Here.")
    headers["x-bursar-tags"] += f",feature={feature}"
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=QUESTION, extra_headers=headers
    )
    assert raw.parse().choices[0].message.content == "Here."
    assert raw.headers.get("x-bursar-translated") == ("openai-chat>anthropic-messages" if feature == "back" else None)
    assert ("x-bursar-max-tokens" in raw.headers) == (feature == "back")
    seen = [entry.dialect for entry in world.sim_log(f"route-{feature}")]
    assert seen == ["anthropic-messages", "openai-chat"][:: 1 if feature == "there" else -1]
    assert sorted(outcome for outcome, _ in charge_of_all(world, f"route-{feature}")) == ["ok", "provider_error"]


def test_a_budget_bounds_what_is_really_sent(client: openai.OpenAI, world: World) -> None:
    budgets = world.site.budgets()
    budgets.create(
        Budget(
            budget_id="",
            name="poor",
            match={"feature": "poor"},
            limit=LimitPlan(pico_from_usd(Decimal("0.001"))),
            window=Schedule(parse_spec("lifetime")),
            contact="finance@acme.test",
        ),
        actor="test",
    )
    world.site.publish_budgets(budgets)
    world.until_known()
    headers = told("poor")
    headers["x-bursar-tags"] += ",feature=poor"
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model=CLAUDE, messages=QUESTION, extra_headers=headers)
    assert (refused.value.status_code, refused.value.code) == (402, "budget_exhausted")
    raw = client.chat.completions.with_raw_response.create(
        model=CLAUDE, messages=QUESTION, max_tokens=50, extra_headers=headers
    )
    assert raw.parse().choices
    assert "x-bursar-max-tokens" not in raw.headers
    assert len(world.sim_log("poor")) == 1


def test_what_the_first_way_leaves_out_is_held_for_the_second_which_can_say_it(world: World, key: str) -> None:
    budgets = world.site.budgets()
    limit = LimitPlan(pico_from_usd(Decimal("0.05")))
    budgets.create(
        Budget(
            budget_id="",
            name="no searches",
            match={"customer": "lost"},
            limit=limit,
            window=Schedule(parse_spec("lifetime")),
            contact="finance@acme.test",
        ),
        actor="test",
    )
    world.site.publish_budgets(budgets)
    world.until_known()
    body: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "max_tokens": 20,
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "messages": [{"role": "user", "content": "news?"}],
    }
    headers = {"content-type": "application/json", "x-api-key": key}
    headers |= {"x-sim": json.dumps({"label": "lost", "fault": "529", "times": 1, "searches": 10})}
    headers |= {"x-bursar-tags": "feature=back,customer=lost"}
    answer = asyncio.run(exchange(world.port, request_bytes("/v1/messages", json.dumps(body).encode(), headers)))
    assert answer.status == 402, "ten searches at a cent each may come, from the second way"


def test_a_compaction_is_no_question_for_another_provider(world: World, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.post("/responses/compact", body={"model": CLAUDE, "input": "hi"}, cast_to=object)
    assert refused.value.code == "no_upstream"
    assert client.post("/responses/compact", body={"model": "gpt-4o-mini", "input": "hi"}, cast_to=object)
