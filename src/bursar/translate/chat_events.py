"""A chat stream's chunks into events: pieces of parts that OpenAI tells apart only by the field they stand in.

- A part ends where a piece of another one comes, or the choice's `finish_reason`; OpenAI says neither begin nor end.
- A tool call's pieces go by `index`. Gemini's compatible endpoint gives each call whole and all of them index 0, Ollama
  may leave out the id: a piece with a new id and a name is a new call.
- Usage comes behind the reasons, or (Groq) inside the last chunk; `[DONE]` ends, but some services leave it out.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from bursar.domain.usage import Usage
from bursar.providers.openai_chat import XGroq
from bursar.providers.openai_usage import ChatUsage, usage_of_chat
from bursar.providers.reading import clip, served_tier
from bursar.translate.answer import (
    Ended,
    Event,
    PartCited,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Started,
    Stopped,
)
from bursar.translate.chat_answer import (
    Detail,
    Logprobs,
    Piece,
    Said,
    ToolCall,
    logprobs_of,
    signature_of,
    stop_of,
    words_of,
)
from bursar.translate.citations import CITATIONS_MAX, citations_of, moved
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Citation
from bursar.translate.openai_faults import fault_of
from bursar.translate.streams import SseEventReader

CHOICES_MAX = 128
PARTS_MAX = 4_096  # of one choice


class _Part(msgspec.Struct, gc=False):
    index: int = 0
    delta: Said | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Part] | None = None
    id: str | None = None
    model: str | None = None
    created: float | None = None
    service_tier: str | None = None
    usage: ChatUsage | None = None
    x_groq: XGroq | None = None
    error: Any = None


_CHUNK = msgspec.json.Decoder(_Chunk)


class _Open:
    """A choice while it comes: which of its parts is open, and how the wire calls that."""

    __slots__ = ("base", "calls", "cited", "count", "index", "is_over", "kind", "late", "name", "refused", "said")

    def __init__(self) -> None:
        self.count = 0  # parts that began
        self.index = -1  # of the open part
        self.kind = ""  # "" while none is open
        self.name: Any = None  # a tool call's (index, id) or a thought's index
        self.calls: set[int] = set()  # indices of the tool calls that began
        self.refused = False
        self.is_over = False
        self.said = 0  # characters of its texts so far
        self.base = 0  # and of those before the open one
        self.cited = 0
        self.late: list[Citation] = []  # that came while a tool's call was written


class ChatEvents(SseEventReader):
    """One stream."""

    __slots__ = ("_choices", "_has_started", "_tier", "_usage")

    def __init__(self) -> None:
        super().__init__()
        self._choices: dict[int, _Open] = {}
        self._has_started = False
        self._tier = ""
        self._usage: Usage | None = None

    def _read(self, data: bytes, events: list[Event]) -> None:
        if data == b"[DONE]":
            self._finish(events)
            return
        chunk = _CHUNK.decode(data)
        if chunk.error:
            error = chunk.error
            self.fail(events, fault_of(error if isinstance(error, dict) else {"message": str(error)}))
            return
        if not self._has_started and (chunk.id or chunk.choices):
            self._has_started = True
            events.append(Started(clip(chunk.id), clip(chunk.model), int(chunk.created or 0)))
        for part in chunk.choices or ():
            self._take(part, events)
        if chunk.service_tier:
            self._tier = served_tier(chunk.service_tier) or self._tier
        seen = chunk.usage or (chunk.x_groq and chunk.x_groq.usage)
        if seen:
            self._usage = usage_of_chat(seen) or self._usage

    def _take(self, part: _Part, events: list[Event]) -> None:
        at = part.index
        choice = self._choices.get(at)
        if choice is None:
            if len(self._choices) >= CHOICES_MAX:
                raise BadAnswer("more choices than any request can ask for")
            choice = self._choices[at] = _Open()
        said = part.delta
        if said is not None:
            if said.reasoning_details:
                for detail in said.reasoning_details:
                    self._think(choice, at, detail, events)
            elif thought := said.reasoning_content or said.reasoning:
                self._grow(choice, at, "thinking", thought, events)
            if said.content:
                self._say(choice, at, said.content, part.logprobs, events)
            if said.refusal:
                choice.refused = True
                self._grow(choice, at, "refusal", said.refusal, events)
            if said.annotations:
                self._cite(choice, at, said.annotations, events)
            if said.tool_calls:
                for call in said.tool_calls:
                    self._call(choice, at, call, events)
        if part.finish_reason:
            self._stop(choice, at, part.finish_reason, events)

    def _say(
        self, choice: _Open, at: int, content: str | list[Piece], logprobs: Logprobs | None, events: list[Event]
    ) -> None:
        """Words as a text, or in parts, as thinking models of Mistral give them."""
        if isinstance(content, list):
            for kind, words in words_of(content):
                self._grow(choice, at, kind, words, events)
                choice.said += len(words) if kind == "text" else 0
            return
        if choice.kind != "text":
            self._begin(choice, at, "text", None, events)
        choice.said += len(content)
        events.append(PartGrew(choice.index, content, at, logprobs_of(logprobs)))

    def _grow(self, choice: _Open, at: int, kind: str, text: str, events: list[Event]) -> None:
        if choice.kind != kind:
            self._begin(choice, at, kind, None, events)
        events.append(PartGrew(choice.index, text, at))

    def _begin(
        self, choice: _Open, at: int, kind: str, name: Any, events: list[Event], id: str = "", tool: str = ""
    ) -> None:
        if choice.is_over or choice.count >= PARTS_MAX:
            raise BadAnswer("the answer goes on behind its end")
        self._end_part(choice, at, events)
        choice.index = choice.count
        choice.count += 1
        choice.kind, choice.name, choice.base = kind, name, choice.said
        events.append(PartStarted(choice.index, kind, id, tool, at))

    def _end_part(self, choice: _Open, at: int, events: list[Event]) -> None:
        if choice.kind:
            events.append(PartEnded(choice.index, at))
            choice.kind = ""

    def _cite(self, choice: _Open, at: int, annotations: Any, events: list[Event]) -> None:
        """Annotations of what was said, or of what will be: spans count from the message's first character.

        While a tool's call is being written they have no place: they wait for the end, in a text of their own."""
        citations = citations_of(annotations)[: CITATIONS_MAX - choice.cited]
        choice.cited += len(citations)
        if choice.kind == "tool_use":
            choice.late += citations
        else:
            self._say_cited(choice, at, citations, events)

    def _say_cited(self, choice: _Open, at: int, citations: Iterable[Citation], events: list[Event]) -> None:
        for citation in citations:
            if choice.kind != "text":
                self._begin(choice, at, "text", None, events)
            events.append(PartCited(choice.index, moved(citation, -choice.base), at))

    def _think(self, choice: _Open, at: int, detail: Detail, events: list[Event]) -> None:
        """A piece of one of the details: its text, or the proof of it."""
        if choice.kind != "thinking" or (detail.index is not None and choice.name not in (None, detail.index)):
            self._begin(choice, at, "thinking", detail.index, events)
        if text := detail.text or detail.summary:
            events.append(PartGrew(choice.index, text, at))
        if detail.signature or detail.data:
            events.append(PartSigned(choice.index, detail.signature or "", detail.data or "", detail.provider, at))

    def _call(self, choice: _Open, at: int, call: ToolCall, events: list[Event]) -> None:
        function = call.function
        is_same = (
            choice.kind == "tool_use"
            and (call.index is None or call.index == choice.name[0])
            and not (call.id and call.id != choice.name[1] and function and function.name)
        )
        if not is_same:
            number = len(choice.calls) if call.index is None else call.index
            if number in choice.calls and not call.id:
                raise BadAnswer("pieces of several tool calls are mixed")
            choice.calls.add(number)
            id = call.id or f"call_{len(choice.calls) - 1}"
            name = (function.name if function else None) or ""
            self._begin(choice, at, "tool_use", (number, id), events, id, name)
        if function is not None and function.arguments:
            events.append(PartGrew(choice.index, function.arguments, at))
        if call.extra_content is not None and (signature := signature_of(call)):
            events.append(PartSigned(choice.index, signature, choice=at))

    def _stop(self, choice: _Open, at: int, reason: str, events: list[Event]) -> None:
        if not choice.is_over:
            self._say_cited(choice, at, choice.late, events)
            self._end_part(choice, at, events)
            choice.is_over = True
            events.append(Stopped(stop_of(reason, refused=choice.refused), choice=at))

    def _finish(self, events: list[Event]) -> None:
        """The answer is whole. A choice without a reason ended by itself."""
        self._is_over = True
        for at, choice in self._choices.items():
            self._stop(choice, at, "stop", events)
        events.append(Ended(self._usage, self._tier))

    def _close(self, events: list[Event]) -> None:
        """A service that leaves out `[DONE]` is believed when every choice said why it ended."""
        if self._choices and all(choice.is_over for choice in self._choices.values()):
            events.append(Ended(self._usage, self._tier))
