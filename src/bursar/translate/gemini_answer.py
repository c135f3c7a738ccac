"""Whole answers of generateContent, and Google's refusals.

Source: google-genai 3.4.0's schemas; Vertex's discovery document, revision 20261106; tests/golden/gemini and /vertex.
"""

from typing import Any

import msgspec

from bursar.domain.usage import Usage
from bursar.providers.google_usage import (
    Grounding,
    UsageMetadata,
    merge_usage,
    searches_of,
    tier_of,
    usage_of_gemini,
)
from bursar.providers.reading import UNREADABLE, decode_answer
from bursar.translate.answer import Choice, Reply, TokenLogprob, TopToken
from bursar.translate.arguments import arguments_text
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Losses, Media, Part, Text, ToolUse
from bursar.translate.gemini_grounding import citations_in, grounding_of
from bursar.translate.gemini_parts import Block, add_text, answer_parts, kind_of

STOPS = {
    "STOP": "end",
    "MAX_TOKENS": "length",
    "SAFETY": "refusal",
    "RECITATION": "refusal",
    "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal",
    "SPII": "refusal",
    "MODEL_ARMOR": "refusal",
    "IMAGE_SAFETY": "refusal",
    "IMAGE_PROHIBITED_CONTENT": "refusal",
    "IMAGE_RECITATION": "refusal",
    "CONTINUATION": "pause",
}
"""The others (LANGUAGE, MALFORMED_FUNCTION_CALL, OTHER …) say that the model failed to go on: an end like any."""

REASONS = {"length": "MAX_TOKENS", "context": "MAX_TOKENS", "refusal": "SAFETY"}
UNFINISHED = (None, "", "FINISH_REASON_UNSPECIFIED")

_TIERS = {"standard": "default"}
_TRAFFIC = {"priority": "ON_DEMAND_PRIORITY", "flex": "ON_DEMAND_FLEX", "default": "ON_DEMAND"}
_URL_SAFE = str.maketrans("-_", "+/")


class _Call(msgspec.Struct, gc=False):
    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()


class _Data(msgspec.Struct, gc=False, rename="camel"):
    mime_type: str | None = None
    data: str | None = None


class WirePart(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None
    inline_data: _Data | None = None


class WireContent(msgspec.Struct):
    parts: list[WirePart] | None = None


class _Token(msgspec.Struct, gc=False, rename="camel"):
    token: str | None = None
    log_probability: float | None = None


class _Top(msgspec.Struct):
    candidates: list[_Token] | None = None


class WireLogprobs(msgspec.Struct, rename="camel"):
    chosen_candidates: list[_Token] | None = None
    top_candidates: list[_Top] | None = None


class WireCandidate(msgspec.Struct, rename="camel"):
    index: int | None = None
    content: WireContent | None = None
    finish_reason: str | None = None
    logprobs_result: WireLogprobs | None = None
    grounding_metadata: msgspec.Raw = msgspec.Raw()


class _Feedback(msgspec.Struct, gc=False, rename="camel"):
    block_reason: str | None = None


class WireAnswer(msgspec.Struct, rename="camel"):
    """A whole answer, or a chunk of a stream. What is only counted is read apart: a strange one spoils nothing else."""

    candidates: list[WireCandidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: msgspec.Raw = msgspec.Raw()
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


ANSWER = msgspec.json.Decoder(WireAnswer)
_USAGE = msgspec.json.Decoder(UsageMetadata | None)
_GROUNDING = msgspec.json.Decoder(Grounding | None)


class Counted:
    """What an answer used, chunk by chunk: the meter's own reading."""

    __slots__ = ("_searches", "_usage", "model")

    def __init__(self, model: str) -> None:
        self.model = model  # as asked for, until the answer says its own
        self._usage: UsageMetadata | None = None
        self._searches = 0

    def take(self, answer: WireAnswer) -> None:
        self.model = answer.model_version or self.model
        report = decode_answer(_USAGE, bytes(answer.usage_metadata)) if answer.usage_metadata else None
        if report is not None:
            self._usage = merge_usage(self._usage, report)
        for candidate in answer.candidates or ():
            if candidate.grounding_metadata:
                grounding = decode_answer(_GROUNDING, bytes(candidate.grounding_metadata))
                if grounding is not None:
                    self._searches = max(self._searches, searches_of(grounding, self.model))

    @property
    def usage(self) -> Usage | None:
        return usage_of_gemini(self._usage, self._searches)

    @property
    def tier(self) -> str:
        """In OpenAI's words."""
        tier = tier_of(self._usage)
        return _TIERS.get(tier, tier)


def read_answer(body: bytes, dialect: str, model: str) -> Reply:
    """A whole success. Raises BadAnswer if it is none."""
    try:
        answer = ANSWER.decode(body)
    except UNREADABLE as error:
        raise BadAnswer(f"the answer is none of Gemini's: {error}") from error
    is_blocked = is_block(answer)
    if answer.error or (answer.candidates is None and not is_blocked):
        raise BadAnswer("the answer is none of Gemini's: it has no candidates")
    counted = Counted(model)
    counted.take(answer)
    id = answer.response_id or ""
    choices = tuple(_choice(candidate, id, dialect) for candidate in answer.candidates or ())
    if not choices:
        choices = (Choice((), "refusal" if is_blocked else "end"),)
    return Reply(id, answer.model_version or "", choices, counted.usage, tier=counted.tier)


def is_block(answer: WireAnswer) -> bool:
    """Whether the prompt itself was refused."""
    return answer.prompt_feedback is not None and bool(answer.prompt_feedback.block_reason)


def call_id(call: _Call, response_id: str, count: int) -> str:
    """The id of a call; one that came without gets one by its answer and its place."""
    return call.id or f"call_{response_id}_{count}"


def stop_of(reason: str | None, *, has_called: bool) -> str:
    stop = STOPS.get(reason or "STOP", "end")
    return "tool_use" if stop == "end" and has_called else stop


def logprobs_of(result: WireLogprobs | None) -> tuple[TokenLogprob, ...]:
    """Of the tokens chosen, with the others that could have stood there."""
    if result is None or not result.chosen_candidates:
        return ()
    tops = result.top_candidates or []
    found = []
    for at, chosen in enumerate(result.chosen_candidates):
        others = (tops[at].candidates or []) if at < len(tops) else []
        top = tuple(TopToken(one.token or "", one.log_probability or 0.0) for one in others)
        found.append(TokenLogprob(chosen.token or "", chosen.log_probability or 0.0, top))
    return tuple(found)


def _choice(candidate: WireCandidate, id: str, dialect: str) -> Choice:
    parts: list[Part] = []
    calls = 0
    texts: list[tuple[int, str]] = []  # of the answer, by their place on the wire
    places: list[int] = []  # and among the parts
    for place, part in enumerate((candidate.content.parts or ()) if candidate.content is not None else ()):
        signature = part.thought_signature or ""
        if part.function_call is not None:
            call = part.function_call
            arguments = arguments_text(call.args)
            parts.append(ToolUse(call_id(call, id, calls), call.name or "", arguments, signature))
            calls += 1
        elif part.inline_data is not None and part.inline_data.data:
            mime = part.inline_data.mime_type or ""
            parts.append(Media(kind_of(mime), mime, data=part.inline_data.data.translate(_URL_SAFE)))
        else:
            if part.text and not part.thought:
                texts.append((place, part.text))
                places.append(len(parts))
            add_text(parts, part.text or "", signature, dialect, is_thought=part.thought is True)
    for at, citation in citations_in(candidate.grounding_metadata, texts):
        cited = parts[places[at]]
        if isinstance(cited, Text):
            parts[places[at]] = msgspec.structs.replace(cited, citations=(*cited.citations, citation))
    stop = stop_of(candidate.finish_reason, has_called=calls > 0)
    return Choice(tuple(parts), stop, logprobs=logprobs_of(candidate.logprobs_result))


def write_answer(reply: Reply, dialect: str, losses: Losses) -> bytes:
    candidates = []
    for at, choice in enumerate(reply.choices):
        if choice.stop_sequence:
            losses.lose("stop_sequence")
        candidate = candidate_of(at, answer_parts(choice.parts, dialect, losses), REASONS.get(choice.stop, "STOP"))
        if choice.logprobs:
            candidate["logprobsResult"] = write_logprobs(choice.logprobs)
        if grounding := grounding_of(choice.parts, losses):
            candidate["groundingMetadata"] = grounding
        candidates.append(candidate)
    answer = {"candidates": candidates, **answer_tail(reply.id, reply.model)}
    if reply.usage is not None:
        answer["usageMetadata"] = write_usage(reply.usage, reply.tier, dialect)
    return msgspec.json.encode(answer)


def candidate_of(index: int, parts: list[Block], reason: str = "") -> Block:
    candidate: Block = {"content": {"parts": parts, "role": "model"}, "index": index}
    if reason:
        candidate["finishReason"] = reason
    return candidate


def answer_tail(id: str, model: str) -> Block:
    """What stands in each chunk."""
    return {"modelVersion": model, "responseId": id}


def write_logprobs(logprobs: tuple[TokenLogprob, ...]) -> Block:
    return {
        "chosenCandidates": [{"token": one.token, "logProbability": one.logprob} for one in logprobs],
        "topCandidates": [
            {"candidates": [{"token": top.token, "logProbability": top.logprob} for top in one.top]} for one in logprobs
        ],
    }


def write_usage(usage: Usage, tier: str, dialect: str) -> Block:
    """Gemini's counts: the prompt with what a cache held, thoughts beside the answer."""
    made = usage.total_output - usage.reasoning
    written: Block = {
        "promptTokenCount": usage.total_input,
        "candidatesTokenCount": made,
        "totalTokenCount": usage.total_input + usage.total_output,
    }
    cached = usage.cache_read + usage.cache_read_audio
    if cached:
        written["cachedContentTokenCount"] = cached
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    sent = {"AUDIO": usage.input_audio + usage.cache_read_audio, "IMAGE": usage.input_image}
    _write_details(written, "promptTokensDetails", usage.total_input, sent)
    _write_details(written, "cacheTokensDetails", cached, {"AUDIO": usage.cache_read_audio})
    _write_details(written, "candidatesTokensDetails", made, {"AUDIO": usage.output_audio, "IMAGE": usage.output_image})
    if dialect.startswith("vertex"):
        if tier in _TRAFFIC:
            written["trafficType"] = _TRAFFIC[tier]
    elif tier:
        written["serviceTier"] = "standard" if tier == "default" else tier
    return written


def _write_details(written: Block, name: str, total: int, others: dict[str, int]) -> None:
    """By what it was, where it wasn't all text."""
    found = [{"modality": kind, "tokenCount": count} for kind, count in others.items() if count]
    text = total - sum(others.values())
    if found:
        written[name] = [*([{"modality": "TEXT", "tokenCount": text}] if text > 0 else []), *found]
