"""Reading a request to generateContent: what the caller means by it. The path says whose model, and if it streams."""

from typing import Any

from bursar.domain.errors import BadRequest, MissingField
from bursar.translate.arguments import parameters_text
from bursar.translate.conversation import (
    Conversation,
    Format,
    Losses,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
)
from bursar.translate.fields import json_text, list_of, object_of, read_object
from bursar.translate.gemini_parts import Calls, GeminiFields, read_parts
from bursar.translate.gemini_schema import json_schema

_ROLES = {"": "user", "user": "user", "function": "user", "tool": "user", "model": "assistant"}
_MODES = {
    "": "auto",
    "MODE_UNSPECIFIED": "auto",
    "AUTO": "auto",
    "VALIDATED": "auto",
    "ANY": "required",
    "NONE": "none",
}
_LEVELS = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
_JSON = "application/json"


def read_request(body: bytes, dialect: str, model: str, losses: Losses, *, streams: bool) -> Conversation:
    """The conversation in a body. Raises InvalidJson, MissingField or BadRequest, which names the field."""
    said = GeminiFields(read_object(body), "", losses)
    said.skip("model")  # the path's counts
    if said.take("cachedContent"):
        raise BadRequest("a cached content lies at Google: only Gemini can go on from it", field="cachedContent")
    system = _system(said)
    messages = _messages(said, dialect, losses)
    tools = _tools(said, losses)
    tool_choice = _tool_choice(said)
    config = said.inner("generationConfig") or GeminiFields({}, "generationConfig", losses)
    format = _format(config)
    reasoning = _reasoning(config.inner("thinkingConfig"))
    modalities = [str(one).upper() for one in config.items("responseModalities")]
    if modalities not in ([], ["TEXT"]):
        losses.lose(config.where("responseModalities"))
    logprobs = config.flag("responseLogprobs") is True
    tier = said.text("serviceTier").lower()
    conversation = Conversation(
        model=model,
        messages=messages,
        system=system,
        stream=streams,
        tools=tools,
        tool_choice=tool_choice,
        format=format,
        reasoning=reasoning,
        max_output_tokens=_integer(config, "maxOutputTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=_integer(config, "topK"),
        stop=config.texts("stopSequences"),
        seed=_integer(config, "seed"),
        frequency_penalty=config.number("frequencyPenalty"),
        presence_penalty=config.number("presencePenalty"),
        choices=_integer(config, "candidateCount") or 1,
        logprobs=logprobs,
        top_logprobs=_integer(config, "logprobs"),
        tier=_TIERS.get(tier, ""),
    )
    config.done()
    said.done()
    return conversation


def _integer(fields: GeminiFields, name: str) -> int | None:
    """A whole number; protobuf's JSON takes it as text too."""
    value = fields.take(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    holder = GeminiFields({name: value}, fields.path, fields.losses)
    return holder.integer(name)


def _system(said: GeminiFields) -> tuple[Text, ...]:
    value = said.take("systemInstruction")
    if value is None:
        return ()
    content = GeminiFields(
        {"parts": [{"text": value}]} if isinstance(value, str) else value, "systemInstruction", said.losses
    )
    content.skip("role")
    parts = []
    for at, item in enumerate(list_of(content.take("parts"), content.where("parts"))):
        part = GeminiFields(item, f"systemInstruction.parts[{at}]", said.losses)
        text = part.text("text")
        if text:
            parts.append(Text(text))
        part.done()
    content.done()
    return tuple(parts)


def _messages(said: GeminiFields, dialect: str, losses: Losses) -> tuple[Message, ...]:
    calls = Calls()
    messages = []
    for at, value in enumerate(said.items("contents")):
        content = GeminiFields(value, f"contents[{at}]", losses)
        role = content.text("role")
        if role not in _ROLES:
            raise BadRequest(f"{content.where('role')}: user or model is needed", field=content.where("role"))
        items = list_of(content.take("parts"), content.where("parts"))
        messages.append(
            Message(_ROLES[role], read_parts(items, content.where("parts"), _ROLES[role], dialect, calls, losses))
        )
        content.done()
    if not messages:
        raise MissingField("the request has no contents", field="contents")
    return tuple(messages)


def _tools(said: GeminiFields, losses: Losses) -> tuple[Tool, ...]:
    """The caller's functions. What the provider would do itself is lost by its name."""
    found = []
    for at, value in enumerate(said.items("tools")):
        tool = GeminiFields(value, f"tools[{at}]", losses)
        for inner, declared in enumerate(tool.items("functionDeclarations")):
            function = GeminiFields(declared, f"{tool.where('functionDeclarations')}[{inner}]", losses)
            found.append(_tool(function))
        tool.done()
    return tuple(found)


def _tool(function: GeminiFields) -> Tool:
    name = function.text("name")
    if not name:
        raise MissingField(f"{function.where('name')}: a function needs a name", field=function.where("name"))
    plain, own = function.take("parametersJsonSchema"), function.take("parameters")
    parameters = ""
    if plain is not None:
        parameters = json_text(object_of(plain, function.where("parametersJsonSchema")))
    elif own is not None:
        parameters = json_text(json_schema(object_of(own, function.where("parameters"))))
    function.skip("response", "responseJsonSchema")  # what it gives back: said nowhere else
    tool = Tool(name, function.text("description"), parameters_text(parameters))
    function.done()
    return tool


def _tool_choice(said: GeminiFields) -> ToolChoice | None:
    config = said.inner("toolConfig")
    if config is None:
        return None
    calling = config.inner("functionCallingConfig")
    config.done()
    if calling is None:
        return None
    mode = calling.text("mode").upper()
    if mode not in _MODES:
        raise BadRequest(
            f"{calling.where('mode')}: AUTO, ANY, NONE or VALIDATED is needed", field=calling.where("mode")
        )
    allowed = calling.texts("allowedFunctionNames")
    calling.done()
    if mode == "ANY" and len(allowed) == 1:
        return ToolChoice("tool", allowed[0])
    if allowed:
        said.losses.lose(calling.where("allowedFunctionNames"))
    return ToolChoice(_MODES[mode])


def _format(config: GeminiFields) -> Format | None:
    mime = config.text("responseMimeType")
    plain, own = config.take("responseJsonSchema"), config.take("responseSchema")
    if mime not in ("", "text/plain", _JSON):
        config.losses.lose(config.where("responseMimeType"))
        return None
    if plain is not None:
        return Format("schema", schema=json_text(object_of(plain, config.where("responseJsonSchema"))))
    if own is not None:
        return Format("schema", schema=json_text(json_schema(object_of(own, config.where("responseSchema")))))
    return Format("json") if mime == _JSON else None


def _reasoning(thinking: GeminiFields | None) -> Reasoning | None:
    if thinking is None:
        return None
    level = thinking.text("thinkingLevel").upper()
    shown = thinking.flag("includeThoughts")
    budget: Any = thinking.take("thinkingBudget")
    thinking.done()
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or not -1 <= budget < 2**31):
        raise BadRequest(f"{thinking.where('thinkingBudget')}: a whole number is needed", field="thinkingBudget")
    if budget == 0:
        return Reasoning("none")
    if budget == -1:  # as much as it wants, which is what it does unasked
        budget = None
    found = Reasoning(_LEVELS.get(level, ""), budget, shown)
    return None if found == Reasoning() else found
