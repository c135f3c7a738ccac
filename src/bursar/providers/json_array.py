"""The elements of a JSON array as it comes in, cut anywhere: how Gemini streams where nobody asks for events."""

import re

_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')


class ArrayElements:
    """Objects of a top-level array, each whole. Keeps at most `bytes_max` of the one that is coming."""

    __slots__ = ("_bytes_max", "_depth", "_escaped", "_in_text", "_kept", "_skipping", "closed", "oversized")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._depth = 0
        self._in_text = False
        self._escaped = False
        self._kept = bytearray()  # the element that isn't whole yet
        self._skipping = False  # it grew too large to keep
        self.closed = False  # the array's own bracket came
        self.oversized = 0

    @property
    def between(self) -> bool:
        """Whether the array is open and no element is under way."""
        return self._depth == 1 and not self._in_text

    def feed(self, chunk: bytes) -> list[bytes]:
        """The elements that are whole with this chunk."""
        whole: list[bytes] = []
        at, start = 0, 0  # start: where the element begins in this chunk, if one is under way
        if self._escaped and chunk:
            self._escaped, at = False, 1
        while found := (_INSIDE if self._in_text else _OUTSIDE).search(chunk, at):
            at = found.end()
            mark = chunk[at - 1]
            if self._in_text:
                if mark == 0x22:
                    self._in_text = False
                elif at == len(chunk):
                    self._escaped = True
                else:
                    at += 1
            elif mark == 0x22:
                self._in_text = True
            elif mark in b"{[":
                self._depth += 1
                if self._depth == 2:
                    start = at - 1
            elif self._depth:
                self._depth -= 1
                if self._depth == 1:
                    if not self._skipping:
                        whole.append(bytes(self._kept) + chunk[start:at])
                    self._kept.clear()
                    self._skipping = False
                elif self._depth == 0:
                    self.closed = True
        if self._depth > 1 and not self._skipping:
            self._kept += chunk[start:]
            if len(self._kept) > self._bytes_max:
                self._kept.clear()
                self._skipping = True
                self.oversized += 1
        return whole
