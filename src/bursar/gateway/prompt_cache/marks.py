"""Marks in a body's bytes: each is one named change, and every other byte stays as it came.

Anthropic: `cache_control` at the end of a block; a bare string becomes a block of one text, which the API takes for the
same. Bedrock's Converse: a `cachePoint` block behind one. What a provider refuses a mark on (thoughts, empty texts,
tools that are loaded later) gets none.
"""

import re
from typing import Any

import msgspec

from bursar.gateway.prompt_cache.pieces import Piece
from bursar.gateway.prompt_cache.policy import Mark
from bursar.providers.reading import UNREADABLE
from bursar.providers.splice import element_spans, value_span

CONTROL = {False: b'"cache_control":{"type":"ephemeral"}', True: b'"cache_control":{"type":"ephemeral","ttl":"1h"}'}
POINT = {False: b',{"cachePoint":{"type":"default"}}', True: b',{"cachePoint":{"type":"default","ttl":"1h"}}'}

_BLOCKS = frozenset({"text", "image", "document", "tool_use", "tool_result", "search_result"})
_CONVERSE_BLOCKS = frozenset({"text", "image", "document", "toolUse", "toolResult"})
_LOADED_LATER = b'"defer_loading"'
_ESCAPED_LETTERS = re.compile(rb"\\u00[4-7]")
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder(Any)

Splice = tuple[int, int, bytes]
"""What stands at [start, end) of the body is replaced by this."""


def has_marks(body: bytes, *, is_converse: bool) -> bool:
    """Whether the client set marks of its own, anywhere, or might have: names written with escapes can't be told."""
    if (b'"cachePoint"' if is_converse else b'"cache_control"') in body:
        return True
    return b"\\u00" in body and _ESCAPED_LETTERS.search(body) is not None


def with_marks(body: bytes, pieces: list[Piece], marks: list[Mark], *, is_converse: bool) -> tuple[bytes, list[Mark]]:
    """The body with its marks, and those of them that could be set; with none, the same object."""
    find = _converse_splice if is_converse else _splice
    splices: list[Splice] = []
    done: list[Mark] = []
    for mark in marks:
        found = find(body, pieces[mark.block], is_1h=mark.is_1h)
        if found is not None:
            splices.append(found)
            done.append(mark)
    if not done:
        return body, done
    parts: list[bytes] = []
    at = 0
    for start, end, new in sorted(splices):  # a body may write its system prompt behind its messages
        parts += (body[at:start], new)
        at = end
    parts.append(body[at:])
    return b"".join(parts), done


def _splice(body: bytes, piece: Piece, *, is_1h: bool) -> Splice | None:
    """A mark in Anthropic's way."""
    if piece.is_text:
        return _text_block(body, piece.start, piece.end, is_1h=is_1h)
    start, end = piece.start, piece.end
    if piece.is_message:
        inner = value_span(body[start:end], "content")
        if inner is None:
            return None
        start, end = start + inner[0], start + inner[1]
        if body[start : start + 1] == b'"':
            return _text_block(body, start, end, is_1h=is_1h)
        last = _last_of(body, start, end)
        if last is None:
            return None
        start, end = last
    if not _takes_mark(body[start:end]):
        return None
    return end - 1, end, b",%b}" % CONTROL[is_1h]


def _text_block(body: bytes, start: int, end: int, *, is_1h: bool) -> Splice | None:
    text = body[start:end]
    if not _is_said(text):
        return None
    return start, end, b'[{"type":"text","text":%b,%b}]' % (text, CONTROL[is_1h])


def _takes_mark(block: bytes) -> bool:
    """Whether a block, or a tool, is one that takes a mark. A tool has a name."""
    try:
        fields = _FIELDS.decode(block)
    except UNREADABLE:
        return False
    if "name" in fields and "input" not in fields:
        return _LOADED_LATER not in block
    kind = _word(fields.get("type"))
    if kind == "text":
        return "text" in fields and _is_said(bytes(fields["text"]))
    return kind in _BLOCKS


def _converse_splice(body: bytes, piece: Piece, *, is_1h: bool) -> Splice | None:
    """A mark in Bedrock's way."""
    start, end = piece.start, piece.end
    if piece.is_text:
        return None
    if piece.is_message:
        inner = value_span(body[start:end], "content")
        last = None if inner is None else _last_of(body, start + inner[0], start + inner[1])
        if last is None:
            return None
        start, end = last
    try:
        fields = _FIELDS.decode(body[start:end])
    except UNREADABLE:
        return None
    if len(fields) != 1:
        return None
    name, value = next(iter(fields.items()))
    if name == "text":
        if not _is_said(bytes(value)):
            return None
    elif name not in _CONVERSE_BLOCKS and name != "toolSpec":
        return None
    return end, end, POINT[is_1h]


def _last_of(body: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Where the last element of an array stands."""
    try:
        elements = element_spans(body, start, end)
    except (*UNREADABLE, IndexError):
        return None
    return elements[-1] if elements else None


def _is_said(text: bytes) -> bool:
    """Whether a JSON value is a string with more in it than space."""
    try:
        said = _ANY.decode(text)
    except UNREADABLE:
        return False
    return isinstance(said, str) and bool(said.strip())


def _word(value: msgspec.Raw | None) -> str:
    return "" if value is None else bytes(value).decode("utf-8", "replace").strip('"')
