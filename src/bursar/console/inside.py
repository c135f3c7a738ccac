"""A console asked from inside its own process, without a socket: for the CLI, and for measuring."""

from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import unquote

READ_AT_ONCE = 1 << 20


class Sending(NamedTuple):
    """An open file that is posted as it is. kind: its media type."""

    file: BinaryIO
    size: int
    kind: str

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"content-type", self.kind.encode()), (b"content-length", str(self.size).encode())]


async def get(app: Any, target: str, port: int) -> tuple[int, bytes]:
    """Status and body of one GET. target: path and query; port: where the console would listen."""
    body = bytearray()
    status = await request(app, target, port, body.extend)
    return status, bytes(body)


async def request(
    app: Any, target: str, port: int, take: Callable[[bytes], object], sending: Sending | None = None
) -> int:
    """Status of one request, a GET unless something is sent; its answer is given to `take` as it comes."""
    path, _, query = target.partition("?")
    host = f"127.0.0.1:{port}".encode()
    sent = [] if sending is None else sending.headers
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET" if sending is None else "POST",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", host), (b"accept", b"application/json"), *sent],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", port),
        "state": {},
    }
    status = 500

    async def receive() -> dict[str, Any]:
        part = sending.file.read(READ_AT_ONCE) if sending is not None else b""
        return {"type": "http.request", "body": part, "more_body": len(part) == READ_AT_ONCE}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = int(message["status"])
        elif message["type"] == "http.response.body":
            take(message.get("body", b""))

    await app(scope, receive, send)
    return status
