"""Changing one field of a JSON body and not one byte beside it; and whether each of its fields stands there once."""

import re
from collections.abc import Container

import msgspec

from bursar.providers.reading import UNREADABLE

_MEMBER = re.compile(rb'\s*("(?:[^"\\]++|\\.)*+")\s*:\s*', re.DOTALL)
_COMMA = re.compile(rb"\s*,")
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_KEY = msgspec.json.Decoder(str)
_SPACE, _ELEMENT_COMMA = b" "[0], b","[0]
_MEMBER_BYTES_MIN = 5  # the shortest member and its comma: `"":0,`
_INNER = (
    "generationConfig", "generation_config", "inferenceConfig", "textGenerationConfig", "serviceTier",
    "performanceConfig", "session", "response",
)  # fmt: skip
"""Objects in a request whose own fields decide what it costs: limits, counts, tiers; two are of realtime."""


def with_stream_usage(body: bytes, *, has_stream_options: bool) -> bytes:
    """The body of a streamed chat with `stream_options.include_usage` true.

    has_stream_options: whether the body has that field at all, be it null. Where its place can't be found beyond doubt
    (a key given twice), the same body comes back, and the stream may end without usage.
    """
    if not has_stream_options:
        start = body.index(b"{") + 1
        return b'%b"stream_options":{"include_usage":true},%b' % (body[:start], body[start:])
    span = value_span(body, "stream_options")
    if span is None:
        return body
    start, end = span
    options = body[start:end]
    if options[:1] != b"{":  # null
        changed: bytes = b'{"include_usage":true}'
    elif inner := value_span(options, "include_usage"):
        changed = options[: inner[0]] + b"true" + options[inner[1] :]
    elif b'"include_usage"' in options:  # twice
        return body
    else:
        comma = b"" if options[1:-1].strip() == b"" else b","
        changed = b'{"include_usage":true' + comma + options[1:]
    return body[:start] + changed + body[end:]


def value_span(body: bytes, key: str) -> tuple[int, int] | None:
    """Where the value of a top-level key stands, [start, end); None if it isn't there or is there twice.

    Values are stepped over by the length that the decoder found, so a long conversation costs no second parse.
    """
    try:
        fields = _FIELDS.decode(body)
        at = body.index(b"{") + 1
        found: tuple[int, int] | None = None
        while member := _MEMBER.match(body, at):
            name = _KEY.decode(member.group(1))
            value = bytes(fields[name])
            at = member.end()
            if not body.startswith(value, at):
                return None
            if name == key:
                if found:
                    return None
                found = (at, at + len(value))
            comma = _COMMA.match(body, at + len(value))
            if comma is None:
                return found if body[at + len(value) :].strip() == b"}" else None
            at = comma.end()
    except (*UNREADABLE, ValueError, KeyError):
        return None
    return None


def value_spans(body: bytes, names: Container[str]) -> dict[str, tuple[int, int]] | None:
    """Where the values of these top-level keys stand, by key, [start, end); a key that isn't there is left out.

    None where one of them stands twice, or the body is no object that can be read.
    """
    found: dict[str, tuple[int, int]] = {}
    try:
        fields = _FIELDS.decode(body)
        at = body.index(b"{") + 1
        while member := _MEMBER.match(body, at):
            name = _KEY.decode(member.group(1))
            value = bytes(fields[name])
            at = member.end()
            if not body.startswith(value, at) or name in found:
                return None
            if name in names:
                found[name] = (at, at + len(value))
            comma = _COMMA.match(body, at + len(value))
            if comma is None:
                return found if body[at + len(value) :].strip() == b"}" else None
            at = comma.end()
    except (*UNREADABLE, ValueError, KeyError):
        return None
    return None


def element_spans(body: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where the elements of the array at [start, end) stand in the body. Raises one of UNREADABLE if it is none."""
    spans: list[tuple[int, int]] = []
    at = start + 1
    for element in _ELEMENTS.decode(memoryview(body)[start:end]):
        while body[at] <= _SPACE:
            at += 1
        element_end = at + memoryview(element).nbytes
        spans.append((at, element_end))
        at = element_end
        while body[at] != _ELEMENT_COMMA and at < end - 1:
            at += 1
        at += 1
    return spans


def doubled_field(body: bytes) -> str:
    """The field that a request gives twice, at its top or in an object that decides what it costs; "" if none is.

    Readers of JSON differ on which of the two holds, so nobody can say what such a request asks for. A name that is
    written with escapes is the same name. What stands deeper (a tool's schema, a text) isn't looked at.
    Raises one of UNREADABLE.
    """
    fields = _FIELDS.decode(body)
    if found := _doubled(body, fields):
        return found
    for name in _INNER:
        if name in fields:
            inner = bytes(fields[name])
            if inner[:1] == b"{" and (found := _doubled(inner, _FIELDS.decode(inner))):
                return f"{name}.{found}"
    return ""


def _doubled(body: bytes, fields: dict[str, msgspec.Raw]) -> str:
    """The first name that stands twice among the members of an object. fields: the same object, decoded."""
    once = 1 + sum([len(name) + 4 + memoryview(value).nbytes for name, value in fields.items()])
    if len(body) - once < _MEMBER_BYTES_MIN:  # each member once, and no room for another
        return ""
    at = body.index(b"{") + 1
    seen: set[str] = set()
    while member := _MEMBER.match(body, at):
        name = _KEY.decode(member.group(1))
        value = bytes(fields[name])
        at = member.end()
        if name in seen or not body.startswith(value, at):  # the decoder keeps the last one's value
            return name
        seen.add(name)
        comma = _COMMA.match(body, at + len(value))
        if comma is None:  # its end, or the last one's value begins as this one does: 10 and 1
            return "" if body[at + len(value) :].strip() == b"}" else name
        at = comma.end()
    return ""


def with_number(body: bytes, names: tuple[str, ...], number: int) -> bytes | None:
    """The body with those of these top-level fields that it has set to a number; with none, the first is added.

    All that are there: which of two a provider heeds is its own affair. None where one stands twice, or its place
    can't be found beyond doubt.
    """
    there = [name for name in names if b'"%b"' % name.encode() in body and name in _top_level(body)]
    changed: bytes | None = body
    for name in there or names[:1]:
        changed = with_value(body, name, b"%d" % number)
        if changed is None:
            return None
        body = changed
    return changed


def with_value(body: bytes, name: str, value: bytes) -> bytes | None:
    """The body with one top-level field set to a value, given as JSON; added if it isn't there. None as above."""
    if body[:256].lstrip()[:1] != b"{":  # a form, which is left alone
        return None
    if name in _top_level(body):
        span = value_span(body, name)
        return None if span is None else b"%b%b%b" % (body[: span[0]], value, body[span[1] :])
    start = body.index(b"{") + 1
    comma = b"" if body[start:].lstrip().startswith(b"}") else b","
    return b'%b"%b":%b%b%b' % (body[:start], name.encode(), value, comma, body[start:])


def with_inner_number(body: bytes, outers: tuple[str, ...], inners: tuple[str, ...], number: int) -> bytes | None:
    """The same one level down: a number in the object that one of these top-level fields holds; added if none is
    there, or null. All that are there, as above. None as above."""
    there = [name for name in outers if name in _top_level(body)]
    changed: bytes | None = body
    for name in there or outers[:1]:
        span = value_span(body, name)
        if span is None and there:
            return None
        inner = body[span[0] : span[1]] if span is not None else b"null"
        value = with_number(inner if inner[:1] == b"{" else b"{}", inners, number)
        changed = None if value is None else with_value(body, name, value)
        if changed is None:
            return None
        body = changed
    return changed


def _top_level(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _FIELDS.decode(body)
    except UNREADABLE:
        return {}
