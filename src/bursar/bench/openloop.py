"""Latency at a fixed rate: requests leave on time whether or not the last one is back (an open loop).

The client's own cost is the same for every target and goes away in the difference to `direct`.
"""

import asyncio
import time
from collections import deque
from typing import NamedTuple, cast

import uvloop

from bursar.domain.errors import Unavailable

RATE_PER_S = 200


class Target(NamedTuple):
    """Whom to ask: a name for the table, and the port on loopback."""

    name: str
    port: int


class _Connection(asyncio.Protocol):
    """Keep-alive connection that answers one request at a time with a Content-Length body."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.answered: asyncio.Future[float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one, but doesn't inherit from it

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end]).lower()
        start = head.find(b"content-length:") + 15
        length = int(head[start : (head + b"\r").find(b"\r", start)])
        if len(self.buffer) >= end + 4 + length and self.answered is not None:
            del self.buffer[: end + 4 + length]
            if head.startswith(b"http/1.1 200"):
                self.answered.set_result(time.perf_counter())
            else:
                self.answered.set_exception(Unavailable(f"answer was {head[:80]!r}"))


def latencies_us(targets: list[Target], body: bytes, *, per_round: int, rounds: int) -> dict[str, list[list[float]]]:
    """Latency of each request in µs, by target and round. Targets take turns, so that noise meets all of them alike."""
    return uvloop.run(_measure(targets, body, per_round, rounds))


async def _measure(targets: list[Target], body: bytes, per_round: int, rounds: int) -> dict[str, list[list[float]]]:
    idle: dict[str, deque[_Connection]] = {target.name: deque() for target in targets}
    found: dict[str, list[list[float]]] = {target.name: [] for target in targets}
    for number in range(rounds + 1):
        for target in targets:
            samples = await _round(target, idle[target.name], body, per_round if number else RATE_PER_S // 4)
            if number:  # the first one warms up
                found[target.name].append(samples)
    for connections in idle.values():
        for connection in connections:
            connection.transport.close()
    return found


async def _round(target: Target, idle: deque[_Connection], body: bytes, count: int) -> list[float]:
    loop = asyncio.get_running_loop()
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{target.port}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer sk-bench-0123456789abcdef\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body

    async def once() -> float:
        if not idle:
            _, made = await loop.create_connection(_Connection, "127.0.0.1", target.port)
            idle.append(made)
        connection = idle.pop()
        connection.answered = loop.create_future()
        started = time.perf_counter()
        connection.transport.write(request)
        async with asyncio.timeout(10):
            ended = await connection.answered
        idle.append(connection)
        return (ended - started) * 1e6

    begin = loop.time() + 0.05
    tasks = []
    for number in range(count):
        await asyncio.sleep(max(0.0, begin + number / RATE_PER_S - loop.time()))
        tasks.append(asyncio.create_task(once()))
    return list(await asyncio.gather(*tasks))
