"""The real `openai` and `anthropic` clients, pointed at the gateway by base URL alone."""

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
from tests.world import World, gateway_world

from bursar.domain.money import usd_from_pico
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
FLAT_TOOLS = [{"type": "function", **TOOLS[0]["function"]}]  # type: ignore[dict-item]
ANTHROPIC_TOOLS = [
    {"name": "weather", "description": "Weather of a city", "input_schema": TOOLS[0]["function"]["parameters"]}  # type: ignore[index]
]
QUESTION = [{"role": "user", "content": "What is the weather in Pune?"}]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("clients") / "data") as world:
        yield world


@pytest.fixture(scope="module")
def virtual_key(world: World) -> str:
    keys = world.site.keys()
    made = keys.create("clients", Scope("default", "core", "apollo"), Attribution(team="core"), actor="test")
    world.site.publish(keys)
    world.until_known()
    return made.text


@pytest.fixture(params=["passthrough", "virtual"])
def key(request: pytest.FixtureRequest, virtual_key: str) -> str:
    return virtual_key if request.param == "virtual" else "sk-the-clients-own"


@pytest.fixture
def openai_client(world: World, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(world: World, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=world.url, api_key=key, max_retries=0) as client:
        yield client


def charge_of(world: World, session: str) -> dict[str, Any]:
    """The one charge of a session, and that it is what the provider billed for it."""
    world.settle_down()
    world.load()
    rows = world.rows("SELECT * FROM charges WHERE session = $session", session=session)
    assert len(rows) == 1, world.logs()
    billed = [entry for entry in world.sim_log() if entry.answer_id and entry.answer_id == rows[0]["upstream_id"]]
    if billed:
        assert rows[0]["list_cost"] == usd_from_pico(billed[0].cost_pico or 0)
        assert rows[0]["quality"] == "reported"
    assert (rows[0]["credential_kind"] == "virtual") == rows[0]["credential_id"].startswith("vk_")
    return rows[0]


def tagged(session: str) -> dict[str, str]:
    return {"X-Bursar-Tags": f"feature=chat,customer=acme,session={session}"}


@pytest.mark.parametrize("tools", [False, True])
def test_chat(world: World, openai_client: openai.OpenAI, key: str, tools: bool) -> None:
    session = f"chat-{key[:9]}-{tools}"
    with_tools: dict[str, Any] = {"tools": TOOLS} if tools else {}
    raw = openai_client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=QUESTION, extra_headers=tagged(session), **with_tools
    )
    answer = raw.parse()
    assert answer.choices[0].message is not None
    assert answer.usage is not None
    charge = charge_of(world, session)
    assert charge["output_tokens"] == answer.usage.completion_tokens
    assert Decimal(raw.headers["x-bursar-cost"]) == charge["list_cost"]
    assert raw.headers["x-bursar-cost-quality"] == "reported"
    assert (charge["feature"], charge["customer"]) == ("chat", "acme")


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize("asks_usage", [False, True])
def test_chat_streamed(world: World, openai_client: openai.OpenAI, key: str, asks_usage: bool, tools: bool) -> None:
    session = f"chat-stream-{key[:9]}-{asks_usage}-{tools}"
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if asks_usage else {}
    if tools:
        more["tools"] = TOOLS
    chunks = list(
        openai_client.chat.completions.create(
            model="gpt-4o-mini", messages=QUESTION, stream=True, extra_headers=tagged(session), **more
        )
    )
    with_usage = [chunk for chunk in chunks if chunk.usage is not None]
    assert len(with_usage) == int(asks_usage), "the usage chunk goes to those who asked for it, and to nobody else"
    assert all(chunk.choices for chunk in chunks) != asks_usage
    charge = charge_of(world, session)
    assert charge["quality"] == "reported"
    assert charge["is_stream"]


@pytest.mark.parametrize("stream", [False, True])
def test_responses(world: World, openai_client: openai.OpenAI, key: str, stream: bool) -> None:
    session = f"responses-{key[:9]}-{stream}"
    common: dict[str, Any] = {"model": "gpt-4.1-mini", "input": "What is the weather in Pune?", "tools": FLAT_TOOLS}
    if stream:
        events = list(openai_client.responses.create(**common, stream=True, extra_headers=tagged(session)))
        assert events[-1].type == "response.completed"
        usage = events[-1].response.usage
    else:
        usage = openai_client.responses.create(**common, extra_headers=tagged(session)).usage
    assert charge_of(world, session)["output_tokens"] == usage.output_tokens


def test_embeddings(world: World, openai_client: openai.OpenAI, key: str) -> None:
    session = f"embeddings-{key[:9]}"
    answer = openai_client.embeddings.create(
        model="text-embedding-3-small", input=["tea", "coffee"], extra_headers=tagged(session)
    )
    assert len(answer.data) == 2
    assert charge_of(world, session)["input_tokens"] == answer.usage.prompt_tokens


@pytest.mark.parametrize("tools", [False, True])
def test_messages(world: World, anthropic_client: anthropic.Anthropic, key: str, tools: bool) -> None:
    session = f"messages-{key[:9]}-{tools}"
    more: dict[str, Any] = {"tools": ANTHROPIC_TOOLS} if tools else {}
    answer = anthropic_client.messages.create(
        model="claude-haiku-4-5", max_tokens=300, messages=QUESTION, extra_headers=tagged(session), **more
    )
    assert charge_of(world, session)["output_tokens"] == answer.usage.output_tokens


def test_messages_streamed(world: World, anthropic_client: anthropic.Anthropic, key: str) -> None:
    session = f"messages-stream-{key[:9]}"
    with anthropic_client.messages.stream(
        model="claude-haiku-4-5",
        max_tokens=300,
        messages=QUESTION,
        tools=ANTHROPIC_TOOLS,
        extra_headers=tagged(session),
    ) as stream:
        final = stream.get_final_message()
    charge = charge_of(world, session)
    assert charge["output_tokens"] == final.usage.output_tokens
    assert charge["input_tokens"] == final.usage.input_tokens


def test_count_tokens_is_free_and_recorded(world: World, anthropic_client: anthropic.Anthropic, key: str) -> None:
    session = f"count-{key[:9]}"
    counted = anthropic_client.messages.count_tokens(
        model="claude-haiku-4-5", messages=QUESTION, extra_headers=tagged(session)
    )
    assert counted.input_tokens > 0
    charge = charge_of(world, session)
    assert (charge["list_cost"], charge["quality"]) == (0, "reported")


def test_both_clients_raise_their_own_error_for_a_refusal(world: World) -> None:
    unknown = "sk-bursar-" + "x" * 43
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key=unknown, max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        assert "is not known here" in str(refused.value)
    with anthropic.Anthropic(base_url=world.url, api_key=unknown, max_retries=0) as other:
        with pytest.raises(anthropic.AuthenticationError) as refused_too:
            other.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=QUESTION)
        assert "is not known here" in str(refused_too.value)


def test_the_provider_sees_the_right_key_and_the_clients_own_bytes(world: World, virtual_key: str) -> None:
    def seen_with(client_key: str) -> str:
        before = len(world.sim_log())
        with openai.OpenAI(base_url=f"{world.url}/v1", api_key=client_key, max_retries=0) as client:
            client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        return world.sim_log()[before].key_sha256

    assert seen_with("sk-own") == hashlib.sha256(b"sk-own").hexdigest()[:16]
    assert seen_with(virtual_key) == hashlib.sha256(b"sk-operator-openai-canary").hexdigest()[:16]


def test_models_are_listed_for_both_clients(world: World) -> None:
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key="sk-own", max_retries=0) as client:
        assert "gpt-4o-mini" in [model.id for model in client.models.list()]
    with anthropic.Anthropic(base_url=world.url, api_key="sk-own", max_retries=0) as other:
        assert "claude-haiku-4-5" in [model.id for model in other.models.list()]
