"""Requests of OpenAI's Responses, written for a provider that speaks it. Source: OpenAI's published schema.

Nothing is left with the provider (`store: false`): a caller of another dialect didn't ask for that, and couldn't use
it. So thoughts travel encrypted, and are asked for where the caller lets the model think.
"""

from typing import Any

import msgspec

from bursar.domain.errors import BadRequest
from bursar.translate.chat_writing import call_id
from bursar.translate.conversation import (
    Conversation,
    Format,
    Losses,
    Media,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from bursar.translate.effort import effort_of_budget
from bursar.translate.responses_items import DIALECT, hidden_of, reasoning_item
from bursar.translate.responses_request import ENCRYPTED, LOGPROBS
from bursar.translate.sent import Sent, are_words, sent

_NOTHING_SAID = {"type": "object", "properties": {}}
_LOST = ("top_k", "stop", "seed", "frequency_penalty", "presence_penalty")


def write_request(conversation: Conversation, losses: Losses) -> Sent:
    """The body. Raises BadRequest for sounds, which Responses doesn't take."""
    _lose_settings(conversation, losses)
    body: dict[str, Any] = {"model": conversation.model}
    items = ItemWriter(losses)
    if len(conversation.system) == 1:
        body["instructions"] = items.plain(conversation.system[0])
    elif conversation.system:
        items.say("developer", [{"type": "input_text", "text": items.plain(text)} for text in conversation.system])
    for index, message in enumerate(conversation.messages):
        items.write(message, f"messages[{index}]")
    body |= _settings(conversation)
    if conversation.tools:
        body["tools"] = [_tool(tool, losses) for tool in conversation.tools]
        body |= _tool_choice(conversation.tool_choice)
    if conversation.format is not None:
        body["text"] = {"format": _format(conversation.format)}
    include = [LOGPROBS] if conversation.logprobs else []
    if conversation.reasoning is not None:
        body["reasoning"] = _reasoning(conversation.reasoning, losses)
    if items.thinks or (conversation.reasoning is not None and conversation.reasoning.effort != "none"):
        include.append(ENCRYPTED)
    if include:
        body["include"] = include
    body["store"] = False
    if conversation.stream:
        body["stream"] = True
    return sent(body, {"input": items.items}, is_words=are_words(conversation.messages))


class ItemWriter:
    """Turns as items, in their order. `thinks`: one of them is a thought of this provider's."""

    def __init__(self, losses: Losses) -> None:
        self.items: list[dict[str, Any]] = []
        self.thinks = False
        self._losses = losses

    def say(self, role: str, content: list[dict[str, Any]]) -> None:
        """A message. One text goes as text, which every service that speaks Responses reads."""
        is_text = len(content) == 1 and "text" in content[0]
        self.items.append({"role": role, "content": content[0]["text"] if is_text else content})

    def write(self, message: Turn, field: str) -> None:
        """One turn: messages between thoughts, calls and results, which are items of their own."""
        content: list[dict[str, Any]] = []
        for index, part in enumerate(message.parts):
            item = self._item(part)
            if item is None:
                content += self._content(part, message.role, f"{field}.parts[{index}]")
                continue
            if content:
                self.say(message.role, content)
                content = []
            self.items.append(item)
        if content:
            self.say(message.role, content)

    def plain(self, part: Text) -> str:
        """A text; its cache breakpoint is lost, since OpenAI caches by itself."""
        if part.cache:
            self._losses.lose("cache")
        return part.text

    def _item(self, part: object) -> dict[str, Any] | None:
        """What is an item of its own; None: it belongs in a message."""
        match part:
            case ToolUse():
                if part.signature:
                    self._losses.lose("tool_use.signature")
                self._lose_cache(part.cache)
                arguments = part.arguments or "{}"
                return {"type": "function_call", "call_id": call_id(part.id), "name": part.name, "arguments": arguments}
            case ToolResult():
                return self._result(part)
            case Thinking(provider=provider) if provider == DIALECT and hidden_of(part):
                self.thinks = True
                return reasoning_item(part.id, part.text, hidden_of(part))
        return None

    def _result(self, part: ToolResult) -> dict[str, Any]:
        if part.is_error:
            self._losses.lose("tool_result.is_error")
        self._lose_cache(part.cache)
        output: list[dict[str, Any]] = []
        for inner in part.content:
            output += self._content(inner, "user", "tool_result")
        is_text = len(output) == 1 and "text" in output[0]
        said = output[0]["text"] if is_text else output or ""
        return {"type": "function_call_output", "call_id": call_id(part.id), "output": said}

    def _content(self, part: object, role: str, field: str) -> list[dict[str, Any]]:
        """A part of a message; nothing for a thought that only its own provider can read."""
        match part:
            case Text():
                kind = "output_text" if role == "assistant" else "input_text"
                return [{"type": kind, "text": self.plain(part)}]
            case Refusal() if role == "assistant":
                return [{"type": "refusal", "refusal": part.text}]
            case Thinking():
                self._losses.lose("thinking")
                return []
            case Media() if role != "assistant":
                self._lose_cache(part.cache)
                return [self._media(part, field)]
        raise BadRequest(f"{field}: Responses has no such part in a turn of the {role}", field=field)

    def _media(self, part: Media, field: str) -> dict[str, Any]:
        if part.kind == "audio":
            raise BadRequest(f"{field}: Responses takes no sound", field=field)
        data = f"data:{part.mime or 'application/octet-stream'};base64,{part.data}" if part.data else ""
        said: dict[str, Any] = {"file_id": part.file_id} if part.file_id else {}
        if part.detail:
            said["detail"] = part.detail
        if part.kind == "image":
            if part.name:
                self._losses.lose("image.name")
            return {"type": "input_image", **said, **({"image_url": data or part.url} if data or part.url else {})}
        if data:
            said |= {"filename": part.name or "file", "file_data": data}
        elif part.url:
            said["file_url"] = part.url
        return {"type": "input_file", **said}

    def _lose_cache(self, cache: str) -> None:
        if cache:
            self._losses.lose("cache")


def _lose_settings(conversation: Conversation, losses: Losses) -> None:
    for name in _LOST:
        if getattr(conversation, name) not in (None, ()):
            losses.lose(name)
    if conversation.choices != 1:
        losses.lose("choices")


def _settings(conversation: Conversation) -> dict[str, Any]:
    """What has the same name, or nearly."""
    said = {
        "max_output_tokens": conversation.max_output_tokens,
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "top_logprobs": conversation.top_logprobs if conversation.logprobs else None,
        "user": conversation.user or None,
        "metadata": msgspec.Raw(conversation.metadata.encode()) if conversation.metadata else None,
        "service_tier": conversation.tier or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _tool(tool: Tool, losses: Losses) -> dict[str, Any]:
    """Without `strict` Responses would make the schema strict by itself, and demand every parameter."""
    if tool.cache:
        losses.lose("cache")
    said: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description:
        said["description"] = tool.description
    said["parameters"] = msgspec.Raw(tool.parameters.encode()) if tool.parameters else _NOTHING_SAID
    said["strict"] = tool.strict is True
    return said


def _tool_choice(choice: ToolChoice | None) -> dict[str, Any]:
    if choice is None:
        return {}
    said: dict[str, Any] = {
        "tool_choice": {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode
    }
    if choice.parallel is not None:
        said["parallel_tool_calls"] = choice.parallel
    return said


def _format(format: Format) -> dict[str, Any]:
    if format.kind == "json":
        return {"type": "json_object"}
    said: dict[str, Any] = {
        "type": "json_schema",
        "name": format.name or "answer",
        "schema": msgspec.Raw(format.schema.encode()),
    }
    if format.description:
        said["description"] = format.description
    if format.strict is not None:
        said["strict"] = format.strict
    return said


def _reasoning(reasoning: Reasoning, losses: Losses) -> dict[str, Any]:
    """A budget in tokens becomes the effort that is nearest to it."""
    effort = reasoning.effort
    if not effort and reasoning.budget_tokens is not None:
        effort = effort_of_budget(reasoning.budget_tokens)
        losses.lose("reasoning")
    said = {"effort": effort} if effort else {}
    return said | ({"summary": "auto"} if reasoning.shown else {})
