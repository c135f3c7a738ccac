"""Writing a request to generateContent: the same conversation, as Gemini takes it.

Gemini 3 thinks to a level, 2.5 to a budget, earlier ones not at all. A schema is sent as JSON Schema, as it came.
Source: Vertex's discovery document, revision 20261106; google-genai 3.4.0; Google's page on OpenAI compatibility (the
budgets of its efforts).
"""

import re
from typing import Any

from bursar.domain.errors import BadRequest
from bursar.translate.conversation import Conversation, Losses, Part, Reasoning, Tool, ToolChoice, ToolUse, Turn
from bursar.translate.gemini_parts import Block, model_parts, raw, user_parts
from bursar.translate.sent import Sent, are_words, sent

STOPS_MAX = 5
_SEED_MAX = 2**31 - 1
_TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}
_LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_BUDGETS = {"none": 0, "minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}
_PRO_BUDGET_MIN = 128
"""Gemini 2.5 Pro can't be kept from thinking."""

_LEVELS_SINCE = (3, 0)
_THINKS_SINCE = (2, 5)
_NEWEST = (99, 0)
_VERSION = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")


def generation(model: str) -> tuple[int, int]:
    """(2, 5) of gemini-2.5-flash. A model without a number is new."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else _NEWEST


def write_request(conversation: Conversation, dialect: str, losses: Losses) -> Sent:
    """The body. Raises BadRequest for what the API can't take."""
    said: Block = {}
    if conversation.system:
        said["systemInstruction"] = {"parts": [{"text": part.text} for part in conversation.system if part.text]}
    contents = _contents(conversation, dialect, losses)
    if conversation.tools:
        said["tools"] = [{"functionDeclarations": [_function(tool, losses) for tool in conversation.tools]}]
    choice = _tool_choice(conversation.tool_choice, conversation.tools, losses)
    if choice is not None:
        said["toolConfig"] = {"functionCallingConfig": choice}
    config = _config(conversation, losses)
    if config:
        said["generationConfig"] = config
    tier = _TIERS.get(conversation.tier) if dialect.startswith("gemini") else None
    if tier:
        said["serviceTier"] = tier
    elif conversation.tier not in ("", "auto"):
        losses.lose("tier")
    for name in ("user", "metadata"):
        if getattr(conversation, name):
            losses.lose(name)
    if _has_breakpoints(conversation):
        losses.lose("cache")
    return sent(said, {"contents": contents}, is_words=are_words(conversation.messages))


def _contents(conversation: Conversation, dialect: str, losses: Losses) -> list[Block]:
    """Turns that alternate. Raises BadRequest if nothing is left to answer."""
    must_sign = generation(conversation.model) >= _LEVELS_SINCE
    names: dict[str, str] = {}
    contents: list[Block] = []
    for role, parts in _joined(conversation.messages):
        if role == "assistant":
            names |= {part.id: part.name for part in parts if isinstance(part, ToolUse)}
            written = model_parts(parts, dialect, must_sign=must_sign, losses=losses)
        else:
            written = user_parts(parts, names, losses)
        named = "model" if role == "assistant" else "user"
        if written and contents and contents[-1]["role"] == named:  # what stood between them is lost
            contents[-1]["parts"] += written
        elif written:
            contents.append({"role": named, "parts": written})
    if not contents:
        raise BadRequest("the conversation holds nothing to answer", field="messages")
    return contents


def _joined(messages: tuple[Turn, ...]) -> list[tuple[str, list[Part]]]:
    joined: list[tuple[str, list[Part]]] = []
    for message in messages:
        if joined and joined[-1][0] == message.role:
            joined[-1][1].extend(message.parts)
        else:
            joined.append((message.role, list(message.parts)))
    return joined


def _function(tool: Tool, losses: Losses) -> Block:
    if not _TOOL_NAME.fullmatch(tool.name):
        raise BadRequest(f"Gemini can't call a tool named {tool.name[:128]!r}", field="tools")
    if tool.strict:
        losses.lose("tool.strict")
    function: Block = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters:
        function["parametersJsonSchema"] = raw(tool.parameters)
    return function


def _tool_choice(choice: ToolChoice | None, tools: tuple[Tool, ...], losses: Losses) -> Block | None:
    """Calls may always be parallel."""
    if choice is None:
        return None
    if not tools:
        if choice.mode in ("required", "tool"):
            losses.lose("tool_choice")
        return None
    if choice.parallel is False:
        losses.lose("tool_choice.parallel")
    config: Block = {"mode": _MODES[choice.mode]}
    if choice.mode == "tool":
        config["allowedFunctionNames"] = [choice.name]
    return config


def _config(conversation: Conversation, losses: Losses) -> Block:
    seed, stop = conversation.seed, list(conversation.stop)
    if seed is not None and seed > _SEED_MAX:
        losses.lose("seed")
        seed = None
    if len(stop) > STOPS_MAX:
        losses.lose("stop")
    said: dict[str, Any] = {
        "maxOutputTokens": conversation.max_output_tokens,
        "temperature": conversation.temperature,
        "topP": conversation.top_p,
        "topK": conversation.top_k,
        "stopSequences": stop[:STOPS_MAX] or None,
        "seed": seed,
        "frequencyPenalty": conversation.frequency_penalty,
        "presencePenalty": conversation.presence_penalty,
        "candidateCount": conversation.choices if conversation.choices != 1 else None,
        "responseLogprobs": conversation.logprobs or None,
        "logprobs": conversation.top_logprobs,
        "thinkingConfig": _thinking(conversation.reasoning, conversation.model, losses) or None,
    }
    config = {name: value for name, value in said.items() if value is not None}
    format = conversation.format
    if format is not None:
        config["responseMimeType"] = "application/json"
        if format.schema:
            config["responseJsonSchema"] = raw(format.schema)
        if format.description:
            losses.lose("format.description")
    return config


def _thinking(wanted: Reasoning | None, model: str, losses: Losses) -> Block:
    if wanted is None:
        return {}
    since = generation(model)
    if since < _THINKS_SINCE:
        if wanted.effort != "none":
            losses.lose("reasoning")
        return {}
    config: Block = {}
    if wanted.shown is not None:
        config["includeThoughts"] = wanted.shown
    if wanted.effort and since >= _LEVELS_SINCE:
        if wanted.budget_tokens is not None:
            losses.lose("reasoning.budget_tokens")
        config["thinkingLevel"] = _level(wanted.effort, model, losses)
    elif wanted.budget_tokens is not None:
        config["thinkingBudget"] = wanted.budget_tokens
    elif wanted.effort:
        config["thinkingBudget"] = _budget(wanted.effort, model, losses)
    return config


def _level(effort: str, model: str, losses: Losses) -> str:
    """The nearest of four; Pro models have no minimal one, and the first of them no medium."""
    is_pro = "-pro" in model
    if effort == "none":
        losses.lose("reasoning.effort")
        effort = "minimal"
    if effort in ("xhigh", "max"):
        losses.lose("reasoning.effort")
        return "HIGH"
    if is_pro and effort == "minimal":
        losses.lose("reasoning.effort")
        return "LOW"
    if "gemini-3-pro" in model and effort == "medium":
        losses.lose("reasoning.effort")
        return "HIGH"
    return _LEVELS[effort]


def _budget(effort: str, model: str, losses: Losses) -> int:
    if effort == "none" and "-pro" in model:
        losses.lose("reasoning.effort")
        return _PRO_BUDGET_MIN
    return _BUDGETS.get(effort, _BUDGETS["high"])


def _has_breakpoints(conversation: Conversation) -> bool:
    if any(tool.cache for tool in conversation.tools) or any(part.cache for part in conversation.system):
        return True
    return any(getattr(part, "cache", "") != "" for message in conversation.messages for part in message.parts)
