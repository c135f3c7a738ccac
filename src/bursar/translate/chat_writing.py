"""A conversation as a chat completions request: for OpenAI, and for every service that is compatible with it.

Only what all of them take is written: texts as one string wherever they can be, no thoughts, no cache breakpoints.
"""

from hashlib import blake2b
from typing import Any

import msgspec

from bursar.domain.errors import BadRequest
from bursar.translate.conversation import (
    Conversation,
    Format,
    Losses,
    Media,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
    Words,
)
from bursar.translate.effort import effort_of_budget
from bursar.translate.sent import Sent, are_words, sent

CALL_ID_CHARS_MAX = 40  # OpenAI refuses a longer id


def write_request(conversation: Conversation, losses: Losses, limit_field: str) -> Sent:
    """limit_field: "max_completion_tokens", or "max_tokens" for services that know the older name."""
    said = conversation
    lose_what_chat_lacks(said, losses)
    body: dict[str, Any] = {"model": said.model}
    messages = messages_of(said, losses)
    values = {
        "stream": said.stream or None,
        "tools": [tool_of(tool, losses) for tool in said.tools] or None,
        limit_field: said.max_output_tokens,
        "temperature": said.temperature,
        "top_p": said.top_p,
        "stop": list(said.stop) or None,
        "seed": said.seed,
        "frequency_penalty": said.frequency_penalty,
        "presence_penalty": said.presence_penalty,
        "n": said.choices if said.choices > 1 else None,
        "logprobs": said.logprobs or None,
        "top_logprobs": said.top_logprobs,
        "user": said.user or None,
        "service_tier": said.tier or None,
        "response_format": said.format and format_of(said.format),
        "reasoning_effort": said.reasoning and effort_of(said.reasoning, losses),
    }
    body.update((name, value) for name, value in values.items() if value is not None)
    if said.tools and said.tool_choice is not None:
        body["tool_choice"] = tool_choice_of(said.tool_choice)
        if said.tool_choice.parallel is not None:
            body["parallel_tool_calls"] = said.tool_choice.parallel
    return sent(body, {"messages": messages}, is_words=are_words(said.messages))


def lose_what_chat_lacks(said: Conversation, losses: Losses) -> None:
    """`metadata` is OpenAI's own, and only for answers that it stores."""
    if said.top_k is not None:
        losses.lose("top_k")
    if said.metadata:
        losses.lose("metadata")
    if any(text.cache for text in said.system):
        losses.lose("cache")


def messages_of(said: Conversation, losses: Losses) -> list[dict[str, Any] | Words]:
    """The system prompt as one message, then the turns."""
    found: list[dict[str, Any] | Words] = []
    if said.system:
        found.append({"role": "system", "content": "\n\n".join(text.text for text in said.system)})
    for message in said.messages:
        if isinstance(message, Words):
            found.append(message)
        elif message.role == "assistant":
            found += answered(message, losses)
        else:
            found += asked(message, losses)
    return found


def answered(message: Turn, losses: Losses) -> list[dict[str, Any]]:
    """The model's earlier turn; none if nothing is left of it."""
    text, refusal = "", ""
    calls: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case Text():
                text += part.text
                note_cache(part.cache, losses)
            case Refusal():
                refusal += part.text
            case Thinking():
                losses.lose("thinking")
            case ToolUse():
                calls.append(call_of(part, losses))
            case Media():
                losses.lose(part.kind)
            case ToolResult():
                raise BadRequest("a tool's result stands in the model's turn", field="messages")
    if not (text or refusal or calls):
        return []
    written: dict[str, Any] = {"role": "assistant", "content": text or None}
    if refusal:
        written["refusal"] = refusal
    if calls:
        written["tool_calls"] = calls
    return [written]


def call_of(call: ToolUse, losses: Losses) -> dict[str, Any]:
    note_cache(call.cache, losses)
    if call.signature:
        losses.lose("tool_use.signature")
    return {
        "id": call_id(call.id),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }


def call_id(id: str) -> str:
    """An id that OpenAI takes: the same one for a call and its result."""
    return id if len(id) <= CALL_ID_CHARS_MAX else "call_" + blake2b(id.encode(), digest_size=16).hexdigest()


def asked(message: Turn, losses: Losses) -> list[dict[str, Any]]:
    """A user's turn: each tool's result is a message of its own, before what the user says."""
    found: list[dict[str, Any]] = []
    said: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            note_cache(part.cache, losses)
            found.append(result_of(part, losses))
            seen = [inner for inner in part.content if isinstance(inner, Media)]
            if seen:  # what a tool shows goes into the turn behind it
                losses.lose("tool_result.media")
                said += seen
        else:
            said.append(part)
    if said:
        found.append({"role": "user", "content": content_of(said, losses)})
    return found


def result_of(result: ToolResult, losses: Losses) -> dict[str, Any]:
    if result.is_error:
        losses.lose("tool_result.is_error")
    texts = [part.text for part in result.content if isinstance(part, Text)]
    content: Any = "".join(texts) if len(texts) < 2 else [{"type": "text", "text": text} for text in texts]
    return {"role": "tool", "tool_call_id": call_id(result.id), "content": content}


def content_of(parts: list[Part], losses: Losses) -> Any:
    """A single text as a string, else parts."""
    if len(parts) == 1 and isinstance(parts[0], Text):
        note_cache(parts[0].cache, losses)
        return parts[0].text
    return [part_of(part, losses) for part in parts]


def part_of(part: Part, losses: Losses) -> dict[str, Any]:
    match part:
        case Text():
            note_cache(part.cache, losses)
            return {"type": "text", "text": part.text}
        case Media():
            note_cache(part.cache, losses)
            return media_of(part)
        case _:
            raise BadRequest("a user's turn holds what only a model says", field="messages")


def media_of(media: Media) -> dict[str, Any]:
    """Raises BadRequest for what no chat request can carry: a file's or sound's address, an image's id."""
    if media.kind == "image" and not media.file_id:
        image = {"url": media.url or f"data:{media.mime};base64,{media.data}"}
        if media.detail:
            image["detail"] = media.detail
        return {"type": "image_url", "image_url": image}
    if media.kind == "audio" and media.data:
        form = media.mime.removeprefix("audio/").replace("mpeg", "mp3").removeprefix("x-")
        return {"type": "input_audio", "input_audio": {"data": media.data, "format": form}}
    if media.kind == "file" and media.file_id:
        return {"type": "file", "file": {"file_id": media.file_id}}
    if media.kind == "file" and media.data:
        file = {"filename": media.name or "file", "file_data": f"data:{media.mime};base64,{media.data}"}
        return {"type": "file", "file": file}
    raise BadRequest(f"this {media.kind} can't be sent to a chat provider: give its data", field="messages")


def tool_of(tool: Tool, losses: Losses) -> dict[str, Any]:
    note_cache(tool.cache, losses)
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters:
        function["parameters"] = msgspec.Raw(tool.parameters.encode())
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def tool_choice_of(choice: ToolChoice) -> Any:
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def format_of(form: Format) -> dict[str, Any]:
    if form.kind == "json":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": form.name or "answer", "schema": msgspec.Raw(form.schema.encode() or b"{}")}
    if form.description:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}


def effort_of(reasoning: Reasoning, losses: Losses) -> str | None:
    """The effort, or the one that a budget of tokens comes near to."""
    if reasoning.shown:
        losses.lose("reasoning.shown")
    if reasoning.budget_tokens is not None:
        losses.lose("reasoning.budget_tokens")
    if reasoning.effort == "max":
        losses.lose("reasoning.effort")
        return "xhigh"
    if reasoning.effort or reasoning.budget_tokens is None:
        return reasoning.effort or None
    return effort_of_budget(reasoning.budget_tokens)


def note_cache(cache: str, losses: Losses) -> None:
    """A breakpoint that isn't written: these providers cache by themselves."""
    if cache:
        losses.lose("cache")
