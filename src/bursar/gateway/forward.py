"""The head of the request that goes out: written from an allow-list, so that no other secret can leave with it."""

from urllib.parse import quote

from bursar.gateway.identify import Credential
from bursar.gateway.route import Route
from bursar.providers.bedrock_paths import BEDROCK, wire_path
from bursar.providers.services import SIGV4

FORWARDED = frozenset(
    {
        b"accept",
        b"content-type",
        b"user-agent",
        b"idempotency-key",
        b"http-referer",
        b"x-title",
        b"x-request-id",
        b"x-client-request-id",
        b"x-app",
        b"x-session-id",
        b"session-id",
        b"x-session-affinity",
        b"originator",
        b"traceparent",
        b"tracestate",
        b"x-goog-api-client",
        b"x-goog-user-project",
        b"x-server-timeout",
    }
)
FORWARDED_PREFIXES = (
    b"openai-",
    b"anthropic-",
    b"x-stainless-",
    b"x-openrouter-",
    b"x-claude-code-",
    b"x-codex-",
    b"x-amzn-bedrock-",
)
"""Header families of the providers' own clients: open lists, passed on byte for byte."""

DIALECT_PREFIXES = (*FORWARDED_PREFIXES, b"x-goog-", b"x-server-timeout")
"""What only a provider of the caller's own dialect understands."""

DIALECT_HEADERS = {"anthropic": [(b"anthropic-version", b"2023-06-01")]}
"""What a dialect's own clients always send, by family of upstreams."""

NOT_RETURNED = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",  # written anew: the same number, unless an answer was shortened
    }
)
"""Hop-by-hop headers (RFC 9110 §7.6.1) of an answer; all others go back to the client as they came."""

PATH_SAFE = "/:@!$&'()*+,;=-._~"  # RFC 3986's pchar, and the slash

GOOGLE_FAMILIES = ("gemini", "vertex")

CREDENTIAL_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})


def write_head(
    route: Route, method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], credential: Credential
) -> bytes:
    """Everything of the outgoing head but `content-length` and the blank line.

    The path came decoded and is encoded anew, so that `%0d%0a` in it stays what it is; the query is as it came. Raw CR
    or LF can't occur in it or in a value: the server's parser refused them.
    """
    encoded = wire_path(path) if route.family == BEDROCK else quote(route.path_at(path), safe=PATH_SAFE)
    target = (route.base_path + encoded).encode("ascii")
    if query:
        target += b"?" + query
    lines = [method.encode("ascii"), b" ", target, b" HTTP/1.1\r\n", route.host_line]
    extra = [name.lower().encode("latin-1") for name in route.settings.forward_headers]
    for name, value in headers:
        if (name in FORWARDED or name.startswith(FORWARDED_PREFIXES) or name in extra) and (
            name not in CREDENTIAL_HEADERS
        ):
            lines += (name, b": ", value, b"\r\n")
    lines.append(_credential_line(route, credential))
    return b"".join(lines)


def _credential_line(route: Route, credential: Credential) -> bytes:
    """The one credential that this upstream gets: the client's own in the header it came in, else the operator's."""
    family = route.family
    if credential.client_secret:
        secret, header = credential.client_secret, credential.client_header
        if header == b"authorization" or route.auth in ("bearer", SIGV4):
            header, secret = b"authorization", b"Bearer " + secret
        elif family in GOOGLE_FAMILIES:
            header = b"x-goog-api-key"
        else:
            header = route.auth.encode("ascii")
        return header + b": " + secret + b"\r\n"
    if not route.api_key or route.auth == SIGV4:  # that signs each attempt when it is sent
        return b""
    if route.auth == "bearer":
        return b"authorization: Bearer " + route.api_key + b"\r\n"
    return route.auth.encode("ascii") + b": " + route.api_key + b"\r\n"
