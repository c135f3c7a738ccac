"""A method and a path mean one dialect, whatever prefix a client is used to."""

import pytest

from bursar.providers.registry import DIALECTS, dialect_for

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
GET /v1/models?limit=1000 -> openai-models /v1/models?limit=1000
GET /openai/v1/models -> openai-models /v1/models
GET /anthropic/v1/models -> anthropic-models /v1/models
GET /v1/models/gpt-4o -> openai-models /v1/models/gpt-4o
GET /anthropic/v1/models/claude -> anthropic-models /v1/models/claude
"""

NOBODY = """
GET /v1/chat/completions
POST /v1/models
POST /anthropic/v1/chat/completions
POST /openai/v1/messages
POST /v1/chat/completions/x
POST /v1/messages/batches
POST /
POST /v1
POST //v1/messages
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


def test_each_dialect_is_known_by_its_name():
    assert all(dialect.name == name for name, dialect in DIALECTS.items())
    assert {dialect.family for dialect in DIALECTS.values()} == {"openai", "anthropic"}
