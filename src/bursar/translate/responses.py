"""The codec of OpenAI's Responses: `POST /v1/responses`. Each direction has a module of its own."""

from bursar.translate import openai_faults, responses_answer, responses_request, responses_sent
from bursar.translate.answer import Fault, Reply
from bursar.translate.conversation import Conversation, Losses
from bursar.translate.responses_items import DIALECT
from bursar.translate.responses_reader import ResponsesEventReader
from bursar.translate.responses_writer import ResponsesEventWriter
from bursar.translate.sent import Sent


class ResponsesCodec:
    """A `codec.Codec`."""

    dialect = DIALECT

    def read_request(self, body: bytes, losses: Losses) -> Conversation:
        return responses_request.read_request(body, losses)

    def write_request(self, conversation: Conversation, losses: Losses) -> Sent:
        return responses_sent.write_request(conversation, losses)

    def path(self, conversation: Conversation) -> str:
        return "/v1/responses"

    def read_answer(self, body: bytes) -> Reply:
        return responses_answer.read_answer(body)

    def write_answer(self, reply: Reply, losses: Losses) -> bytes:
        return responses_answer.write_answer(reply, losses)

    def read_fault(self, status: int, body: bytes) -> Fault:
        return openai_faults.read_fault(status, body)

    def write_fault(self, fault: Fault) -> bytes:
        return openai_faults.write_fault(fault)

    def reader(self) -> ResponsesEventReader:
        return ResponsesEventReader()

    def writer(self, conversation: Conversation, call_id: str) -> ResponsesEventWriter:
        return ResponsesEventWriter(conversation.model, call_id)


RESPONSES = ResponsesCodec()
