"""Every recorded answer is read as it was meant; where we disagree with somebody, the reason stands here."""

import json
import re
from typing import Any

import pytest
from tests.providers.answers import lines
from tests.providers.recordings import GOLDEN, Recording, recordings

from bursar.domain.usage import Usage
from bursar.providers.registry import DIALECTS

DISAGREE: dict[str, str] = {
    "bedrock-responses-json-b3fb1615": "read there as Anthropic's shape: cache writes and reasoning were lost",
}
"""Recordings whose usage is not the `expected` one, and why ours is right."""

DISAGREE_USAGES: dict[str, str] = {
    "test_anthropic/test_anthropic_compaction_end_to_end.yaml in=220 out=8": (
        "the compaction pass (55,196 in, 125 out) is billed and stands in `iterations` alone"
    ),
    "test_openai/test_compatible_api_with_tool_calls_without_id.yaml in=35 out=12": (
        "Gemini's OpenAI surface leaves 62 thinking tokens out of the completion; its total and its bill have them"
    ),
    "test_openai/test_compatible_api_with_tool_calls_without_id.yaml in=66 out=6": "the same, 28 thinking tokens",
    "test_openai_responses/test_openai_responses_model_retry.yaml in=0 out=0": (
        "a report of all zeros for an answer with text: not believed, so it's estimated instead of free"
    ),
    "test_embeddings/TestOpenAI.test_documents.yaml in=2 out=0": (
        "an embedding, read there as chat without completion and so as nothing"
    ),
}
"""The same for the usage objects of usages.jsonl, by recording and the counts at its top."""


KINDS_NOT_COMPARED = (
    "_text_tokens",
    "_image_tokens",
    "_video_tokens",
    "_tool_tokens",
    "cache_audio_read_tokens",
    "cache_text_read_tokens",
)
"""What Google's details say beside the totals, which are priced as text, or are compared in test_google.py."""


def as_expected(usage: Usage) -> dict[str, int]:
    """Our disjoint counts in genai-prices' words: its input includes the cache. Zeros are left out, as there."""
    counts = {
        "input_tokens": usage.total_input,
        "cache_read_tokens": usage.cache_read + usage.cache_read_audio,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_5m_tokens": usage.cache_write_5m,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "input_audio_tokens": usage.input_audio + usage.cache_read_audio,
        "output_tokens": usage.total_output,
        "output_reasoning_tokens": usage.reasoning,
        "output_audio_tokens": usage.output_audio,
    }
    return {name: count for name, count in counts.items() if count}


def expected_counts(expected: dict[str, Any]) -> dict[str, Any]:
    """Theirs without zeros; a write whose lifetime isn't said is a five-minute one."""
    counts = {name: count for name, count in expected.items() if count and not name.endswith(KINDS_NOT_COMPARED)}
    if "cache_write_tokens" in counts and "cache_write_1h_tokens" not in counts:
        counts["cache_write_5m_tokens"] = counts["cache_write_tokens"]
    return counts


def test_every_recorded_answer_reads_as_a_person_checked_it():
    assert lines() == (GOLDEN / "answers.txt").read_text("utf-8").splitlines()


def test_usage_equals_what_the_source_expects_but_for_what_is_listed():
    compared, differing = 0, {}
    for one in recordings():
        if one.expected is None:
            continue
        compared += 1
        usage = one.answer().usage
        assert usage is not None, one.id
        if as_expected(usage) != expected_counts(one.expected["usage"]):
            differing[one.id] = as_expected(usage)
    assert compared == 31
    assert set(differing) == set(DISAGREE)
    assert differing["bedrock-responses-json-b3fb1615"]["cache_write_tokens"] == 27


def test_usages_of_other_recordings_equal_what_genai_prices_extracts_but_for_what_is_listed():
    rows = [json.loads(line) for line in (GOLDEN / "usages.jsonl").read_text("utf-8").splitlines()]
    differing = set()
    for row in rows:
        body = json.dumps({"model": row["model"], "usage": row["usage"]}).encode()
        usage = DIALECTS[row["dialect"]].read_answer(body, 200).usage
        if usage is None or as_expected(usage) != expected_counts(row["expected"] or {}):
            counts = row["usage"]
            sent = counts.get("prompt_tokens", counts.get("input_tokens", 0))
            made = counts.get("completion_tokens", counts.get("output_tokens", 0))
            name = "/".join(row["recording"].split("/")[-2:])
            differing.add(f"{name} in={sent} out={made}")
    assert len(rows) == 396
    assert differing == set(DISAGREE_USAGES)


def sum_of(usage: Usage | None) -> int:
    return usage.total_input + usage.total_output if usage is not None else 0


@pytest.mark.parametrize("one", [one for one in recordings() if one.status < 400], ids=lambda one: one.id)
def test_classes_sum_to_the_providers_own_totals(one: Recording):
    case = json.loads((GOLDEN / one.provider / f"{one.id}.json").read_text("utf-8"))
    if one.provider in ("gemini", "vertex"):
        reports = [found["usageMetadata"] for found in case["usage_objects"]]
        assert (reports[-1]["totalTokenCount"] if reports else 0) == sum_of(one.answer().usage)
        return
    if one.dialect.family == "bedrock":
        totals = re.findall(rb'"totalTokens":(\d+)', one.body)
        assert one.dialect.name == "bedrock-invoke" or int(totals[-1]) == sum_of(one.answer().usage)
        return
    reports = [found["usage"] for found in case["usage_objects"] if found.get("usage")]
    reports += [found["x_groq"]["usage"] for found in case["usage_objects"] if found.get("x_groq", {}).get("usage")]
    usage = one.answer().usage
    if not reports:
        assert usage is None or usage == Usage()
        return
    assert usage is not None
    report = {key: count for found in reports for key, count in found.items()}
    if one.dialect.name == "anthropic-messages":
        keys = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        passes = [step for step in report.get("iterations", []) if step["type"] == "compaction"]
        assert usage.total_input == sum(part.get(key, 0) for part in [report, *passes] for key in keys)
        assert usage.total_output == sum(part["output_tokens"] for part in [report, *passes])
    else:
        assert usage.total_input + usage.total_output == report["total_tokens"]


def test_a_request_of_each_recording_is_understood():
    for one in recordings():
        if one.request != b"null":
            asked = one.asked()
            assert asked.model
            assert asked.stream is one.is_stream or not one.is_stream
