"""Generated conversations, answers and streams of events, as a test of a codec takes them.

All are well formed: a user begins, each tool's call is answered in the turn behind it, arguments are JSON objects,
texts aren't empty. What a dialect has no words for is left out by an argument (`Say`), or must be named in `Losses`.
Whether two of them mean the same: `tests/translate/meaning.py`.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from bursar.domain.usage import Usage
from bursar.translate.answer import (
    Choice,
    Ended,
    Event,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Pinged,
    Reply,
    Started,
    Stopped,
    TokenLogprob,
    TopToken,
)
from bursar.translate.conversation import (
    Conversation,
    Format,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)


class Say(NamedTuple):
    """What generated conversations and answers may hold. Everything by default."""

    thinking: bool = True
    signatures: bool = True
    provider: str = "anthropic-messages"  # whose signatures they are
    tools: bool = True
    images: bool = True
    files: bool = True
    audio: bool = False
    cache: bool = False
    refusals: bool = False
    settings: bool = True
    choices: bool = False
    logprobs: bool = False


ALL = Say()
PLAIN = Say(thinking=False, images=False, files=False, settings=False)

texts = st.sampled_from(
    [
        "Hello.",
        "What is 2 + 2?",
        'a "quoted"\\word\n',
        "naïve – 日本語 🧮",
        "data: [DONE]\n\n",
        " ",
        "\u2028\x7f\t",
        '{"json": true}',
        "x" * 90,
    ]
)
names = st.sampled_from(["a", "add", "look_up", "get_weather_2", "z" * 20])
opaque = st.sampled_from(["c2lnbmF0dXJl", "AAECAwQF/+8=", "RXJVQg" * 8])
"""Signatures, encrypted thoughts and data of files: base64."""

arguments = st.sampled_from(
    [
        "{}",
        '{"a":1}',
        '{"city":"Zürich","days":[1,2.5,null]}',
        '{"q":"say \\"hi\\"","deep":{"er":{"est":[{}]}}}',
        '{ "spaced" : true }',
        json.dumps({"long": "y" * 60, "emoji": "🧮"}),
    ]
)


def schema_of(properties: dict[str, str]) -> str:
    return json.dumps(
        {
            "type": "object",
            "properties": {name: {"type": kind} for name, kind in properties.items()},
            "required": sorted(properties),
            "additionalProperties": False,
        }
    )


schemas = st.sampled_from(
    [schema_of({}), schema_of({"a": "integer"}), schema_of({"city": "string", "is_it": "boolean", "n": "number"})]
)
IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp")


def text_parts(say: Say) -> st.SearchStrategy[Text]:
    return st.builds(Text, texts, st.sampled_from(["", "5m", "1h"]) if say.cache else st.just(""))


def media_parts(say: Say) -> st.SearchStrategy[Media]:
    """Images by data and by address; files and sounds by data."""
    kinds = []
    if say.images:
        mime = st.sampled_from(IMAGE_TYPES)
        kinds.append(st.builds(Media, st.just("image"), mime, opaque))
        urls = st.just("https://pictures.example/cat.png?size=2&a=b")
        kinds.append(st.builds(Media, st.just("image"), url=urls))
    if say.files:
        kinds.append(
            st.builds(
                Media,
                st.just("file"),
                st.just("application/pdf"),
                opaque,
                name=st.sampled_from(["bill.pdf", "a b.pdf"]),
            )
        )
    if say.audio:
        kinds.append(st.builds(Media, st.just("audio"), st.sampled_from(["audio/wav", "audio/mp3"]), opaque))
    return st.one_of(kinds) if kinds else st.nothing()


def thoughts(say: Say) -> st.SearchStrategy[Thinking]:
    if not say.signatures:
        return st.builds(Thinking, texts)
    return st.one_of(
        st.builds(Thinking, texts, opaque, provider=st.just(say.provider)),
        st.builds(Thinking, redacted=opaque, provider=st.just(say.provider)),
    )


@st.composite
def assistant_turns(draw: st.DrawFn, say: Say, tools: Sequence[Tool], first_id: int) -> Message:
    """Thoughts, then words (or a refusal), then calls of tools."""
    parts: list[Part] = []
    if say.thinking:
        parts += draw(st.lists(thoughts(say), max_size=1))
    if say.refusals and draw(st.integers(0, 5)) == 0:
        return Message("assistant", (*parts, Refusal(draw(texts))))
    parts += draw(st.lists(text_parts(say), max_size=2))
    if tools:
        called = draw(st.lists(st.sampled_from([tool.name for tool in tools]), max_size=3))
        parts += [ToolUse(f"call_{first_id + at}", name, draw(arguments)) for at, name in enumerate(called)]
    if not any(isinstance(part, Text | ToolUse) for part in parts):
        parts.append(Text(draw(texts)))
    return Message("assistant", tuple(parts))


@st.composite
def user_turns(draw: st.DrawFn, say: Say, called: Sequence[ToolUse]) -> Message:
    """Results of the tools that were called, in their order, then what the user says."""
    parts: list[Part] = []
    for call in called:
        content: list[Text | Media] = draw(st.lists(st.builds(Text, texts), min_size=1, max_size=2))
        parts.append(ToolResult(call.id, tuple(content), call.name, draw(st.integers(0, 4)) == 0))
    said = st.one_of(text_parts(say), media_parts(say))
    parts += draw(st.lists(said, min_size=0 if parts else 1, max_size=2))
    return Message("user", tuple(parts))


@st.composite
def tool_lists(draw: st.DrawFn) -> tuple[Tool, ...]:
    found = draw(st.lists(names, max_size=3, unique=True))
    return tuple(Tool(name, draw(texts), draw(schemas)) for name in found)


def tool_choices(tools: Sequence[Tool]) -> st.SearchStrategy[ToolChoice | None]:
    modes = st.builds(
        ToolChoice, st.sampled_from(["auto", "none", "required"]), parallel=st.sampled_from([None, True, False])
    )
    one = st.builds(ToolChoice, st.just("tool"), st.sampled_from([tool.name for tool in tools]))
    return st.none() | modes | one


formats = st.builds(Format, st.just("json")) | st.builds(Format, st.just("schema"), names, schemas, st.just(True))
reasonings = st.builds(Reasoning, st.sampled_from(["low", "medium", "high"])) | st.builds(
    Reasoning, budget_tokens=st.integers(1_024, 8_000)
)
settings = st.fixed_dictionaries(
    {},
    optional={
        "format": formats,
        "reasoning": reasonings,
        "temperature": st.sampled_from([0.0, 0.5, 1.0]),
        "top_p": st.sampled_from([0.1, 0.9]),
        "stop": st.lists(names, min_size=1, max_size=2, unique=True).map(tuple),
        "seed": st.integers(0, 2**31 - 1),
        "frequency_penalty": st.sampled_from([0.0, 0.5]),
        "presence_penalty": st.sampled_from([-0.5, 0.5]),
        "user": names,
        "metadata": st.sampled_from(['{"a":"b"}', '{"trace":"1","customer":"acme"}']),
        "tier": st.sampled_from(["auto", "default", "flex", "priority"]),
    },
)


@st.composite
def conversations(draw: st.DrawFn, say: Say = ALL, model: str = "a-model") -> Conversation:
    """A request of up to five turns, whose last is the user's."""
    tools = draw(tool_lists()) if say.tools else ()
    messages: list[Message] = []
    called: list[ToolUse] = []
    calls = 0
    for _ in range(draw(st.integers(0, 2))):
        messages.append(draw(user_turns(say, called)))
        answer = draw(assistant_turns(say, tools, calls))
        called = [part for part in answer.parts if isinstance(part, ToolUse)]
        calls += len(called)
        messages.append(answer)
    messages.append(draw(user_turns(say, called)))
    return Conversation(
        model=model,
        messages=tuple(messages),
        system=tuple(draw(st.lists(text_parts(say), max_size=2))),
        stream=draw(st.booleans()),
        tools=tools,
        tool_choice=draw(tool_choices(tools)) if tools else None,
        max_output_tokens=draw(st.integers(8_001, 20_000)),
        choices=draw(st.integers(1, 3)) if say.choices else 1,
        **(draw(settings) if say.settings else {}),
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Tokens that went in, from a cache and not, and came out, of which some are thoughts."""
    output = draw(st.integers(1, 5_000))
    return Usage(
        input=draw(st.integers(1, 100_000)),
        cache_read=draw(st.integers(0, 5_000)),
        output=output,
        reasoning=draw(st.integers(0, output)),
    )


def _token_logprobs(text: str) -> tuple[TokenLogprob, ...]:
    return (TokenLogprob(text, -0.25, (TopToken(text, -0.25), TopToken("other", -2.5))),)


@st.composite
def answer_choices(draw: st.DrawFn, say: Say, tools: Sequence[Tool]) -> Choice:
    message = draw(assistant_turns(say._replace(cache=False), tools, 0))
    texts_said = [part.text for part in message.parts if isinstance(part, Text)]
    is_refusal = any(isinstance(part, Refusal) for part in message.parts)
    called = any(isinstance(part, ToolUse) for part in message.parts)
    stop = "refusal" if is_refusal else "tool_use" if called else draw(st.sampled_from(["end", "length"]))
    logprobs = tuple(found for text in texts_said for found in _token_logprobs(text)) if say.logprobs else ()
    return Choice(message.parts, stop, logprobs=logprobs)


@st.composite
def replies(draw: st.DrawFn, say: Say = ALL) -> Reply:
    """A whole answer with its usage."""
    tools = (Tool("look_up"), Tool("add")) if say.tools else ()
    count = draw(st.integers(1, 3)) if say.choices else 1
    return Reply(
        draw(names),
        "a-model-2026",
        tuple(draw(answer_choices(say, tools)) for _ in range(count)),
        draw(usages()),
        1_790_000_000,
    )


@st.composite
def event_streams(draw: st.DrawFn, say: Say = ALL) -> tuple[Reply, list[Event]]:
    """An answer, and the events that say the same."""
    reply = draw(replies(say))
    events: list[Event] = [Started(reply.id, reply.model, reply.created_s)]
    for number, choice in enumerate(reply.choices):
        for index, part in enumerate(choice.parts):
            events += draw(part_events(part, index, number, with_logprobs=bool(choice.logprobs)))
            if draw(st.integers(0, 5)) == 0:
                events.append(Pinged())
        events.append(Stopped(choice.stop, choice.stop_sequence, number))
    events.append(Ended(reply.usage))
    return reply, events


@st.composite
def part_events(draw: st.DrawFn, part: Part, index: int, choice: int, *, with_logprobs: bool) -> list[Event]:
    """A part in pieces."""
    match part:
        case ToolUse():
            events: list[Event] = [PartStarted(index, "tool_use", part.id, part.name, choice)]
            text = part.arguments
        case Thinking():
            events, text = [PartStarted(index, "thinking", choice=choice)], part.text
        case Refusal():
            events, text = [PartStarted(index, "refusal", choice=choice)], part.text
        case Text():
            events, text = [PartStarted(index, "text", choice=choice)], part.text
        case _:
            raise AssertionError(part)
    if with_logprobs and isinstance(part, Text):
        events.append(PartGrew(index, text, choice, _token_logprobs(text)))
    else:
        cuts = sorted(draw(st.sets(st.integers(1, len(text)), max_size=3)) if text else [])
        pieces = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        events += [PartGrew(index, piece, choice) for piece in pieces if piece]
    if isinstance(part, Thinking) and (part.signature or part.redacted):
        events.append(PartSigned(index, part.signature, part.redacted, part.provider, choice))
    return [*events, PartEnded(index, choice)]
