"""A frugal HTTP/1.1 client on asyncio streams, for live traffic and replays: one connection per request."""

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT_S = 120.0


class Reply(NamedTuple):
    """status 0: no answer came, or it broke off."""

    status: int
    body_bytes: int
    call_id: str


async def post(base_url: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
    """Send one request and read the answer to its end. Never raises for what the network does."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _post(base_url, path, headers, body)
    except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
        return Reply(0, 0, "")


async def _post(base_url: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
    url = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port or 80)
    try:
        lines = [f"POST {path} HTTP/1.1", f"host: {url.netloc}", "connection: close", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        size = 0
        while piece := await reader.read(65_536):
            size += len(piece)
    finally:
        writer.close()
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    return Reply(int(head[0].split(" ", 2)[1]), size, fields.get("x-bursar-call-id", ""))
