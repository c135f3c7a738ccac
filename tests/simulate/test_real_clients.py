"""The real `openai` and `anthropic` clients parse everything the simulator says."""

import json
from typing import Any

import anthropic
import openai
import pytest

from bursar.simulate.launch import Running

USER: list[Any] = [{"role": "user", "content": "What is due this month?"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
GPT_TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
RESPONSES_TOOL: Any = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}
CLAUDE_TOOL: Any = {"name": "weather", "input_schema": WEATHER}


def demand(**control: Any) -> dict[str, str]:
    return {"x-sim": json.dumps(control)}


def test_a_chat_answer_carries_the_dated_model_and_the_demanded_usage(gpt):
    headers = demand(input=30, cached=1_024, output=50, text="Nothing.")
    answer = gpt.chat.completions.create(model="gpt-4o", messages=USER, extra_headers=headers)
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer.choices[0].message.content == "Nothing."
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1_054, 50)
    assert answer.usage.prompt_tokens_details.cached_tokens == 1_024
    assert answer.service_tier == "default"


def test_a_chat_stream_says_usage_in_a_chunk_of_its_own_and_only_if_asked(gpt):
    headers = demand(output=50, chunks=5, text="one two three")
    plain = list(gpt.chat.completions.create(model="gpt-4o", messages=USER, stream=True, extra_headers=headers))
    assert [chunk.usage for chunk in plain] == [None] * 7
    assert "".join(chunk.choices[0].delta.content or "" for chunk in plain) == "one two three"
    asked = list(
        gpt.chat.completions.create(
            model="gpt-4o", messages=USER, stream=True, stream_options={"include_usage": True}, extra_headers=headers
        )
    )
    assert len(asked) == 8
    assert asked[-1].choices == []
    assert asked[-1].usage.completion_tokens == 50
    assert all(chunk.usage is None for chunk in asked[:-1])


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_with_tools_calls_one(gpt, stream):
    if stream:
        with gpt.chat.completions.stream(model="gpt-5-mini", messages=USER, tools=[GPT_TOOL]) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = gpt.chat.completions.create(model="gpt-5-mini", messages=USER, tools=[GPT_TOOL]).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"city": "sample", "days": 1}
    result = [*USER, {"role": "tool", "tool_call_id": choice.message.tool_calls[0].id, "content": "rain"}]
    after = gpt.chat.completions.create(model="gpt-5-mini", messages=result, tools=[GPT_TOOL])
    assert after.choices[0].finish_reason == "stop"


def test_n_choices_are_answered_and_billed_together(gpt, provider):
    headers = demand(output=30, label="n")
    answer = gpt.chat.completions.create(model="gpt-4.1", messages=USER, n=3, extra_headers=headers)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert [entry.usage.output for entry in provider.log() if entry.label == "n"] == [30]
    stream = gpt.chat.completions.create(model="gpt-4.1", messages=USER, n=3, stream=True)
    assert {chunk.choices[0].index for chunk in stream} == {0, 1, 2}


@pytest.mark.parametrize("stream", [False, True])
def test_max_tokens_ends_a_chat_as_length(gpt, stream):
    options: dict[str, Any] = {"max_completion_tokens": 10, "extra_headers": demand(output=99)}
    if stream:
        chunks = list(gpt.chat.completions.create(model="gpt-4o", messages=USER, stream=True, **options))
        assert chunks[-1].choices[0].finish_reason == "length"
    else:
        answer = gpt.chat.completions.create(model="gpt-4o", messages=USER, **options)
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage.completion_tokens == 10


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_reports_reasoning_and_cache_writes(gpt, stream):
    options: dict[str, Any] = {
        "model": "gpt-5.6-terra",
        "input": "hello",
        "extra_headers": demand(input=10, cached=20, cache_write_5m=40, output=200, reasoning=128, text="hi there"),
    }
    if stream:
        with gpt.responses.stream(**options) as events:
            kinds = [event.type for event in events]
            answer = events.get_final_response()
        assert kinds[:2] == ["response.created", "response.in_progress"]
        assert kinds[-1] == "response.completed"
    else:
        answer = gpt.responses.create(**options)
    assert answer.output_text == "hi there"
    assert answer.usage.input_tokens == 70
    assert answer.usage.input_tokens_details.cached_tokens == 20
    assert answer.usage.input_tokens_details.cache_write_tokens == 40
    assert answer.usage.output_tokens_details.reasoning_tokens == 128


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_with_tools_calls_one(gpt, stream):
    if stream:
        with gpt.responses.stream(model="o4-mini", input="hello", tools=[RESPONSES_TOOL]) as events:
            for _ in events:
                pass
            answer = events.get_final_response()
    else:
        answer = gpt.responses.create(model="o4-mini", input="hello", tools=[RESPONSES_TOOL])
    call = answer.output[-1]
    assert (call.type, call.name, json.loads(call.arguments)) == (
        "function_call",
        "weather",
        {"city": "sample", "days": 1},
    )


def test_a_response_that_hits_its_limit_is_incomplete(gpt):
    answer = gpt.responses.create(model="gpt-4o", input="hello", max_output_tokens=16, extra_headers=demand(output=99))
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_embeddings_come_one_per_text_as_numbers_or_base64(gpt):
    answer = gpt.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=16)
    assert [len(row.embedding) for row in answer.data] == [16, 16]
    plain = gpt.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="float")
    assert len(plain.data) == 1


def test_completions_and_models_are_spoken_too(gpt, claude):
    assert gpt.completions.create(model="gpt-3.5-turbo", prompt="a").usage.completion_tokens > 0
    assert [chunk.choices[0].text for chunk in gpt.completions.create(model="gpt-3.5-turbo", prompt="a", stream=True)]
    assert "gpt-4o" in {model.id for model in gpt.models.list()}
    assert "claude-opus-5" in {model.id for model in claude.models.list()}


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_reports_disjoint_counts(claude, stream):
    options: dict[str, Any] = {
        "model": "claude-haiku-4-5",
        "max_tokens": 500,
        "messages": USER,
        "extra_headers": demand(input=10, cached=20, cache_write_5m=30, cache_write_1h=40, output=50, text="hi there"),
    }
    if stream:
        with claude.messages.stream(**options) as events:
            answer = events.get_final_message()
    else:
        answer = claude.messages.create(**options)
    usage = answer.usage
    assert answer.content[0].text == "hi there"
    assert answer.model == "claude-haiku-4-5-20251001"
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (10, 20, 50)
    assert usage.cache_creation_input_tokens == 70
    assert (usage.cache_creation.ephemeral_5m_input_tokens, usage.cache_creation.ephemeral_1h_input_tokens) == (30, 40)


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_with_tools_and_thinking(claude, stream):
    options: dict[str, Any] = {"model": "claude-opus-5", "max_tokens": 5_000, "messages": USER, "tools": [CLAUDE_TOOL]}
    options["thinking"] = {"type": "enabled", "budget_tokens": 1_024}
    if stream:
        with claude.messages.stream(**options) as events:
            answer = events.get_final_message()
    else:
        answer = claude.messages.create(**options)
    assert [block.type for block in answer.content] == ["thinking", "tool_use"]
    assert answer.content[1].input == {"city": "sample", "days": 1}
    assert answer.stop_reason == "tool_use"


def test_max_tokens_ends_a_message(claude):
    answer = claude.messages.create(model="claude-opus-5", max_tokens=5, messages=USER, extra_headers=demand(output=9))
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 5)


def test_counting_tokens_is_answered_and_free(claude, provider):
    counted = claude.messages.count_tokens(model="claude-opus-5", messages=USER)
    assert counted.input_tokens > 0
    entry = provider.log()[-1]
    assert (entry.dialect, entry.billed, entry.cost_pico) == ("anthropic-count-tokens", False, 0)


def test_prompts_are_cached_as_each_provider_does(gpt: openai.OpenAI, claude: anthropic.Anthropic, provider: Running):
    long: list[Any] = [{"role": "user", "content": "the same beginning " * 600}]
    reads = [
        gpt.chat.completions.create(model="gpt-4.1", messages=long).usage.prompt_tokens_details.cached_tokens
        for _ in range(2)
    ]
    assert reads[0] == 0
    assert reads[1] >= 1_024
    assert reads[1] % 128 == 0
    marked: Any = [
        {"type": "text", "text": "rules " * 1_000, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "tools " * 1_000, "cache_control": {"type": "ephemeral"}},
    ]
    first, second = (
        claude.messages.create(model="claude-sonnet-5", max_tokens=99, system=marked, messages=USER).usage for _ in "ab"
    )
    assert first.cache_creation.ephemeral_1h_input_tokens > 1_024
    assert first.cache_creation.ephemeral_5m_input_tokens > 1_024
    assert first.cache_read_input_tokens == 0
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.cache_creation_input_tokens == 0
