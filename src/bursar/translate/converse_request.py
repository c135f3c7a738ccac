"""Reading and writing requests to Converse. The path names the model, and says whether the answer is streamed.

What only some models know stands in `additionalModelRequestFields`: Claude's `thinking` and `top_k`.
Source: the service model of bedrock-runtime, botocore 1.44.5; AWS's public pages on Claude's parameters.
"""

import re
from typing import Any

import msgspec

from bursar.domain.errors import BadRequest, MissingField
from bursar.translate import claude
from bursar.translate.arguments import parameters_text
from bursar.translate.conversation import (
    Conversation,
    Format,
    Losses,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from bursar.translate.converse_blocks import Writing, cache_last, read_blocks
from bursar.translate.fields import Fields, json_text, read_object
from bursar.translate.messages_parts import Block, Breakpoints, count_breakpoints
from bursar.translate.sent import Sent, are_words, sent
from bursar.translate.turns import alternating

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_TIERS = ("default", "flex", "priority")
_NO_PARAMETERS = {"type": "object", "properties": {}}
_OPENING = {"role": "user", "content": [{"text": "..."}]}
"""Before a conversation that the model began: the API wants the user's turn first."""


def read_request(body: bytes, model: str, losses: Losses, *, streams: bool) -> Conversation:
    """The conversation in a body. Raises InvalidJson, MissingField or BadRequest, which names the field."""
    said = Fields(read_object(body), "", losses)
    said.skip("modelId")  # the path's counts
    system = _read_system(said, losses)
    messages, later = _read_messages(said, losses)
    tools, choice = _read_tools(said.inner("toolConfig"))
    config = said.inner("inferenceConfig") or Fields({}, "inferenceConfig", losses)
    more = said.inner("additionalModelRequestFields") or Fields({}, "additionalModelRequestFields", losses)
    effort, format = _read_output(said.inner("outputConfig"))
    tier = said.inner("serviceTier")
    named = tier.text("type") if tier is not None else ""
    metadata = said.json("requestMetadata")
    conversation = Conversation(
        model=model,
        messages=messages,
        system=(*system, *later),
        stream=streams,
        tools=tools,
        tool_choice=choice,
        format=format,
        reasoning=_read_reasoning(more.inner("thinking"), effort),
        max_output_tokens=config.integer("maxTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=more.integer("top_k"),
        stop=config.texts("stopSequences"),
        metadata="" if metadata == "{}" else metadata,
        tier=named if named in _TIERS else "",
    )
    more.done()
    config.done()
    said.done()
    return conversation


def _read_system(said: Fields, losses: Losses) -> tuple[Text, ...]:
    parts: list[Text] = []
    for at, item in enumerate(said.items("system")):
        block = Fields(item, f"system[{at}]", losses)
        text, point = block.text("text"), block.inner("cachePoint")
        parts += [Text(text)] if text else []
        if point is not None:
            cache_last(parts, point)
        block.done()
    return tuple(parts)


def _read_messages(said: Fields, losses: Losses) -> tuple[tuple[Message, ...], list[Text]]:
    """The turns, and the system prompts that stood between them."""
    messages, later = [], []
    for at, value in enumerate(said.items("messages")):
        turn = Fields(value, f"messages[{at}]", losses)
        role = turn.text("role")
        if role not in ("user", "assistant", "system"):
            raise BadRequest(f"{turn.where('role')}: user or assistant is needed", field=turn.where("role"))
        parts = read_blocks(turn.take("content"), turn.where("content"), role, losses)
        turn.done()
        if role == "system":
            losses.lose(turn.where("role"))
            later += [part for part in parts if isinstance(part, Text)]
        else:
            messages.append(Message(role, parts))
    if not messages:
        raise MissingField("the request has no messages", field="messages")
    return tuple(messages), later


def _read_tools(config: Fields | None) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    if config is None:
        return (), None
    tools: list[Tool] = []
    for at, item in enumerate(config.items("tools")):
        tool = Fields(item, f"{config.where('tools')}[{at}]", config.losses)
        spec, point = tool.inner("toolSpec"), tool.inner("cachePoint")
        if spec is not None:
            tools.append(_read_tool(spec))
        if point is not None:
            cache_last(tools, point)
        tool.done()
    choice = config.inner("toolChoice")
    config.done()
    if choice is None:
        return tuple(tools), None
    one = choice.inner("tool")
    mode = "tool" if one is not None else "required" if choice.take("any") is not None else "auto"
    choice.skip("auto")
    choice.done()
    name = one.text("name") if one is not None else ""
    if one is not None and name not in [tool.name for tool in tools]:
        raise BadRequest(f"{one.where('name')}: no such tool can be called here", field=one.where("name"))
    return tuple(tools), ToolChoice(mode, name)


def _read_tool(spec: Fields) -> Tool:
    name = spec.text("name")
    if not name:
        raise MissingField(f"{spec.where('name')}: a tool needs a name", field=spec.where("name"))
    schema = spec.inner("inputSchema")
    parameters = schema.json("json") if schema is not None else ""
    tool = Tool(name, spec.text("description"), parameters_text(parameters), spec.flag("strict"))
    spec.done()
    return tool


def _read_output(config: Fields | None) -> tuple[str, Format | None]:
    """How hard it shall try, and what the answer must look like."""
    if config is None:
        return "", None
    effort, wanted = config.text("effort"), config.inner("textFormat")
    config.done()
    structure = wanted.inner("structure") if wanted is not None else None
    schema = structure.inner("jsonSchema") if structure is not None else None
    if schema is None:
        return effort, None
    text = schema.text("schema")
    try:
        value: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        value = None
    if not isinstance(value, dict):
        raise BadRequest(f"{schema.where('schema')}: a JSON Schema, as text, is needed", field=schema.where("schema"))
    return effort, Format("schema", schema.text("name"), json_text(value), description=schema.text("description"))


def _read_reasoning(thinking: Fields | None, effort: str) -> Reasoning | None:
    if effort and effort not in _EFFORTS:
        raise BadRequest(f"outputConfig.effort: one of {', '.join(_EFFORTS)} is needed", field="outputConfig.effort")
    if thinking is None:
        return Reasoning(effort) if effort else None
    kind, budget, display = thinking.text("type"), thinking.integer("budget_tokens"), thinking.text("display")
    thinking.done()
    shown = display != "omitted" if display else None
    if kind == "disabled":
        return Reasoning("none")
    if kind == "enabled" and budget is not None:
        return Reasoning(effort, budget, shown)
    return Reasoning(effort or "high", shown=shown)


def write_request(conversation: Conversation, losses: Losses) -> Sent:
    """The body. Raises BadRequest for what the API can't take."""
    marks = Breakpoints(count_breakpoints(conversation, conversation.messages), losses)
    writing = Writing(marks, losses)
    said: Block = {}
    tools = _write_tools(conversation, writing, losses)
    if tools:
        said["toolConfig"] = tools
    system = [part for part in conversation.system if part.text.strip()]
    if len(system) < len(conversation.system):
        losses.lose("system")
        losses.lose("cache")
    if system:
        said["system"] = [block for part in system for block in writing.marked({"text": part.text}, part.cache)]
    turns = _write_turns(conversation.messages, writing)
    _write_settings(said, conversation, losses, is_unthought=_thoughts_are_missing(turns))
    return sent(said, {"messages": turns}, is_words=are_words(conversation.messages))


def _write_tools(conversation: Conversation, writing: Writing, losses: Losses) -> Block:
    """The tools. Where calls are spoken of, tools must be there: then those that were called stand for them."""
    choice, tools = conversation.tool_choice, conversation.tools
    if not tools:
        if choice is not None and choice.mode in ("required", "tool"):
            losses.lose("tool_choice")
        called = _names_of_calls(conversation)
        return {"tools": [_spec(Tool(name)) for name in called]} if called else {}
    config: Block = {"tools": [block for tool in tools for block in writing.marked(_spec(tool), tool.cache)]}
    if choice is None:
        return config
    if choice.parallel is False:
        losses.lose("tool_choice.parallel")
    if choice.mode == "none":
        losses.lose("tool_choice")
    elif choice.mode == "tool":
        config["toolChoice"] = {"tool": {"name": choice.name}}
    else:
        config["toolChoice"] = {"any" if choice.mode == "required" else "auto": {}}
    return config


def _names_of_calls(conversation: Conversation) -> list[str]:
    parts = [part for message in conversation.messages for part in message.parts]
    named = {part.name for part in parts if isinstance(part, ToolUse | ToolResult)} - {""}
    has_results = any(isinstance(part, ToolResult) for part in parts)
    return sorted(named) or (["tool"] if has_results else [])


def _spec(tool: Tool) -> Block:
    if not _TOOL_NAME.fullmatch(tool.name):
        raise BadRequest(f"Bedrock can't call a tool named {tool.name[:64]!r}", field="tools")
    schema: Any = msgspec.Raw(tool.parameters.encode()) if tool.parameters else _NO_PARAMETERS
    spec: Block = {"name": tool.name, "inputSchema": {"json": schema}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return {"toolSpec": spec}


def _write_turns(messages: tuple[Turn, ...], writing: Writing) -> list[Block]:
    def write(role: str, parts: list[Part]) -> list[Block]:
        return writing.assistant_blocks(parts) if role == "assistant" else writing.user_blocks(parts)

    return alternating(messages, write, _OPENING)


def _write_settings(said: Block, conversation: Conversation, losses: Losses, *, is_unthought: bool) -> None:
    limit = conversation.max_output_tokens
    more: Block = {}
    if "claude" in conversation.model:
        limit = limit or conversation.default_output_tokens
        choice = conversation.tool_choice
        must_call = bool(conversation.tools) and choice is not None and choice.mode in ("required", "tool")
        thinking, effort = claude.thinking_of(
            conversation, limit or 0, losses, must_call=must_call, lacks_thoughts=is_unthought
        )
        thinks = thinking.get("type") in ("enabled", "adaptive")
        sampling = claude.sampling_of(conversation, losses, thinks=thinks)
        more |= {"thinking": thinking} if thinking else {}
        more |= {"top_k": sampling["top_k"]} if "top_k" in sampling else {}
        if effort:
            said["outputConfig"] = {"effort": effort}
    else:
        asked = {"temperature": conversation.temperature, "top_p": conversation.top_p}
        sampling = {name: value for name, value in asked.items() if value is not None}
        for name in ("top_k", "reasoning"):
            if getattr(conversation, name) is not None:
                losses.lose(name)
    stop = [text for text in conversation.stop if text]
    config = {
        "maxTokens": limit or None,
        "temperature": sampling.get("temperature"),
        "topP": sampling.get("top_p"),
        "stopSequences": stop or None,
    }
    config = {name: value for name, value in config.items() if value is not None}
    if config:
        said["inferenceConfig"] = config
    if more:
        said["additionalModelRequestFields"] = more
    _write_format(said, conversation.format, losses)
    _write_rest(said, conversation, losses)


def _thoughts_are_missing(turns: list[Block]) -> bool:
    """In the midst of a tool's call, a model with a budget wants its last turn to begin with a thought."""
    answers = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    return bool(answers) and "toolResult" in turns[-1]["content"][0] and "reasoningContent" not in answers[-1][0]


def _write_format(said: Block, wanted: Format | None, losses: Losses) -> None:
    if wanted is None:
        return
    if wanted.kind != "schema" or not wanted.schema:
        losses.lose("format")
        return
    schema = {"schema": wanted.schema}
    if wanted.name:
        schema["name"] = wanted.name
    if wanted.description:
        schema["description"] = wanted.description
    text = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    said.setdefault("outputConfig", {})["textFormat"] = text


def _write_rest(said: Block, conversation: Conversation, losses: Losses) -> None:
    if conversation.tier in _TIERS:
        said["serviceTier"] = {"type": conversation.tier}
    if conversation.metadata:
        metadata = msgspec.json.decode(conversation.metadata)
        if all(isinstance(value, str) for value in metadata.values()):
            said["requestMetadata"] = metadata
        else:
            losses.lose("metadata")
    unsaid = {
        "user": conversation.user,
        "seed": conversation.seed is not None,
        "frequency_penalty": conversation.frequency_penalty,
        "presence_penalty": conversation.presence_penalty,
        "choices": conversation.choices != 1,
        "logprobs": conversation.logprobs,
        "top_logprobs": conversation.top_logprobs is not None,
    }
    for name, is_said in unsaid.items():
        if is_said:
            losses.lose(name)
