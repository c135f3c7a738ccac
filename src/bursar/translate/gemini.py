"""The codec of Gemini's generateContent and streamGenerateContent, at the Gemini API and at Vertex.

A body names no model, and doesn't say whether it is streamed: the path does. So a codec that reads a caller's request
is bound to both, as `providers.google` is.
"""

from urllib.parse import quote

from bursar.translate.answer import Fault, Reply
from bursar.translate.codec import EventReader, EventWriter
from bursar.translate.conversation import Conversation, Losses
from bursar.translate.gemini_answer import read_answer, write_answer
from bursar.translate.gemini_faults import read_fault, write_fault
from bursar.translate.gemini_request import read_request
from bursar.translate.gemini_stream import GeminiEventReader, GeminiEventWriter
from bursar.translate.gemini_writing import write_request
from bursar.translate.sent import Sent

_PREFIXES = {"gemini": "/v1beta/models/", "vertex": "/v1/publishers/google/models/"}


class GeminiCodec:
    """family: "gemini" or "vertex". model, streams: of the path that a caller's request came by. What each method
    does: `codec.Codec`. At Vertex the path's head (project and location) is the upstream's."""

    def __init__(self, family: str, model: str = "", *, streams: bool = False) -> None:
        self.family = family
        self._dialect = f"{family}-generate"
        self._model = model
        self._streams = streams

    @property
    def dialect(self) -> str:
        return self._dialect

    def bound(self, model: str, *, streams: bool) -> "GeminiCodec":
        """The same for one path."""
        return GeminiCodec(self.family, model, streams=streams)

    def read_request(self, body: bytes, losses: Losses) -> Conversation:
        return read_request(body, self._dialect, self._model, losses, streams=self._streams)

    def write_request(self, conversation: Conversation, losses: Losses) -> Sent:
        return write_request(conversation, self._dialect, losses)

    def path(self, conversation: Conversation) -> str:
        action = "streamGenerateContent?alt=sse" if conversation.stream else "generateContent"
        return f"{_PREFIXES[self.family]}{quote(conversation.model, safe='')}:{action}"

    def read_answer(self, body: bytes) -> Reply:
        return read_answer(body, self._dialect, self._model)

    def write_answer(self, reply: Reply, losses: Losses) -> bytes:
        return write_answer(reply, self._dialect, losses)

    def read_fault(self, status: int, body: bytes) -> Fault:
        return read_fault(status, body)

    def write_fault(self, fault: Fault) -> bytes:
        return write_fault(fault)

    def reader(self) -> EventReader:
        return GeminiEventReader(self._dialect, self._model)

    def writer(self, conversation: Conversation, call_id: str) -> EventWriter:
        return GeminiEventWriter(self._dialect, conversation.model, call_id)


GEMINI = GeminiCodec("gemini")
VERTEX = GeminiCodec("vertex")
