"""Streams of streamGenerateContent: read as server-sent events or as one JSON array, written as events.

A stream has no last word: it is over when its bytes are, and whole if each of its candidates said why it finished, or
the prompt was refused. A call comes whole. Source: google-genai 3.4.0's schemas; tests/golden/gemini and /vertex.
"""

from collections.abc import Iterable

import msgspec

from bursar.providers.json_array import ArrayElements
from bursar.providers.sse import EVENT_BYTES_MAX
from bursar.translate.answer import (
    Ended,
    Event,
    Failed,
    PartCited,
    PartEnded,
    PartGrew,
    PartSigned,
    PartStarted,
    Started,
    Stopped,
    TokenLogprob,
)
from bursar.translate.arguments import arguments_text
from bursar.translate.citations import CITATIONS_MAX, moved
from bursar.translate.codec import BadAnswer
from bursar.translate.conversation import Losses, Thinking, ToolUse
from bursar.translate.gemini_answer import (
    ANSWER,
    REASONS,
    UNFINISHED,
    Counted,
    WireCandidate,
    WirePart,
    answer_tail,
    call_id,
    candidate_of,
    is_block,
    logprobs_of,
    stop_of,
    write_logprobs,
    write_usage,
)
from bursar.translate.gemini_faults import fault_of, write_fault
from bursar.translate.gemini_grounding import citations_in, written
from bursar.translate.gemini_parts import Block, call_block, signature_of, unsealed_bytes
from bursar.translate.streams import Frames, SseEventReader

CANDIDATES_MAX = 128
TEXT_CHARS_MAX = 200_000  # of an answer, kept for the spans of its citations; a longer one's have none
_BOM_AND_SPACE = b"\xef\xbb\xbf \t\r\n"


class _Elements(Frames):
    """The elements of an array, in the place of events."""

    __slots__ = ("_elements",)

    def __init__(self) -> None:
        super().__init__()
        self._elements = ArrayElements(EVENT_BYTES_MAX)

    def feed(self, chunk: bytes) -> list[bytes]:
        found = self._elements.feed(chunk)
        if self._elements.oversized:
            raise BadAnswer(f"an element of the provider's stream is larger than {EVENT_BYTES_MAX} bytes")
        return found

    def end(self) -> list[bytes]:
        return []


class _Candidate:
    """One of the answers as it comes."""

    __slots__ = ("base", "calls", "grounding", "index", "is_stopped", "open", "parts", "said", "texts")

    def __init__(self, index: int) -> None:
        self.index = index
        self.parts = 0
        self.calls = 0
        self.open = ""  # the kind of the part that is open
        self.is_stopped = False
        self.grounding = msgspec.Raw()  # the newest; it is about all that was said
        self.texts: list[str] = []  # of the answer, for the spans of that
        self.said = 0  # their characters
        self.base = 0  # and of those before the open part

    def ensure(self, kind: str, events: list[Event]) -> None:
        """A part of this kind is open."""
        if self.open != kind:
            self.end_part(events)
            self.open, self.base = kind, self.said
            events.append(PartStarted(self.parts, kind, choice=self.index))

    def say(self, text: str) -> None:
        """Keep what is said, as long as it may be kept."""
        self.said += len(text)
        if self.said <= TEXT_CHARS_MAX:
            self.texts.append(text)

    def cite(self, events: list[Event]) -> None:
        """Where all of it is from, at its end. What can't be placed in the part that is open has no span."""
        whole = "".join(self.texts) if self.said <= TEXT_CHARS_MAX else ""
        for _, citation in citations_in(self.grounding, [(0, whole)]) if self.grounding else ():
            self.ensure("text", events)
            events.append(PartCited(self.parts, moved(citation, -self.base), self.index))

    def end_part(self, events: list[Event]) -> None:
        if self.open:
            events.append(PartEnded(self.parts, self.index))
            self.open = ""
            self.parts += 1

    def stop(self, stop: str, events: list[Event]) -> None:
        self.cite(events)
        self.end_part(events)
        self.is_stopped = True
        events.append(Stopped(stop, choice=self.index))


class GeminiEventReader(SseEventReader):
    """A provider's stream, whichever form it has: its first byte says."""

    __slots__ = ("_candidates", "_counted", "_dialect", "_id", "_is_begun", "_is_started")

    def __init__(self, dialect: str, model: str) -> None:
        super().__init__()
        self._dialect = dialect
        self._counted = Counted(model)
        self._candidates: dict[int, _Candidate] = {}
        self._id = ""
        self._is_begun = False  # a byte came that says which form it has
        self._is_started = False

    def feed(self, chunk: bytes) -> list[Event]:
        if not self._is_begun and (head := chunk.lstrip(_BOM_AND_SPACE)):
            self._is_begun = True
            if head[:1] == b"[":
                self._frames = _Elements()
        return super().feed(chunk)

    def _read(self, data: bytes, events: list[Event]) -> None:
        answer = ANSWER.decode(data)
        if answer.error:
            self.fail(events, fault_of(answer.error))
            return
        self._counted.take(answer)
        self._id = self._id or answer.response_id or ""
        if not self._is_started:
            self._is_started = True
            events.append(Started(self._id, self._counted.model, usage=self._counted.usage))
        for at, candidate in enumerate(answer.candidates or ()):
            index = at if candidate.index is None else candidate.index
            if 0 <= index < CANDIDATES_MAX:
                self._take(self._candidate(index), candidate, events)
        if is_block(answer) and not self._candidates:
            self._candidate(0).stop("refusal", events)

    def _close(self, events: list[Event]) -> None:
        if self._candidates and all(candidate.is_stopped for candidate in self._candidates.values()):
            events.append(Ended(self._counted.usage, self._counted.tier))

    def _candidate(self, index: int) -> _Candidate:
        found = self._candidates.get(index)
        if found is None:
            found = self._candidates[index] = _Candidate(index)
        return found

    def _take(self, candidate: _Candidate, said: WireCandidate, events: list[Event]) -> None:
        if candidate.is_stopped:
            return
        if said.grounding_metadata:
            candidate.grounding = msgspec.Raw(bytes(said.grounding_metadata))  # not the chunk that it stands in
        logprobs = logprobs_of(said.logprobs_result)
        for part in (said.content.parts or ()) if said.content is not None else ():
            logprobs = self._take_part(candidate, part, logprobs, events)
        if logprobs:
            candidate.ensure("text", events)
            events.append(PartGrew(candidate.parts, "", candidate.index, logprobs))
        if said.finish_reason not in UNFINISHED:
            candidate.stop(stop_of(said.finish_reason, has_called=candidate.calls > 0), events)

    def _take_part(
        self, candidate: _Candidate, part: WirePart, logprobs: tuple[TokenLogprob, ...], events: list[Event]
    ) -> tuple[TokenLogprob, ...]:
        """More of the answer. Gets the logprobs that no text took yet."""
        signature = part.thought_signature or ""
        at, index = candidate.parts, candidate.index
        if part.function_call is not None:
            call = part.function_call
            candidate.end_part(events)
            at = candidate.parts
            id = call_id(call, self._id, candidate.calls)
            candidate.calls += 1
            candidate.open = "tool_use"
            events.append(PartStarted(at, "tool_use", id, call.name or "", index))
            events.append(PartGrew(at, arguments_text(call.args), index))
            if signature:
                events.append(PartSigned(at, signature, provider=self._dialect, choice=index))
            candidate.end_part(events)
            return logprobs
        if part.text:
            candidate.ensure("thinking" if part.thought else "text", events)
            if part.thought:
                events.append(PartGrew(candidate.parts, part.text, index))
            else:
                candidate.say(part.text)
                events.append(PartGrew(candidate.parts, part.text, index, logprobs))
                logprobs = ()
        if signature:
            self._sign(candidate, signature, events)
        return logprobs

    def _sign(self, candidate: _Candidate, signature: str, events: list[Event]) -> None:
        """The proof of the thought that is open, or of what was said: then it is a thought without words."""
        candidate.ensure("thinking", events)
        seal = unsealed_bytes(signature)
        at, index = candidate.parts, candidate.index
        if seal is None:
            events.append(PartSigned(at, signature, provider=self._dialect, choice=index))
        else:
            events.append(PartSigned(at, seal.signature, seal.redacted, seal.provider, index))
        candidate.end_part(events)


class _Writing:
    """One choice as it is written."""

    __slots__ = ("arguments", "call", "chunks", "kind", "said", "signature", "start", "supports")

    def __init__(self) -> None:
        self.kind = ""
        self.call = PartStarted(0, "")
        self.arguments: list[str] = []
        self.signature = ""
        self.chunks: dict[tuple[str, str], int] = {}  # sources, as the end will name them
        self.supports: list[Block] = []
        self.said = 0  # bytes of the texts so far
        self.start = 0  # and of those before the open one; both -1 where they are no longer the characters


class GeminiEventWriter:
    """The caller's stream. A call is written when it is whole; why the answer ended, with its usage at the end."""

    __slots__ = ("_call_id", "_choices", "_dialect", "_model", "_stops", "_tail")

    def __init__(self, dialect: str, model: str, call_id: str) -> None:
        self._dialect = dialect
        self._tail = answer_tail(call_id, model)  # as asked for, until the answer says its own
        self._choices: dict[int, _Writing] = {}
        self._stops: dict[int, str] = {}

    def write(self, events: Iterable[Event]) -> bytes:
        """Events of the wire; b"" where nothing is to be said yet. Gemini knows no pings."""
        out: list[bytes] = []
        for event in events:
            match event:
                case PartGrew():
                    self._grow(event, out)
                case PartStarted():
                    writing = self._choices.setdefault(event.choice, _Writing())
                    writing.kind, writing.call, writing.arguments, writing.signature = event.kind, event, [], ""
                    writing.start = writing.said
                case PartSigned():
                    self._sign(event, out)
                case PartCited():
                    self._cite(event)
                case PartEnded():
                    self._end_part(event, out)
                case Started():
                    said = {"modelVersion": event.model, "responseId": event.id}
                    self._tail |= {name: value for name, value in said.items() if value}
                case Stopped():
                    self._stops[event.choice] = REASONS.get(event.stop, "STOP")
                case Ended():
                    self._end(event, out)
                case Failed():
                    out.append(b"data: " + write_fault(event.fault) + b"\n\n")
        return b"".join(out)

    def _say(self, candidate: Block, out: list[bytes]) -> None:
        out.append(b"data: %b\n\n" % msgspec.json.encode({"candidates": [candidate], **self._tail}))

    def _grow(self, event: PartGrew, out: list[bytes]) -> None:
        writing = self._choices.setdefault(event.choice, _Writing())
        if writing.kind == "tool_use":
            writing.arguments.append(event.text)
            return
        if writing.kind == "text" and writing.said >= 0:
            writing.said = writing.said + len(event.text) if event.text.isascii() else -1
        part: Block = {"text": event.text, "thought": True} if writing.kind == "thinking" else {"text": event.text}
        candidate = candidate_of(event.choice, [part])
        if event.logprobs:
            candidate["logprobsResult"] = write_logprobs(event.logprobs)
        self._say(candidate, out)

    def _sign(self, event: PartSigned, out: list[bytes]) -> None:
        writing = self._choices.setdefault(event.choice, _Writing())
        if writing.kind == "tool_use":
            writing.signature = event.signature
            return
        thought = Thinking("", event.signature, event.redacted, provider=event.provider)
        signature = signature_of(thought, self._dialect)
        self._say(candidate_of(event.choice, [{"text": "", "thoughtSignature": signature}]), out)

    def _cite(self, event: PartCited) -> None:
        """Said at the end. Spans are of bytes: they are known as long as all was ASCII, since no text is kept."""
        writing, citation = self._choices.setdefault(event.choice, _Writing()), event.citation
        if not citation.url or len(writing.supports) >= CITATIONS_MAX or len(writing.chunks) >= CITATIONS_MAX:
            return
        index = writing.chunks.setdefault((citation.url, citation.title), len(writing.chunks))
        if citation.end and writing.said >= 0:
            segment = {"startIndex": writing.start + citation.start, "endIndex": writing.start + citation.end}
            writing.supports.append({"segment": segment, "groundingChunkIndices": [index]})

    def _end_part(self, event: PartEnded, out: list[bytes]) -> None:
        writing = self._choices.setdefault(event.choice, _Writing())
        if writing.kind == "tool_use":
            call = ToolUse(writing.call.id, writing.call.name, "".join(writing.arguments))
            self._say(candidate_of(event.choice, [call_block(call, writing.signature, Losses())]), out)
        writing.kind = ""

    def _end(self, event: Ended, out: list[bytes]) -> None:
        stops = self._stops or {0: "STOP"}
        candidates = [candidate_of(choice, [{"text": ""}], reason) for choice, reason in sorted(stops.items())]
        for candidate in candidates:
            writing = self._choices.get(candidate["index"])
            if writing is not None and writing.chunks:
                candidate["groundingMetadata"] = written(writing.chunks, writing.supports)
        last: Block = {"candidates": candidates, **self._tail}
        if event.usage is not None:
            last["usageMetadata"] = write_usage(event.usage, event.tier, self._dialect)
        out.append(b"data: %b\n\n" % msgspec.json.encode(last))
