"""Google's wire: generateContent, its two forms of a stream, countTokens, embeddings, models, errors.

Source: Vertex's discovery document, revision 20261106; the schemas of google-genai 3.4.0; gemini-generateContent-*
recordings for what a chunk carries. Prompt counts include the cached ones; thoughts are in neither main count.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from bursar.simulate.plan import Ask, Plan
from bursar.simulate.vectors import vector_of
from bursar.simulate.wire_google_caches import CACHES_PATH
from bursar.simulate.wire_openai import Event, split

_PATH = re.compile(
    r"/v1(?:alpha|beta1?)?(?:(?:/projects/[^/]+/locations/[^/]+)?/publishers/google)?"
    r"/models/(?P<model>[^/:?]+):(?P<action>[A-Za-z]+)"
)
_encode = msgspec.json.Encoder().encode


class Target(NamedTuple):
    """parent: of a cached content at Vertex, `projects/P/locations/L/`."""

    model: str
    action: str
    parent: str = ""


class _Request(msgspec.Struct, rename="camel"):
    contents: list[dict[str, Any]] = []
    model: str = ""  # of cachedContents
    ttl: str | None = None  # of cachedContents: "7200s"
    expire_time: str | None = None  # of cachedContents, in place of it
    content: dict[str, Any] | None = None  # embedContent
    requests: list[dict[str, Any]] | None = None  # batchEmbedContents
    system_instruction: Any = None
    tools: list[dict[str, Any]] | None = None
    tool_config: dict[str, Any] | None = None
    generation_config: dict[str, Any] | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None
    generate_content_request: dict[str, Any] | None = None  # countTokens


_REQUEST = msgspec.json.Decoder(_Request)


def target_of(path: str) -> Target | None:
    if (cached := CACHES_PATH.fullmatch(path)) is not None:
        return Target("", "cachedContents", cached["parent"] or "")  # its model is in the body
    found = _PATH.fullmatch(path)
    return Target(found["model"], found["action"]) if found else None


def key_of(query: str) -> str:
    return parse_qs(query).get("key", [""])[0]


def wants_events(query: str) -> bool:
    return parse_qs(query).get("alt") == ["sse"]


def ask_of(target: Target, body: bytes) -> Ask:
    """A request in the words that all dialects share here. Raises msgspec.DecodeError."""
    seen = _REQUEST.decode(body)
    config = seen.generation_config or {}
    mode = ((seen.tool_config or {}).get("functionCallingConfig") or {}).get("mode")
    declared = [one for tool in seen.tools or () for one in tool.get("functionDeclarations") or ()]
    system = _encode(seen.system_instruction) if seen.system_instruction is not None else b""
    embedded = seen.requests if seen.requests is not None else seen.content
    return Ask(
        model=target.model or seen.model.rpartition("/")[2],
        stream=target.action == "streamGenerateContent",
        max_output_tokens=config.get("maxOutputTokens"),
        messages=msgspec.Raw(_encode(seen.contents)),
        input=msgspec.Raw(b"" if embedded is None else _encode(embedded)),
        system=msgspec.Raw(system),
        tools=[{"function": one} for one in declared] or None,
        tool_choice="none" if mode == "NONE" else None,
        n=config.get("candidateCount"),
        service_tier=(seen.service_tier or "").lower() or None,
        metadata=seen.labels,
        ttl=seen.ttl,
        expire_time=seen.expire_time,
        parent=target.parent,
        thinking={"type": "enabled"} if (config.get("thinkingConfig") or {}).get("includeThoughts") else None,
    )


def answer(plan: Plan) -> bytes:
    candidates = [_candidate(_parts(plan, text), index, _finish(plan)) for index, text in enumerate(plan.texts)]
    return _encode(_response(plan, candidates, plan.visible_tokens))


def answer_events(plan: Plan) -> list[Event]:
    """`alt=sse`: each chunk has the usage so far, the last one its reason."""
    return [Event(b"data: %b\r\n\r\n" % body, tokens) for body, tokens in _chunks(plan)]


def answer_array(plan: Plan) -> list[Event]:
    """Without `alt=sse`: one JSON array, whose elements come as they are made."""
    chunks = _chunks(plan)
    last = len(chunks) - 1
    return [
        Event(b"%b%b%b" % (b"," if at else b"[", body + b"\r\n", b"]" if at == last else b""), tokens)
        for at, (body, tokens) in enumerate(chunks)
    ]


def count_tokens(tokens: int) -> bytes:
    return _encode({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})


def embedding(plan: Plan) -> bytes:
    """For one content, or for each of several in their order."""
    asked = msgspec.json.decode(plan.ask.input) if plan.ask is not None and bytes(plan.ask.input) else None
    vectors = [{"values": _vector(one)} for one in (asked if isinstance(asked, list) else [{"content": asked}])]
    body: dict[str, Any] = {"embeddings": vectors} if isinstance(asked, list) else {"embedding": vectors[0]}
    if plan.include_usage:
        body["usageMetadata"] = {"promptTokenCount": plan.usage.input, "totalTokenCount": plan.usage.input}
    return _encode(body)


def _vector(asked: dict[str, Any]) -> list[float]:
    parts = (asked.get("content") or {}).get("parts") or ()
    return vector_of("".join(part.get("text", "") for part in parts), asked.get("outputDimensionality"))


def models(names: list[str]) -> bytes:
    rows = [
        {
            "name": f"models/{name}",
            "version": "001",
            "displayName": name.replace("-", " ").title(),
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }
        for name in names
    ]
    return _encode({"models": rows})


def error(status: int, text: str) -> bytes:
    kind = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        503: "UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
        529: "UNAVAILABLE",
    }.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    return _encode({"error": {"code": status, "message": text, "status": kind}})


def error_event(*, is_array: bool) -> bytes:
    """A stream that fails in the middle."""
    body = error(503, "The model is overloaded. Please try again later.")
    return b",%b\r\n]" % body if is_array else b"data: %b\r\n\r\n" % body


def _chunks(plan: Plan) -> list[tuple[bytes, int]]:
    """(a chunk, output tokens once it was sent)"""
    steps: list[tuple[int, list[dict[str, Any]], bool]] = []
    for index, text in enumerate(plan.texts):
        if plan.tool_call is not None:
            steps.append((index, _parts(plan, text), True))
            continue
        if plan.thinking and not index:
            steps.append((index, [{"text": plan.thinking, "thought": True}], False))
        pieces = split(text, plan.chunks)
        steps += [(index, [{"text": piece}], at == len(pieces)) for at, piece in enumerate(pieces, 1)]
    chunks = []
    for number, (index, parts, last) in enumerate(steps, 1):
        visible = plan.visible_tokens * number // len(steps)
        body = _response(plan, [_candidate(parts, index, _finish(plan) if last else None)], visible)
        chunks.append((_encode(body), plan.usage.reasoning + visible))
    return chunks


def _response(plan: Plan, candidates: list[dict[str, Any]], visible: int) -> dict[str, Any]:
    body: dict[str, Any] = {"candidates": candidates}
    if plan.include_usage:
        body["usageMetadata"] = _usage(plan, visible)
    return body | {"modelVersion": plan.model_served, "responseId": plan.answer_id}


def _usage(plan: Plan, visible: int) -> dict[str, Any]:
    usage = plan.usage
    prompt = usage.input + usage.cache_read
    counts: dict[str, Any] = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": visible,
        "totalTokenCount": prompt + visible + usage.reasoning,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    if usage.cache_read:
        counts["cachedContentTokenCount"] = usage.cache_read
        counts["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": usage.cache_read}]
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    return counts | {"serviceTier": "standard" if plan.tier == "default" else plan.tier}


def _candidate(parts: list[dict[str, Any]], index: int, finish: str | None) -> dict[str, Any]:
    said: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    return said | ({"finishReason": finish} if finish else {}) | {"index": index}


def _parts(plan: Plan, text: str) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": plan.thinking, "thought": True}] if plan.thinking else []
    if plan.tool_call is not None:
        call = {"name": plan.tool_call.name, "args": msgspec.json.decode(plan.tool_call.arguments)}
        return [*parts, {"functionCall": call}]
    return [*parts, {"text": text}]


def _finish(plan: Plan) -> str:
    return "MAX_TOKENS" if plan.truncated else "STOP"
