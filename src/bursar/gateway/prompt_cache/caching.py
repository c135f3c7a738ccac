"""One worker's prompt caching: a call's body with its marks, what its bill said of them, and what breaks caches.

The way of a call: `mark` before it is sent, once for each body that goes out; `billed` when its usage is known, or
`unsent`. Nothing here raises for what a client wrote: a body that can't be read beyond doubt goes out as it came.
"""

import msgspec
from xxhash import xxh3_64_intdigest

from bursar.domain.cacheable import Cacheable, cacheable
from bursar.domain.caching import PromptCaching
from bursar.domain.usage import Usage
from bursar.gateway.prompt_cache.account import Account
from bursar.gateway.prompt_cache.agents import is_coding_agent
from bursar.gateway.prompt_cache.breaks import BreakFinder, Breaks, merged
from bursar.gateway.prompt_cache.marks import has_marks, with_marks
from bursar.gateway.prompt_cache.pieces import BYTES_PER_TOKEN, SHAPES, Piece, read_pieces
from bursar.gateway.prompt_cache.policy import SYSTEM, TOOLS, Block, Plan, Series, Terms, plan_marks
from bursar.gateway.prompt_cache.prefixes import Prefixes, Seen, drop
from bursar.gateway.prompt_cache.prices import CachePrices
from bursar.gateway.prompt_cache.prompt_key import FIELD, PromptKeys
from bursar.gateway.prompt_cache.watch import Stopped, Watch
from bursar.providers.splice import with_value

SERIES_MAX = 256
ACCOUNTS_MAX = 1_024
HOUR_PREMIUM_MAX = 1.0
LEARNED_BYTES_MAX = 8_000_000
IMAGE_TOKENS = 1_600
MEDIA_BYTES_MIN = 8_192
SYSTEM_HEAD_BYTES = 256
BODY_BYTES_MIN = 2_048  # 512 tokens: shorter is no cache's
_IN_BASE64 = b'"base64"'
_DOCUMENT_BYTES_PER_TOKEN = 32

_ANTHROPIC = {"anthropic-messages", "vertex-anthropic", "bedrock-invoke"}
_OPENAI = {"openai-chat", "openai-responses"}
_CONVERSE = "bedrock-converse"
_ANTHROPIC_BODY = b'"anthropic_version"'
_SHAPE_OF = {
    **SHAPES,
    "vertex-anthropic": SHAPES["anthropic-messages"],
    "bedrock-invoke": SHAPES["anthropic-messages"],
    "vertex-generate": SHAPES["gemini-generate"],
}


class CallOf(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about a call.

    dialect, model, provider: as it goes out. account: whose cache it is: the upstream, and the caller's own key where
    that is used. client: the first word of its user agent.
    """

    dialect: str
    model: str
    provider: str
    account: str
    credential_id: str
    feature: str = ""
    request_type: str = ""
    client: str = ""

    @property
    def series(self) -> tuple[str, str, str, str]:
        return self.credential_id, self.model, self.feature, self.request_type


class Ruled(msgspec.Struct, frozen=True):
    """The rule that decides for the call, and the model's prices; None: they aren't known, so nothing is marked."""

    rule_id: str
    terms: PromptCaching
    prices: CachePrices | None


class Ticket(msgspec.Struct, frozen=True):
    """What `billed` needs of a call with marks. bytes: of its prompt; 0 where media stand in it. kept: what the
    provider should have after it."""

    rule_id: str
    model: str
    series: "KnownSeries"
    plan: Plan
    prices: CachePrices
    bytes: int
    kept: list[Seen]


class Marked(msgspec.Struct, frozen=True):
    """A body to send instead. note: what was changed, for `x-bursar-…` headers and the row. ticket: None: no marks."""

    body: bytes
    note: str
    ticket: Ticket | None = None


class KnownSeries(Series):
    """A series with what it takes to count its tokens, and to find its breaks."""

    def __init__(self, seed: int, now_us: int) -> None:
        super().__init__()
        self.breaks = BreakFinder(seed, now_us)
        self.learned_tokens = 4_096.0
        self.learned_bytes = 4_096.0 * BYTES_PER_TOKEN

    def learn(self, sent_bytes: int, tokens: int) -> None:
        """A bill: so many tokens for so many bytes."""
        if tokens <= 0 or not sent_bytes:
            return
        self.learned_tokens += tokens
        self.learned_bytes += sent_bytes
        if self.learned_bytes > LEARNED_BYTES_MAX:
            self.learned_tokens /= 2
            self.learned_bytes /= 2


class _Prompt(msgspec.Struct):
    """A body's prompt. bytes: 0 where media stand in it, which say nothing of tokens per byte."""

    pieces: list[Piece]
    tokens: list[int]
    bytes: int


class PromptCaches:
    """Everything that a worker keeps for it; bounded, and lost with it."""

    def __init__(self, secret: bytes, workers: int = 1) -> None:
        self.watch = Watch()
        self._seed = xxh3_64_intdigest(secret, 0)
        self._prefixes = Prefixes()
        self._keys = PromptKeys(secret, workers)
        self._series: dict[tuple[str, str, str, str], KnownSeries] = {}
        self._accounts: dict[tuple[str, str], Account] = {}

    def mark(self, call: CallOf, rule: Ruled | None, body: bytes, now_us: int) -> Marked | None:
        """The body as the rule wants it; None: it goes out as it is. rule: None: only its breaks are looked for."""
        shape = _SHAPE_OF.get(call.dialect)
        if shape is None or len(body) < BODY_BYTES_MIN:
            return None
        seed = xxh3_64_intdigest(f"{call.account}\n{call.model}".encode(), self._seed)
        pieces = read_pieces(body, shape, seed)
        if not pieces:
            return None
        series = self._series_of(call, now_us)
        media = [index for index, piece in enumerate(pieces) if _has_media(body, piece)]
        tokens = _tokens(body, pieces, media, series)
        series.breaks.look(body, pieces, tokens, now_us)
        if rule is None or (not rule.terms.agents and is_coding_agent(call.client, _system_head(body, pieces))):
            return None
        if self.watch.is_stopped(rule.rule_id, call.model):
            return None
        if call.dialect in _OPENAI:
            return self._with_key(call, body, pieces, now_us)
        sent_bytes = 0 if media else sum([piece.end - piece.start for piece in pieces])
        return self._with_marks(call, rule, body, _Prompt(pieces, tokens, sent_bytes), series, now_us)

    def billed(self, ticket: Ticket, usage: Usage, now_us: int) -> Stopped | None:
        """A call with marks has its usage. Returns why the rule's marks stop for this model, on the call that makes
        them stop: the worker tells it (`news.py`), and marks nothing more there."""
        prices, series = ticket.prices, ticket.series
        premiums = prices.rates().premiums()
        paid = usage.cache_write_5m * premiums.minutes
        if usage.cache_write_1h:  # an hour without a price of its own is billed as five minutes
            paid += usage.cache_write_1h * min(premiums.hour, HOUR_PREMIUM_MAX)
        ticket.plan.end(paid, usage.cache_read * premiums.one_read)
        if not (usage.cache_read or usage.cache_write_5m or usage.cache_write_1h):
            drop(ticket.kept)
        series.learn(ticket.bytes, usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h)
        return self.watch.billed(
            ticket.rule_id, ticket.model, prices.premium_pico(usage), prices.saved_pico(usage), now_us
        )

    def unbilled(self, ticket: Ticket) -> None:
        """A call with marks that was never sent, or refused by its provider: it paid nothing, and nothing was kept."""
        ticket.plan.end(0.0, 0.0)
        drop(ticket.kept)

    def broken(self) -> list[tuple[tuple[str, str, str, str], Breaks]]:
        """What was found in each series, today and yesterday: (credential_id, model, feature, request type)."""
        return [
            (name, merged([found for found in (series.breaks.before, series.breaks.found) if found is not None]))
            for name, series in self._series.items()
        ]

    def _with_key(self, call: CallOf, body: bytes, pieces: list[Piece], now_us: int) -> Marked | None:
        if call.provider != "openai" or b'"prompt_cache_key"' in body:
            return None
        key = self._keys.key(pieces, now_us)
        changed = with_value(body, FIELD, b'"%b"' % key.encode()) if key else None
        return None if changed is None else Marked(changed, FIELD)

    def _with_marks(
        self,
        call: CallOf,
        rule: Ruled,
        body: bytes,
        prompt: "_Prompt",
        series: KnownSeries,
        now_us: int,
    ) -> Marked | None:
        model = _can_mark(call, body)
        prices = rule.prices
        if model is None or prices is None:
            return None
        rates = prices.rates()
        if not model.has_hour:
            rates = msgspec.structs.replace(rates, write_1h=None)
        blocks = _blocks(prompt.pieces, prompt.tokens, has_tools=model.has_tools)
        whole = self._account_of(rule.rule_id, call.model)
        if whole is None:
            return None
        terms = Terms(rates, model.minimum, rule.terms.ttl)
        plan = plan_marks(blocks, series, self._prefixes, terms, now_us, whole)
        is_converse = call.dialect == _CONVERSE
        changed, marks = body, plan.marks
        if marks and not has_marks(body, is_converse=is_converse):
            changed, marks = with_marks(body, prompt.pieces, marks, is_converse=is_converse)
        if changed is body:
            plan.end(0.0, 0.0)
            return None
        kept = plan.keep(marks, now_us)
        ticket = Ticket(rule.rule_id, call.model, series, plan, prices, prompt.bytes, kept)
        return Marked(changed, "cachePoint" if is_converse else "cache_control", ticket)

    def _account_of(self, rule_id: str, model: str) -> Account | None:
        """What a rule's marks came to on a model, in all its series; None where there are too many of those."""
        pair = (rule_id, model)
        known = self._accounts.get(pair)
        if known is None and len(self._accounts) < ACCOUNTS_MAX:
            known = self._accounts[pair] = Account()
        return known

    def _series_of(self, call: CallOf, now_us: int) -> KnownSeries:
        """The call's series; beyond SERIES_MAX, the one that was called longest ago is forgotten."""
        name = call.series
        known = self._series.pop(name, None)
        if known is None:
            if len(self._series) >= SERIES_MAX:
                del self._series[next(iter(self._series))]
            known = KnownSeries(self._seed, now_us)
        self._series[name] = known
        return known


def _can_mark(call: CallOf, body: bytes) -> Cacheable | None:
    """What the model takes; None where no mark can be set."""
    if call.dialect not in _ANTHROPIC and call.dialect != _CONVERSE:
        return None
    if call.dialect == "bedrock-invoke" and _ANTHROPIC_BODY not in body:
        return None
    return cacheable(call.model, at_bedrock=call.dialect.startswith("bedrock"))


def _blocks(pieces: list[Piece], tokens: list[int], *, has_tools: bool) -> list[Block]:
    """Of the tools, only the last is marked: they come all together or not at all."""
    last_tool = max([index for index, piece in enumerate(pieces) if piece.kind == TOOLS], default=-1)
    return [
        Block(piece.prefix, count, piece.kind, piece.kind != TOOLS or (has_tools and index == last_tool))
        for index, (piece, count) in enumerate(zip(pieces, tokens, strict=True))
    ]


def _system_head(body: bytes, pieces: list[Piece]) -> bytes:
    """The beginning of the system prompt."""
    first = next((piece for piece in pieces if piece.kind == SYSTEM), None)
    return b"" if first is None else body[first.start : min(first.end, first.start + SYSTEM_HEAD_BYTES)]


def _has_media(body: bytes, piece: Piece) -> bool:
    """Whether a piece has a picture or a document in it that counts otherwise than by its length."""
    return piece.end - piece.start >= MEDIA_BYTES_MIN and body.find(_IN_BASE64, piece.start, piece.end) >= 0


def _tokens(body: bytes, pieces: list[Piece], media: list[int], series: KnownSeries) -> list[int]:
    """An estimate for each piece: by what its series' bills came to, per byte; media by what they mostly cost."""
    per_byte = series.learned_tokens / series.learned_bytes
    tokens = [int((piece.end - piece.start) * per_byte) for piece in pieces]
    for index in media:
        piece = pieces[index]
        is_image = body.find(b'"image"', piece.start, piece.end) >= 0
        tokens[index] = IMAGE_TOKENS if is_image else (piece.end - piece.start) // _DOCUMENT_BYTES_PER_TOKEN
    return tokens
