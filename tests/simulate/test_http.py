"""The little server itself: keep-alive, pipelining, requests in any pieces, and its own mistakes said aloud."""

import json
import socket
import time
from typing import Any

import pytest
from tests.wire_client import request_bytes

from bursar.simulate.http import BODY_BYTES_MAX
from bursar.simulate.launch import Running

BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}).encode()
HEADERS = {"authorization": "Bearer k"}
PATH = "/v1/chat/completions"


def talk(provider: Running, pieces: list[bytes], answers: int) -> bytes:
    """Send pieces one by one, then read until so many answers have begun and nothing more comes for a moment."""
    got = b""
    with socket.create_connection(("127.0.0.1", provider.port), timeout=20) as line:
        for piece in pieces:
            line.sendall(piece)
            time.sleep(0.002)
        line.settimeout(0.3)
        try:
            while got.count(b"HTTP/1.1 ") < answers or not got.endswith(b"}"):
                data = line.recv(65_536)
                if not data:
                    break
                got += data
        except TimeoutError:
            pass
    return got


def test_pipelined_requests_are_answered_in_order(provider):
    requests = [
        request_bytes(PATH, BODY, HEADERS | {"x-sim": json.dumps({"text": name, "delay_ms": delay})})
        for name, delay in (("first", 60), ("second", 0), ("third", 20))
    ]
    got = talk(provider, [b"".join(requests)], answers=3)
    assert [name for name in (b"first", b"second", b"third") if name in got] == [b"first", b"second", b"third"]
    assert got.index(b"first") < got.index(b"second") < got.index(b"third")


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_request_may_come_in_any_pieces(provider, size):
    request = request_bytes(PATH, BODY, HEADERS)
    got = talk(provider, [request[at : at + size] for at in range(0, len(request), size)], answers=1)
    assert got.startswith(b"HTTP/1.1 200 OK")


def test_what_is_not_http_gets_a_400_and_a_closed_door(provider):
    got = talk(provider, [b"hello there\r\n\r\n"], answers=1)
    assert got.startswith(b"HTTP/1.1 400")


def test_a_client_may_ask_first_whether_to_send_its_body(provider):
    request = request_bytes(PATH, BODY, HEADERS | {"expect": "100-continue"})
    head, body = request.split(b"\r\n\r\n", 1)
    got = talk(provider, [head + b"\r\n\r\n", body], answers=2)
    assert got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_bodies_have_a_bound():
    assert BODY_BYTES_MAX >= 32 * 1024 * 1024  # above the gateway's own, so that the gateway's is what a test meets


@pytest.mark.parametrize(
    "body",
    [
        {"model": "gpt-4o", "messages": "text", "tools": [{}]},
        {"model": "gpt-4o", "messages": [1, None, {}], "tools": [{"type": "function", "function": 3}]},
        {"model": "gpt-4o", "messages": [{"role": "user", "content": None}], "n": 0},
        {"model": "", "messages": []},
    ],
)
def test_odd_requests_are_answered_all_the_same(provider, body: dict[str, Any]):
    got = talk(provider, [request_bytes(PATH, json.dumps(body).encode(), HEADERS)], answers=1)
    assert got.startswith(b"HTTP/1.1 200 OK")
