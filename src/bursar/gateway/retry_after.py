"""Whether a refusal is tried again at the upstream that gave it, and after how long.

Source: the retry rules of OpenAI's and Anthropic's SDKs (`x-should-retry`; `retry-after-ms` before `retry-after`),
2026-03.
"""

from bursar.domain.errors import BursarError
from bursar.gateway.heads import Headers
from bursar.gateway.upstream_reply import Reply

RATE_LIMITED = 429
RETRIED_STATUSES = frozenset({RATE_LIMITED, 500, 502, 503, 529})
RETRY_AFTER_MAX_S = 2.0  # a provider that asks for more is left to the client, which knows whether it can wait
REFUSAL_BYTES_MAX = 1024 * 1024
NO_QUOTA = b"insufficient_quota"  # OpenAI's 429 that no wait helps

_UNITS = {b"retry-after-ms": 1_000.0, b"retry-after": 1.0}
"""The exact one first, and how many of its unit are a second."""


async def wait_before_retry_s(reply: Reply, backoff_s: float) -> float | None:
    """How long to wait before the same upstream is asked again; None: it is not, and the refusal goes to the client.

    A 429 that names no time is not tried again: often nothing but money helps. For the same reason the body of one that
    does is read first; it stays in `reply.content`.
    """
    wait_s = asked_wait_s(reply.headers, None if reply.status == RATE_LIMITED else backoff_s)
    if wait_s is None:
        return None
    if reply.status == RATE_LIMITED and await _has_no_quota(reply):
        return None
    return max(wait_s, backoff_s)


def asked_wait_s(headers: Headers, otherwise: float | None) -> float | None:
    """What the provider asks us to wait, in seconds; `otherwise` if it doesn't say. None: no retry, or one too late to
    hold a client for, as a date is."""
    said = dict(reversed(headers))  # the first of repeated ones
    if said.get(b"x-should-retry", b"").strip().lower() == b"false":
        return None
    for name, per_second in _UNITS.items():
        if name in said:
            try:
                asked = float(said[name]) / per_second
            except ValueError:
                return None
            return asked if 0 <= asked <= RETRY_AFTER_MAX_S else None
    return otherwise


async def _has_no_quota(reply: Reply) -> bool:
    if reply.content is None:
        try:
            reply.content = await reply.body(REFUSAL_BYTES_MAX)
        except BursarError:  # whoever reads it for the client meets the same
            return True
    return NO_QUOTA in reply.content
