"""The protocol of a dialect: what the gateway, the CLI and the SDK may ask of one.

Requests are untrusted and may be refused (BadRequest and its kin, each naming the field). Answers have been paid for
and are only ever read: whatever a provider sends, reading it gives an `Answer`, at worst one without usage.
"""

from collections.abc import Sequence
from typing import Protocol

from bursar.domain.errors import BursarError
from bursar.providers.sse import StreamReader
from bursar.providers.values import Answer, Asked

__all__ = ["Answer", "Asked", "Dialect", "StreamReader"]


class Dialect(Protocol):
    """One wire format. Instances are stateless; a stream's state lives in its reader."""

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> str:
        """ "openai", "anthropic", "gemini", "vertex" or "bedrock": which upstreams speak it."""
        ...

    @property
    def operation(self) -> str: ...

    def read_request(self, body: bytes) -> Asked:
        """Raises InvalidJson, MissingField or BadRequest; `field` says which."""
        ...

    def with_usage(self, body: bytes, asked: Asked) -> bytes:
        """The body with usage asked for, every other byte as it came; the same object if nothing had to change."""
        ...

    def with_output_limit(self, body: bytes, tokens: int) -> bytes | None:
        """The body with its output limited to so many tokens, every other byte as it came; None where that field
        stands twice, or none is known."""
        ...

    def read_answer(self, body: bytes, status: int) -> Answer:
        """A plain answer, of any status. Never raises."""
        ...

    def reader(self, asked: Asked, *, strip_usage: bool) -> StreamReader:
        """A fresh reader for one stream. strip_usage: take out the usage chunk that `with_usage` asked for."""
        ...

    def error(self, error: BursarError, call_id: str) -> bytes:
        """The dialect's own error envelope, JSON."""
        ...

    def stream_error(self, error: BursarError, call_id: str) -> bytes:
        """The same as an event, for a stream whose status has been sent."""
        ...


Headers = Sequence[tuple[bytes, bytes]]
"""Of an answer, names in lower case."""


class SpeaksInHeaders:
    """A dialect whose requests and answers say a part of what is billed in their headers, and whose errors have their
    type there."""

    def with_headers(self, answer: Answer, status: int, headers: Headers) -> Answer:
        """The same answer with what its headers say beside its body."""
        raise NotImplementedError

    def asked_with(self, asked: Asked, headers: Headers) -> Asked:
        """What is asked, with what a request's headers say of its price."""
        return asked

    def error_headers(self, error: BursarError) -> list[tuple[bytes, bytes]]:
        """What an error of ours says in its headers."""
        raise NotImplementedError


def read_asked(dialect: Dialect, body: bytes, headers: Headers) -> Asked:
    """What a request asks for by its body and its headers. Raises like `read_request`."""
    asked = dialect.read_request(body)
    return dialect.asked_with(asked, headers) if isinstance(dialect, SpeaksInHeaders) else asked


def read_reply(dialect: Dialect, body: bytes, status: int, headers: Headers) -> Answer:
    """A plain answer by its body and its headers. Never raises."""
    return said_in_headers(dialect, dialect.read_answer(body, status), status, headers)


def said_in_headers(dialect: Dialect, answer: Answer, status: int, headers: Headers) -> Answer:
    """An answer whose body was read, with what its headers say where the dialect has something there."""
    return dialect.with_headers(answer, status, headers) if isinstance(dialect, SpeaksInHeaders) else answer


def error_headers(dialect: Dialect, error: BursarError) -> list[tuple[bytes, bytes]]:
    """The headers of an error in the dialect's own words."""
    return dialect.error_headers(error) if isinstance(dialect, SpeaksInHeaders) else []
