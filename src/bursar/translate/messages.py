"""The codec of Anthropic's Messages, `POST /v1/messages`."""

from bursar.translate.answer import Fault, Reply
from bursar.translate.codec import EventReader, EventWriter
from bursar.translate.conversation import Conversation, Losses
from bursar.translate.messages_answer import read_answer, read_fault, write_answer, write_fault
from bursar.translate.messages_blocks import DIALECT
from bursar.translate.messages_request import read_request
from bursar.translate.messages_stream import MessagesEventReader, MessagesEventWriter
from bursar.translate.messages_writing import write_request
from bursar.translate.sent import Sent


class MessagesCodec:
    """Stateless. What each does: `codec.Codec`."""

    dialect = DIALECT

    def read_request(self, body: bytes, losses: Losses) -> Conversation:
        return read_request(body, losses)

    def write_request(self, conversation: Conversation, losses: Losses) -> Sent:
        return write_request(conversation, losses)

    def path(self, conversation: Conversation) -> str:
        return "/v1/messages"

    def read_answer(self, body: bytes) -> Reply:
        return read_answer(body)

    def write_answer(self, reply: Reply, losses: Losses) -> bytes:
        return write_answer(reply, losses)

    def read_fault(self, status: int, body: bytes) -> Fault:
        return read_fault(status, body)

    def write_fault(self, fault: Fault) -> bytes:
        return write_fault(fault)

    def reader(self) -> EventReader:
        return MessagesEventReader()

    def writer(self, conversation: Conversation, call_id: str) -> EventWriter:
        return MessagesEventWriter(conversation.model, call_id)


MESSAGES = MessagesCodec()
