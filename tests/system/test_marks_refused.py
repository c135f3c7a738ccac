"""A provider that doesn't know what we add for its prompt cache: the call goes out as it came, and so do the next."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.system.test_routes import routed_world
from tests.wire_client import Answer, exchange, request_bytes
from tests.world import World

from bursar.domain.caching import CacheTerms, PromptCaching
from bursar.simulate.launch import Running

pytestmark = pytest.mark.slow

SYSTEM = "You are the clerk of a large shop, and answer kindly. " * 400
FIELD = b"prompt_cache_key"


@contextmanager
def strict_provider(refusal: str) -> Iterator[tuple[Running, list[bytes]]]:
    """One that answers chats, and refuses FIELD with these words."""
    seen: list[bytes] = []

    class Strict(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append(body)
            answer = {
                "id": "1",
                "model": "gpt-4o-mini",
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes"}}],
                "usage": {"prompt_tokens": 4_000, "completion_tokens": 1, "total_tokens": 4_001},
            }
            status = 400 if FIELD in body else 200
            said = json.dumps({"error": {"message": refusal}} if status == 400 else answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Strict)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Running(server.server_port), seen
    finally:
        server.shutdown()
        server.server_close()


def ask(world: World, question: str) -> Answer:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    body = json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()
    told = {"authorization": "Bearer sk-client", "content-type": "application/json"}
    return asyncio.run(exchange(world.port, request_bytes("/v1/chat/completions", body, told)))


@pytest.mark.parametrize("names_it", [True, False], ids=["by name", "for something else"])
def test_a_refused_mark_is_taken_back_and_never_set_again(tmp_path: Path, names_it: bool):
    refusal = f"Unrecognized request argument supplied: {FIELD.decode()}" if names_it else "no such tool"
    with (
        strict_provider(refusal) as (running, seen),
        routed_world(tmp_path / "data", {"strict": running}) as world,
    ):
        controls = world.site.controls()
        controls.caches.create("all", CacheTerms(prompt=PromptCaching()), is_on=True, actor="test")
        controls.publish()
        world.until_known()
        answers = [ask(world, f"Question {number}") for number in range(3)]
        marked = [FIELD in body for body in seen]
        if names_it:
            assert [answer.status for answer in answers] == [200] * 3
            assert marked == [True, False, False, False]
        else:  # it isn't ours: the client hears of it
            assert [answer.status for answer in answers] == [400] * 3
            assert marked == [True] * 3
