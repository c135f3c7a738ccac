"""OpenAI's chat completions as a codec: for OpenAI, and for every service that is compatible with it."""

from bursar.translate import chat_answer, chat_request, chat_writing, openai_faults
from bursar.translate.answer import Fault, Reply
from bursar.translate.chat_events import ChatEvents
from bursar.translate.chat_stream import ChatChunks
from bursar.translate.conversation import Conversation, Losses
from bursar.translate.sent import Sent


class ChatCodec:
    """limit_field: how a provider calls the output limit: OpenAI's newer name, or the one that all others know."""

    dialect = "openai-chat"

    def __init__(self, limit_field: str = "max_completion_tokens") -> None:
        self._limit_field = limit_field

    def read_request(self, body: bytes, losses: Losses) -> Conversation:
        return chat_request.read_request(body, losses)

    def write_request(self, conversation: Conversation, losses: Losses) -> Sent:
        return chat_writing.write_request(conversation, losses, self._limit_field)

    def path(self, conversation: Conversation) -> str:
        return "/v1/chat/completions"

    def read_answer(self, body: bytes) -> Reply:
        return chat_answer.read_answer(body)

    def write_answer(self, reply: Reply, losses: Losses) -> bytes:
        return chat_answer.write_answer(reply, losses)

    def read_fault(self, status: int, body: bytes) -> Fault:
        return openai_faults.read_fault(status, body)

    def write_fault(self, fault: Fault) -> bytes:
        return openai_faults.write_fault(fault)

    def reader(self) -> ChatEvents:
        return ChatEvents()

    def writer(self, conversation: Conversation, call_id: str) -> ChatChunks:
        return ChatChunks(wants_usage=conversation.wants_stream_usage)


CHAT = ChatCodec()
COMPATIBLE_CHAT = ChatCodec("max_tokens")
