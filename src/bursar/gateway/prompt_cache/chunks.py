"""Where two versions of a piece differ, by hashes of its chunks: from its start and from its end. No text is kept."""

import re
from array import array

import msgspec
from xxhash import xxh3_64_intdigest

CHUNK_BYTES = 64
CHUNKS_MAX = 256  # of a piece, from either end; a longer piece has longer chunks
_NEAR_BYTES = 96
_TIME = re.compile(
    rb"\d{4}-\d\d-\d\d|\d{1,2}:\d\d(?::\d\d)?|\b1[6-9]\d{8}(?:\d{3})?\b"
    rb"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d"
)
_ID = re.compile(rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-|\b[0-9a-f]{16,}\b|\b(?=[A-Za-z]*\d)[A-Za-z0-9_-]{20,}\b")
_NUMBER = re.compile(rb"\d")
_SPACES = b" \t\r\n"
_ESCAPED_SPACES = re.compile(rb"\\[nrt]")


class Version(msgspec.Struct, gc=False):
    """What is kept of a piece as it was sent: hashes of all of it, of it without space, and of its chunks."""

    own: int
    length: int
    unspaced: int
    chunk_bytes: int
    from_start: "array[int]"
    from_end: "array[int]"


class Difference(msgspec.Struct, frozen=True):
    """at: bytes before the first difference, to within a chunk. alike_after: bytes at the end that are the same.

    cause: whitespace, time, id, number or text, by what stands there now.
    """

    at: int
    alike_after: int
    cause: str


def version_of(piece: bytes, own: int, seed: int) -> Version:
    """The hashes of a piece."""
    length = len(piece)
    size = CHUNK_BYTES
    while size * CHUNKS_MAX < length:
        size *= 2
    view = memoryview(piece)
    starts = array("Q", [xxh3_64_intdigest(view[at : at + size], seed) for at in range(0, length - size + 1, size)])
    ends = array("Q", [xxh3_64_intdigest(view[to - size : to], seed) for to in range(length, size - 1, -size)])
    return Version(own, length, xxh3_64_intdigest(_unspaced(piece), seed), size, starts, ends)


def difference(before: Version, now: Version, piece: bytes) -> Difference:
    """What changed between two versions of a piece; `piece` is the later one."""
    if before.chunk_bytes != now.chunk_bytes:
        return Difference(0, 0, "text")
    size = now.chunk_bytes
    at = size * _common(before.from_start, now.from_start)
    after = size * _common(before.from_end, now.from_end)
    after = min(after, now.length - at, before.length - at)
    cause = "whitespace" if before.unspaced == now.unspaced else _cause(piece, at, after, size)
    return Difference(at, after, cause)


def _common(one: "array[int]", other: "array[int]") -> int:
    for index, (mine, its) in enumerate(zip(one, other, strict=False)):
        if mine != its:
            return index
    return min(len(one), len(other))


def _cause(piece: bytes, at: int, after: int, size: int) -> str:
    """By the words around the difference. A long stretch that changed is text, whatever stands in it."""
    changed = len(piece) - at - after
    if changed > 2 * size + _NEAR_BYTES:
        return "text"
    near = piece[max(0, at - _NEAR_BYTES // 4) : len(piece) - after + _NEAR_BYTES // 4]
    for cause, pattern in (("time", _TIME), ("id", _ID), ("number", _NUMBER)):
        if pattern.search(near):
            return cause
    return "text"


def _unspaced(piece: bytes) -> bytes:
    return _ESCAPED_SPACES.sub(b"", piece.translate(None, _SPACES))
