"""From a provider's answer to money: usage by class, the price in force, the lines, and how sure we are.

Nothing here is zero by default. An answer without usage is estimated from bytes, an attempt that never answered is
assumed at its bound, a model without a price is unpriced; each says so.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import astuple, replace

from bursar.budgets.bounds import TokenCeilings, learned_as
from bursar.budgets.media import media_tokens
from bursar.domain.charge import Operation, Quality
from bursar.domain.money import pico_from_femto
from bursar.domain.savings import CHEAPER_TIERS, NOTHING, Saved
from bursar.domain.storage import storage_usage
from bursar.domain.usage import Usage
from bursar.gateway.kept import KeptTokens
from bursar.prices.book import PriceBook
from bursar.prices.rates import UnpricedUnit, list_without_cache, price_usage, saved_by_cache, saved_by_tier
from bursar.prices.sheet import PriceSheet
from bursar.providers.base import Answer, Asked
from bursar.providers.services import has_request_fee
from bursar.providers.values import Keeps, Kept
from bursar.spool.records import CostLineRow

TOKENS_PER_BYTE_DEFAULT = 0.25  # four bytes a token: English prose and JSON, before anything was learned
LEARN_FROM_BYTES_MIN = 200  # shorter texts say little of the ratio
MODELS_LEARNED_MAX = 1024
LEARN_EVERY = 8

COUNT_TOKENS, REPORTED, ESTIMATED, UNPRICED = (
    Operation.COUNT_TOKENS,
    Quality.REPORTED,
    Quality.ESTIMATED,
    Quality.UNPRICED,
)  # looked up once: as an enum's attribute a member costs 0.13 µs each time


NO_COST = frozenset({COUNT_TOKENS, Operation.MODERATION, Operation.CACHE_DELETE})
"""Free by every provider's own word: a known price of zero, not an unknown one."""

NOT_TEXT = frozenset(
    {Operation.IMAGES, Operation.SPEECH, Operation.TRANSCRIPTION, Operation.CACHE, Operation.CACHE_CHANGE}
)
"""Their bytes say nothing of what they cost: without reported usage an answer is unpriced."""


class Metered(msgspec.Struct, frozen=True, gc=False):
    """An attempt in money. `list_pico` None: unpriced. counterfactual_pico: list_pico and what was saved."""

    usage: Usage
    lines: Sequence[CostLineRow]
    list_pico: int | None
    counterfactual_pico: int | None
    lever: str
    quality: str
    sku_id: str
    sku_price_id: str
    saved: Saved = NOTHING
    price_is_guess: bool = False  # of a cached content: its charge stays estimated


KEPT_ANSWERS, CONVERSATIONS = "resp_", "conv_"
"""How the ids begin of what OpenAI's Responses keep."""


class Estimator:
    """Tokens per byte as the providers' own answers have shown, per model; decayed, so that it follows a change."""

    def __init__(self) -> None:
        self._seen = 0
        self._input: dict[str, tuple[float, float]] = {}
        self._output: dict[str, tuple[float, float]] = {}

    def learn(self, model: str, request_bytes: int, usage: Usage, output_bytes: int) -> None:
        """Take one reported usage of LEARN_EVERY as evidence."""
        due = self.is_due(model)
        self._seen += 1
        if not due:
            return
        _learn(self._input, model, request_bytes, usage.total_input)
        if usage.reasoning == 0:  # reasoning is billed and never sent: it would spoil the ratio
            _learn(self._output, model, output_bytes, usage.total_output)

    def is_due(self, model: str) -> bool:
        """Whether the next usage of this model is one to learn from."""
        return self._seen % LEARN_EVERY == 0 or model not in self._input

    def estimate(self, model: str, request_bytes: int, output_bytes: int) -> Usage:
        """What an answer without usage probably used."""
        return Usage(
            input=_tokens(self._input, model, request_bytes), output=_tokens(self._output, model, output_bytes)
        )


class Meter:
    """Prices attempts. `provider` is the price list's name for the upstream."""

    def __init__(self, book: PriceBook) -> None:
        self.book = book
        self.estimator = Estimator()
        self.ceilings = TokenCeilings()
        self.kept = KeptTokens()

    def answered(
        self,
        asked: Asked,
        answer: Answer,
        operation: str,
        provider: str,
        at_us: int,
        request_bytes: int,
        out_bytes: int,
        upstream: str = "",
    ) -> Metered:
        """A successful answer: reported usage if it has one, an estimate if not. upstream: of which it is learned."""
        if operation in NO_COST:
            return FREE
        model = answer.model or asked.model
        usage, media = answer.usage, asked.media
        if operation in NOT_TEXT:
            model = asked.sold_as or model
            if usage is None and asked.sold is not None:  # by what was sent, whatever came of it
                quality = REPORTED if answer.complete else ESTIMATED
                return self.price(asked.sold, quality, provider, model, asked.model, "", "", at_us)
            if answer.kept is not None and asked.keeps is not None:
                return self.stored(asked.keeps, answer, answer.kept, model, provider, at_us)
            if usage is None or not answer.complete:
                return UNKNOWN
        text_bytes = request_bytes - asked.data_bytes
        published = media_tokens(asked.model, media) if media else 0
        if usage is None or not answer.complete:
            seen = self.estimator.estimate(model, text_bytes, out_bytes)
            if published or asked.continues:
                seen = replace(seen, input=seen.input + published + (self.kept.get(asked.continues) or 0))
            usage = seen if usage is None else _at_least(usage, seen)
            quality = ESTIMATED
        else:
            self._learn(asked, answer, usage, upstream, model, text_bytes, out_bytes, published)
            quality = REPORTED
        metered = self.price(
            usage,
            quality,
            provider,
            model,
            asked.model,
            answer.tier or asked.tier,
            answer.region,
            at_us,
        )
        for other_model, other_usage in answer.also:
            metered = together(
                metered, self.price(other_usage, quality, provider, other_model, "", "", answer.region, at_us)
            )
        return metered

    def stored(self, keeps: Keeps, answer: Answer, kept: Kept, model: str, provider: str, at_us: int) -> Metered:
        """A cached content, for the time that the call expects it to be kept: of a change, the time that it adds.

        Estimated, since it may end before. Where the end from before isn't known, the change may have added all that
        lies ahead: that is assumed. The books correct both (`ledger/caches.py`).
        """
        usage, quality = answer.usage, ESTIMATED
        if usage is None:
            known = keeps.known
            since_us = kept.from_us if known is None else known.until_us
            usage = storage_usage(kept.tokens, max(0, kept.until_us - since_us))
            if not usage.kept_us:
                quality = REPORTED
            elif known is None:
                quality = Quality.ASSUMED
        metered = self.price(usage, REPORTED, provider, model, model, "", "", at_us)
        if metered.list_pico is None:
            return metered if usage.kept_us or usage.input else replace(FREE, usage=usage)
        return replace(metered, quality=quality, price_is_guess=metered.quality == ESTIMATED)

    def needs_text(self, answer: Answer) -> bool:
        """Whether the size of a stream's text matters: to estimate from, or to learn from. It isn't free to count."""
        return answer.usage is None or not answer.complete or self.estimator.is_due(answer.model)

    def _learn(
        self,
        asked: Asked,
        answer: Answer,
        usage: Usage,
        upstream: str,
        model: str,
        text_bytes: int,
        out_bytes: int,
        published: int,
    ) -> None:
        """What a reported usage says of the next calls."""
        if asked.continues or answer.upstream_id.startswith(KEPT_ANSWERS):
            total = usage.total_input + usage.total_output
            self.kept.add(answer.upstream_id, total)
            if asked.continues.startswith(CONVERSATIONS):
                self.kept.add(asked.continues, total)
        if asked.continues:  # what its provider kept is in no byte: it says nothing of calls that show all
            return
        if not published:  # what isn't text would spoil the ratio
            self.estimator.learn(model, text_bytes, usage, out_bytes)
        learned = learned_as(upstream, asked.model, searches=asked.reads_more)
        self.ceilings.learn(learned, text_bytes, usage.total_input, usage.total_output, published)

    def price(
        self,
        usage: Usage,
        quality: Quality,
        provider: str,
        model: str,
        model_asked: str,
        tier: str,
        region: str,
        at_us: int,
    ) -> Metered:
        """Price a usage by the model the provider says it served, else by the one that was asked for."""
        sheet = self.sheet(provider, model, model_asked, tier, region, at_us, usage.total_input)
        if sheet is None:
            return Metered(usage, [], None, None, "", UNPRICED, "", "")
        try:
            lacks = sheet.request_price is None and (
                has_request_fee(provider, sheet.model) or has_request_fee(provider, model)
            )
            priced = None if lacks and not usage.web_search else price_usage(usage, sheet)
        except UnpricedUnit:
            priced = None
        if priced is None:
            return Metered(usage, [], None, None, "", UNPRICED, sheet.sku_id, sheet.sku_price_id)
        if sheet.assumption and quality == REPORTED:
            quality = ESTIMATED
        saved = NOTHING
        if usage.cache_read or usage.cache_write_5m or usage.cache_write_1h:
            saved = Saved(prompt_cache=saved_by_cache(usage, sheet, priced.list_pico))
        if tier in CHEAPER_TIERS:
            at_once = self.sheet(provider, model, model_asked, "", region, at_us, usage.total_input)
            saved = replace(saved, batch=saved_by_tier(usage, sheet, at_once))
        return with_saved(
            Metered(
                usage,
                priced.lines,
                priced.list_pico,
                priced.list_pico,
                "",
                quality,
                sheet.sku_id,
                sheet.sku_price_id,
            ),
            saved,
        )

    def plain_pico(self, usage: Usage, provider: str, model: str, tier: str, at_us: int) -> int | None:
        """What the same tokens would cost there without any cache, in pico-USD; None: unknown."""
        sheet = self.sheet(provider, model, model, tier, "", at_us, usage.total_input)
        if sheet is None or (lacks_fee(sheet, provider, sheet.model) and not usage.web_search):
            return None
        try:
            return list_without_cache(usage, sheet)
        except UnpricedUnit:
            return None

    def sheet(
        self, provider: str, model: str, model_asked: str, tier: str, region: str, at_us: int, input_tokens: int
    ) -> PriceSheet | None:
        """The price in force; None when the catalogue knows neither name."""
        sheet = self.book.at(provider, model, at_us, tier=tier, input_tokens=input_tokens, region=region)
        if sheet is None and model != model_asked:
            sheet = self.book.at(provider, model_asked, at_us, tier=tier, input_tokens=input_tokens, region=region)
        return sheet


def lacks_fee(sheet: PriceSheet, provider: str, model: str) -> bool:
    """Whether a request costs a fee beside its tokens that this sheet doesn't have: its price is not known then."""
    return sheet.request_price is None and has_request_fee(provider, model)


def with_saved(metered: Metered, saved: Saved) -> Metered:
    """A priced charge with what its levers saved, in place of what was known of that before."""
    if metered.list_pico is None or saved == metered.saved:
        return metered
    return replace(metered, counterfactual_pico=metered.list_pico + saved.total, lever=saved.lever, saved=saved)


FREE = Metered(Usage(), [], 0, 0, "", REPORTED, "", "")
"""Nothing was used that costs anything."""

UNKNOWN = Metered(Usage(), [], None, None, "", UNPRICED, "", "")
"""It cost something, and nothing says what."""


def unanswered(bound_pico: int | None, sku_price_id: str) -> Metered:
    """We never heard what it cost: the bound counts until reconciled."""
    if bound_pico is None:
        return UNKNOWN
    return Metered(Usage(), [], bound_pico, bound_pico, "", Quality.ASSUMED, "", sku_price_id)


def not_billed() -> Metered:
    """The provider refused or failed the attempt and says so itself: nothing is charged for that."""
    return FREE


def together(one: Metered, other: Metered) -> Metered:
    """Two models that answered one attempt, as one charge: all lines, rounded once; unpriced if either is."""
    if one.list_pico is None or other.list_pico is None:
        return replace(one, list_pico=None, counterfactual_pico=None, quality=UNPRICED)
    lines = [*one.lines, *other.lines]
    list_pico = pico_from_femto(sum(quantity * price for _, quantity, price in lines))
    both = replace(
        one,
        usage=Usage(*map(sum, zip(astuple(one.usage), astuple(other.usage), strict=True))),
        lines=lines,
        list_pico=list_pico,
        counterfactual_pico=list_pico,
        lever="",
        saved=NOTHING,
    )
    return with_saved(both, one.saved.plus(other.saved))


def _learn(seen: dict[str, tuple[float, float]], model: str, size: int, tokens: int) -> None:
    if size < LEARN_FROM_BYTES_MIN or tokens <= 0:
        return
    known_bytes, known_tokens = seen.get(model, (0.0, 0.0))
    if not known_bytes and len(seen) >= MODELS_LEARNED_MAX:
        return
    seen[model] = (known_bytes * 0.99 + size, known_tokens * 0.99 + tokens)


def _tokens(seen: dict[str, tuple[float, float]], model: str, size: int) -> int:
    known_bytes, known_tokens = seen.get(model, (0.0, 0.0))
    ratio = known_tokens / known_bytes if known_bytes else TOKENS_PER_BYTE_DEFAULT
    return max(1, round(size * ratio)) if size else 0


def _at_least(usage: Usage, seen: Usage) -> Usage:
    """A stream that was cut: what it reported so far, or what its bytes say, whichever is more."""
    return Usage(
        input=usage.input if usage.total_input else seen.input,
        cache_read=usage.cache_read,
        cache_write_5m=usage.cache_write_5m,
        cache_write_1h=usage.cache_write_1h,
        input_audio=usage.input_audio,
        cache_read_audio=usage.cache_read_audio,
        input_image=usage.input_image,
        output=max(usage.output, seen.output - usage.output_audio - usage.output_image, 0),
        output_audio=usage.output_audio,
        output_image=usage.output_image,
        web_search=usage.web_search,
        request=usage.request,
        reasoning=usage.reasoning,
        characters=usage.characters,
        audio_seconds=usage.audio_seconds,
        images=usage.images,
        cache_storage=usage.cache_storage,
    )
