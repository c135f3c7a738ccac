"""Writes that come together are made together, providers first; nothing is lost or comes out of order."""

import asyncio

from bursar.gateway.outbox import NOW_BYTES, Outbox


class Peer:
    """A transport that notes into one list for all."""

    def __init__(self, name: str, written: list[str]) -> None:
        self.name, self.written, self.closed = name, written, False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.written.append(f"{self.name}:{data.decode()}")


def test_providers_are_written_to_before_clients_and_each_in_order() -> None:
    async def mixed() -> list[str]:
        written: list[str] = []
        client, other, provider = (Peer(name, written) for name in ("client", "other", "provider"))
        outbox = Outbox()
        outbox.to_client(client, b"1")
        outbox.to_upstream(provider, b"2")
        outbox.to_client(other, b"3")
        outbox.to_client(client, b"4")
        outbox.to_upstream(provider, b"5")
        assert written == []
        await asyncio.sleep(0)
        outbox.to_client(client, b"6")
        await asyncio.sleep(0)
        return written

    assert asyncio.run(mixed()) == ["provider:2", "provider:5", "client:1", "other:3", "client:4", "client:6"]


def test_whoever_closes_flushes_first_and_the_loop_finds_nothing_left() -> None:
    async def closing() -> list[str]:
        written: list[str] = []
        client = Peer("client", written)
        outbox = Outbox()
        outbox.to_client(client, b"last")
        outbox.flush()
        client.closed = True
        await asyncio.sleep(0)
        return written

    assert asyncio.run(closing()) == ["client:last"]


def test_nothing_is_written_to_a_peer_that_is_gone() -> None:
    async def gone() -> list[str]:
        written: list[str] = []
        client, provider = Peer("client", written), Peer("provider", written)
        outbox = Outbox()
        outbox.to_client(client, b"x")
        outbox.to_upstream(provider, b"y")
        client.closed = provider.closed = True
        await asyncio.sleep(0)
        return written

    assert asyncio.run(gone()) == []


def test_a_large_write_is_made_at_once_behind_what_waits() -> None:
    async def large() -> list[str]:
        written: list[str] = []
        client = Peer("client", written)
        outbox = Outbox()
        outbox.to_client(client, b"head")
        outbox.to_client(client, b"x" * (NOW_BYTES + 1))
        return [text[:11] for text in written]

    assert asyncio.run(large()) == ["client:head", "client:xxxx"]
