"""A console asked from inside its own process, without a socket: for the CLI, and for measuring."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote


async def get(app: Any, target: str, port: int) -> tuple[int, bytes]:
    """Status and body of one GET. target: path and query; port: where the console would listen."""
    path, _, query = target.partition("?")
    host = f"127.0.0.1:{port}".encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", host), (b"accept", b"application/json")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", port),
        "state": {},
    }
    status, body = 500, bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = int(message["status"])
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return status, bytes(body)
