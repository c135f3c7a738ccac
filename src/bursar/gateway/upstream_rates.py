"""When a provider wants a rest: `retry-after`, and the rate-limit headers that say it before the limit bites.

Source: OpenAI's "Rate limits" (x-ratelimit-remaining-requests, -tokens, -reset-… as `6m0s`, `20ms`) and Anthropic's
(anthropic-ratelimit-requests-remaining, -tokens-…, -reset as RFC 3339), 2026-03.
"""

import re
from datetime import datetime

from bursar.gateway.heads import Headers

COOL_MAX_US = 120 * 1_000_000  # however long a provider asks for: it is tried again
COOL_DEFAULT_US = 2 * 1_000_000  # after a 429 that doesn't say how long
ASKING = frozenset({429, 503, 529})
_PART = re.compile(rb"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_US = {b"ms": 1_000, b"s": 1_000_000, b"m": 60_000_000, b"h": 3_600_000_000}


def cool_until_us(status: int, headers: Headers, now_us: int) -> int:
    """Until when it should not be asked; 0: it says nothing of the kind."""
    if status not in ASKING:
        for name, value in headers:
            if value == b"0" and b"remaining" in name:
                break
        else:
            return 0  # nearly every answer
    return _read(status, headers, now_us)


def _read(status: int, headers: Headers, now_us: int) -> int:
    until = 0
    empty: list[bytes] = []
    resets: dict[bytes, bytes] = {}
    for name, value in headers:
        if name == b"retry-after" and status in ASKING:
            until = now_us + (int(float(value) * 1e6) if _is_number(value) else COOL_DEFAULT_US)
        elif b"ratelimit-" in name:
            if b"remaining" in name and value.strip() == b"0":
                empty.append(name.replace(b"remaining", b"reset"))
            elif b"reset" in name:
                resets[name] = value
    for name in empty:
        until = max(until, _reset_us(resets.get(name, b""), now_us))
    if status == 429 and not until:
        until = now_us + COOL_DEFAULT_US
    return min(until, now_us + COOL_MAX_US) if until > now_us else 0


def _reset_us(value: bytes, now_us: int) -> int:
    """When a limit is full again: a time from now, seconds, or a date."""
    if _is_number(value):
        return now_us + int(float(value) * 1e6)
    if b"T" in value:
        try:
            return int(datetime.fromisoformat(value.decode("ascii")).timestamp() * 1e6)
        except (ValueError, OverflowError):
            return 0
    return now_us + int(sum(float(number) * _UNIT_US[unit] for number, unit in _PART.findall(value)))


def _is_number(value: bytes) -> bool:
    return len(value) < 16 and value.replace(b".", b"", 1).isdigit()
