"""Amazon Bedrock's wire: converse, invoke, their streams of frames, count-tokens, errors.

Source: the service model of bedrock-runtime 2023-09-30 (botocore 1.44.5): paths, `TokenUsage`, `ConverseStreamOutput`,
`ResponseStream`, exceptions with their statuses; the public specification of the event stream's encoding; the
bedrock-* recordings for headers and for what a model's family writes into its own body.
"""

import base64
import binascii
import re
import struct
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from bursar.simulate import wire_anthropic
from bursar.simulate.plan import Ask, Plan
from bursar.simulate.vectors import vector_of
from bursar.simulate.wire_openai import Event, split

STREAM_TYPE = "application/vnd.amazon.eventstream"
STREAMED = ("converse-stream", "invoke-with-response-stream")

_PATH = re.compile(
    r"/model/(?P<model>[^/]+)/(?P<action>converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)"
)
_ANTHROPIC_NAME = re.compile(r".*anthropic\.|-v\d+(?::\d+)?$")
_ERRORS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
_encode = msgspec.json.Encoder().encode


class Target(NamedTuple):
    model: str
    action: str


class _Request(msgspec.Struct, rename="camel"):
    messages: list[dict[str, Any]] = []
    system: Any = None
    inference_config: dict[str, Any] | None = None
    tool_config: dict[str, Any] | None = None
    service_tier: dict[str, Any] | None = None
    request_metadata: dict[str, str] | None = None
    prompt: Any = None  # Llama, Mistral, Cohere
    max_gen_len: int | None = None
    max_tokens: int | None = None
    input_text: Any = None  # Titan's embeddings
    dimensions: int | None = None
    texts: list[str] | None = None  # Cohere's embeddings
    output_dimension: int | None = msgspec.field(default=None, name="output_dimension")
    embedding_types: list[str] | None = msgspec.field(default=None, name="embedding_types")
    input: dict[str, Any] | None = None  # count-tokens: what would be asked, of Converse or of a model


_REQUEST = msgspec.json.Decoder(_Request)


def target_of(path: str) -> Target | None:
    """What a path as it came asks: an ARN's slashes are escaped in it."""
    found = _PATH.fullmatch(path)
    return Target(unquote(found["model"]), found["action"]) if found else None


def ask_of(target: Target, body: bytes) -> Ask:
    """A request in the words that all dialects share here. Raises msgspec.DecodeError."""
    if target.action == "count-tokens":
        asked = _REQUEST.decode(body).input or {}
        return ask_of(
            Target(target.model, "converse"),
            base64.b64decode(asked["invokeModel"].get("body", ""))
            if "invokeModel" in asked
            else _encode(asked.get("converse") or {}),
        )
    streams = target.action in STREAMED
    if target.action.startswith("invoke") and "anthropic." in target.model:
        ask = msgspec.json.decode(_encode({**msgspec.json.decode(body), "model": target.model}), type=Ask)
        ask.stream = streams
        return ask
    seen = _REQUEST.decode(body)
    config = seen.inference_config or {}
    tools = [tool["toolSpec"] for tool in (seen.tool_config or {}).get("tools") or () if "toolSpec" in tool]
    limits = (config.get("maxTokens"), config.get("max_new_tokens"), seen.max_gen_len, seen.max_tokens)
    prompt = next((one for one in (seen.prompt, seen.input_text, seen.texts) if one is not None), None)
    return Ask(
        model=target.model,
        stream=streams,
        max_tokens=next((limit for limit in limits if limit is not None), None),
        messages=msgspec.Raw(_encode(seen.messages)),
        system=msgspec.Raw(_encode(seen.system) if seen.system is not None else b""),
        dimensions=seen.dimensions or seen.output_dimension,
        encoding_format=seen.embedding_types[0] if seen.embedding_types else None,
        prompt=msgspec.Raw(_encode(prompt) if prompt is not None else b""),
        tools=[{"name": one.get("name"), "parameters": (one.get("inputSchema") or {}).get("json")} for one in tools]
        or None,
        service_tier=(seen.service_tier or {}).get("type"),
        metadata=seen.request_metadata,
    )


def converse(plan: Plan) -> bytes:
    body: dict[str, Any] = {
        "metrics": {"latencyMs": 7},
        "output": {"message": {"content": _content(plan), "role": "assistant"}},
        "stopReason": _stop_reason(plan),
    }
    return _encode(body | _ending(plan))


def converse_events(plan: Plan) -> list[Event]:
    """Usage comes once, in `metadata`, the last event."""
    out = plan.usage.output
    first = min(out, 1)
    events = [_event("messageStart", first, role="assistant")]
    for index, block in enumerate(_content(plan)):
        if "toolUse" in block:
            call = block["toolUse"]
            start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
            events.append(_event("contentBlockStart", first, contentBlockIndex=index, start=start))
            pieces = split(_encode(call["input"]).decode(), min(plan.chunks, 4))
            deltas: list[dict[str, Any]] = [{"toolUse": {"input": piece}} for piece in pieces]
        else:
            deltas = [{"text": piece} for piece in split(block["text"], plan.chunks)]
        for number, delta in enumerate(deltas, 1):
            tokens = max(first, out * number // len(deltas))
            events.append(_event("contentBlockDelta", tokens, contentBlockIndex=index, delta=delta))
        events.append(_event("contentBlockStop", out, contentBlockIndex=index))
    events.append(_event("messageStop", out, stopReason=_stop_reason(plan)))
    events.append(_event("metadata", out, metrics={"latencyMs": 7}, **_ending(plan)))
    return events


def invoked(plan: Plan) -> bytes:
    """The body of the model's own family."""
    model = plan.ask.model if plan.ask is not None else ""
    if "anthropic." in model:
        return wire_anthropic.message(_as_anthropic(plan))
    if "embed" in model:
        return _embedded(plan, model)
    if "meta." in model:
        body: dict[str, Any] = {"generation": plan.texts[0], "stop_reason": "length" if plan.truncated else "stop"}
        if plan.include_usage:
            body |= {"prompt_token_count": plan.usage.input, "generation_token_count": plan.usage.output}
        return _encode(body)
    if "amazon.nova" in model:
        said = {"output": {"message": {"content": _content(plan), "role": "assistant"}}}
        return _encode(
            said | {"stopReason": _stop_reason(plan)} | ({"usage": _usage(plan)} if plan.include_usage else {})
        )
    return _encode({"outputs": [{"text": plan.texts[0], "stop_reason": "length" if plan.truncated else "stop"}]})


def _embedded(plan: Plan, model: str) -> bytes:
    """Titan's one vector with its count; Cohere's list, whose count stands in the headers."""
    ask = plan.ask
    given = msgspec.json.decode(ask.prompt) if ask is not None and bytes(ask.prompt) else ""
    dimensions = ask.dimensions if ask is not None else None
    if "cohere." not in model:
        counted = {"inputTextTokenCount": plan.usage.input} if plan.include_usage else {}
        return _encode({"embedding": vector_of(str(given), dimensions), **counted})
    texts = given if isinstance(given, list) else [given]
    vectors = [vector_of(str(text), dimensions) for text in texts]
    by_type = ask.encoding_format if ask is not None else None
    kind = {"response_type": "embeddings_by_type"} if by_type else {"response_type": "embeddings_floats"}
    return _encode(
        {"id": plan.answer_id, "texts": texts, **kind, "embeddings": {by_type: vectors} if by_type else vectors}
    )


def invoked_events(plan: Plan) -> list[Event]:
    """The family's own events as chunks; the last one has the metrics."""
    model = plan.ask.model if plan.ask is not None else ""
    if "anthropic." in model:
        told = [event for event in wire_anthropic.message_events(_as_anthropic(plan)) if b"ping" not in event.data[:12]]
        said = [(msgspec.json.decode(event.data.partition(b"data: ")[2]), event.output_tokens) for event in told]
    else:
        key = "generation" if "meta." in model else "outputText"
        pieces = split(plan.texts[0], plan.chunks)
        said = [({key: piece}, plan.usage.output * at // len(pieces)) for at, piece in enumerate(pieces, 1)]
        said.append(({key: "", "stop_reason": "length" if plan.truncated else "stop"}, plan.usage.output))
    if plan.include_usage:
        usage = plan.usage
        metrics = {"inputTokenCount": usage.input, "outputTokenCount": usage.output}
        if usage.cache_read:
            metrics["cacheReadInputTokenCount"] = usage.cache_read
        if usage.cache_write_5m or usage.cache_write_1h:
            metrics["cacheWriteInputTokenCount"] = usage.cache_write_5m + usage.cache_write_1h
        timed = metrics | {"invocationLatency": 7, "firstByteLatency": 3}
        said[-1][0]["amazon-bedrock-invocationMetrics"] = timed
    return [
        _event("chunk", tokens, bytes=base64.b64encode(_encode(one)).decode(), p="abcdefghij"[: number % 10])
        for number, (one, tokens) in enumerate(said)
    ]


def counts_of(plan: Plan) -> list[tuple[str, str]]:
    """What the headers of an invoked model's answer say, whatever its body does."""
    usage = plan.usage
    if not plan.include_usage or (plan.ask is not None and plan.ask.stream):
        return []
    counts = {
        "input": usage.input,
        "output": usage.output,
        "cache-read-input": usage.cache_read,
        "cache-write-input": usage.cache_write_5m + usage.cache_write_1h,
    }
    headers = [(f"x-amzn-bedrock-{kind}-token-count", str(count)) for kind, count in counts.items() if count]
    return [*headers, ("x-amzn-bedrock-invocation-latency", "7")]


def count_tokens(tokens: int) -> bytes:
    return _encode({"inputTokens": tokens})


def error_type(status: int) -> str:
    return _ERRORS.get(status) or ("InternalServerException" if status >= 500 else "ValidationException")


def error(text: str) -> bytes:
    """Its type stands in the header `x-amzn-ErrorType`."""
    return _encode({"message": text})


def error_event() -> bytes:
    """A stream that fails in the middle."""
    payload = error("The model is overloaded. Try your request again.")
    return _frame({":exception-type": "modelStreamErrorException", ":message-type": "exception"}, payload)


def _event(kind: str, tokens: int, **fields: Any) -> Event:
    return Event(_frame({":event-type": kind, ":message-type": "event"}, _encode(fields)), tokens)


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Prelude and its checksum, headers of type 7 (text), payload, checksum of all."""
    block = b""
    for name, value in ({":content-type": "application/json"} | headers).items():
        block += struct.pack("!B", len(name)) + name.encode() + b"\x07"
        block += struct.pack("!H", len(value)) + value.encode()
    lengths = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    message = lengths + struct.pack("!I", binascii.crc32(lengths)) + block + payload
    return message + struct.pack("!I", binascii.crc32(message))


def _as_anthropic(plan: Plan) -> Plan:
    """Anthropic's answers at Bedrock name the model without its geography and version."""
    return msgspec.structs.replace(plan, model_served=_ANTHROPIC_NAME.sub("", plan.model_served))


def _content(plan: Plan) -> list[dict[str, Any]]:
    if plan.tool_call is None:
        return [{"text": plan.texts[0]}]
    called = {
        "toolUseId": "tooluse_" + plan.answer_id[-22:],
        "name": plan.tool_call.name,
        "input": msgspec.json.decode(plan.tool_call.arguments),
    }
    return [{"toolUse": called}]


def _ending(plan: Plan) -> dict[str, Any]:
    tier = {} if plan.tier == "default" else {"serviceTier": {"type": plan.tier}}
    return ({"usage": _usage(plan)} if plan.include_usage else {}) | tier


def _usage(plan: Plan) -> dict[str, Any]:
    """`inputTokens` leaves out the cache, `totalTokens` has it."""
    usage = plan.usage
    write = usage.cache_write_5m + usage.cache_write_1h
    counts: dict[str, Any] = {
        "inputTokens": usage.input,
        "outputTokens": usage.output,
        "totalTokens": usage.total_input + usage.output,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": write,
    }
    details = [("5m", usage.cache_write_5m), ("1h", usage.cache_write_1h)]
    return counts | ({"cacheDetails": [{"inputTokens": n, "ttl": ttl} for ttl, n in details if n]} if write else {})


def _stop_reason(plan: Plan) -> str:
    if plan.truncated:
        return "max_tokens"
    return "tool_use" if plan.tool_call is not None else "end_turn"
