"""Law 9: what a provider sends reaches the client byte for byte, and the other way round, but for the named changes.

The upstream here is a script over the real recordings: it keeps each request as it came and answers with recorded
bytes, cut anywhere.
"""

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
from tests.providers.recordings import Recording, recordings
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World, gateway_world

from bursar.providers.base import Asked
from bursar.providers.bedrock_paths import wire_path
from bursar.providers.registry import DIALECTS
from bursar.simulate.launch import Running

pytestmark = pytest.mark.slow

PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-completions": "/v1/completions",
    "openai-responses": "/v1/responses",
    "openai-embeddings": "/v1/embeddings",
    "anthropic-messages": "/v1/messages",
    "anthropic-count-tokens": "/v1/messages/count_tokens",
}
EXTRA = b'"stream_options":{"include_usage":true},'


class Script:
    """An upstream that answers each request with the next prepared bytes, and waits where an event stands among them.
    `heads`, `bodies`: what it was sent."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.answers: list[list[bytes | threading.Event]] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**24)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")
                )
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(length))
                for piece in self.answers.pop(0):
                    if isinstance(piece, threading.Event):
                        await asyncio.to_thread(piece.wait, 60)
                        continue
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def script() -> Iterator[Script]:
    script = Script()
    yield script
    script.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, script: Script) -> Iterator[World]:
    with gateway_world(tmp_path_factory.mktemp("bytes") / "data", simulator=Running(script.port)) as world:
        yield world


def scripted(one: Recording, seed: int) -> list[bytes | threading.Event]:
    """The recording as raw HTTP: a stream chunked and cut at random, a plain answer with its length."""
    kind = b"application/json"
    if one.is_stream:
        is_frames = one.dialect.family == "bedrock"
        kind = b"application/vnd.amazon.eventstream" if is_frames else b"text/event-stream"
    head = b"HTTP/1.1 %d Recorded\r\ncontent-type: %b\r\nx-odd-Header: a,  b;\xff\r\n" % (one.status, kind)
    if not one.is_stream:
        return [head + b"content-length: %d\r\n\r\n" % len(one.body), one.body]
    dice = random.Random(seed)
    cuts = sorted({0, len(one.body), *(dice.randrange(1, len(one.body)) for _ in range(12))})
    pieces = [one.body[start:end] for start, end in pairwise(cuts)]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return [head + b"transfer-encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n"]


def call(world: World, script: Script, one: Recording, body: bytes, seed: int = 1) -> Answer:
    script.answers.append(scripted(one, seed))
    headers = {"content-type": "application/json", "authorization": "Bearer sk-own-key"}
    path = path_of(one) + "?beta=true&x=%20"
    if (
        one.dialect.family == "openai"
    ):  # a service's models may be called anthropic/…, which would name an upstream here
        path = "/openai" + path
    return asyncio.run(exchange(world.port, request_bytes(path, body, headers)))


def path_of(one: Recording) -> str:
    return one.path or PATHS[one.dialect.name]


def asking(one: Recording) -> bytes:
    """The recorded request, which asks a chat stream for its usage itself."""
    body = json.loads(one.request)
    body = body if one.path else {"model": "gpt-4o-mini", **body}
    if one.is_stream and not one.path:
        body["stream"] = True
        if one.dialect.name in ("openai-chat", "openai-completions"):
            body["stream_options"] = {"include_usage": True}
    return json.dumps(body, indent=1, ensure_ascii=True).encode()


@pytest.mark.parametrize("one", recordings(), ids=lambda one: one.id)
def test_recorded_bytes_pass_both_ways(world: World, script: Script, one: Recording) -> None:
    body = asking(one)
    retried = one.status in (500, 502, 503, 529)
    if retried:
        script.answers.append(scripted(one, 1))
    answer = call(world, script, one, body, seed=len(one.body))
    assert answer.status == one.status
    assert answer.whole
    assert answer.body == one.body
    assert answer.headers["x-odd-header"] == "a,  b;\xff"
    assert script.bodies[-1] == body
    at_provider = wire_path(one.path) if one.dialect.family == "bedrock" else path_of(one)
    assert script.heads[-1].startswith(b"POST %b?beta=true&x=%%20 HTTP/1.1\r\n" % at_provider.encode())


def test_the_named_change_of_a_chat_stream_is_the_only_one(world: World, script: Script) -> None:
    streams = [one for one in recordings() if one.is_stream and one.dialect.name == "openai-chat"]
    for one in streams:
        body = b'{ "stream" : true,\n"odd": "\\u00e9 \xc3\xa9", "model":"gpt-4o-mini","messages":[] }'
        answer = call(world, script, one, body, seed=7)
        assert script.bodies[-1].replace(EXTRA, b"", 1) == body
        reader = DIALECTS["openai-chat"].reader(Asked(stream=True), strip_usage=True)
        expected = reader.feed(one.body) + reader.end()
        assert answer.body == expected
        assert b'"choices":[],"usage"' not in answer.body.replace(b" ", b"")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt-4o-mini","messages":[],"unknown":{"deep":[1,2,{"x":null}]}}',
        b'\n\t {"messages":[] , "model" : "gpt-4o-mini" }  \n',
        b'{"model":"gpt-4o-mini","model":"gpt-4o-mini","messages":[{"content":"\\ud83e\\udd6d \xf0\x9f\xa5\xad"}]}',
        b'{"model":"gpt-4o-mini","temperature":0.10000000000000000555,"messages":[]}',
    ],
)
def test_a_request_is_not_written_anew(world: World, script: Script, body: bytes) -> None:
    one = next(one for one in recordings() if one.id.startswith("openai-chat-json") and one.status == 200)
    call(world, script, one, body)
    assert script.bodies[-1] == body
