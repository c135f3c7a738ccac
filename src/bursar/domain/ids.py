"""Ids that sort by time: UUIDv7 text (RFC 9562), made without asking the system for randomness each time.

An attempt's id is its call's, with the last digit counting: `…89a0` is a call, `…89a1` its first attempt. A reader sees
what belongs together, and no two can collide, since a fresh id always ends in 0.
"""

import os
import secrets
import string
from hashlib import blake2b

_BASE32 = string.ascii_lowercase + "234567"


class Ids:
    """Makes UUIDv7 strings for one process.

    The 26 bits behind the millisecond are this process's own, the 44 before the last digit count from a random start by
    a random odd stride: so two processes don't collide, and an id doesn't say how many came before it. Formatting all
    of it anew for each id costs three times as much as the last 12 digits alone.
    """

    __slots__ = ("_count", "_millisecond", "_own", "_prefix", "_stride")

    def __init__(self) -> None:
        self._own = int.from_bytes(os.urandom(4), "big")
        self._count = int.from_bytes(os.urandom(6), "big") & _COUNT_MASK
        self._stride = (int.from_bytes(os.urandom(6), "big") | 0x10) & _COUNT_MASK
        self._millisecond = -1
        self._prefix = ""

    def new(self, now_us: int) -> str:
        """A fresh id: 36 characters, `018bcfe5-6800-7abc-8def-0123456789a0`."""
        millisecond = now_us // 1_000
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            text = f"{millisecond:012x}"
            first, second = self._own >> 20, self._own >> 6 & 0x3FFF | 0x8000
            self._prefix = f"{text[:8]}-{text[8:]}-7{first:03x}-{second:04x}-"
        count = self._count = (self._count + self._stride) & _COUNT_MASK
        return self._prefix + count.to_bytes(6, "big").hex()


def random_id(prefix: str, letters: int = 12) -> str:
    """An id that nobody can guess: `bg_` and twelve letters, of 32 that aren't mistaken for each other."""
    return prefix + "".join(secrets.choice(_BASE32) for _ in range(letters))


def derived_id(at_us: int, *parts: str) -> str:
    """A call's id made from what it is: the same parts at the same instant give the same one, in any process.

    As an id of `Ids`, it begins with the millisecond and ends in 0; in between stand 74 bits of a hash.

    >>> derived_id(1_700_000_000_000_000, "openai", "batch_1", "line-7")[:15], derived_id(5, "a", "b")[-1]
    ('018bcfe5-6800-8', '0')
    """
    text = f"{at_us // 1_000:012x}"
    digest = blake2b("\0".join(parts).encode(), digest_size=10).hexdigest()
    variant = "89ab"[int(digest[3], 16) & 3]
    return f"{text[:8]}-{text[8:]}-8{digest[:3]}-{variant}{digest[4:7]}-{digest[7:18]}0"


def attempt_id(call_id: str, number: int) -> str:
    """The id of a call's attempt 1, 2 … ATTEMPT_NUMBER_MAX."""
    return call_id[:-1] + "0123456789abcdef"[number]


ATTEMPT_NUMBER_MAX = 15

_COUNT_MASK = (1 << 48) - 16  # 48 bits whose last digit stays 0
