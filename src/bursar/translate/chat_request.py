"""A chat completions request, read: `POST /v1/chat/completions`, with the fields that compatible services added.

Beside OpenAI's own: `reasoning`, `reasoning_details`, `cache_control` and `top_k` (OpenRouter), `reasoning_content`
(DeepSeek), `extra_content` with a thought's signature (Google's compatible endpoint).
Source: OpenAI's published schema, CreateChatCompletionRequest; OpenRouter's, DeepSeek's and Google's public references.
"""

from typing import Any

from bursar.domain.errors import BadRequest
from bursar.translate.chat_thoughts import read_thoughts, signature_of_call
from bursar.translate.chat_words import read_words, usual_turn
from bursar.translate.conversation import (
    Conversation,
    Format,
    Losses,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from bursar.translate.fields import Fields, list_of, read_fields

LEGACY = ("functions", "function_call")


def read_request(body: bytes, losses: Losses) -> Conversation:
    """Raises BadRequest, with the field."""
    words = read_words(body)
    if words is None:
        said = read_fields(body, losses)
        refuse_legacy(said)
        system, messages = read_messages(said)
    else:
        said, system, messages = Fields(words.fields, "", losses), words.system, words.turns
    options = said.inner("stream_options")
    wants_usage = bool(options and options.flag("include_usage"))
    limit = said.integer("max_completion_tokens")
    older = said.integer("max_tokens")
    if said.take("store"):  # false is what everybody does
        losses.lose("store")
    conversation = Conversation(
        model=said.text("model"),
        messages=messages,
        system=system,
        stream=said.flag("stream") is True,
        wants_stream_usage=wants_usage,
        tools=tuple(read_tools(said)),
        tool_choice=read_tool_choice(said),
        format=read_format(said),
        reasoning=read_reasoning(said),
        max_output_tokens=older if limit is None else limit,
        temperature=said.number("temperature"),
        top_p=said.number("top_p"),
        top_k=said.integer("top_k"),
        stop=read_stop(said),
        seed=read_seed(said),
        frequency_penalty=said.number("frequency_penalty"),
        presence_penalty=said.number("presence_penalty"),
        choices=said.integer("n") or 1,
        logprobs=said.flag("logprobs") is True,
        top_logprobs=said.integer("top_logprobs"),
        user=said.text("safety_identifier") or said.text("user"),
        metadata=said.json("metadata"),
        tier=said.text("service_tier"),
    )
    said.skip("user")
    said.done()
    return conversation


def refuse_legacy(said: Fields) -> None:
    """What would leave another question than the one that was asked. Raises BadRequest."""
    for name in LEGACY:
        if said.take(name) is not None:
            raise BadRequest(f"{name}: OpenAI's older form isn't translated; use `tools`", field=name)
    if "audio" in said.texts("modalities"):
        raise BadRequest("modalities: spoken answers aren't translated", field="modalities")


def read_messages(said: Fields) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """The system prompt, and the turns. A system message behind the first turn moves to the front, and is noted."""
    system: list[Text] = []
    messages: list[Turn] = []
    for at, value in enumerate(said.items("messages")):
        usual = usual_turn(value)
        if usual is not None:
            messages.append(usual)
            continue
        message = Fields(value, f"messages[{at}]", said.losses)
        role = message.text("role")
        message.lose("name")
        if role in ("system", "developer"):
            if messages:
                said.losses.lose(f"messages[{at}].position")
            system += [part for part in read_content(message) if isinstance(part, Text)]
        elif role == "user":
            messages.append(Message("user", tuple(read_content(message))))
        elif role == "assistant":
            messages.append(Message("assistant", tuple(read_answered(message))))
        elif role == "tool":
            content = tuple(part for part in read_content(message) if isinstance(part, Text | Media))
            messages.append(Message("user", (ToolResult(message.text("tool_call_id"), content),)))
        else:
            raise BadRequest(f"{message.where('role')}: {role!r} isn't translated", field=message.where("role"))
        message.done()
    if not messages:
        raise BadRequest("messages: at least one turn beside the system prompt is needed", field="messages")
    return tuple(system), tuple(messages)


def read_content(message: Fields) -> list[Part]:
    """`content`: a text, or parts."""
    content = message.take("content")
    path = message.where("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for at, value in enumerate(list_of(content, path)):
        parts.append(read_part(Fields(value, f"{path}[{at}]", message.losses)))
    return parts


def read_part(part: Fields) -> Part:
    kind = part.text("type")
    found: Part
    if kind == "text":
        found = Text(part.text("text"), read_cache(part))
    elif kind == "refusal":
        found = Refusal(part.text("refusal"))
    elif kind == "image_url":
        found = read_image(part)
    elif kind == "input_audio":
        audio = need(part, "input_audio")
        found = Media("audio", "audio/" + audio.text("format"), audio.text("data"))
    elif kind == "file":
        found = read_file(part)
    else:
        raise BadRequest(f"{part.where('type')}: parts of type {kind!r} aren't translated", field=part.where("type"))
    part.done()
    return found


def need(part: Fields, name: str) -> Fields:
    """An object inside. Raises BadRequest if it isn't there."""
    inner = part.inner(name)
    if inner is None:
        raise BadRequest(f"{part.where(name)} is missing", field=part.where(name))
    return inner


def read_image(part: Fields) -> Media:
    image = need(part, "image_url")
    url, detail, cache = image.text("url"), image.text("detail"), read_cache(part)
    image.done()
    if not url.startswith("data:"):
        return Media("image", url=url, detail=detail, cache=cache)
    mime, data = split_data_url(url, image.where("url"))
    return Media("image", mime, data, detail=detail, cache=cache)


def read_file(part: Fields) -> Media:
    file = need(part, "file")
    data, file_id, name = file.text("file_data"), file.text("file_id"), file.text("filename")
    cache = read_cache(part)
    file.done()
    if file_id:
        return Media("file", file_id=file_id, name=name, cache=cache)
    mime = "application/pdf"  # what the field was made for; a bare base64 doesn't say
    if data.startswith("data:"):
        mime, data = split_data_url(data, file.where("file_data"))
    elif data.startswith(("https://", "http://")):  # OpenRouter
        return Media("file", mime, url=data, name=name, cache=cache)
    return Media("file", mime, data, name=name, cache=cache)


def split_data_url(url: str, path: str) -> tuple[str, str]:
    """(type, base64) of a `data:` URL. Raises BadRequest."""
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise BadRequest(f"{path}: a data: URL must be base64", field=path)
    return head.removeprefix("data:").removesuffix(";base64").split(";")[0], data


def read_cache(part: Fields) -> str:
    """OpenRouter's `cache_control`, as Anthropic has it: a breakpoint behind this part."""
    control = part.inner("cache_control")
    return "" if control is None else control.text("ttl") or "5m"


def read_answered(message: Fields) -> list[Part]:
    """What the model said in an earlier turn: thoughts, then words, then calls of tools."""
    parts: list[Part] = [*read_thoughts(message), *read_content(message)]
    if refusal := message.text("refusal"):
        parts.append(Refusal(refusal))
    for at, value in enumerate(message.items("tool_calls")):
        call = Fields(value, f"{message.where('tool_calls')}[{at}]", message.losses)
        call.skip("type", "index")
        function = need(call, "function")
        parts.append(
            ToolUse(
                call.text("id"),
                function.text("name"),
                function.text("arguments") or "{}",
                signature_of_call(call),
            )
        )
        call.done()
    if message.take("function_call") is not None:
        raise BadRequest(
            f"{message.where('function_call')}: OpenAI's older form isn't translated; use `tool_calls`",
            field=message.where("function_call"),
        )
    if message.take("annotations"):  # an empty list is what a client sends back
        message.losses.lose(message.where("annotations"))
    return parts


def read_tools(said: Fields) -> list[Tool]:
    """The functions. Tools of OpenAI's own are lost, each by its place."""
    tools = []
    for at, value in enumerate(said.items("tools")):
        tool = Fields(value, f"tools[{at}]", said.losses)
        if tool.text("type") != "function":
            said.losses.lose(tool.path)
            continue
        function = need(tool, "function")
        tools.append(
            Tool(
                function.text("name"),
                function.text("description"),
                function.json("parameters"),
                function.flag("strict"),
                read_cache(tool),
            )
        )
        function.done()
        tool.done()
    return tools


def read_tool_choice(said: Fields) -> ToolChoice | None:
    choice, parallel = said.take("tool_choice"), said.flag("parallel_tool_calls")
    if choice is None:
        return None if parallel is None else ToolChoice(parallel=parallel)
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise BadRequest(f"tool_choice: {choice!r} is none of auto, none, required", field="tool_choice")
        return ToolChoice(choice, parallel=parallel)
    chosen = Fields(choice, "tool_choice", said.losses)
    kind = chosen.text("type")
    if kind == "function":
        return ToolChoice("tool", need(chosen, "function").text("name"), parallel)
    if kind == "allowed_tools":
        allowed = need(chosen, "allowed_tools")
        said.losses.lose("tool_choice.allowed_tools.tools")
        return ToolChoice(allowed.text("mode") or "auto", parallel=parallel)
    raise BadRequest(f"tool_choice.type: {kind!r} isn't translated", field="tool_choice.type")


def read_format(said: Fields) -> Format | None:
    form = said.inner("response_format")
    if form is None:
        return None
    kind = form.text("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Format("json")
    if kind != "json_schema":
        raise BadRequest(f"response_format.type: {kind!r} isn't translated", field="response_format.type")
    schema = need(form, "json_schema")
    found = Format(
        "schema", schema.text("name"), schema.json("schema"), schema.flag("strict"), schema.text("description")
    )
    schema.done()
    return found


def read_reasoning(said: Fields) -> Reasoning | None:
    """`reasoning_effort`, or OpenRouter's `reasoning`."""
    effort = said.text("reasoning_effort")
    wished = said.inner("reasoning")
    if wished is None:
        return Reasoning(effort) if effort else None
    hidden = wished.flag("exclude")
    if wished.flag("enabled") is False:
        effort = "none"
    found = Reasoning(
        wished.text("effort") or effort, wished.integer("max_tokens"), None if hidden is None else not hidden
    )
    wished.done()
    return found


def read_stop(said: Fields) -> tuple[str, ...]:
    stop: Any = said.take("stop")
    if stop is None:
        return ()
    if isinstance(stop, str):
        return (stop,)
    found = tuple(list_of(stop, "stop"))
    if not all(isinstance(one, str) for one in found):
        raise BadRequest("stop: a text or a list of texts is needed", field="stop")
    return found


def read_seed(said: Fields) -> int | None:
    seed = said.take("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise BadRequest("seed: a whole number is needed", field="seed")
    return seed
