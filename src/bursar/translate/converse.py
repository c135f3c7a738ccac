"""The codec of Bedrock's Converse and converse-stream, bound to a path as `gemini` is: a body names no model."""

from urllib.parse import quote

from bursar.translate.answer import Fault, Reply
from bursar.translate.codec import EventReader, EventWriter
from bursar.translate.conversation import Conversation, Losses
from bursar.translate.converse_answer import read_answer, read_fault, write_answer, write_fault
from bursar.translate.converse_blocks import DIALECT
from bursar.translate.converse_request import read_request, write_request
from bursar.translate.converse_stream import ConverseEventReader, ConverseEventWriter
from bursar.translate.sent import Sent


class ConverseCodec:
    """model, streams: of the path that a caller's request came by. What each method does: `codec.Codec`."""

    dialect = DIALECT

    def __init__(self, model: str = "", *, streams: bool = False) -> None:
        self._model = model
        self._streams = streams

    def bound(self, model: str, *, streams: bool) -> "ConverseCodec":
        """The same for one path."""
        return ConverseCodec(model, streams=streams)

    def read_request(self, body: bytes, losses: Losses) -> Conversation:
        return read_request(body, self._model, losses, streams=self._streams)

    def write_request(self, conversation: Conversation, losses: Losses) -> Sent:
        return write_request(conversation, losses)

    def path(self, conversation: Conversation) -> str:
        action = "converse-stream" if conversation.stream else "converse"
        return f"/model/{quote(conversation.model, safe='-_.~')}/{action}"

    def read_answer(self, body: bytes) -> Reply:
        return read_answer(body, self._model)

    def write_answer(self, reply: Reply, losses: Losses) -> bytes:
        return write_answer(reply, losses)

    def read_fault(self, status: int, body: bytes) -> Fault:
        return read_fault(status, body)

    def write_fault(self, fault: Fault) -> bytes:
        return write_fault(fault)

    def reader(self) -> EventReader:
        return ConverseEventReader(self._model)

    def writer(self, conversation: Conversation, call_id: str) -> EventWriter:
        return ConverseEventWriter()


CONVERSE = ConverseCodec()
