"""OpenAI's Responses, and the providers that speak it (Azure, Bedrock, DeepSeek, OpenRouter).

A stream's usage stands inside `response` of its last event: `response.completed`, `.incomplete` or `.failed`. That
event repeats the whole answer, so it may be large. Web searches are in no usage: they are counted among the output
items; an item that opened a page or searched inside one is not billed.
Source: tests/golden recordings; OpenAI's published schema and price page.
"""

import re
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import BursarError, MissingField
from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.media import TextItem, decode_with_media, names_kept
from bursar.providers.openai_usage import ResponseUsage, cost_pico, usage_of_response
from bursar.providers.peer_fields import PeerFields, metadata_of
from bursar.providers.reading import clip, decode_answer, labels, served_tier
from bursar.providers.server_tools import (
    CALLS_ASSUMED,
    Tool,
    count_of,
    kept_by,
    models_in,
    passes_of,
    reads_by_itself,
    searches_allowed,
    searches_of_plugins,
)
from bursar.providers.splice import with_number
from bursar.providers.sse import StreamReader, text_bytes
from bursar.providers.values import Answer, Asked, ModelName, OutputLimit


class _Request(PeerFields):
    model: ModelName | None = None
    stream: bool | None = None
    max_output_tokens: OutputLimit | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None
    tools: list[Tool] | None = None
    max_tool_calls: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    prompt: Any = None  # a stored one is an object, whose variables may hold anything
    context_management: Any = None
    models: Any = None  # OpenRouter: others that may answer, and what may search
    plugins: Any = None


class _TextRequest(_Request):
    """One that holds text alone."""

    input: str | list[TextItem] | None = None
    prompt: str | None = None


class Action(msgspec.Struct, gc=False):
    """What a hosted tool did."""

    type: str | None = None


class _Item(msgspec.Struct, gc=False):
    type: str | None = None
    action: Action | None = None
    container_id: str | None = None


class Searched(Protocol):
    """An output item, as far as it says whether it was a web search."""

    @property
    def type(self) -> str | None: ...

    @property
    def action(self) -> Action | None: ...


class _Reason(msgspec.Struct, gc=False):
    reason: str | None = None


class _Response(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    service_tier: str | None = None
    usage: ResponseUsage | None = None
    incomplete_details: _Reason | None = None
    error: Any = None


class _ResponseWithItems(_Response):
    output: list[_Item] | None = None


class _Event(msgspec.Struct):
    """One event of a stream. `delta`: more text, of whatever kind."""

    type: str = ""
    response: _ResponseWithItems | None = None
    delta: str | None = None
    error: Any = None
    code: Any = None


class _LenientResponse(msgspec.Struct):
    """What is left to read of a response whose usage can't be."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    service_tier: str | None = None
    incomplete_details: _Reason | None = None
    error: Any = None


class _LenientEvent(msgspec.Struct):
    type: str = ""
    response: _LenientResponse | None = None
    error: Any = None
    code: Any = None
    delta: ClassVar[None] = None


_REQUEST = msgspec.json.Decoder(_Request)
_TEXT_REQUEST = msgspec.json.Decoder(_TextRequest)
_RESPONSE = msgspec.json.Decoder(_Response)
_RESPONSE_WITH_ITEMS = msgspec.json.Decoder(_ResponseWithItems)
_LENIENT = msgspec.json.Decoder(_LenientResponse)

_HOSTED = re.compile(rb'"(?:web_search|file_search|code_interpreter|image_generation)_call"')
_BILLED_TOOLS = {
    "file_search": "file-search",
    "code_interpreter": "code-interpreter",
    "image_generation": "image-generation",
}
"""By call, by container and by image, at prices that no catalogue lists: models of their own, so that a local price can
be laid for each."""
_BILLED_ITEMS = {f"{kind}_call": name for kind, name in _BILLED_TOOLS.items()}
COMPACTION_TOKENS_MIN = 4_096
PENDING = ("queued", "in_progress")  # of a background response, whose usage stands in what `GET` brings later
_LAST = ("response.completed", "response.incomplete", "response.failed")


class OpenAIResponses:
    """`POST /v1/responses`."""

    name = "openai-responses"
    family = "openai"
    operation = Operation.CHAT

    def read_request(self, body: bytes) -> Asked:
        """A stored prompt (`prompt.id`) may name the model instead of the request; it can't be priced ahead."""
        seen, media, data_bytes = decode_with_media(_TEXT_REQUEST, _REQUEST, body)
        kept = "kept" if _may_name_items(seen) and names_kept(body) else ""
        if not seen.model and b'"prompt"' not in body:
            raise MissingField("the request names no model", field="model")
        return Asked(
            seen.model or "",
            seen.stream is True,
            seen.max_output_tokens,
            seen.service_tier or "",
            seen.user or seen.safety_identifier or "",
            metadata_of(seen, seen.metadata),
            True,  # a Responses stream always ends with its usage
            len(seen.tools) if seen.tools else 0,
            1,
            labels(seen.tags) if seen.tags else [],
            media=media,
            data_bytes=data_bytes,
            searches=_searches_allowed(seen),
            continues=_kept(seen) or kept,
            passes=1 if seen.context_management is None else passes_of(seen.context_management),
            reads=reads_by_itself(seen.tools) if seen.tools else False,
            also=models_in(seen.models) if seen.models else (),
            fees=_fees(seen) if seen.tools else (),
        )

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        return body

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return with_number(body, ("max_output_tokens",), tokens)

    def read_answer(self, body: bytes, status: int) -> Answer:
        return read_plain(body, status)

    def reader(self, asked: Asked, *, strip_usage: bool) -> "ResponsesReader":
        return ResponsesReader()

    def error(self, error: BursarError, call_id: str) -> bytes:
        return errors.openai_error(error)

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        body = {"type": "error", "code": error.code, "message": error.message, "param": error.field}
        return b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n"


def _searches_allowed(seen: _Request) -> int:
    searches = searches_allowed(seen.tools, seen.max_tool_calls) if seen.tools else 0
    return max(searches, searches_of_plugins(seen.model or "", seen.plugins))


def _may_name_items(seen: _Request) -> bool:
    """Whether an item may be one that the provider kept: it isn't text, or has none."""
    if not isinstance(seen, _TextRequest):
        return True
    items = seen.input if isinstance(seen.input, list) else ()
    return any(item.type == "message" and item.content is None for item in items)


def _kept(seen: _Request) -> str:
    """What stands before the request at the provider: a prompt's text by its id, too."""
    if seen.previous_response_id is None and seen.conversation is None and not isinstance(seen.prompt, dict):
        return ""
    return kept_by(seen.previous_response_id, seen.conversation, seen.prompt)


class ResponsesReader(StreamReader):
    """Watches a Responses stream."""

    __slots__ = ("_answer",)

    _decoder = msgspec.json.Decoder(_Event)
    _lenient = msgspec.json.Decoder(_LenientEvent)
    _usage_marker = b'"output_tokens"'
    _reason_marker = b'"incomplete_details":{'
    _text_markers = (b'"delta":"',)

    def __init__(self) -> None:
        super().__init__()
        self._answer = Answer()

    def _said(self) -> Answer:
        return read_plain(self.plain, 200) if self.plain else self._answer

    def _take(self, event: Any) -> bool:
        if event.delta:
            self._counted += text_bytes(event.delta)
            return False
        response: _ResponseWithItems | None = event.response
        if response is not None:
            if event.type in _LAST:
                self._answer = _answer(response)
            elif not self._answer.model:
                self._answer.model = clip(response.model)
                self._answer.upstream_id = clip(response.id)
        elif event.type == "error" or event.error:
            self._answer.error_code = errors.code_of({"code": event.code}) or errors.code_of(event.error) or "error"
        return False


def read_plain(body: bytes, status: int) -> Answer:
    """A whole answer in one JSON body, of any status."""
    if status >= 400:
        return Answer(error_code=errors.error_code(body, status), complete=True)
    seen: _Response | _LenientResponse | None = (
        decode_answer(_RESPONSE_WITH_ITEMS, body) if _HOSTED.search(body) else decode_answer(_RESPONSE, body)
    )
    seen = seen or decode_answer(_LENIENT, body)
    return _answer(seen) if seen else Answer()


def _answer(seen: _Response | _LenientResponse) -> Answer:
    usage = seen.usage if isinstance(seen, _Response) else None
    reason = seen.incomplete_details.reason if seen.incomplete_details else None
    return Answer(
        usage_of_response(usage, _web_searches(seen)),
        clip(seen.model),
        served_tier(seen.service_tier),
        clip(reason or seen.status),
        reason == "max_output_tokens",
        clip(seen.id),
        True,
        cost_pico(usage),
        (errors.code_of(seen.error) or "error") if seen.error else "",
        _billed_beside(seen.output) if isinstance(seen, _ResponseWithItems) and seen.output else (),
        is_pending=usage is None and seen.status in PENDING,
    )


def _billed_beside(items: Iterable[_Item]) -> tuple[tuple[str, Usage], ...]:
    """What tools of OpenAI's own cost beside tokens and searches. Calls in one container are billed once."""
    counted: dict[str, int] = {}
    containers: set[str] = set()
    for item in items:
        name = _BILLED_ITEMS.get(item.type or "")
        if name is None or item.container_id in containers:
            continue
        counted[name] = counted.get(name, 0) + 1
        if item.container_id:
            containers.add(item.container_id)
    return tuple((name, Usage(request=count)) for name, count in counted.items())


def _fees(seen: _Request) -> tuple[tuple[str, int], ...]:
    """The same before the call: a tool that may be used is used as often as the request allows, else so often."""
    most = count_of(seen.max_tool_calls)
    times = CALLS_ASSUMED if most is None else most
    kinds = {tool.kind for tool in seen.tools or ()}
    return tuple((name, times) for kind, name in _BILLED_TOOLS.items() if kind in kinds)


def _web_searches(seen: _Response | _LenientResponse) -> int:
    return web_searches(seen.output) if isinstance(seen, _ResponseWithItems) and seen.output else 0


def web_searches(items: Iterable[Searched]) -> int:
    """How many of these items are billed as a web search."""
    return sum(
        item.type == "web_search_call" and (item.action is None or item.action.type in (None, "search"))
        for item in items
    )


class OpenAICompaction(OpenAIResponses):
    """`POST /v1/responses/compact`: a conversation as its provider sums it up, in items that only that provider reads.

    It has no limit of its own, and takes none: what comes out is taken to be no longer than what goes in.
    """

    name = "openai-responses-compact"

    def read_request(self, body: bytes) -> Asked:
        asked = super().read_request(body)
        asked.max_output_tokens = max(len(body), COMPACTION_TOKENS_MIN)
        return asked

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        return None


RESPONSES = OpenAIResponses()
COMPACTION = OpenAICompaction()
