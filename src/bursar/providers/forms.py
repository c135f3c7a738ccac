"""The text fields of a multipart body (RFC 7578), read where they stand: the files in it are stepped over."""

import re

FIELD_BYTES_MAX = 16 * 1024  # a longer value is none that we need
HEAD_BYTES_MAX = 4 * 1024
PARTS_MAX = 256
BOUNDARY_BYTES_MAX = 72  # RFC 2046's 70, and the two dashes

_NAME = re.compile(rb'[;\s]name="([^"]{1,64})"', re.IGNORECASE)
_FILE = re.compile(rb"[;\s]filename\*?=", re.IGNORECASE)


def is_form(body: bytes) -> bool:
    """Whether a body is a multipart one: it opens with its boundary, JSON never does."""
    return body.startswith(b"--")


def form_fields(body: bytes) -> dict[str, list[str]] | None:
    """Every text field with its values in order; None if the body isn't whole, or has parts without end."""
    line = body.find(b"\r\n", 0, BOUNDARY_BYTES_MAX + 2)
    boundary = body[:line]
    if line < 3 or not is_form(body):
        return None
    fields: dict[str, list[str]] = {}
    at = line
    for _ in range(PARTS_MAX):
        head_end = body.find(b"\r\n\r\n", at, at + HEAD_BYTES_MAX)
        if head_end < 0:
            return None
        end = body.find(b"\r\n" + boundary, head_end + 2)
        if end < 0:
            return None
        head, value = body[at:head_end], body[head_end + 4 : min(end, head_end + 4 + FIELD_BYTES_MAX + 1)]
        name = _NAME.search(head)
        if name is not None and _FILE.search(head) is None and len(value) <= FIELD_BYTES_MAX:
            fields.setdefault(name[1].decode("utf-8", "replace"), []).append(value.decode("utf-8", "replace"))
        at = end + 2 + len(boundary)
        if body.startswith(b"--", at):
            return fields
    return None
