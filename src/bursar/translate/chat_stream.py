"""Events as a chat stream's chunks, as OpenAI's own clients parse them; written from halves that stay the same."""

from collections.abc import Iterable
from typing import Any

import msgspec

from bursar.translate.answer import (
    Ended,
    Event,
    Failed,
    PartCited,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Pinged,
    Started,
    Stopped,
)
from bursar.translate.chat_answer import logprob_fields, reason_of, usage_fields
from bursar.translate.chat_thoughts import detail_of, signed_call
from bursar.translate.citations import chat_annotation
from bursar.translate.conversation import Thinking
from bursar.translate.openai_faults import write_fault

_encode = msgspec.json.encode
PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"


class ChatChunks:
    """One stream. wants_usage: as the client's `stream_options` asked."""

    __slots__ = ("_bases", "_calls", "_head", "_kinds", "_refused", "_said", "_tail", "_thoughts", "_wants_usage")

    def __init__(self, *, wants_usage: bool) -> None:
        self._wants_usage = wants_usage
        self._head = b""  # what every chunk begins with
        self._tail = b',"usage":null}\n\n' if wants_usage else b"}\n\n"
        self._kinds: dict[tuple[int, int], tuple[str, int]] = {}  # of a part: its kind, its number among those
        self._calls: dict[int, int] = {}  # tool calls of a choice so far
        self._thoughts: dict[int, int] = {}
        self._refused: set[int] = set()
        self._said: dict[int, int] = {}  # characters of a choice's texts so far
        self._bases: dict[int, int] = {}  # and of those before the open one

    def write(self, events: Iterable[Event]) -> bytes:
        """Chunks for these events."""
        return b"".join([self._written(event) for event in events])

    def _written(self, event: Event) -> bytes:
        match event:
            case PartGrew():
                return self._grown(event)
            case PartStarted():
                return self._begun(event)
            case PartEnded():
                return b""
            case PartSigned():
                return self._signed(event)
            case PartCited():
                return self._cited(event)
            case Started():
                return self._started(event)
            case Stopped():
                reason = reason_of(event.stop, refused=event.choice in self._refused)
                return self._chunk(event.choice, b"{}", finish=_encode(reason))
            case Ended():
                return self._ended(event)
            case Pinged():
                return PING
            case Failed():
                return b"data: " + write_fault(event.fault) + b"\n\n"

    def _chunk(self, choice: int, delta: bytes, *, logprobs: bytes = b"null", finish: bytes = b"null") -> bytes:
        return b'%b,"choices":[{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}]%b' % (
            self._head,
            choice,
            delta,
            logprobs,
            finish,
            self._tail,
        )

    def _started(self, event: Started) -> bytes:
        facts = {
            "id": event.id,
            "object": "chat.completion.chunk",
            "created": event.created_s,
            "model": event.model,
        }
        self._head = b"data: " + _encode(facts)[:-1]
        return self._chunk(0, b'{"role":"assistant","content":"","refusal":null}')

    def _begun(self, event: PartStarted) -> bytes:
        number = 0
        if event.kind == "tool_use":
            number = self._calls[event.choice] = self._calls.get(event.choice, -1) + 1
        elif event.kind == "thinking":
            number = self._thoughts[event.choice] = self._thoughts.get(event.choice, -1) + 1
        elif event.kind == "refusal":
            self._refused.add(event.choice)
        elif event.kind == "text":
            self._bases[event.choice] = self._said.setdefault(event.choice, 0)
        self._kinds[event.choice, event.index] = (event.kind, number)
        if event.kind != "tool_use":
            return b""
        call = {
            "index": number,
            "id": event.id,
            "type": "function",
            "function": {"name": event.name, "arguments": ""},
        }
        return self._chunk(event.choice, _encode({"tool_calls": [call]}))

    def _grown(self, event: PartGrew) -> bytes:
        kind, number = self._kinds[event.choice, event.index]
        text = _encode(event.text)
        if kind == "text":
            self._said[event.choice] += len(event.text)
            logprobs = _encode(logprob_fields(event.logprobs)) if event.logprobs else b"null"
            return self._chunk(event.choice, b'{"content":%b}' % text, logprobs=logprobs)
        if kind == "tool_use":
            delta = b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (number, text)
        elif kind == "refusal":
            delta = b'{"refusal":%b}' % text
        else:
            delta = b'{"reasoning_content":%b,"reasoning_details":[{"type":"reasoning.text","text":%b,"index":%d}]}' % (
                text,
                text,
                number,
            )
        return self._chunk(event.choice, delta)

    def _signed(self, event: PartSigned) -> bytes:
        kind, number = self._kinds[event.choice, event.index]
        delta: dict[str, Any]
        if kind == "tool_use":
            delta = {"tool_calls": [{"index": number, **signed_call(event.signature)}]}
        else:
            proof = Thinking(signature=event.signature, redacted=event.redacted, provider=event.provider)
            delta = {"reasoning_details": [detail_of(proof, number)]}
        return self._chunk(event.choice, _encode(delta))

    def _cited(self, event: PartCited) -> bytes:
        if not event.citation.url:
            return b""
        offset = self._bases.get(event.choice, 0)
        return self._chunk(event.choice, _encode({"annotations": [chat_annotation(event.citation, offset)]}))

    def _ended(self, event: Ended) -> bytes:
        if not self._wants_usage:
            return DONE
        usage = _encode(None if event.usage is None else usage_fields(event.usage))
        return b'%b,"choices":[],"usage":%b}\n\n%b' % (self._head, usage, DONE)
