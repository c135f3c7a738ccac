"""Writing a Messages request: the same conversation, as Anthropic's API takes it.

Turns alternate; a limit of output is needed; thinking wants its budget below that limit, no temperature, and no tool
that must be called. Which of Claude's generations wants what: `claude.py`.
"""

import re
from typing import Any

import msgspec

from bursar.domain.errors import BadRequest, MissingField
from bursar.translate import claude
from bursar.translate.conversation import (
    Conversation,
    Losses,
    Part,
    Text,
    Tool,
    ToolChoice,
    Turn,
    Words,
)
from bursar.translate.messages_parts import (
    Block,
    Breakpoints,
    assistant_blocks,
    count_breakpoints,
    text_blocks,
    user_blocks,
)
from bursar.translate.sent import Sent, are_words, sent
from bursar.translate.turns import alternating

_MODES = {"auto": "auto", "required": "any", "tool": "tool", "none": "none"}
_TIERS = {"auto": "auto", "default": "standard_only"}
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
_OPENING = {"role": "user", "content": "..."}
"""Before a conversation that the model began: the API wants the user's turn first."""


def write_request(conversation: Conversation, losses: Losses) -> Sent:
    """The body. Raises BadRequest for what the API can't take, MissingField if nobody says how long it may be."""
    limit = conversation.max_output_tokens or conversation.default_output_tokens
    if not limit:
        raise MissingField("an Anthropic model must be told how long its answer may be", field="max_tokens")
    plain = _plain_turns(conversation.messages)
    marks = Breakpoints(count_breakpoints(conversation, () if plain else conversation.messages), losses)
    said: Block = {"model": conversation.model, "max_tokens": limit}
    if conversation.tools:
        said["tools"] = [marks.mark(_tool(tool), tool.cache) for tool in conversation.tools]
    system = [part for part in conversation.system if part.text.strip()]
    if len(system) < len(conversation.system):
        losses.lose("system")
        if any(part.cache and not part.text.strip() for part in conversation.system):
            losses.lose("cache")
    long: Block = {}
    if system:
        long["system"] = text_blocks(system, marks) if len(system) > 1 or system[0].cache else system[0].text
    turns = [] if plain else _turns(conversation.messages, marks, losses)
    long["messages"] = plain or turns
    if conversation.stream:
        said["stream"] = True
    choice = _tool_choice(conversation.tool_choice, conversation.tools, losses)
    if choice is not None:
        said["tool_choice"] = choice
    must_call = choice is not None and choice["type"] in ("any", "tool")
    lacks_thoughts = bool(turns) and _thoughts_are_missing(turns)
    thinking, effort = claude.thinking_of(
        conversation, limit, losses, must_call=must_call, lacks_thoughts=lacks_thoughts
    )
    if thinking:
        said["thinking"] = thinking
    if effort:
        said["output_config"] = {"effort": effort}
    _write_format(said, conversation, losses)
    said |= claude.sampling_of(conversation, losses, thinks=thinking.get("type") in ("enabled", "adaptive"))
    _write_rest(said, conversation, losses)
    return sent(said, long, is_words=bool(plain) or are_words(conversation.messages))


def _tool(tool: Tool) -> Block:
    if not _TOOL_NAME.fullmatch(tool.name):
        raise BadRequest(f"an Anthropic model can't call a tool named {tool.name[:128]!r}", field="tools")
    block: Block = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    block["input_schema"] = msgspec.Raw(tool.parameters.encode()) if tool.parameters else _NO_PARAMETERS
    if tool.strict is not None:
        block["strict"] = tool.strict
    return block


def _turns(messages: tuple[Turn, ...], marks: Breakpoints, losses: Losses) -> list[Block]:
    def write(role: str, parts: list[Part]) -> list[Block]:
        return (assistant_blocks if role == "assistant" else user_blocks)(parts, marks, losses)

    return _prefilled(alternating(messages, write, _OPENING))


def _prefilled(turns: list[Block]) -> list[Block]:
    """The API refuses a prefill that ends in space."""
    last = turns[-1]["content"][-1]
    if turns[-1]["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip()
    return turns


def _plain_turns(messages: tuple[Turn, ...]) -> list[Block | Words]:
    """What most conversations are: turns that alternate, each of one text. Empty: this one isn't.

    Nothing needs to be joined, marked or left out then, and what was read is what is written: a long conversation
    costs a few microseconds.
    """
    turns: list[Words] = []
    role = "assistant"
    for message in messages:
        turn = message if type(message) is Words else _as_words(message)
        if turn is None or turn.role == role or turn.content.isspace():
            return []
        role = turn.role
        turns.append(turn)
    if not turns:
        return []
    last: Block = {"role": role, "content": [{"type": "text", "text": turns.pop().content}]}
    return [*turns, *_prefilled([last])]


def _as_words(message: Turn) -> Words | None:
    """The turn as one text; None if it is more than that, or nothing."""
    part = message.parts[0] if len(message.parts) == 1 else None
    if not isinstance(part, Text) or part.cache or not part.text:
        return None
    return Words("assistant" if message.role == "assistant" else "user", part.text)


def _tool_choice(choice: ToolChoice | None, tools: tuple[Tool, ...], losses: Losses) -> Block | None:
    if choice is None:
        return None
    if not tools:
        if choice.mode in ("required", "tool"):
            losses.lose("tool_choice")
        return None
    block: Block = {"type": _MODES[choice.mode]}
    if choice.mode == "tool":
        block["name"] = choice.name
    if choice.parallel is not None:
        if choice.mode == "none":
            losses.lose("tool_choice.parallel")
        else:
            block["disable_parallel_tool_use"] = not choice.parallel
    return block


def _thoughts_are_missing(turns: list[Block]) -> bool:
    """In the midst of a tool's call, a model with a budget wants its last turn to begin with a thought."""
    answers = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    if not answers or turns[-1]["content"][0]["type"] != "tool_result":
        return False
    return answers[-1][0]["type"] not in ("thinking", "redacted_thinking")


def _write_format(said: Block, conversation: Conversation, losses: Losses) -> None:
    """The name of a format, and whether it is strict, mean nothing here: a schema always holds."""
    wanted = conversation.format
    if wanted is None:
        return
    if wanted.kind != "schema" or not wanted.schema:
        losses.lose("format")
        return
    if wanted.description:
        losses.lose("format.description")
    schema = {"type": "json_schema", "schema": msgspec.Raw(wanted.schema.encode())}
    said.setdefault("output_config", {})["format"] = schema


def _write_rest(said: Block, conversation: Conversation, losses: Losses) -> None:
    stop = [text for text in conversation.stop if text.strip()]
    if len(stop) < len(conversation.stop):
        losses.lose("stop")
    if stop:
        said["stop_sequences"] = stop
    if conversation.user:
        said["metadata"] = {"user_id": conversation.user}
    if conversation.tier in _TIERS:
        said["service_tier"] = _TIERS[conversation.tier]
    unsaid: dict[str, Any] = {
        "tier": conversation.tier and conversation.tier not in _TIERS,
        "seed": conversation.seed is not None,
        "frequency_penalty": conversation.frequency_penalty,
        "presence_penalty": conversation.presence_penalty,
        "choices": conversation.choices != 1,
        "logprobs": conversation.logprobs,
        "top_logprobs": conversation.top_logprobs is not None,
        "metadata": conversation.metadata,
    }
    for name, is_said in unsaid.items():
        if is_said:
            losses.lose(name)
