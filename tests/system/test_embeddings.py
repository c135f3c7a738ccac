"""OpenAI's own client asks for embeddings of Gemini's, Titan's and Cohere's models, through a real worker."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.world import World, gateway_world

from bursar.domain.money import usd_from_pico
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.simulate.vectors import vector_of

pytestmark = pytest.mark.slow

GEMINI, TITAN, COHERE = (
    "gemini/gemini-embedding-001",
    "bedrock/amazon.titan-embed-text-v2:0",
    "bedrock/cohere.embed-english-v3",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("embeddings") / "data") as world:
        yield world


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[openai.OpenAI]:
    keys = world.site.keys()
    made = keys.create("search", Scope("default"), Attribution(team="core"), actor="test")
    world.site.publish(keys)
    world.until_known()
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key=made.text, max_retries=0) as client:
        yield client


def told(label: str, **control: Any) -> dict[str, str]:
    return {"x-sim": json.dumps({"label": label, **control}), "x-bursar-tags": f"session={label}"}


def charges_of(world: World, session: str) -> list[dict[str, Any]]:
    world.settle_down()
    world.load()
    return world.rows("SELECT * FROM charges WHERE session = $session", session=session)


@pytest.mark.parametrize(
    ("model", "texts", "dialect", "dropped"),
    [
        (GEMINI, ["tea", "milk", "a cup"], "gemini-embed", None),
        (TITAN, ["tea"], "bedrock-embed", None),
        (COHERE, ["tea", "milk"], "bedrock-embed", "input_type"),
    ],
)
def test_vectors_come_in_order_and_their_tokens_stand_in_the_ledger(
    world: World, client: openai.OpenAI, model: str, texts: list[str], dialect: str, dropped: str | None
) -> None:
    upstream, _, name = model.partition("/")
    raw = client.embeddings.with_raw_response.create(
        model=model, input=texts, encoding_format="float", extra_headers=told(name, input=41)
    )
    answer = raw.parse()
    assert [one.embedding for one in answer.data] == [vector_of(text) for text in texts]
    assert (answer.usage.prompt_tokens, answer.model) == (41, name)
    assert raw.headers["x-bursar-translated"].startswith("openai-embeddings>")
    assert raw.headers.get("x-bursar-dropped") == dropped
    (charge,) = charges_of(world, name)
    (seen,) = world.sim_log(name)
    assert (seen.dialect, seen.status) == (dialect, 200)
    assert (charge["operation"], charge["dialect"], charge["upstream"]) == ("embeddings", "openai-embeddings", upstream)
    assert (charge["input_tokens"], charge["output_tokens"], charge["model_sent"]) == (41, 0, name)
    if model == COHERE:  # no price list has it at Bedrock: counted, and plainly unpriced
        assert (charge["quality"], charge["list_cost"]) == ("unpriced", None)
        assert "x-bursar-cost" not in raw.headers
    else:
        assert charge["quality"] == "reported"
        assert charge["list_cost"] == usd_from_pico(seen.cost_pico or 0) > 0


def test_the_clients_own_base64_and_a_length_of_vectors(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model=GEMINI, input="tea", dimensions=70, extra_headers=told("packed"))
    assert answer.data[0].embedding == pytest.approx(vector_of("tea", 70), abs=1e-6)


def test_usage_that_nobody_reported_is_estimated_and_not_told(world: World, client: openai.OpenAI) -> None:
    headers = told("silent", fault="no_usage")
    raw = client.embeddings.with_raw_response.create(model=GEMINI, input=["tea"], extra_headers=headers)
    assert "usage" not in raw.http_response.json()
    (charge,) = charges_of(world, "silent")
    assert charge["quality"] == "estimated"
    assert charge["list_cost"] > 0


def test_what_cannot_be_asked_is_refused_before_anything_is_sent(world: World, client: openai.OpenAI) -> None:
    headers = told("refused")
    for model, more, field in (
        (TITAN, {"input": ["a", "b"]}, "input"),
        (GEMINI, {"input": [1, 2]}, "input"),
        (COHERE, {"input": ["a"], "dimensions": 64}, "dimensions"),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            client.embeddings.create(model=model, extra_headers=headers, **more)  # type: ignore[arg-type]
        assert refused.value.param == field
    with pytest.raises(openai.BadRequestError) as strict:
        client.embeddings.create(model=COHERE, input="a", extra_headers=headers | {"x-bursar-strict": "true"})
    assert (strict.value.code, strict.value.param) == ("not_translatable", "input_type")
    with pytest.raises(openai.NotFoundError) as nowhere:
        client.embeddings.create(model="anthropic/claude-haiku-4-5", input="a", extra_headers=headers)
    assert nowhere.value.code == "no_upstream"
    assert world.sim_log("refused") == []


@pytest.mark.parametrize(("model", "status"), [(GEMINI, 429), (TITAN, 429), (COHERE, 429), (GEMINI, 400)])
def test_a_providers_refusal_comes_in_openais_words(client: openai.OpenAI, model: str, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.embeddings.create(model=model, input="a", extra_headers=told(f"no-{status}", fault=str(status)))
    assert refused.value.status_code == status
    assert refused.value.body["message"]  # type: ignore[index]
