"""Requests of OpenAI's Responses, read. Source: OpenAI's published schema (CreateResponse, Item); what the Codex CLI
and the `openai` package send.

What refers to the provider's own state (`previous_response_id`, `conversation`, stored prompts, item references) is
refused: another provider doesn't have it. Hosted tools are lost by name, and what they found in earlier turns.
"""

from typing import Any

import msgspec

from bursar.domain.errors import BadRequest, MissingField
from bursar.providers.reading import decode_request, require_model
from bursar.providers.values import ModelName, OutputLimit
from bursar.translate.conversation import Conversation, Format, Losses, Reasoning, Text, Tool, ToolChoice
from bursar.translate.responses_input import InputReader, Turns
from bursar.translate.responses_items import Item

_NONE = msgspec.Raw()
LOGPROBS = "message.output_text.logprobs"
ENCRYPTED = "reasoning.encrypted_content"
_STATE = ("previous_response_id", "conversation", "prompt")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class _Tool(msgspec.Struct, gc=False):
    type: str = ""
    name: str | None = None
    description: str | None = None
    parameters: msgspec.Raw = _NONE
    strict: bool | None = None


class _Chosen(msgspec.Struct, gc=False):
    type: str = ""
    name: str | None = None
    mode: str | None = None
    tools: list[_Tool] | None = None


class _Format(msgspec.Struct, gc=False):
    type: str = ""
    name: str | None = None
    schema: msgspec.Raw = _NONE
    strict: bool | None = None
    description: str | None = None


class _Text(msgspec.Struct, gc=False):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct, gc=False):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class _Request(msgspec.Struct):
    model: ModelName | None = None
    input: str | list[Item] | None = None
    instructions: str | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Chosen | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    max_output_tokens: OutputLimit | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    truncation: str | None = None
    background: bool | None = None
    previous_response_id: Any = None
    conversation: Any = None
    prompt: Any = None
    stream_options: Any = None  # only says whether deltas are padded


_REQUEST = msgspec.json.Decoder(_Request)
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KNOWN = frozenset(_Request.__struct_fields__)


def read_request(body: bytes, losses: Losses) -> Conversation:
    """Raises InvalidJson, MissingField or BadRequest with the field."""
    seen = decode_request(_REQUEST, body)
    model = require_model(seen.model)
    _refuse_state(seen)
    _lose_others(seen, body, losses)
    tools = _tools(seen.tools or (), losses)
    tools, choice = _tool_choice(seen, tools, losses)
    turns = _turns(seen, losses)
    include = seen.include or ()
    return Conversation(
        model=model,
        messages=tuple(turns.messages()),
        system=tuple(turns.system),
        stream=seen.stream is True,
        tools=tools,
        tool_choice=choice,
        format=_format(seen.text, losses),
        reasoning=_reasoning(seen.reasoning, losses),
        max_output_tokens=seen.max_output_tokens,
        temperature=seen.temperature,
        top_p=seen.top_p,
        logprobs=bool(seen.top_logprobs) or LOGPROBS in include,
        top_logprobs=seen.top_logprobs,
        user=seen.safety_identifier or seen.user or "",
        metadata=msgspec.json.encode(seen.metadata).decode() if seen.metadata else "",
        tier=seen.service_tier or "",
    )


def _refuse_state(seen: _Request) -> None:
    for name in _STATE:
        if getattr(seen, name):
            raise BadRequest(
                f"{name} refers to what this model's provider never saw: send the whole conversation as input",
                field=name,
            )
    if seen.background:
        raise BadRequest("a background response can't be had from this model's provider", field="background")


def _lose_others(seen: _Request, body: bytes, losses: Losses) -> None:
    """Name every setting that has no counterpart. What only repeats a default isn't missed."""
    for name, value in _KEYS.decode(body).items():
        if name not in _KNOWN and bytes(value) != b"null":
            losses.lose(name)
    if seen.store:
        losses.lose("store")
    if seen.truncation not in (None, "disabled"):
        losses.lose("truncation")
    if seen.text is not None and seen.text.verbosity:
        losses.lose("text.verbosity")
    for wanted in seen.include or ():
        if wanted not in (LOGPROBS, ENCRYPTED):
            losses.lose(f"include.{wanted}")


def _turns(seen: _Request, losses: Losses) -> Turns:
    turns = Turns()
    if seen.instructions:
        turns.system.append(Text(seen.instructions))
    if seen.input is None:
        raise MissingField("the request has no input", field="input")
    if isinstance(seen.input, str):
        turns.say("user", [Text(seen.input)] if seen.input else [])
        return turns
    reader = InputReader(turns, losses)
    for index, item in enumerate(seen.input):
        reader.take(item, f"input[{index}]")
    return turns


def _tools(seen: tuple[_Tool, ...] | list[_Tool], losses: Losses) -> tuple[Tool, ...]:
    found = []
    for index, tool in enumerate(seen):
        field = f"tools[{index}]"
        if tool.type == "function":
            if not tool.name:
                raise MissingField(f"{field}: a function needs a name", field=f"{field}.name")
            found.append(Tool(tool.name, tool.description or "", _json(tool.parameters), tool.strict))
        elif tool.type:
            losses.lose(f"{field}.{tool.type}")
        else:
            raise MissingField(f"{field}: a tool needs a type", field=f"{field}.type")
    return tuple(found)


def _tool_choice(seen: _Request, tools: tuple[Tool, ...], losses: Losses) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The tools that may be called, and which must."""
    parallel = seen.parallel_tool_calls
    chosen = seen.tool_choice
    if chosen is None:
        return tools, None if parallel is None or not tools else ToolChoice(parallel=parallel)
    if isinstance(chosen, str):
        if chosen not in ("auto", "none", "required"):
            raise BadRequest('tool_choice is "auto", "none", "required" or an object', field="tool_choice")
        return tools, _unless_idle(ToolChoice(chosen, parallel=parallel), tools, losses)
    if chosen.type == "function" and chosen.name:
        return tools, ToolChoice("tool", chosen.name, parallel)
    if chosen.type == "allowed_tools":
        names = {tool.name for tool in chosen.tools or () if tool.type == "function"}
        tools = tuple(tool for tool in tools if tool.name in names)
        mode = "required" if chosen.mode == "required" else "auto"
        return tools, _unless_idle(ToolChoice(mode, parallel=parallel), tools, losses)
    raise BadRequest(f"tool_choice: no other provider has {chosen.type or 'this'}", field="tool_choice")


def _unless_idle(choice: ToolChoice, tools: tuple[Tool, ...], losses: Losses) -> ToolChoice | None:
    """Nothing to choose from is nothing to say. A call that must be made of tools that were lost is one loss more."""
    if tools:
        return choice
    if choice.mode == "required":
        losses.lose("tool_choice")
    return None


def _format(text: _Text | None, losses: Losses) -> Format | None:
    said = text.format if text is not None else None
    if said is None or said.type == "text":
        return None
    if said.type == "json_object":
        return Format("json")
    if said.type != "json_schema":
        losses.lose(f"text.format.{said.type}")
        return None
    schema = _json(said.schema)
    if not schema:
        raise MissingField("text.format: json_schema needs a schema", field="text.format.schema")
    return Format("schema", said.name or "", schema, said.strict, said.description or "")


def _reasoning(said: _Reasoning | None, losses: Losses) -> Reasoning | None:
    if said is None:
        return None
    effort = said.effort or ""
    if effort and effort not in EFFORTS:
        raise BadRequest(f"reasoning.effort is one of {', '.join(EFFORTS)}", field="reasoning.effort")
    for name, value in (("context", said.context), ("mode", said.mode)):
        if value not in (None, "auto", "standard"):
            losses.lose(f"reasoning.{name}")
    shown = True if said.summary or said.generate_summary else None
    return Reasoning(effort, shown=shown) if effort or shown else None


def _json(value: msgspec.Raw) -> str:
    """A JSON value as text; "" where it is left out or null."""
    text = bytes(value).decode()
    return "" if text == "null" else text
