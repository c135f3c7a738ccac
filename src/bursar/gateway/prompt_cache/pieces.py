"""A request's prompt as pieces, in the provider's order: tools, system, conversation. Where each stands, and its hash.

A piece is one tool, one block of the system prompt, or one message; of a long message, each of its blocks, so that a
mark may stand between a document and the question about it. The bytes are hashed as the client wrote them.
"""

import msgspec
from xxhash import xxh3_64_intdigest

from bursar.gateway.prompt_cache.policy import DOCUMENT, HISTORY, LAST, SYSTEM, TOOLS
from bursar.providers.reading import UNREADABLE
from bursar.providers.splice import element_spans, value_span, value_spans

PIECES_MAX = 1_024
DOCUMENT_BYTES_MIN = 4_096  # from this size on a message is looked into, and a block of it is a document
BYTES_PER_TOKEN = 4
"""Until a series has learned better. What is too little in it is paid by the account's bound, once."""

_MIX = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_QUOTE, _BRACKET = b'"'[0], b"["[0]


class Piece(msgspec.Struct, gc=False):
    """start, end: its JSON value in the body. own: its hash; prefix: that of all up to its end.

    is_message: the whole message; a mark goes to the last block within. is_text: a bare string.
    """

    start: int
    end: int
    kind: int
    own: int
    prefix: int
    is_message: bool = False
    is_text: bool = False


class Shape(msgspec.Struct, frozen=True):
    """Where a dialect's request has its prompt: top-level keys, and those within that hold the list."""

    tools: str
    system: tuple[str, ...]
    conversation: str
    tools_in: str = ""
    content: str = "content"
    system_roles: tuple[bytes, ...] = ()  # of the first messages, which are the system prompt then

    @property
    def names(self) -> tuple[str, ...]:
        return (self.tools, *self.system, self.conversation)


_OPENAI_ROLES = (b'"system"', b'"developer"')
SHAPES: dict[str, Shape] = {
    "anthropic-messages": Shape("tools", ("system",), "messages"),
    "bedrock-converse": Shape("toolConfig", ("system",), "messages", tools_in="tools"),
    "openai-chat": Shape("tools", (), "messages", system_roles=_OPENAI_ROLES),
    "openai-responses": Shape("tools", ("instructions",), "input", system_roles=_OPENAI_ROLES),
    "gemini-generate": Shape("tools", ("systemInstruction", "system_instruction"), "contents", content="parts"),
}


class _Message(msgspec.Struct):
    role: msgspec.Raw = msgspec.Raw(b"")


_ROLE = msgspec.json.Decoder(_Message)


def read_pieces(body: bytes, shape: Shape, seed: int) -> list[Piece] | None:
    """The prompt of a body; None if it can't be read beyond doubt, or is none.

    seed: from the worker's secret, the upstream's account and the model: what another one caches is another's.
    """
    try:
        spans = value_spans(body, shape.names)
        if spans is None or shape.conversation not in spans:
            return None
        reader = _Reader(body, shape, seed)
        reader.tools(spans.get(shape.tools))
        for name in shape.system:
            reader.system(spans.get(name))
        reader.conversation(spans[shape.conversation])
    except (*UNREADABLE, ValueError, IndexError):
        return None
    return reader.pieces if len(reader.pieces) <= PIECES_MAX else None


class _Reader:
    def __init__(self, body: bytes, shape: Shape, seed: int) -> None:
        self.pieces: list[Piece] = []
        self._body = body
        self._view = memoryview(body)
        self._shape = shape
        self._seed = self._prefix = seed

    def tools(self, span: tuple[int, int] | None) -> None:
        if span is None:
            return
        start, end = span
        if self._shape.tools_in:
            inner = value_span(self._body[start:end], self._shape.tools_in)
            if inner is None:
                return
            start, end = start + inner[0], start + inner[1]
        if self._body[start] == _BRACKET:
            for at, to in element_spans(self._body, start, end):
                self._add(at, to, TOOLS)

    def system(self, span: tuple[int, int] | None) -> None:
        if span is None:
            return
        start, end = span
        if self._body[start] == _BRACKET:
            for at, to in element_spans(self._body, start, end):
                self._add(at, to, SYSTEM)
        elif self._body[start] == _QUOTE:
            self._add(start, end, SYSTEM, is_text=True)
        elif self._body[start:end] != b"null":
            self._add(start, end, SYSTEM)

    def conversation(self, span: tuple[int, int]) -> None:
        start, end = span
        if self._body[start] != _BRACKET:
            self._add(start, end, LAST, is_text=True)
            return
        is_system = bool(self._shape.system_roles)
        for at, to in element_spans(self._body, start, end):
            if is_system:
                role = _ROLE.decode(self._view[at:to]).role
                is_system = bytes(role) in self._shape.system_roles
            if is_system:
                self._add(at, to, SYSTEM)
            elif to - at < DOCUMENT_BYTES_MIN or not self._blocks_of(at, to):
                self._add(at, to, HISTORY, is_message=True)
        if self.pieces and self.pieces[-1].kind >= DOCUMENT:
            self.pieces[-1].kind = LAST

    def _blocks_of(self, start: int, end: int) -> bool:
        """The blocks of a long message, each a piece; False if it has only one, or a string."""
        inner = value_span(self._body[start:end], self._shape.content)
        if inner is None or self._body[start + inner[0]] != _BRACKET:
            return False
        blocks = element_spans(self._body, start + inner[0], start + inner[1])
        if len(blocks) <= 1:
            return False
        for at, to in blocks:
            self._add(at, to, DOCUMENT if to - at >= DOCUMENT_BYTES_MIN else HISTORY)
        return True

    def _add(self, start: int, end: int, kind: int, *, is_message: bool = False, is_text: bool = False) -> None:
        own = xxh3_64_intdigest(self._view[start:end], self._seed)
        self._prefix = ((self._prefix ^ own) * _MIX + kind) & _MASK
        self.pieces.append(Piece(start, end, kind, own, self._prefix, is_message, is_text))
