"""What an answer will be, decided before a byte of it is written: usage, text, tool call, tier, names."""

from itertools import takewhile
from typing import Any, NamedTuple

import msgspec

from bursar.domain.usage import Usage
from bursar.simulate.billing import DEFAULT_TIER, Model
from bursar.simulate.faults import Control
from bursar.simulate.tokens import CachedPrefix, PrefixCache, answer_text, tokens_in

OUTPUT_TOKENS_LEAST = 16
OUTPUT_TOKENS_SPREAD = 240
REASONING_STEP = 64  # providers report reasoning in multiples of this
CHUNKS_MAX_DEFAULT = 20
CHOICES_MAX = 16
MADE = ("function_call", "reasoning")
SCHEMAS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
SEARCHES = "anthropic-messages"  # the dialect in which searches can be asked for
EMBEDDINGS = ("openai-embeddings", "gemini-embed", "bedrock-embed")


class Ask(msgspec.Struct):
    """What the simulator reads of a request, in any dialect; everything else is ignored."""

    model: str
    stream: bool = False
    background: bool = False  # responses: answered at once, to be asked for later
    stream_format: str | None = None  # speech: "sse"
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    messages: msgspec.Raw = msgspec.Raw(b"")
    input: msgspec.Raw = msgspec.Raw(b"")
    prompt: msgspec.Raw = msgspec.Raw(b"")
    system: msgspec.Raw = msgspec.Raw(b"")
    instructions: msgspec.Raw = msgspec.Raw(b"")
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    stream_options: dict[str, Any] | None = None
    service_tier: str | None = None
    user: str | None = None
    metadata: Any = None
    n: int | None = None
    thinking: dict[str, Any] | None = None
    encoding_format: str | None = None
    dimensions: int | None = None
    ttl: str | None = None  # cachedContents
    expire_time: str | None = None  # cachedContents
    parent: str = ""  # cachedContents at Vertex

    @property
    def prompt_bytes(self) -> bytes:
        """All that the model reads, in the order in which a prefix cache sees it."""
        parts = (self.system, self.instructions, self.messages, self.input, self.prompt)
        return (msgspec.json.encode(self.tools) if self.tools else b"") + b"".join(bytes(part) for part in parts)

    @property
    def output_tokens_max(self) -> int | None:
        for limit in (self.max_completion_tokens, self.max_output_tokens, self.max_tokens):
            if limit is not None:
                return max(1, limit)
        return None

    @property
    def wants_usage(self) -> bool:
        return bool((self.stream_options or {}).get("include_usage"))


class ToolCall(NamedTuple):
    name: str
    arguments: str  # JSON text


class Plan(msgspec.Struct):
    """One answer. `usage` counts all choices together."""

    answer_id: str
    request_id: str
    created_s: int
    model_served: str
    tier: str
    usage: Usage
    texts: list[str]  # one per choice
    tool_call: ToolCall | None
    thinking: str  # visible thinking (Anthropic); "" for none
    truncated: bool
    chunks: int
    include_usage: bool = True  # False: the answer keeps silent about usage
    stream_usage: bool = True  # the client asked for the usage chunk of a chat stream
    ask: Ask | None = None

    @property
    def visible_tokens(self) -> int:
        return self.usage.output - self.usage.reasoning


def decide(
    ask: Ask,
    model: Model | None,
    control: Control,
    cache: PrefixCache,
    *,
    dialect: str,
    namespace: str,
    ids: tuple[str, str],
    created_s: int,
    draw: int,
) -> Plan:
    """Decide an answer.

    model: None for one that isn't in the price table; it answers all the same.
    ids:   the answer's and the request's.
    draw:  a seeded number; decides sizes that nobody demanded.
    """
    prompt = ask.prompt_bytes
    prefix = CachedPrefix()
    if dialect in EMBEDDINGS:
        pass
    elif dialect.startswith(("anthropic", "bedrock")):
        if b"cache_control" in prompt or b"cachePoint" in prompt:
            prefix = cache.marked(namespace, _decoded(ask))
    else:
        prefix = cache.automatic(namespace, prompt, writes=model is not None and model.bills_cache_writes)
    usage, truncated = _usage(ask, model, control, prefix, tokens_in(len(prompt)), dialect, draw)
    choices = min(max(ask.n or 1, 1), CHOICES_MAX)
    visible = usage.output - usage.reasoning
    tool = None if dialect in EMBEDDINGS else _tool_call(ask)
    text = control.text if control.text is not None else answer_text(-(-visible // choices) if visible else 0, draw)
    chunks = control.chunks if control.chunks is not None else min(max(visible // choices, 1), CHUNKS_MAX_DEFAULT)
    thinks = bool(ask.thinking) and (ask.thinking or {}).get("type") in ("enabled", "adaptive")
    return Plan(
        answer_id=ids[0],
        request_id=ids[1],
        created_s=created_s,
        model_served=control.served if control.served is not None else model.served if model else ask.model,
        tier=_tier(ask, model, control),
        usage=usage,
        texts=[text] * choices,
        tool_call=tool,
        thinking=answer_text(min(visible, 24), draw + 7) if thinks else "",
        truncated=truncated or control.fault == "truncate",
        chunks=max(1, chunks),
        include_usage=control.fault != "no_usage",
        stream_usage=ask.wants_usage,
        ask=ask,
    )


def _usage(
    ask: Ask, model: Model | None, control: Control, prefix: CachedPrefix, prompt_tokens: int, dialect: str, draw: int
) -> tuple[Usage, bool]:
    """Disjoint counts, and whether the token limit ended the answer."""
    read = control.cached if control.cached is not None else prefix.read
    write_5m = control.cache_write_5m if control.cache_write_5m is not None else prefix.write_5m
    write_1h = control.cache_write_1h if control.cache_write_1h is not None else prefix.write_1h
    rest = max(prompt_tokens - prefix.read - prefix.write_5m - prefix.write_1h, 1)
    fresh = control.input if control.input is not None else rest
    if dialect in EMBEDDINGS:
        return Usage(input=fresh), False
    output = control.output if control.output is not None else OUTPUT_TOKENS_LEAST + draw % OUTPUT_TOKENS_SPREAD
    reasons = model is not None and model.reasoning
    if control.reasoning is not None:
        reasoning = min(control.reasoning, output)
    elif reasons:
        reasoning = output * 3 // 4 // REASONING_STEP * REASONING_STEP
    else:
        reasoning = 0
    limit = ask.output_tokens_max
    truncated = limit is not None and output > limit
    if truncated and limit is not None:
        output = limit
        reasoning = min(reasoning, output)
    usage = Usage(
        input=fresh,
        cache_read=read,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output=output,
        web_search=control.searches if dialect == SEARCHES else 0,
        reasoning=reasoning,
    )
    return usage, truncated


def _tier(ask: Ask, model: Model | None, control: Control) -> str:
    """The tier served: the one asked for if this model has it, else the default."""
    if control.tier is not None:
        return control.tier
    asked = ask.service_tier or ""
    return asked if model is not None and asked in model.tiers else DEFAULT_TIER


def _decoded(ask: Ask) -> dict[str, Any]:
    def value(raw: msgspec.Raw) -> Any:
        return msgspec.json.decode(raw) if bytes(raw) else None

    return {"tools": ask.tools, "system": value(ask.system), "messages": value(ask.messages)}


def _tool_call(ask: Ask) -> ToolCall | None:
    """Calls the first tool that was offered, unless a tool's result was brought since the model last spoke, or tools
    are off. Agents put notes of their own behind a result."""
    if not ask.tools or ask.tool_choice == "none":
        return None
    turns = msgspec.json.decode(bytes(ask.messages) or bytes(ask.input) or b"[]")
    if isinstance(turns, list) and any(map(_is_tool_result, takewhile(_is_callers, reversed(turns)))):
        return None
    for tool in ask.tools:
        function = tool.get("function", tool)
        name = function.get("name") if isinstance(function, dict) else None
        if isinstance(name, str):
            schema: Any = next((function[key] for key in SCHEMAS if function.get(key)), {})
            return ToolCall(name, msgspec.json.encode(_sample(schema)).decode())
    return None


def _is_callers(turn: Any) -> bool:
    """Whether a turn (in Responses: an item) is the caller's, not the model's."""
    return isinstance(turn, dict) and turn.get("role") not in ("assistant", "model") and turn.get("type") not in MADE


def _is_tool_result(turn: Any) -> bool:
    if not isinstance(turn, dict):
        return False
    if turn.get("role") == "tool" or turn.get("type") == "function_call_output":
        return True
    parts = turn.get("parts")
    if isinstance(parts, list) and any(isinstance(part, dict) and "functionResponse" in part for part in parts):
        return True
    content = turn.get("content")
    return isinstance(content, list) and any(
        isinstance(block, dict) and (block.get("type") == "tool_result" or "toolResult" in block) for block in content
    )


def _sample(schema: Any) -> Any:
    """A value that fits a JSON schema, as far as tools use it."""
    if not isinstance(schema, dict):
        return {}
    if schema.get("enum"):
        return schema["enum"][0]
    match str(schema.get("type")).lower():  # Google writes it in capitals
        case "string":
            return "sample"
        case "integer":
            return 1
        case "number":
            return 1.5
        case "boolean":
            return True
        case "array":
            return [_sample(schema.get("items"))]
        case _:
            parts = schema.get("properties") or {}
            wanted = schema.get("required") or parts  # a model mostly leaves out what it needn't say
            return {name: _sample(parts.get(name)) for name in wanted}
