"""The order in which a route's upstreams are tried: pure, on values."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import log
from zlib import crc32

from bursar.domain.routes import Strategy

LEAST = 2.0**-33  # a draw is never 0
PREFIX_BYTES = 1024  # of the body, for calls without a session: the same system prompt begins it alike


def order(
    strategy: Strategy,
    key: bytes,
    names: Sequence[str],
    weights: Sequence[int],
    loads: Sequence[float],
    costs: Sequence[int | None],
) -> list[int]:
    """Indices of the candidates, the one to try first in front.

    key:   what decides by its hash: the session or the prompt's beginning (sticky), the session or the call (others).
    loads: expected wait of each, 0 where unknown. costs: the most it can cost, None where no price is known.
    """
    everyone = range(len(names))
    if strategy == "ordered" or len(names) < 2:
        return list(everyone)
    if strategy == "cheapest":
        return sorted(everyone, key=lambda at: (costs[at] is None, costs[at] or 0, at))
    mark = crc32(key)  # even enough for a lot, and a tenth of blake2b's price
    if strategy == "lowest-latency":  # two drawn, the less loaded wins: all calls at one would make that the slow one
        one, two = mark % len(names), mark // len(names) % (len(names) - 1)
        two += two >= one
        first = two if loads[two] < loads[one] else one
        return [first, *(at for at in sorted(everyone, key=loads.__getitem__) if at != first)]
    lots = [-log((mark * _slope(name)) % 1.0 + LEAST) / weight for name, weight in zip(names, weights, strict=True)]
    return sorted(everyone, key=lots.__getitem__)


@lru_cache(maxsize=4096)
def _slope(name: str) -> float:
    """An upstream's own slope: 32 bits of a key's hash times this, modulo 1, is the key's draw for the upstream.

    Draws for one name are even, and those for two names independent (rendezvous hashing: taking one away moves only
    its own keys). A hash for each pair of key and name would cost four times as much.
    """
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64
