"""A method and a path mean one dialect, whatever prefix a client is used to."""

import pytest

from bursar.providers.registry import DIALECTS, dialect_for, with_model

NAMED = """
POST /v1/chat/completions -> openai-chat /v1/chat/completions
POST /chat/completions -> openai-chat /v1/chat/completions
POST /openai/v1/chat/completions -> openai-chat /v1/chat/completions
POST /v1/completions -> openai-completions /v1/completions
POST /v1/responses -> openai-responses /v1/responses
POST /responses?x=1 -> openai-responses /v1/responses?x=1
POST /v1/embeddings/ -> openai-embeddings /v1/embeddings
POST /v1/messages -> anthropic-messages /v1/messages
POST /v1/messages?beta=true -> anthropic-messages /v1/messages?beta=true
POST /anthropic/v1/messages -> anthropic-messages /v1/messages
POST /v1/messages/count_tokens?beta=true -> anthropic-count-tokens /v1/messages/count_tokens?beta=true
GET /v1/models -> openai-models /v1/models
POST /v1/files -> openai-files /v1/files
GET /openai/v1/files/file-1/content -> openai-files /v1/files/file-1/content
DELETE /files/file-1 -> openai-files /v1/files/file-1
POST /v1/batches -> openai-batches /v1/batches
GET /v1/batches?limit=2 -> openai-batches /v1/batches?limit=2
POST /v1/batches/batch_1/cancel -> openai-batches /v1/batches/batch_1/cancel
POST /v1/messages/batches -> anthropic-batches /v1/messages/batches
GET /anthropic/v1/messages/batches/msgbatch_1/results -> anthropic-batches /v1/messages/batches/msgbatch_1/results
DELETE /v1/messages/batches/msgbatch_1 -> anthropic-batches /v1/messages/batches/msgbatch_1
GET /v1/models?limit=1000 -> openai-models /v1/models?limit=1000
GET /openai/v1/models -> openai-models /v1/models
GET /anthropic/v1/models -> anthropic-models /v1/models
GET /v1/models/gpt-4o -> openai-models /v1/models/gpt-4o
GET /anthropic/v1/models/claude -> anthropic-models /v1/models/claude
GET /v1beta/models -> gemini-models /v1beta/models
GET /gemini/v1beta/models/gemini-2.5-pro?x=1 -> gemini-models /v1beta/models/gemini-2.5-pro?x=1
POST /v1beta/models/gemini-2.5-pro:generateContent -> gemini-generate /v1beta/models/gemini-2.5-pro:generateContent
POST /v1/models/g:streamGenerateContent?alt=sse -> gemini-generate /v1/models/g:streamGenerateContent?alt=sse
POST /gemini/v1alpha/models/g:countTokens -> gemini-count-tokens /v1alpha/models/g:countTokens
POST /v1beta/models/e:embedContent -> gemini-embed /v1beta/models/e:embedContent
POST /v1beta/models/e:batchEmbedContents -> gemini-embed /v1beta/models/e:batchEmbedContents
POST /v1/publishers/google/models/g:generateContent -> vertex-generate /v1/publishers/google/models/g:generateContent
POST /vertex/v1/publishers/google/models/g:countTokens -> vertex-count-tokens /v1/publishers/google/models/g:countTokens
POST /v1/publishers/anthropic/models/c@1:rawPredict -> vertex-anthropic /v1/publishers/anthropic/models/c@1:rawPredict
POST /model/amazon.nova-lite-v1:0/converse -> bedrock-converse /model/amazon.nova-lite-v1:0/converse
POST /bedrock/model/us.m:0/converse-stream -> bedrock-converse /model/us.m:0/converse-stream
POST /model/arn:aws:bedrock:::a/x/invoke -> bedrock-invoke /model/arn:aws:bedrock:::a/x/invoke
POST /model/m/invoke-with-response-stream -> bedrock-invoke /model/m/invoke-with-response-stream
POST /model/m/count-tokens -> bedrock-count-tokens /model/m/count-tokens
"""

PROJECT = "/v1/projects/p/locations/l/publishers"

BOUND = """
google/models/gemini-2.5-pro:generateContent -> vertex-generate gemini-2.5-pro plain
google/models/gemini-2.5-pro:streamGenerateContent -> vertex-generate gemini-2.5-pro stream
google/models/e:embedContent -> vertex-embed e plain
anthropic/models/c@1:rawPredict -> vertex-anthropic c@1 plain
anthropic/models/c@1:streamRawPredict -> vertex-anthropic c@1 stream
"""

NOBODY = """
GET /v1/chat/completions
POST /v1/models
POST /anthropic/v1/chat/completions
POST /openai/v1/messages
POST /v1/chat/completions/x
PUT /v1/messages/batches
POST /v1/messages/batches/b/results
DELETE /v1/batches/b
GET /v1/files/f/more
POST /
POST /v1
POST //v1/messages
GET /v1beta/models/
POST /v1beta/models/g:predict
POST /v1beta/models/a/b:generateContent
POST /v1beta/models/:generateContent
POST /v1/publishers/anthropic/models/c:generateContent
POST /v1/publishers/meta/models/m:rawPredict
POST /vertex/v1beta/models/g:generateContent
POST /v1beta/models/g:generateContent/more
POST /v1beta/cachedContents/a
PATCH /v1beta/cachedContents
DELETE /v1beta/cachedContents
POST /vertex/v1beta/cachedContents
POST /model/m/apply
POST /model/converse
POST /model//converse
GET /model/m/converse
POST /v1/model/m/converse
POST /model/m/converse/
"""


@pytest.mark.parametrize("line", NAMED.strip().splitlines())
def test_a_path_names_a_dialect_and_the_path_at_the_provider(line: str):
    request, _, wanted = line.partition(" -> ")
    found = dialect_for(*request.split(" "))
    assert found is not None
    assert f"{found[0].name} {found[1]}" == wanted


@pytest.mark.parametrize("line", NOBODY.strip().splitlines())
def test_another_path_names_none(line: str):
    assert dialect_for(*line.split(" ")) is None


@pytest.mark.parametrize("line", BOUND.strip().splitlines())
def test_a_google_path_names_the_model_and_whether_it_streams(line: str):
    path, _, wanted = line.partition(" -> ")
    found = dialect_for("POST", f"{PROJECT}/{path}")
    assert found is not None
    asked = found[0].read_request(b"{}")
    assert f"{found[0].name} {asked.model} {'stream' if asked.stream else 'plain'}" == wanted
    assert asked.model_in_path
    assert with_model(found[1], "other") == f"{PROJECT}/{path}".replace(asked.model + ":", "other:")


def test_each_dialect_is_known_by_its_name():
    assert all(dialect.name == name for name, dialect in DIALECTS.items())
    assert {dialect.family for dialect in DIALECTS.values()} == {"openai", "anthropic", "gemini", "vertex", "bedrock"}
