"""A Responses stream of a provider, read into events.

Its items come one after the other, and each says itself twice: in pieces, then whole. The pieces are taken; what is
whole is only taken where no piece came, as some compatible services do.
Source: OpenAI's published schema (ResponseStreamEvent); tests/golden (OpenAI, Bedrock, DeepSeek, OpenRouter).
"""

from typing import Any

import msgspec

from bursar.providers.reading import UNREADABLE, served_tier
from bursar.translate.answer import (
    Ended,
    Event,
    PartCited,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Pinged,
    Started,
    Stopped,
)
from bursar.translate.citations import CITATIONS_MAX, citation_of
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Part, Refusal, Text, Thinking, ToolUse
from bursar.translate.openai_faults import fault_of
from bursar.translate.responses_answer import Response, stop_of, usage_in
from bursar.translate.responses_items import (
    SUMMARY_BREAK,
    ContentPart,
    Item,
    Logprob,
    custom_arguments,
    logprobs_of,
    said_parts,
    thought_of,
)
from bursar.translate.streams import SseEventReader


class _Kind(msgspec.Struct):
    type: str = ""


class _Event(msgspec.Struct):
    """One event of any type."""

    type: str = ""
    response: Response | None = None
    item: Item | None = None
    part: ContentPart | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    logprobs: list[Logprob] | None = None
    annotation: Any = None
    error: Any = None
    code: Any = None
    message: Any = None
    param: Any = None


PARTS_MAX = 100_000  # as many as are remembered

_EVENT = msgspec.json.Decoder(_Event)
_KIND = msgspec.json.Decoder(_Kind)

_TEXT = "response.output_text"
_REFUSAL = "response.refusal"
_ARGUMENTS = "response.function_call_arguments"
_SUMMARY = "response.reasoning_summary_text"
_THOUGHT = "response.reasoning_text"
_KIND_OF = {_TEXT: "text", _REFUSAL: "refusal", _ARGUMENTS: "tool_use", _SUMMARY: "thinking", _THOUGHT: "thinking"}
_ANNOTATION = "response.output_text.annotation.added"
_LAST = ("response.completed", "response.incomplete")


class ResponsesEventReader(SseEventReader):
    """Holds what names the part that is open, and which items said something."""

    __slots__ = ("_called", "_cited", "_grown", "_open", "_parts", "_refused", "_said", "_started", "_thought_of")

    def __init__(self) -> None:
        super().__init__()
        self._started = False
        self._parts = 0  # parts begun so far
        self._open: tuple[str, int, int] | None = None  # kind, output_index, content_index
        self._grown = False  # whether the open part grew
        self._said: set[tuple[int, int]] = set()  # (output_index, content_index) of the parts that began
        self._thought_of = ("", 0)  # which kind of thoughts the open one shows, and which part of its summary
        self._called = False
        self._cited = 0  # passages so far
        self._refused = False

    def _read(self, data: bytes, events: list[Event]) -> None:
        if data == b"[DONE]":
            return
        try:
            event = _EVENT.decode(data)
        except UNREADABLE:
            kind = _KIND.decode(data).type
            if kind.startswith(tuple(_KIND_OF)) or kind in _LAST:
                raise
            return  # an event of a hosted tool, in a shape of its own
        self._take(event, events)

    def _take(self, event: _Event, events: list[Event]) -> None:
        name, _, step = event.type.rpartition(".")
        if event.type in _LAST and event.response is not None:
            self._finish(event.response, events)
        elif event.type == "response.failed":
            error = event.response.error if event.response is not None else None
            self.fail(events, fault_of(error if isinstance(error, dict) else {}))
        elif event.type == "error" or (not event.type and event.error):
            self.fail(events, fault_of(_error_in(event)))
        elif event.type == "keepalive":
            events.append(Pinged())
        elif event.response is not None:
            self._start(event.response, events)
        elif name in _KIND_OF:
            self._grow(name, step, event, events)
        elif event.type == _ANNOTATION:
            self._cite(event, events)
        elif event.type == "response.output_item.added" and event.item is not None:
            self._begin_item(event.item, event.output_index, events)
        elif event.type == "response.output_item.done" and event.item is not None:
            self._end_item(event.item, event.output_index, events)
        elif event.type == "response.content_part.done" and self._open is not None and self._open[0] != "thinking":
            self._close_part(events)

    def _start(self, response: Response | None, events: list[Event]) -> None:
        if self._started:
            return
        self._started = True
        seen = response or Response()
        events.append(Started(seen.id or "", seen.model or "", int(seen.created_at or 0)))

    def _begin_item(self, item: Item, index: int, events: list[Event]) -> None:
        self._start(None, events)
        self._close_part(events)
        if item.type == "function_call":
            self._open_call(item, index, events)
            if isinstance(item.arguments, str):
                self._add(item.arguments, events)

    def _grow(self, name: str, step: str, event: _Event, events: list[Event]) -> None:
        """A piece of a part, or all of it again."""
        kind = _KIND_OF[name]
        whole = event.arguments if kind == "tool_use" else event.refusal if kind == "refusal" else event.text
        piece = event.delta if step == "delta" else whole if step == "done" else None
        if not piece:
            return
        at = (kind, event.output_index, 0 if kind in ("thinking", "tool_use") else event.content_index)
        if step == "done" and (self._grown if self._open == at else at[1:] in self._said):
            return
        if self._open != at:
            if kind == "tool_use":
                return  # of a call that didn't begin: `output_item.done` has it whole
            self._open_part(kind, at, events)
            self._thought_of = (name, event.summary_index)
        if kind == "thinking":
            shown, part = self._thought_of
            if shown != name:
                return  # a summary of thoughts that are shown themselves
            if part != event.summary_index:
                self._thought_of = (name, event.summary_index)
                piece = SUMMARY_BREAK + piece
        self._add(piece, events, event.logprobs if kind == "text" else None)

    def _end_item(self, item: Item, index: int, events: list[Event]) -> None:
        """The item whole: its signature, and whatever no piece said."""
        self._start(None, events)
        if item.type == "reasoning":
            self._end_thought(item, index, events)
        elif item.type == "function_call" and self._open == ("tool_use", index, 0):
            if not self._grown and isinstance(item.arguments, str):
                self._add(item.arguments, events)
        elif item.type == "function_call" and (index, 0) not in self._said:
            self._open_call(item, index, events)
            self._add(item.arguments if isinstance(item.arguments, str) else "{}", events)
        elif item.type == "custom_tool_call":
            self._open_call(item, index, events)
            self._add(custom_arguments(item.input if isinstance(item.input, str) else ""), events)
        elif item.type == "message" and not any(said == index for said, _ in self._said):
            for number, part in enumerate(said_parts(item.content)):
                self._open_part("text" if isinstance(part, Text) else "refusal", ("", index, number), events)
                self._add(part.text, events)
                cited = part.citations if isinstance(part, Text) else ()
                events += [PartCited(self._parts - 1, citation) for citation in cited]
        self._close_part(events)

    def _end_thought(self, item: Item, index: int, events: list[Event]) -> None:
        thought = thought_of(item)
        if thought is None:  # nothing, or the seal of a call that is over: no stream is translated a second time
            return
        is_signed = bool(thought.signature or thought.redacted)
        was_shown = (index, 0) in self._said
        if self._open != ("thinking", index, 0) and (is_signed or not was_shown):
            self._open_part("thinking", ("thinking", index, 0), events)
            if not was_shown:
                self._add(thought.text, events)
        if is_signed:
            events.append(self._signed(thought))

    def _signed(self, thought: Thinking) -> PartSigned:
        return PartSigned(self._parts - 1, thought.signature, thought.redacted, thought.provider)

    def _open_call(self, item: Item, index: int, events: list[Event]) -> None:
        self._called = True
        self._open_part("tool_use", ("tool_use", index, 0), events, item.call_id or item.id or "", item.name or "")

    def _open_part(
        self, kind: str, at: tuple[str, int, int], events: list[Event], id: str = "", name: str = ""
    ) -> None:
        if self._parts == PARTS_MAX:
            raise BadAnswer(f"an answer of more than {PARTS_MAX} parts")
        self._start(None, events)
        self._close_part(events)
        self._refused = self._refused or kind == "refusal"
        self._open = (kind, at[1], at[2])
        self._said.add(at[1:])
        self._grown = False
        events.append(PartStarted(self._parts, kind, id, name))
        self._parts += 1

    def _add(self, text: str, events: list[Event], logprobs: list[Logprob] | None = None) -> None:
        if text:
            self._grown = True
            events.append(PartGrew(self._parts - 1, text, logprobs=logprobs_of(logprobs)))

    def _cite(self, event: _Event, events: list[Event]) -> None:
        """Where a passage of the open text is from."""
        citation, at = citation_of(event.annotation), ("text", event.output_index, event.content_index)
        if citation is None or self._cited >= CITATIONS_MAX:
            return
        if self._open != at:
            if at[1:] in self._said:
                return  # that text is over
            self._open_part("text", at, events)
        self._cited += 1
        events.append(PartCited(self._parts - 1, citation))

    def _close_part(self, events: list[Event]) -> None:
        if self._open is not None:
            self._open = None
            events.append(PartEnded(self._parts - 1))

    def _finish(self, response: Response, events: list[Event]) -> None:
        self._start(response, events)
        self._close_part(events)
        told: list[Part] = [ToolUse("", "", "")] if self._called else [Refusal("")] if self._refused else []
        events.append(Stopped(stop_of(response, told)))
        events.append(Ended(usage_in(response), served_tier(response.service_tier)))
        self._is_over = True


def _error_in(event: _Event) -> dict[str, Any]:
    """The error of an `error` event: its own fields, or an object inside."""
    if isinstance(event.error, dict):
        return event.error
    return {"code": event.code, "message": event.message, "param": event.param}
