"""`prompt_cache_key` for OpenAI: calls with an equal beginning are sent to the machine that has it.

The key is a keyed hash of the beginning, never a name or a tag: OpenAI learns from it that two calls begin alike, which
it sees anyway. Above some 15 calls a minute of one beginning and key OpenAI spreads them by itself, and hits are lost;
then the key is split by conversation, so that each part stays below.
Source: developers.openai.com, Prompt caching, 2026-11.
"""

from hashlib import blake2b

from bursar.gateway.prompt_cache.pieces import BYTES_PER_TOKEN, Piece
from bursar.gateway.prompt_cache.policy import SYSTEM

MINIMUM_TOKENS = 1_024
CALLS_A_MINUTE = 15
PARTS_MAX = 64
KEYS_MAX = 4_096
MINUTE_US = 60_000_000
FIELD = "prompt_cache_key"


class PromptKeys:
    """Counts the calls of each beginning in this minute, to know in how many parts its key must be split.

    workers: of the node; each sees its share of the calls.
    """

    def __init__(self, secret: bytes, workers: int = 1) -> None:
        self._secret = secret
        self._a_minute = max(1, CALLS_A_MINUTE // max(1, workers))
        self._counts: dict[int, tuple[int, int, int]] = {}  # beginning: (minute, calls in it, parts)

    def key(self, pieces: list[Piece], now_us: int) -> str:
        """The key of a prompt: of its tools and system prompt where those are long enough to be cached by themselves;
        with its first message, where it takes that to tell conversations apart. "" for a prompt that is too short."""
        if not pieces or pieces[-1].end - pieces[0].start < MINIMUM_TOKENS * BYTES_PER_TOKEN:
            return ""
        fixed = [piece for piece in pieces if piece.kind <= SYSTEM]
        first = pieces[len(fixed)] if len(fixed) < len(pieces) else pieces[-1]
        if sum([piece.end - piece.start for piece in fixed]) < MINIMUM_TOKENS * BYTES_PER_TOKEN:
            return self._digest(first.prefix, 0)
        beginning = fixed[-1].prefix
        parts = self._parts(beginning, now_us // MINUTE_US)
        return self._digest(beginning, first.own % parts)

    def _parts(self, beginning: int, minute: int) -> int:
        last_minute, calls, parts = self._counts.get(beginning, (minute, 0, 1))
        if minute != last_minute:
            calls, parts = 0, parts if calls > self._a_minute else max(1, parts // 2)
        calls += 1
        while calls > self._a_minute * parts and parts < PARTS_MAX:
            parts *= 2
        if beginning not in self._counts and len(self._counts) >= KEYS_MAX:
            del self._counts[next(iter(self._counts))]
        self._counts[beginning] = (minute, calls, parts)
        return parts

    def _digest(self, beginning: int, part: int) -> str:
        said = b"prompt_cache_key %d %d" % (beginning, part)
        return blake2b(said, key=self._secret, digest_size=16).hexdigest()
