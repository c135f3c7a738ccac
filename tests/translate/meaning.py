"""Whether two conversations, answers or streams mean the same, but for what `Losses` name.

Each is put into a plain form first, in which what isn't meaning doesn't show: JSON as values, neighbouring texts and
turns of one role as one, tools' ids by the order of the calls, the name in a tool's result. What was lost is then taken
out of both, by the shared words of `Losses`: a word that this module doesn't know fails the test.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from bursar.domain.usage import Usage
from bursar.translate.answer import (
    Choice,
    Ended,
    Event,
    Failed,
    PartCited,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Pinged,
    Reply,
    Started,
    Stopped,
    TokenLogprob,
)
from bursar.translate.conversation import (
    Citation,
    Conversation,
    Losses,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)

Plain = dict[str, Any]

WORDS_OF_SETTINGS = (
    "stream", "tool_choice", "format", "reasoning", "max_output_tokens", "temperature", "top_p", "top_k", "stop",
    "seed", "frequency_penalty", "presence_penalty", "choices", "logprobs", "top_logprobs", "user", "metadata", "tier",
)  # fmt: skip
WORDS_INSIDE = ("tool_choice", "format", "reasoning")  # "format.strict" is lost alone
WORDS_OF_ANSWERS = ("tools", "system", "model", "id", "usage", "stop_sequence")
WORDS_OF_PARTS = ("text", "thinking", "tool_use", "tool_result", "image", "audio", "file", "refusal")
"""What the writers' losses may say, alone or with a field behind it ("thinking.signature", "file.name"); and "cache",
"system", "tools", "tool.strict" …"""


def same_request(sent: Conversation, got: Conversation, losses: Losses = Losses()) -> None:  # noqa: B008  # only read
    """Assert that what was read back is what was written, but for what was lost."""
    one, other = plain_request(sent), plain_request(got)
    for word in losses.names:
        erase(one, word)
        erase(other, word)
    assert tidy(other) == tidy(one)


def same_reply(sent: Reply, got: Reply, losses: Losses = Losses()) -> None:  # noqa: B008  # only read
    """The same of an answer. Its model and id stay; its time is each dialect's own affair."""
    one, other = plain_reply(sent), plain_reply(got)
    for word in losses.names:
        erase(one, word)
        erase(other, word)
    assert tidy(other) == tidy(one)


def plain_request(conversation: Conversation) -> Plain:
    said = plain_values(conversation)
    calls = {part.id: part.name for message in conversation.messages for part in message.parts if is_call(part)}
    order = {id: f"#{at}" for at, id in enumerate(calls)}
    return {
        "model": conversation.model,
        "system": "\n\n".join(part.text for part in conversation.system),
        "system_cache": [part.cache for part in conversation.system if part.cache],
        "turns": [
            {"role": message.role, "parts": [plain_part(part, order, calls) for part in message.parts]}
            for message in conversation.messages
        ],
        "tools": [plain_tool(said_tool) for said_tool in said["tools"]],
        **{word: said[word] for word in WORDS_OF_SETTINGS},
        "tool_choice": said["tool_choice"] and plain_choice_of_tool(said["tool_choice"]),
        "metadata": value_of(conversation.metadata),
        "format": said["format"] and {**said["format"], "schema": value_of(said["format"]["schema"])},
    }


def plain_tool(said: Plain) -> Plain:
    """Not strict is what most dialects mean by saying nothing."""
    return {**said, "parameters": value_of(said["parameters"]), "strict": said["strict"] or None}


def plain_choice_of_tool(said: Plain) -> Plain:
    """Several calls at once are what all dialects allow unasked."""
    return {**said, "parallel": None if said["parallel"] else said["parallel"]}


def plain_reply(reply: Reply) -> Plain:
    return {
        "model": reply.model,
        "id": reply.id,
        "usage": reply.usage and plain_usage(reply.usage),
        "tier": reply.tier,
        "turns": [plain_choice(choice) for choice in reply.choices],
    }


def plain_choice(choice: Choice) -> Plain:
    calls = {part.id: part.name for part in choice.parts if is_call(part)}
    order = {id: f"#{at}" for at, id in enumerate(calls)}
    return {
        "role": f"choice {choice.stop}",
        "parts": [plain_part(part, order, calls) for part in choice.parts],
        "stop": choice.stop,
        "stop_sequence": choice.stop_sequence,
        "logprobs": plain_values(choice.logprobs),
    }


def plain_usage(usage: Usage) -> Plain:
    """What each dialect reports; how the rest of the input splits, and thoughts, only some do."""
    return {
        "total_input": usage.total_input,
        "cache_read": usage.cache_read,
        "total_output": usage.total_output,
        "reasoning": usage.reasoning,
    }


def plain_values(said: Any) -> Any:
    return msgspec.to_builtins(said)


def plain_part(part: Part, order: dict[str, str], calls: dict[str, str]) -> Plain:
    said: Plain = plain_values(part)
    match part:
        case ToolUse():
            return {**said, "id": order[part.id], "arguments": value_of(part.arguments)}
        case ToolResult():
            content = [plain_part(inner, order, calls) for inner in part.content]
            return {
                **said,
                "id": order.get(part.id, part.id),
                "name": calls.get(part.id, part.name),
                "content": content,
            }
        case Media():
            mime = "" if part.url else part.mime  # of an address: a guess by its ending, or none
            return {**said, "type": part.kind, "mime": mime}
        case _:
            return said


def is_call(part: Part) -> bool:
    return isinstance(part, ToolUse)


def value_of(text: str) -> Any:
    return json.loads(text) if text else None


def erase(said: Plain, word: str) -> None:
    """Take out what a loss names."""
    head, _, field = word.partition(".")
    if word == "cache":
        said.pop("system_cache", None)
        drop_field([*every_part(said), *said.get("tools", ())], "cache")
    elif word in WORDS_OF_PARTS:
        for holder in every_holder(said):
            holder[:] = [part for part in holder if part["type"] != word]
    elif head in WORDS_OF_PARTS:
        drop_field([part for part in every_part(said) if part["type"] == head], field)
    elif head == "tool":
        drop_field(said["tools"], field)
    elif word == "reasoning.budget_tokens":  # an effort stands in for it, or the other way round
        drop_field([said["reasoning"] or {}], field)
        drop_field([said["reasoning"] or {}], "effort")
    elif field and head in (*WORDS_INSIDE, "usage"):
        drop_field([said[head] or {}], field)
    elif word in (*WORDS_OF_SETTINGS, *WORDS_OF_ANSWERS):
        drop_field([said, *said["turns"]], word)
    else:
        raise AssertionError(f"the comparison doesn't know the loss {word!r}")


def drop_field(holders: Iterable[Plain], field: str) -> None:
    for holder in holders:
        holder.pop(field, None)


def every_holder(said: Plain) -> Iterable[list[Plain]]:
    for turn in said["turns"]:
        yield turn["parts"]
        for part in turn["parts"]:
            if part["type"] == "tool_result":
                yield part["content"]


def every_part(said: Plain) -> Iterable[Plain]:
    for holder in every_holder(said):
        yield from holder


def tidy(said: Plain) -> Plain:
    """Neighbouring turns of one role as one turn, neighbouring texts as one text; what is empty goes."""
    turns: list[Plain] = []
    for turn in said["turns"]:
        parts = joined(turn["parts"])
        if turns and turns[-1]["role"] == turn["role"] and turn["role"] in ("user", "assistant"):
            turns[-1]["parts"] = joined(turns[-1]["parts"] + parts)
        elif parts:
            turns.append({**turn, "parts": parts})
    return {**{name: value for name, value in said.items() if value not in (None, [], "")}, "turns": turns}


def joined(parts: list[Plain]) -> list[Plain]:
    found: list[Plain] = []
    for part in parts:
        if part["type"] == "tool_result":
            part = {**part, "content": joined(part["content"])}
        if part["type"] == "text" and not part["text"]:
            continue
        if part["type"] == "text" and found and found[-1]["type"] == "text" and not found[-1].get("cache"):
            found[-1] = {**part, "text": found[-1]["text"] + part["text"]}
        else:
            found.append(part)
    return found


def reply_of(events: Iterable[Event]) -> Reply:
    """A stream of events as the whole answer. Asserts the grammar: one part of a choice open at a time, each once,
    numbered from 0; nothing behind `Ended`."""
    started: Started | None = None
    ended: Ended | None = None
    choices: dict[int, _Growing] = {}
    for event in events:
        assert ended is None, f"{event} behind the end"
        match event:
            case Started():
                assert started is None
                started = event
            case Ended():
                ended = event
            case Pinged():
                pass
            case Failed():
                raise AssertionError(event)
            case _:
                assert started is not None
                choices.setdefault(event.choice, _Growing()).take(event)
    assert started is not None
    assert ended is not None
    return Reply(
        started.id,
        started.model,
        tuple(choices[number].choice() for number in sorted(choices)),
        ended.usage,
        started.created_s,
        ended.tier,
    )


class _Growing:
    """A choice as its events come."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.open: PartStarted | None = None
        self.text = ""
        self.signed: PartSigned | None = None
        self.stopped: Stopped | None = None
        self.logprobs: list[TokenLogprob] = []
        self.cited: list[Citation] = []

    def take(self, event: PartStarted | PartGrew | PartSigned | PartCited | PartEnded | Stopped) -> None:
        assert self.stopped is None, f"{event} behind the stop of its choice"
        if isinstance(event, Stopped):
            assert self.open is None
            self.stopped = event
            return
        if isinstance(event, PartStarted):
            assert self.open is None, f"{event} while {self.open} is open"
            assert event.index == len(self.parts)
            self.open, self.text, self.signed, self.cited = event, "", None, []
            return
        assert self.open is not None, f"{event} of no part"
        assert event.index == self.open.index
        match event:
            case PartGrew():
                self.text += event.text
                self.logprobs += event.logprobs
            case PartSigned():
                self.signed = event
            case PartCited():
                assert self.open.kind == "text"
                self.cited.append(event.citation)
            case PartEnded():
                part = MADE[self.open.kind](self.open, self.text, self.signed)
                is_cited = self.cited and isinstance(part, Text)
                self.parts.append(replace(part, citations=tuple(self.cited)) if is_cited else part)
                self.open = None

    def choice(self) -> Choice:
        assert self.open is None
        assert self.stopped is not None
        return Choice(tuple(self.parts), self.stopped.stop, self.stopped.stop_sequence, tuple(self.logprobs))


def _thinking(_: PartStarted, text: str, signed: PartSigned | None) -> Part:
    if signed is None:
        return Thinking(text)
    return Thinking(text, signed.signature, signed.redacted, provider=signed.provider)


MADE: dict[str, Callable[[PartStarted, str, PartSigned | None], Part]] = {
    "text": lambda _, text, __: Text(text),
    "refusal": lambda _, text, __: Refusal(text),
    "thinking": _thinking,
    "tool_use": lambda start, text, signed: ToolUse(start.id, start.name, text, signed.signature if signed else ""),
}
