"""How long an answer's body is, by its head (RFC 9112 section 6.3), where llhttp alone can't tell."""

Headers = list[tuple[bytes, bytes]]

BODYLESS = frozenset({204, 304})
"""Answers that never have a body, whatever their headers say."""


def is_framed(headers: Headers) -> bool:
    """Whether the head announces a body's length, in one way or the other."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)


def ends_with_connection(headers: Headers) -> bool:
    """Whether the body has no length of its own: then the end of the connection is its end."""
    coding = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if coding:
        return not coding[-1].rstrip().endswith(b"chunked")
    return not any(name == b"content-length" for name, _ in headers)


def head_size(headers: Headers) -> int:
    """Bytes of the header lines as they came, but for optional white space."""
    return sum(len(name) + len(value) + 4 for name, value in headers)
