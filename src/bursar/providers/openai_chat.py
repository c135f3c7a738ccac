"""OpenAI's chat completions and legacy completions, and every provider that speaks them.

Facts the code rests on, each from a recording in tests/golden unless said otherwise:
- A stream reports usage only if `stream_options.include_usage` asked for it, in one more chunk whose `choices` is
  empty, before `[DONE]`. Mistral reports it unasked in its last chunk; Groq in `x_groq.usage`.
- With it asked for, every other chunk says `"usage":null`: looking for the word "usage" finds nothing.
- Azure's first chunk has neither id nor model, only its content filter's findings.
- A provider that reports usage as it goes (vLLM's `continuous_usage_stats`, from its documentation) counts up: the
  last report holds.

A stream is complete when `[DONE]` came. Providers that leave it out are believed when a `finish_reason` came, and the
usage too if it was asked for. A stream that ended with an error is complete only if its usage came with it.
"""

from typing import Any, ClassVar

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import BursarError
from bursar.providers import errors
from bursar.providers.media import TextMessage, decode_with_media, names_kept
from bursar.providers.openai_usage import ChatUsage, cost_pico, usage_of_chat
from bursar.providers.peer_fields import PeerFields, metadata_of
from bursar.providers.reading import clip, decode_answer, decode_request, labels, require_model, served_tier
from bursar.providers.server_tools import (
    SEARCHES_ASSUMED,
    Tool,
    models_in,
    reads_by_itself,
    searches_allowed,
    searches_of_plugins,
)
from bursar.providers.splice import with_number, with_stream_usage
from bursar.providers.sse import StreamReader, text_bytes
from bursar.providers.values import Answer, Asked, Choices, ModelName, OutputLimit


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Request(PeerFields):
    model: ModelName | None = None
    stream: bool | None = None
    max_completion_tokens: OutputLimit | None = None
    max_tokens: OutputLimit | None = None
    stream_options: _StreamOptions | msgspec.UnsetType | None = msgspec.UNSET
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None
    n: Choices | None = None
    tools: list[Tool] | None = None
    web_search_options: Any = None
    models: Any = None  # OpenRouter: others that may answer, like the next two
    plugins: Any = None
    search_parameters: Any = None  # xAI
    functions: Any = None  # what tools were called once
    data_sources: Any = None  # Azure: searched by the provider, and put before the prompt


class _TextRequest(_Request):
    """One that holds text alone."""

    messages: list[TextMessage] | None = None


class _LegacyRequest(_Request):
    """One of `/v1/completions`. prompt: a text, its tokens, or several of either."""

    prompt: msgspec.Raw = msgspec.Raw()
    best_of: Choices | None = None


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    """A whole answer."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] | None = None
    usage: ChatUsage | None = None
    error: Any = None


class _Function(msgspec.Struct, gc=False):
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | list[msgspec.Raw] | None = None  # Mistral's thinking models: parts
    reasoning_content: str | None = None  # DeepSeek and others
    reasoning: str | None = None  # OpenRouter, Groq
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Part(msgspec.Struct, gc=False):
    """A choice in a chunk. `text`: legacy completions."""

    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class XGroq(msgspec.Struct, gc=False):
    usage: ChatUsage | None = None


class _Chunk(msgspec.Struct):
    """One event of a stream."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    choices: list[_Part] | None = None
    usage: ChatUsage | None = None
    x_groq: XGroq | None = None
    error: Any = None


class _LenientPart(msgspec.Struct, gc=False):
    finish_reason: str | None = None
    delta: ClassVar[None] = None
    text: ClassVar[None] = None


class _LenientChunk(msgspec.Struct):
    """What is left to read of a chunk or an answer whose usage or text can't be."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    choices: list[_LenientPart] | None = None
    error: Any = None
    usage: ClassVar[None] = None
    x_groq: ClassVar[None] = None


_REQUEST = msgspec.json.Decoder(_Request)
_TEXT_REQUEST = msgspec.json.Decoder(_TextRequest)
_LEGACY_REQUEST = msgspec.json.Decoder(_LegacyRequest)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_COMPLETION = msgspec.json.Decoder(_Completion)
_LENIENT = msgspec.json.Decoder(_LenientChunk)


class OpenAIChat:
    """`POST /v1/chat/completions`; the same class serves `/v1/completions`, whose fields are the same."""

    family = "openai"

    def __init__(self, name: str, operation: Operation) -> None:
        self.name = name
        self.operation = operation
        is_chat = operation == Operation.CHAT
        self._limits = ("max_completion_tokens", "max_tokens") if is_chat else ("max_tokens",)

    def read_request(self, body: bytes) -> Asked:
        seen: _Request
        if self.operation == Operation.CHAT:
            seen, media, data_bytes = decode_with_media(_TEXT_REQUEST, _REQUEST, body)
            kept = not isinstance(seen, _TextRequest) and names_kept(body)
            choices = 1 if seen.n is None else seen.n
        else:
            legacy = decode_request(_LEGACY_REQUEST, body)
            seen, media, data_bytes, kept, choices = legacy, (), 0, False, _choices(legacy)
        options = seen.stream_options
        return Asked(
            require_model(seen.model),
            seen.stream is True,
            _output_max(seen.max_completion_tokens, seen.max_tokens),
            seen.service_tier or "",
            seen.user or seen.safety_identifier or "",
            metadata_of(seen, seen.metadata),
            bool(options and options.include_usage),
            len(seen.tools) if seen.tools else _functions(seen),
            choices,
            labels(seen.tags) if seen.tags else [],
            options is not msgspec.UNSET,
            media,
            data_bytes,
            searches=_searches(seen),
            continues="kept" if kept else "",
            reads=bool(seen.data_sources) or (reads_by_itself(seen.tools) if seen.tools else False),
            also=models_in(seen.models) if seen.models else (),
        )

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        if not asked.stream or asked.wants_usage:
            return body
        return with_stream_usage(body, has_stream_options=asked.has_stream_options)

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return with_number(body, self._limits, tokens)

    def read_answer(self, body: bytes, status: int) -> Answer:
        return read_plain(body, status)

    def reader(self, asked: Asked, *, strip_usage: bool) -> "ChatReader":
        return ChatReader(
            usage_expected=strip_usage or asked.wants_usage,
            strips=strip_usage,
            skims=asked.choices == 1,  # several answers finish at several places
        )

    def error(self, error: BursarError, call_id: str) -> bytes:
        return errors.openai_error(error)

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        return b"data: " + errors.openai_error(error) + b"\n\n"


def _functions(seen: _Request) -> int:
    return len(seen.functions) if isinstance(seen.functions, list) else 0


def _choices(seen: _LegacyRequest) -> int:
    """Answers that are written and billed, which may be more than are shown: of each prompt the best of so many."""
    choices = 1 if seen.n is None else seen.n
    prompts = decode_answer(_ITEMS, bytes(seen.prompt)) if bytes(seen.prompt)[:1] == b"[" else None
    several = len(prompts) if prompts and bytes(prompts[0])[:1] in (b'"', b"[") else 1
    return max(choices, seen.best_of or 1) * several


def _searches(seen: _Request) -> int:
    """Paid searches that the provider may make."""
    live = seen.search_parameters
    if seen.web_search_options is not None or (isinstance(live, dict) and live.get("mode") != "off"):
        return SEARCHES_ASSUMED
    searches = searches_allowed(seen.tools) if seen.tools else 0
    return max(searches, searches_of_plugins(seen.model or "", seen.plugins))


def _output_max(newer: int | None, older: int | None) -> int | None:
    """The larger one where both are given: which of them a provider heeds is its own affair."""
    if newer is None or older is None:
        return older if newer is None else newer
    return max(newer, older)


class ChatReader(StreamReader):
    """Watches a chat stream."""

    __slots__ = ("_answer", "_expects")

    _decoder = msgspec.json.Decoder(_Chunk)
    _lenient = _LENIENT
    _usage_marker = b'"completion_tokens"'
    _reason_marker = b'"finish_reason":"'
    _text_markers = (b'"content":"', b'"arguments":"', b'"reasoning_content":"', b'"reasoning":"', b'"text":"')

    def __init__(self, *, usage_expected: bool, strips: bool, skims: bool = True) -> None:
        super().__init__(strips=strips, skims=skims)
        self._expects = usage_expected
        self._answer = Answer()

    def _said(self) -> Answer:
        if self.plain:
            return read_plain(self.plain, 200)
        answer = self._answer
        has_usage = answer.usage is not None
        ended = self._done or bool(answer.finish_reason and (has_usage or not self._expects))
        answer.complete = ended and (has_usage or not answer.error_code)
        answer.truncated = answer.finish_reason == "length"
        return answer

    def _take(self, event: Any) -> bool:
        choices: list[_Part] = event.choices or []
        for choice in choices:
            if choice.finish_reason and self._answer.finish_reason != "length":
                self._answer.finish_reason = clip(choice.finish_reason)
            delta = choice.delta
            text = delta.content if delta is not None else choice.text
            if isinstance(text, list):
                self._counted += sum(len(bytes(part)) for part in text)
            elif text:
                self._counted += len(text) if text.isascii() else text_bytes(text)
            elif delta is not None:
                self._count_more(delta)
        if event.usage is None and event.error is None and event.x_groq is None and self._answer.model:
            return False
        return self._take_facts(event)

    def _take_facts(self, event: Any) -> bool:
        """What stands beside the choices. True for the chunk that only `include_usage` brings: usage, no choices."""
        answer = self._answer
        answer.model = answer.model or clip(event.model)
        answer.upstream_id = answer.upstream_id or clip(event.id)
        answer.tier = served_tier(event.service_tier) or answer.tier
        if event.error and not answer.error_code:
            answer.error_code = errors.code_of(event.error) or "error"
        seen: ChatUsage | None = event.usage or (event.x_groq and event.x_groq.usage)
        if not seen:
            return False
        usage = usage_of_chat(seen)
        if usage is not None:
            answer.usage = usage
        if seen.cost:
            answer.cost_pico = cost_pico(seen)
        return self._strips and event.choices == [] and event.usage is not None

    def _count_more(self, delta: _Delta) -> None:
        self._counted += text_bytes(delta.reasoning_content or delta.reasoning or delta.refusal)
        for call in delta.tool_calls or ():
            if call.function is not None:
                self._counted += text_bytes(call.function.arguments)


def read_plain(body: bytes, status: int) -> Answer:
    """A whole answer in one JSON body, of any status."""
    if status >= 400:
        return Answer(error_code=errors.error_code(body, status), complete=True)
    whole = decode_answer(_COMPLETION, body)
    seen = whole or decode_answer(_LENIENT, body)
    if seen is None:
        return Answer()
    reasons = [choice.finish_reason for choice in seen.choices or () if choice.finish_reason]
    return Answer(
        usage_of_chat(whole.usage) if whole else None,
        clip(seen.model),
        served_tier(seen.service_tier),
        clip(reasons[0]) if reasons else "",
        "length" in reasons,
        clip(seen.id),
        True,
        cost_pico(whole.usage) if whole and whole.usage and whole.usage.cost else None,
        (errors.code_of(seen.error) or "error") if seen.error else "",
    )


CHAT = OpenAIChat("openai-chat", Operation.CHAT)
COMPLETIONS = OpenAIChat("openai-completions", Operation.COMPLETION)
