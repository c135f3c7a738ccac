"""A real trace of prefix blocks as calls, and a provider's prompt cache as its documentation says it works."""

import gzip
from collections.abc import Sequence
from importlib import resources

import msgspec
from xxhash import xxh3_64_intdigest

from bursar.gateway.prompt_cache.policy import HISTORY, LAST, Block, Mark
from bursar.gateway.prompt_cache.rates import FIVE_MINUTES_US, LOOKBACK_BLOCKS, ONE_HOUR_US, READY_US, CacheRates

BLOCK_TOKENS = 512
MINIMUM_TOKENS = 1_024
START_US = 1_000_000_000_000


class _Line(msgspec.Struct):
    timestamp: int  # ms
    input_length: int
    hash_ids: list[int]


class CacheCall(msgspec.Struct, frozen=True):
    """One call: when it came, its input in tokens, its blocks."""

    at_us: int
    tokens: int
    blocks: list[Block]


class Bill(msgspec.Struct, frozen=True):
    """What a provider counts for one call, in tokens; disjoint."""

    read: int
    write_5m: int
    write_1h: int
    plain: int

    def cost(self, rates: CacheRates) -> float:
        """In tokens at the input price."""
        hour = rates.write_5m if rates.write_1h is None else rates.write_1h
        return self.read * rates.read + self.write_5m * rates.write_5m + self.write_1h * hour + self.plain


def load_calls(share: float = 1.0) -> list[CacheCall]:
    """The shipped trace, or its first part."""
    raw = resources.files("bursar.bench").joinpath("data", "mooncake-conversation.jsonl.gz").read_bytes()
    decoder = msgspec.json.Decoder(_Line)
    lines = gzip.decompress(raw).splitlines()
    return [_call(decoder.decode(line)) for line in lines[: max(1, round(len(lines) * share))]]


def _call(line: _Line) -> CacheCall:
    blocks = [
        Block(prefix, min(BLOCK_TOKENS, line.input_length - index * BLOCK_TOKENS), HISTORY)
        for index, prefix in enumerate(line.hash_ids)
    ]
    blocks[-1] = msgspec.structs.replace(blocks[-1], kind=LAST)
    return CacheCall(START_US + line.timestamp * 1_000, line.input_length, blocks)


def made_call(at_s: float, contents: Sequence[int], block_tokens: int = 1_000) -> CacheCall:
    """A call of made-up traffic. contents: numbers that stand for what its blocks say, each of so many tokens."""
    blocks: list[Block] = []
    prefix = block_tokens
    for index, content in enumerate(contents):
        prefix = xxh3_64_intdigest(b"%d %d" % (prefix, content))
        blocks.append(Block(prefix, block_tokens, LAST if index == len(contents) - 1 else HISTORY))
    return CacheCall(START_US + round(at_s * 1_000_000), block_tokens * len(contents), blocks)


def made_up() -> dict[str, list[CacheCall]]:
    """Traffic whose reuse can be known from what came before, by its name; 300 calls each."""
    return {
        "one prompt, new questions": [made_call(20 * number, [1, 2, 3, 100 + number]) for number in range(300)],
        "ten conversations": [
            made_call(12 * number, [number % 10, *range(1_000, 1_001 + number // 10)]) for number in range(300)
        ],
        "a call each 15 minutes": [made_call(900 * number, [1, 2, 3, 100 + number]) for number in range(300)],
    }


class _Entry(msgspec.Struct):
    written_us: int
    until_us: int
    ttl_us: int

    def is_live(self, now_us: int) -> bool:
        return self.written_us + READY_US <= now_us <= self.until_us


class CacheModel:
    """A provider's cache. Entries are made where marks are, and nowhere else; a read is the longest live entry at a
    mark or up to 20 blocks before one; it makes that entry last again, as a mark does to the entry that it stands on.

    The strictest reading of what is documented: what a longer entry is read past isn't made anew for free, and nothing
    lasts longer than what stands before it.
    """

    def __init__(self, minimum: int = MINIMUM_TOKENS) -> None:
        self._minimum = minimum
        self._entries: dict[int, _Entry] = {}

    def call(self, call: CacheCall, marks: Sequence[Mark]) -> Bill:
        """Bill one call. Marks are in the order of the blocks."""
        blocks, now_us = call.blocks, call.at_us
        ends: list[int] = []
        tokens = 0
        for block in blocks:
            tokens += block.tokens
            ends.append(tokens)
        valid = [mark for mark in marks if ends[mark.block] >= self._minimum]
        read_to = max((self._found(blocks, mark.block, now_us) for mark in valid), default=-1)
        written = {False: 0, True: 0}
        at = read = ends[read_to] if read_to >= 0 else 0
        if read_to >= 0:
            self._refresh(blocks[read_to].prefix, now_us)
        ttl_us = self._entries[blocks[read_to].prefix].ttl_us if read_to >= 0 else ONE_HOUR_US
        for mark in valid:
            if mark.block <= read_to:
                self._refresh(blocks[mark.block].prefix, now_us)
                continue
            ttl_us = min(ttl_us, ONE_HOUR_US if mark.is_1h else FIVE_MINUTES_US)
            self._write(blocks[mark.block].prefix, now_us, ttl_us)
            written[mark.is_1h] += ends[mark.block] - at
            at = ends[mark.block]
        return Bill(read, written[False], written[True], tokens - at)

    def _found(self, blocks: list[Block], end: int, now_us: int) -> int:
        for index in range(end, max(-1, end - LOOKBACK_BLOCKS - 1), -1):
            entry = self._entries.get(blocks[index].prefix)
            if entry is not None and entry.is_live(now_us):
                return index
        return -1

    def _refresh(self, prefix: int, now_us: int) -> None:
        entry = self._entries.get(prefix)
        if entry is not None and entry.is_live(now_us):
            entry.until_us = now_us + entry.ttl_us

    def _write(self, prefix: int, now_us: int, ttl_us: int) -> None:
        entry = self._entries.get(prefix)
        if entry is not None and now_us <= entry.until_us:  # another call is writing it at this moment
            entry.ttl_us = min(entry.ttl_us, ttl_us)
            entry.until_us = now_us + entry.ttl_us
        else:
            self._entries[prefix] = _Entry(now_us, now_us + ttl_us, ttl_us)
