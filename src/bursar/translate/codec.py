"""The protocol of a codec: one chat dialect's way from bytes to what is meant, and back."""

from collections.abc import Iterable
from typing import Protocol

from bursar.translate.answer import Event, Fault, Reply
from bursar.translate.conversation import Conversation, Losses
from bursar.translate.sent import Sent


class EventReader(Protocol):
    """One provider's stream into events. Holds at most one event of the wire and what names the open parts."""

    def feed(self, chunk: bytes) -> list[Event]:
        """Take bytes as they came off the socket, cut anywhere. Never raises: what can't be read is a `Failed`."""
        ...

    def end(self) -> list[Event]:
        """The stream is over or was cut. No `Ended` follows a cut: the gateway closes with its own error."""
        ...


class EventWriter(Protocol):
    """Events into the caller's stream. Holds only what its dialect must say again at the end (Responses)."""

    def write(self, events: Iterable[Event]) -> bytes:
        """Whole events of the wire; b"" where nothing is to be said yet."""
        ...


class Codec(Protocol):
    """Stateless; a stream's state lives in its reader and its writer."""

    @property
    def dialect(self) -> str:
        """The name of the dialect in `providers.registry`: "openai.chat" …"""
        ...

    def read_request(self, body: bytes, losses: Losses) -> Conversation:
        """The caller's request. Raises BadRequest (with the field) for what can't be understood."""
        ...

    def write_request(self, conversation: Conversation, losses: Losses) -> Sent:
        """The same for a provider of this dialect. Raises BadRequest for what would change the meaning."""
        ...

    def path(self, conversation: Conversation) -> str:
        """The provider's path for it; Google's names the model, and whether it is a stream."""
        ...

    def read_answer(self, body: bytes) -> Reply:
        """A whole success. Raises BadAnswer if it isn't one of this dialect."""
        ...

    def write_answer(self, reply: Reply, losses: Losses) -> bytes: ...

    def read_fault(self, status: int, body: bytes) -> Fault:
        """A refusal or failure. Never raises: an unreadable one has its text as message."""
        ...

    def write_fault(self, fault: Fault) -> bytes: ...

    def reader(self) -> EventReader: ...

    def writer(self, conversation: Conversation, call_id: str) -> EventWriter: ...


class BadAnswer(Exception):
    """A success whose body is none of its dialect's: the caller gets an error that says so."""
