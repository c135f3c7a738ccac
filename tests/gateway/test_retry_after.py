"""How long a refusal asks us to wait, and which are not tried again at the same upstream."""

import asyncio

import pytest

from bursar.gateway.retry_after import wait_before_retry_s
from bursar.gateway.upstream_reply import Reply

BACKOFF_S = 0.25
NO_QUOTA = (
    b'{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}'
)


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (503, {}, BACKOFF_S),
        (503, {"retry-after": "1"}, 1.0),
        (503, {"retry-after": "0"}, BACKOFF_S),
        (503, {"retry-after": "3"}, None),
        (503, {"retry-after": "1", "x-should-retry": "false"}, None),
        (429, {}, None),
        (429, {"x-should-retry": "true"}, None),
        (429, {"retry-after": "1"}, 1.0),
        (429, {"retry-after": "0"}, BACKOFF_S),
        (429, {"retry-after": "2"}, 2.0),
        (429, {"retry-after": "2.1"}, None),
        (429, {"retry-after-ms": "600"}, 0.6),
        (429, {"retry-after": "1", "retry-after-ms": "620"}, 0.62),
        (429, {"retry-after-ms": "2001"}, None),
        (429, {"retry-after": "Thu, 26 Nov 2026 21:00:00 GMT"}, None),
        (429, {"retry-after": "-1"}, None),
        (429, {"retry-after": "nan"}, None),
        (429, {"retry-after": "1", "x-should-retry": "False"}, None),
        (400, {"retry-after": "3"}, None),
    ],
)
def test_a_429_is_tried_again_only_if_it_says_when(status: int, headers: dict[str, str], wait_s: float | None) -> None:
    reply = Reply(None, status, [(name.encode(), value.encode()) for name, value in headers.items()], b"{}")
    assert asyncio.run(wait_before_retry_s(reply, BACKOFF_S)) == wait_s


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_429_for_want_of_quota_is_never_tried_again_and_keeps_its_body(is_streamed: bool) -> None:
    reply = Reply(None, 429, [(b"retry-after", b"1")], None if is_streamed else NO_QUOTA)
    reply.rest = NO_QUOTA if is_streamed else b""
    assert asyncio.run(wait_before_retry_s(reply, BACKOFF_S)) is None
    assert reply.content == NO_QUOTA
