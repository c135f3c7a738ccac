"""How many tokens a request and an answer have here, what of it was cached, and what the answer says.

Not a tokenizer: four bytes are a token. What matters is that both sides of a test can rely on it.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from bursar.domain.clock import Clock

BYTES_PER_TOKEN = 4
CACHE_TOKENS_MIN = 1024  # neither provider caches a shorter prefix
BLOCK_TOKENS = 128  # OpenAI's cache grows in steps of 128 tokens
BLOCKS_MAX = 8192
PREFIXES_MAX = 100_000
LOOKBACK_BLOCKS = 20
TTL_5M_US = 300_000_000
TTL_1H_US = 3_600_000_000

_WORDS = (
    b"the refund was posted on the same day and the invoice now shows a balance of zero because both entries cancel "
    b"each other while the customer keeps the credit that was granted in spring so nothing else is due this month "
)
_TEXT = (_WORDS * 400).decode()


def tokens_in(text_bytes: int) -> int:
    """Tokens of so many bytes of request text, at least one."""
    return max(1, -(-text_bytes // BYTES_PER_TOKEN))


def answer_text(tokens: int, start: int) -> str:
    """Plain text of about so many tokens, four bytes each; `start` varies where it begins."""
    length = tokens * BYTES_PER_TOKEN
    start %= len(_WORDS)
    text = _TEXT
    while len(text) < start + length:
        text += text
    return text[start : start + length]


class CachedPrefix(NamedTuple):
    """Disjoint token counts of one prompt's cache use."""

    read: int = 0
    write_5m: int = 0
    write_1h: int = 0


class PrefixCache:
    """Remembers prompt prefixes for their lifetime, least recently used ones dropped first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_us: OrderedDict[bytes, int] = OrderedDict()

    def automatic(self, namespace: str, prompt: bytes, *, writes: bool) -> CachedPrefix:
        """OpenAI's way: any known leading run of blocks counts, from 1,024 tokens on.

        writes: this model bills the part it puts in the cache (`cache_write_tokens`, since gpt-5.6).
        """
        block_bytes = BLOCK_TOKENS * BYTES_PER_TOKEN
        blocks = min(len(prompt) // block_bytes, BLOCKS_MAX)
        if blocks * BLOCK_TOKENS < CACHE_TOKENS_MIN:
            return CachedPrefix()
        hasher = blake2b(namespace.encode(), digest_size=12)
        known, unbroken = 0, True
        for block in range(blocks):
            hasher.update(prompt[block * block_bytes : (block + 1) * block_bytes])
            key = hasher.digest()
            unbroken = unbroken and self._knows(key)
            known += unbroken
            self._keep(key, TTL_5M_US)
        read = known * BLOCK_TOKENS
        if read < CACHE_TOKENS_MIN:
            read = 0
        return CachedPrefix(read=read, write_5m=blocks * BLOCK_TOKENS - read if writes else 0)

    def marked(self, namespace: str, body: dict[str, Any]) -> CachedPrefix:
        """Anthropic's way, and Bedrock's: prefixes are kept where the client marked them, for 5 minutes or an hour, and
        found at a mark or up to 20 blocks before it."""
        hasher = blake2b(namespace.encode(), digest_size=12)
        ends: list[tuple[bytes, int]] = []  # of each block: prefix, tokens up to here
        marks: list[tuple[int, str]] = []  # (block, ttl)
        size = 0
        for block in _blocks(body):
            point = block.get("cachePoint") if isinstance(block, dict) else None
            if isinstance(point, dict):  # it stands behind the block that it marks
                marks.append((len(ends) - 1, str(point.get("ttl", "5m"))))
                continue
            control = block.get("cache_control") if isinstance(block, dict) else None
            text = msgspec.json.encode({k: v for k, v in block.items() if k != "cache_control"} if control else block)
            hasher.update(text)
            size += len(text)
            ends.append((hasher.digest(), tokens_in(size)))
            if isinstance(control, dict):
                marks.append((len(ends) - 1, str(control.get("ttl", "5m"))))
        marks = [(at, ttl) for at, ttl in marks if at >= 0 and ends[at][1] >= CACHE_TOKENS_MIN]
        looked_at = {back for at, _ in marks for back in range(max(0, at - LOOKBACK_BLOCKS), at + 1)}
        read = max((ends[at][1] for at in looked_at if self._knows(ends[at][0])), default=0)
        write_5m = write_1h = 0
        at_tokens = read
        for at, ttl in marks:
            key, tokens = ends[at]
            if tokens > at_tokens:
                write_1h += tokens - at_tokens if ttl == "1h" else 0
                write_5m += tokens - at_tokens if ttl != "1h" else 0
                at_tokens = tokens
            self._keep(key, TTL_1H_US if ttl == "1h" else TTL_5M_US)
        return CachedPrefix(read, write_5m, write_1h)

    def _knows(self, key: bytes) -> bool:
        return self._until_us.get(key, 0) > self._clock.now_us()

    def _keep(self, key: bytes, ttl_us: int) -> None:
        self._until_us[key] = self._clock.now_us() + ttl_us
        self._until_us.move_to_end(key)
        if len(self._until_us) > PREFIXES_MAX:
            self._until_us.popitem(last=False)


def _blocks(body: dict[str, Any]) -> list[Any]:
    """The prompt in the order of its cache: tools, system, messages. A plain string is short for one text block."""
    blocks: list[Any] = list(body.get("tools") or [])
    system = body.get("system")
    blocks.extend(system if isinstance(system, list) else [_text_block(system)] if system else [])
    for message in body.get("messages") or []:
        content = message.get("content") if isinstance(message, dict) else message
        blocks.extend(content if isinstance(content, list) else [_text_block(content)])
    return blocks


def _text_block(text: Any) -> dict[str, Any]:
    return {"type": "text", "text": text}
