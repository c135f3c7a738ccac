"""The opening handshake of a websocket, on both sides: what a client asks for, and how an upstream is asked.

A browser can't set headers on a websocket, so OpenAI takes the key as a subprotocol, `openai-insecure-api-key.KEY`. It
is read as an `authorization` here, and in no other place: neither the upstream nor the answer sees that subprotocol.
"""

import asyncio
import base64
import binascii
import secrets
from typing import NamedTuple

import httptools
from websockets.protocol import Side
from websockets.utils import accept_key

from bursar.domain.errors import BadRequest, BursarError, UpgradeRequired, UpstreamBroken, UpstreamTimeout
from bursar.gateway.exchange import STATUS_LINES
from bursar.gateway.heads import Head, Headers
from bursar.gateway.route import Route
from bursar.gateway.websocket import End

VERSION = b"13"
KEY_PROTOCOL = b"openai-insecure-api-key."
PROTOCOLS = b"sec-websocket-protocol"
OWN_HEADERS = (b"sec-websocket-accept", b"sec-websocket-extensions", PROTOCOLS, b"sec-websocket-key")
ANSWER_HEAD_BYTES_MAX = 32 * 1024
ANSWER_BODY_BYTES_MAX = 64 * 1024


class Offer(NamedTuple):
    """What a client asks for. protocols: the subprotocols it offers, but for its key."""

    accept: bytes
    protocols: list[bytes]


def read_offer(head: Head) -> Offer:
    """Raises UpgradeRequired or BadRequest; the field says which header."""
    key = upgrade = version = b""
    for name, value in head.headers:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 ")):
            raise BadRequest("a request for a websocket has no body", field="content-length")
        if name == b"upgrade":
            upgrade = value.strip().lower()
        elif name == b"sec-websocket-key":
            key = value.strip()
        elif name == b"sec-websocket-version":
            version = value.strip()
    if upgrade != b"websocket" or head.method != "GET":
        raise UpgradeRequired(
            f"{head.path} speaks websocket alone: connect to it with ws:// or wss://",
            field="upgrade",
            headers={"upgrade": "websocket", "connection": "upgrade, close"},
        )
    if version != VERSION:
        raise UpgradeRequired(
            "the only version of websocket that is spoken here is 13",
            field="sec-websocket-version",
            headers={"sec-websocket-version": VERSION.decode(), "connection": "close"},
        )
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        is_key = False
    if not is_key:
        raise BadRequest("sec-websocket-key must be 16 bytes in base64", field="sec-websocket-key")
    kept = [one for one in protocols_of(head.headers) if not one.startswith(KEY_PROTOCOL)]
    return Offer(accept_key(key.decode("ascii")).encode(), kept)


def with_key_as_header(head: Head) -> Head:
    """The head with a browser's key where every other client has it. A key in a header counts before it."""
    offered = protocols_of(head.headers)
    keys = [one.removeprefix(KEY_PROTOCOL) for one in offered if one.startswith(KEY_PROTOCOL)]
    headers = [header for header in head.headers if header[0] != PROTOCOLS]
    if keys and not any(name == b"authorization" for name, _ in headers):
        headers.append((b"authorization", b"Bearer " + keys[0]))
    return Head(head.method, head.path, head.query, headers)


def protocols_of(headers: Headers) -> list[bytes]:
    """The subprotocols offered, in the client's order."""
    lists = [value for name, value in headers if name == PROTOCOLS]
    return [one.strip() for one in b",".join(lists).split(b",") if one.strip()]


class Opened(NamedTuple):
    """An upstream's answer to the upgrade. end: the websocket; None: it refused, with `body`. protocol: it chose."""

    end: "UpstreamEnd | None"
    status: int
    headers: Headers
    body: bytes
    protocol: bytes


async def open_upstream(
    route: Route, head: bytes, protocols: list[bytes], *, answer_timeout_s: float, stall_s: float
) -> Opened:
    """Connect, ask for the upgrade, and hear the answer.

    head: as `write_head` made it. Raises UpstreamUnreachable, UpstreamTimeout or UpstreamBroken: nothing was billed.
    """
    key = base64.b64encode(secrets.token_bytes(16))
    lines = [
        head,
        b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ",
        key,
    ]
    if protocols:
        lines += (b"\r\n", PROTOCOLS, b": ", b", ".join(protocols))
    end = UpstreamEnd(str(route.origin), accept_key(key.decode()).encode(), protocols, stall_s)
    transport = await route.pool.open(end)
    try:
        transport.write(b"".join(lines) + b"\r\n\r\n")
        async with asyncio.timeout(answer_timeout_s):
            return await end.answered
    except TimeoutError as error:
        transport.abort()
        raise UpstreamTimeout(
            f"{route.origin} didn't answer the upgrade to a websocket within {answer_timeout_s:g} s"
        ) from error
    except BaseException:
        transport.abort()
        raise


class UpstreamEnd(End):
    """The connection to an upstream: first an answer of HTTP, from then on frames."""

    def __init__(self, name: str, accept: bytes, offered: list[bytes], stall_s: float) -> None:
        super().__init__(Side.CLIENT, stall_s)
        self.answered: asyncio.Future[Opened] = asyncio.get_running_loop().create_future()
        self._name = name
        self._accept = accept
        self._offered = offered
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._body = b""
        self._seen = 0
        self._is_open = False

    def data_received(self, data: bytes) -> None:
        if self._is_open:
            super().data_received(data)
            return
        if self.answered.done():
            return
        self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._fail("doesn't answer the upgrade in HTTP/1.1")
        if self._seen > ANSWER_HEAD_BYTES_MAX + ANSWER_BODY_BYTES_MAX and not self.answered.done():
            self._fail("answers the upgrade with too much")

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self.answered.done():
            return
        if self._headers and self._parser.get_status_code() >= 400:  # its body ended with the connection
            self._refused()
        else:
            self._fail("closed the connection before it answered the upgrade")

    # -- the parser ------------------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != 101 and not self.answered.done():
            self._refused()

    def _refused(self) -> None:
        """No websocket: what it says instead goes to the client."""
        status = self._parser.get_status_code()
        if status < 400:
            self._fail(f"answers the upgrade with status {status}")
            return
        self.answered.set_result(Opened(None, status, self._headers, self._body, b""))
        self.abort()

    def _switch(self, rest: bytes) -> None:
        found = dict(self._headers)
        chosen = found.get(PROTOCOLS, b"")
        if self._parser.get_status_code() != 101 or found.get(b"sec-websocket-accept", b"").strip() != self._accept:
            self._fail("answers the upgrade with a wrong key")
        elif b"sec-websocket-extensions" in found or (chosen and chosen not in self._offered):
            self._fail("chose an extension or a subprotocol that nobody offered")
        else:
            self._is_open = True
            self.answered.set_result(Opened(self, 101, self._headers, b"", chosen))
            if rest:
                super().data_received(rest)

    def _fail(self, what: str) -> None:
        error: BursarError = UpstreamBroken(f"{self._name} {what}")
        self.answered.set_exception(error)
        self.abort()


def switching(accept: bytes, protocol: bytes, headers: Headers) -> bytes:
    """The head that tells a client: from here on it is a websocket."""
    lines = [
        STATUS_LINES[101] + b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: " + accept,
        *(b"%b: %b" % header for header in headers if header[0] not in OWN_HEADERS),
    ]
    if protocol:
        lines.append(PROTOCOLS + b": " + protocol)
    return b"\r\n".join(lines) + b"\r\n\r\n"
