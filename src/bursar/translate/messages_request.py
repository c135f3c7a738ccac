"""Reading a Messages request: what the caller means by it.

Source: the request types of the anthropic SDK 2.12.0; requests recorded in tests/golden/anthropic.
"""

from typing import Any

from msgspec.structs import replace

from bursar.domain.errors import BadRequest, MissingField
from bursar.providers.reading import require_model
from bursar.translate.arguments import parameters_text
from bursar.translate.conversation import (
    Conversation,
    Format,
    Losses,
    Message,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolChoice,
)
from bursar.translate.fields import Fields, read_fields
from bursar.translate.messages_blocks import cache_of, read_blocks

_TIERS = {"auto": "auto", "standard_only": "default"}
_MODES = {"auto": "auto", "any": "required", "tool": "tool", "none": "none"}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_DEFAULT_EFFORT = "high"
"""Anthropic's own for adaptive thinking."""


def read_request(body: bytes, losses: Losses) -> Conversation:
    """The conversation in a body. Raises InvalidJson, MissingField or BadRequest, which names the field."""
    said = read_fields(body, losses)
    model = require_model(said.text("model"))
    system = _system(said.take("system"), "system", losses)
    messages, said_later = _messages(said, losses)
    tools = _tools(said, losses)
    effort, format = _output_config(said)
    conversation = Conversation(
        model=model,
        messages=messages,
        system=(*system, *said_later),
        stream=said.flag("stream") is True,
        tools=tools,
        tool_choice=_tool_choice(said.inner("tool_choice"), tools),
        format=format,
        reasoning=_reasoning(said.inner("thinking"), effort),
        max_output_tokens=said.integer("max_tokens"),
        temperature=said.number("temperature"),
        top_p=said.number("top_p"),
        top_k=said.integer("top_k"),
        stop=said.texts("stop_sequences"),
        user=_user(said.inner("metadata")),
        tier=_tier(said),
    )
    said.done()
    return conversation


def _system(value: Any, path: str, losses: Losses) -> tuple[Text, ...]:
    """A system prompt, as text or as blocks of text."""
    parts = read_blocks(value, path, "system", losses)
    return tuple(part for part in parts if isinstance(part, Text))


def _messages(said: Fields, losses: Losses) -> tuple[tuple[Message, ...], list[Text]]:
    """The turns, and the system prompts that stood between them: those go to the others, before all turns."""
    messages: list[Message] = []
    system: list[Text] = []
    for at, value in enumerate(said.items("messages")):
        turn = Fields(value, f"messages[{at}]", losses)
        role = turn.text("role")
        path = turn.where("content")
        if role == "system":
            losses.lose(turn.where("role"))
            system += _system(turn.take("content"), path, losses)
        elif role in ("user", "assistant"):
            messages.append(Message(role, read_blocks(turn.take("content"), path, role, losses)))
        else:
            raise BadRequest(f"{turn.where('role')}: user or assistant is needed", field=turn.where("role"))
        turn.done()
    if not messages:
        raise MissingField("the request has no messages", field="messages")
    _cache_the_last(said, messages)
    return tuple(messages), system


def _cache_the_last(said: Fields, messages: list[Message]) -> None:
    """`cache_control` of the whole request is a breakpoint behind its last part."""
    cache = cache_of(said)
    last = messages[-1]
    if cache and last.parts and not isinstance(last.parts[-1], Thinking | Refusal) and not last.parts[-1].cache:
        messages[-1] = Message(last.role, (*last.parts[:-1], replace(last.parts[-1], cache=cache)))


def _tools(said: Fields, losses: Losses) -> tuple[Tool, ...]:
    """The caller's functions. What the provider would do itself, or shapes itself, is lost by its name."""
    found = []
    for at, value in enumerate(said.items("tools")):
        tool = Fields(value, f"tools[{at}]", losses)
        kind = tool.text("type")
        if kind not in ("", "custom"):
            losses.lose(f"tools[{at}].{kind[:64]}")
            continue
        name = tool.text("name")
        if not name:
            raise MissingField(f"{tool.where('name')}: a tool needs a name", field=tool.where("name"))
        tool.skip("eager_input_streaming")
        found.append(
            Tool(
                name,
                tool.text("description"),
                parameters_text(tool.json("input_schema")),
                tool.flag("strict"),
                cache_of(tool),
            )
        )
        tool.done()
    return tuple(found)


def _tool_choice(said: Fields | None, tools: tuple[Tool, ...]) -> ToolChoice | None:
    if said is None:
        return None
    kind = said.text("type")
    if kind not in _MODES:
        raise BadRequest(f"{said.where('type')}: auto, any, tool or none is needed", field=said.where("type"))
    name = said.text("name")
    if kind == "tool" and name not in [tool.name for tool in tools]:
        raise BadRequest(f"{said.where('name')}: no such tool can be called here", field=said.where("name"))
    serial = said.flag("disable_parallel_tool_use")
    said.done()
    return ToolChoice(_MODES[kind], name if kind == "tool" else "", None if serial is None else not serial)


def _output_config(said: Fields) -> tuple[str, Format | None]:
    """How hard it shall try, and what the answer must look like; `output_format` is the field's older name."""
    effort, format = "", said.inner("output_format")
    config = said.inner("output_config")
    if config is not None:
        effort = config.text("effort")
        format = config.inner("format") or format
        config.done()
    if format is None:
        return effort, None
    kind = format.text("type")
    schema = format.json("schema")
    format.done()
    if kind != "json_schema" or not schema:
        raise BadRequest(f"{format.path}: json_schema with its schema is needed", field=format.path)
    return effort, Format("schema", schema=schema)


def _reasoning(thinking: Fields | None, effort: str) -> Reasoning | None:
    """How much to think. An effort without thinking is one all the same."""
    if effort and effort not in _EFFORTS:
        raise BadRequest(f"output_config.effort: one of {', '.join(_EFFORTS)} is needed", field="output_config.effort")
    if thinking is None:
        return Reasoning(effort) if effort else None
    kind = thinking.text("type")
    display = thinking.text("display")
    shown = display != "omitted" if display else None
    budget = thinking.integer("budget_tokens")
    thinking.done()
    if kind == "disabled":
        return Reasoning("none")
    if kind == "enabled" and budget is not None:
        return Reasoning(effort, budget, shown)
    if kind == "between_tools":
        thinking.losses.lose("thinking.type")
    elif kind != "adaptive":
        field = "thinking.budget_tokens" if kind == "enabled" else "thinking.type"
        raise BadRequest(f"{field}: adaptive, disabled, or enabled with a budget is needed", field=field)
    return Reasoning(effort or _DEFAULT_EFFORT, shown=shown)


def _user(metadata: Fields | None) -> str:
    if metadata is None:
        return ""
    user = metadata.text("user_id")
    metadata.done()
    return user


def _tier(said: Fields) -> str:
    tier = said.text("service_tier")
    if tier and tier not in _TIERS:
        said.losses.lose("service_tier")
    return _TIERS.get(tier, "")
