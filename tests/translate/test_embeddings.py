"""Embeddings for another provider: nothing is exchanged, nothing is lost unseen, and what can't be said is refused."""

import base64
import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.errors import BadRequest, InvalidJson
from bursar.domain.usage import Usage
from bursar.gateway.embedding import embedding_of, told_vectors
from bursar.providers.openai_embeddings import EMBEDDINGS
from bursar.simulate.vectors import vector_of
from bursar.translate.registry import EMBEDDERS

GEMINI, TITAN, TITAN_1 = "gemini-embedding-001", "amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1"
TITAN_PICTURES, COHERE, COHERE_4 = "amazon.titan-embed-image-v1", "us.cohere.embed-english-v3", "cohere.embed-v4:0"
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def said(model: str, **body: Any) -> tuple[Any, dict[str, Any]]:
    """The translation, and what the provider is told."""
    family = "gemini" if model == GEMINI else "bedrock"
    sent = json.dumps({"model": "m", "input": "tea", **body}).encode()
    asked = msgspec.structs.replace(EMBEDDINGS.read_request(sent), model=model)
    translation, written = embedding_of(EMBEDDERS[family], EMBEDDINGS, asked, sent)
    return translation, json.loads(written)


def texts_in(model: str, told: dict[str, Any]) -> list[str]:
    """What a provider reads out of it, by its own documentation."""
    if model == GEMINI:
        assert {one["model"] for one in told["requests"]} == {f"models/{GEMINI}"}
        return [one["content"]["parts"][0]["text"] for one in told["requests"]]
    return told["texts"] if "cohere" in model else [told["inputText"]]


def answer_of(model: str, vectors: list[list[float]]) -> dict[str, Any]:
    if model == GEMINI:
        return {"embeddings": [{"values": vector} for vector in vectors]}
    if model == COHERE_4:
        return {"embeddings": {"float": vectors}, "response_type": "embeddings_by_type"}
    return {"embeddings": vectors} if "cohere" in model else {"embedding": vectors[0], "inputTextTokenCount": 3}


@pytest.mark.parametrize("model", [GEMINI, COHERE, COHERE_4, TITAN])
@given(texts=st.lists(TEXT, min_size=1, max_size=96), packed=st.booleans(), alone=st.booleans())
def test_each_text_gets_its_own_vector(model: str, texts: list[str], packed: bool, alone: bool) -> None:
    texts = texts[:1] if alone or model == TITAN else texts
    more = {"encoding_format": "base64"} if packed else {}
    translation, told = said(model, input=texts[0] if alone else texts, **more)
    assert texts_in(model, told) == texts
    vectors = [vector_of(text) for text in texts]
    status, body = told_vectors(translation, 200, json.dumps(answer_of(model, vectors)).encode(), Usage(input=3))
    answer = json.loads(body)
    assert (status, answer["object"], answer["model"]) == (200, "list", model)
    assert [one["index"] for one in answer["data"]] == list(range(len(texts)))
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    for one, vector in zip(answer["data"], vectors, strict=True):
        if packed:
            unpacked = struct.unpack(f"<{len(vector)}f", base64.b64decode(one["embedding"]))
            assert unpacked == pytest.approx(vector)
        else:
            assert one["embedding"] == vector


@given(texts=st.lists(TEXT, min_size=1, max_size=5), vectors=st.integers(0, 6))
def test_an_answer_with_another_count_is_a_failure_and_never_a_guess(texts: list[str], vectors: int) -> None:
    translation, _ = said(GEMINI, input=texts)
    body = json.dumps(answer_of(GEMINI, [[0.5]] * vectors)).encode()
    status, answer = told_vectors(translation, 200, body, None)
    if vectors == len(texts):
        assert (status, "usage" in json.loads(answer)) == (200, False)  # none was reported: unknown isn't zero
    else:
        assert status == 502
        assert f"{vectors} embeddings for {len(texts)} texts" in json.loads(answer)["error"]["message"]


@given(body=st.binary(max_size=60) | st.sampled_from([b"{}", b"[]", b'{"embeddings":7}', b'{"embedding":["a"]}']))
@pytest.mark.parametrize("model", [GEMINI, TITAN, COHERE])
def test_what_is_no_answer_is_a_failure(model: str, body: bytes) -> None:
    translation, _ = said(model)
    status, answer = told_vectors(translation, 200, body, None)
    assert status == 502
    assert json.loads(answer)["error"]["type"] == "server_error"
    huge = json.dumps(answer_of(GEMINI, [[1e300]])).encode()
    assert told_vectors(said(GEMINI, encoding_format="base64")[0], 200, huge, None)[0] == 502


@pytest.mark.parametrize(
    ("model", "body", "status", "expected"),
    [
        (GEMINI, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"}}, 429, "rate_limit_error"),
        (TITAN, {"message": "too long"}, 400, "invalid_request_error"),
        (COHERE, {"message": "busy"}, 503, "server_error"),
    ],
)
def test_a_refusal_comes_in_openais_envelope(model: str, body: dict[str, Any], status: int, expected: str) -> None:
    code, answer = told_vectors(said(model)[0], status, json.dumps(body).encode(), None)
    error = json.loads(answer)["error"]
    assert (code, error["type"]) == (status, expected)
    assert error["message"] in ("slow", "too long", "busy")


@pytest.mark.parametrize(
    ("model", "body", "told", "dropped"),
    [
        (GEMINI, {"dimensions": 768}, {"outputDimensionality": 768}, []),
        (GEMINI, {"input_type": "search_query", "user": "u"}, {"taskType": "RETRIEVAL_QUERY"}, ["user"]),
        (GEMINI, {"truncate": "END"}, {}, ["truncate"]),
        (TITAN, {"dimensions": 256}, {"dimensions": 256}, []),
        (TITAN, {"input_type": "clustering"}, {}, ["input_type"]),
        (TITAN_PICTURES, {"dimensions": 384}, {"embeddingConfig": {"outputEmbeddingLength": 384}}, []),
        (COHERE, {}, {"input_type": "search_document"}, ["input_type"]),
        (COHERE, {"input_type": "search_query"}, {"input_type": "search_query"}, []),
        (COHERE_4, {"dimensions": 512, "input_type": "clustering"}, {"output_dimension": 512}, []),
    ],
)
def test_what_is_told_and_what_is_dropped(
    model: str, body: dict[str, Any], told: dict[str, Any], dropped: list[str]
) -> None:
    translation, written = said(model, **body)
    seen = written["requests"][0] if model == GEMINI else written
    assert {name: seen.get(name) for name in told} == told
    assert list(translation.losses.names) == dropped


@pytest.mark.parametrize(
    ("model", "body", "field", "words"),
    [
        (GEMINI, {"input": [1, 2]}, "input", "tokens"),
        (GEMINI, {"input": [[1], [2]]}, "input", "tokens"),
        (GEMINI, {"input": []}, "input", "a list of texts"),
        (GEMINI, {"input": None}, "input", "a list of texts"),
        (GEMINI, {"input": ["a", ""]}, "input", r"input\[1\]"),
        (GEMINI, {"input": ["a"] * 101}, "input", "at most 100 texts a call"),
        (GEMINI, {"input": ["a"] * 2_049}, "input", "at most 2048"),
        (TITAN, {"input": ["a", "b"]}, "input", "one text a call"),
        (COHERE, {"input": ["a"] * 97}, "input", "at most 96 texts a call"),
        (TITAN_1, {"dimensions": 256}, "dimensions", "one length"),
        (COHERE, {"dimensions": 256}, "dimensions", "one length"),
        (GEMINI, {"dimensions": 0}, "dimensions", "1 to"),
        (GEMINI, {"encoding_format": "int8"}, "encoding_format", "float or base64"),
        (GEMINI, {"input_type": "poem"}, "input_type", "search_document"),
        ("twelvelabs.marengo-embed-2-7-v1:0", {}, "model", "aren't translated"),
    ],
)
def test_what_would_be_another_question_is_refused(model: str, body: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        said(model, **body)
    assert refused.value.field == field


def test_a_body_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidJson):
        embedding_of(EMBEDDERS["gemini"], EMBEDDINGS, EMBEDDINGS.read_request(b'{"model":"m"}'), b"{")
