"""How many tokens a request can come to: a ceiling learned from what providers reported, never a tokenizer.

A token is at least one byte of text, so the bytes themselves are the ceiling of a model nobody has seen yet. What came
back since lowers it: the highest ratio of tokens to bytes seen for requests of about that size, and a margin.

Tools and prompts that are added upstream have no bytes here. What a bill had above the request's bytes is remembered as
it is, in tokens, and counts for requests of each size: what one request was added, another will be too, as long as one
of the last HIDDEN_BILLS was. Before the first bill nothing is known of it (`gateway/firsts.py` sees to those calls). So
it is again where no bill came for a while: calls that are refused for what is remembered can't show that it is over.

Images, recordings and files are bounded beside the text (`media.py`); their requests teach nothing about text. Where a
bill shows that they came to more than published, so much more is held for the model's next ones. Never less: the next
image may be larger.
"""

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate

import msgspec

MODELS_MAX = 1_024
SIZES = 32  # by the number of bits in the size: 1 KB and 1.9 KB are of one size
EVIDENCE_MIN = 20  # reports before a ceiling counts
MARGIN_PERCENT = 25
PPM = 1_000_000
FADE = 512  # a ceiling above all that comes now goes down by one part in so many with each report
HIDDEN_BILLS = 64  # what the most of so many was added counts, and of the next so many
HIDDEN_STALE_US = 600_000_000  # without a bill for so long, what was added is met anew
HISTOGRAM_MAX = 1_024  # reports after which older ones count half
LOOKED_AT_EVERY = 16  # reports of one size of answer, between two looks at all sizes: a look costs 1 µs


def learned_as(upstream: str, model: str, *, searches: bool = False) -> str:
    """What is learned of a model is learned of it at one upstream: another one may add to its input.

    searches: of calls for which the provider may search apart: what it reads there goes into no other call.
    """
    return f"{upstream}/{model} with search" if searches else f"{upstream}/{model}"


class Learned(msgspec.Struct):
    """What is known of one model. Lists by size; `input`: ppm of tokens per byte, 0 where nothing was seen.

    output: how many answers had 2^n to 2^(n+1)-1 tokens. media: ppm of billed to published tokens, if above one.
    hidden: tokens billed above the bytes of text, so added on the way; the most of the last bills, `hidden_bills` of
    them, and hidden_before: of those before. is_stale: nothing is known of it any more.
    """

    input: list[int]
    seen: list[int]
    output: list[int]
    media: int = PPM
    hidden: int = 0
    hidden_before: int = 0
    hidden_bills: int = 0
    is_stale: bool = False
    usual_output: int | None = None  # tokens that 99 of 100 answers don't exceed, as of the last look

    @property
    def added(self) -> int:
        """Tokens that another request may be added."""
        return max(self.hidden, self.hidden_before)

    @classmethod
    def nothing(cls) -> "Learned":
        return cls([0] * SIZES, [0] * SIZES, [0] * SIZES)

    def is_sound(self) -> bool:
        """Whether it can have been learned: read from a file, it is only believed then."""
        lists = (self.input, self.seen, self.output)
        counts = (self.hidden, self.hidden_before, self.hidden_bills)
        return all(len(one) == SIZES and min(one) >= 0 for one in lists) and self.media >= PPM and min(counts) >= 0


class TokenCeilings:
    """Input ceilings per model and size, and how much the answers of a model usually hold. Integers alone."""

    def __init__(self) -> None:
        self._models: dict[str, Learned] = {}
        self.reports = 0  # that were learned from, in this process
        self._billed: set[str] = set()  # models, since `age` did something
        self._aged_us = 0

    def learn(
        self, model: str, text_bytes: int, input_tokens: int, output_tokens: int, media_published: int = 0
    ) -> None:
        """What a provider reported of one request. media_published: tokens of what wasn't text, by the rules."""
        learned = self._models.get(model)
        if learned is None:
            if len(self._models) >= MODELS_MAX or not text_bytes:
                return
            learned = self._models[model] = Learned.nothing()
        if media_published:
            _learn_media(learned, input_tokens - self.input_tokens(model, text_bytes), media_published)
        else:
            _learn_text(learned, text_bytes, input_tokens)
        self.reports += 1
        self._billed.add(model)
        learned.is_stale = False
        outputs, size = learned.output, min(output_tokens.bit_length(), SIZES - 1)
        outputs[size] += 1
        if learned.usual_output is None or not outputs[size] % LOOKED_AT_EVERY:
            if sum(outputs) > HISTOGRAM_MAX:
                learned.output = [count // 2 for count in outputs]
            learned.usual_output = _usual_output(learned.output)

    def input_tokens(self, model: str, text_bytes: int) -> int:
        """The most that so many bytes of text come to, as far as anybody can know."""
        size = min(text_bytes.bit_length(), SIZES - 1)
        learned = self._models.get(model)
        if learned is None:
            return text_bytes
        ratio = learned.input[size]
        if learned.seen[size] < EVIDENCE_MIN:
            ratio = max(ratio, PPM)
        tokens = -(-text_bytes * ratio * (100 + MARGIN_PERCENT) // (100 * PPM)) if ratio != PPM else text_bytes
        if ratio >= PPM and (added := learned.added):  # below that, so many bills of this size had none
            return max(tokens, text_bytes + _with_margin(added))
        return tokens

    def knows(self, model: str) -> bool:
        """Whether a bill of the model was seen; of models beyond MODELS_MAX nothing ever will be, and that is known."""
        learned = self._models.get(model)
        return len(self._models) >= MODELS_MAX if learned is None else not learned.is_stale

    def age(self, now_us: int) -> None:
        """Let go of what was added upstream to models without a bill for HIDDEN_STALE_US. To be called now and then."""
        if not self._aged_us:
            self._aged_us = now_us
        if now_us - self._aged_us < HIDDEN_STALE_US:
            return
        self._aged_us = now_us
        for model, learned in self._models.items():
            if learned.added and model not in self._billed:
                learned.hidden = learned.hidden_before = learned.hidden_bills = 0
                learned.is_stale = True
        self._billed.clear()

    def media_tokens(self, model: str, published: int) -> int:
        """The most that parts which aren't text come to: as published, or as bills showed if that was more."""
        learned = self._models.get(model)
        if learned is None or learned.media == PPM:
            return published
        return -(-published * learned.media * (100 + MARGIN_PERCENT) // (100 * PPM))

    def usual_output_tokens(self, model: str, at_most: int) -> int:
        """So many tokens or fewer have 99 of 100 answers of the model; `at_most` while too little was seen."""
        learned = self._models.get(model)
        if learned is None or learned.usual_output is None:
            return at_most
        return min(at_most, learned.usual_output)

    def known(self) -> Mapping[str, Learned]:
        """All that was learned, by model."""
        return self._models

    def take(self, others: Mapping[str, Learned]) -> int:
        """Take over what another worker, or an earlier run, has learned: field by field the higher one.

        Twice is once. What can't have been learned is left out; returns how many models were.
        """
        left_out = 0
        for model, other in others.items():
            if not other.is_sound():
                left_out += 1
                continue
            mine = self._models.get(model)
            if mine is None:
                if len(self._models) < MODELS_MAX:
                    self._models[model] = mine = msgspec.convert(msgspec.to_builtins(other), Learned)
                    mine.usual_output = _usual_output(mine.output)
                continue
            mine.input = list(map(max, mine.input, other.input))
            mine.seen = list(map(max, mine.seen, other.seen))
            mine.output = list(map(max, mine.output, other.output))
            mine.usual_output = _usual_output(mine.output)
            mine.media = max(mine.media, other.media)
            mine.hidden = max(mine.hidden, other.hidden)
            mine.hidden_before = max(mine.hidden_before, other.hidden_before)
            mine.hidden_bills = max(mine.hidden_bills, other.hidden_bills)
            mine.is_stale = mine.is_stale and other.is_stale
        return left_out


def _usual_output(answers: list[int]) -> int | None:
    """Tokens that 99 of 100 answers don't exceed, by how many had each size; None: too few were seen."""
    total = sum(answers)
    if total < EVIDENCE_MIN:
        return None
    longer = list(accumulate(reversed(answers)))  # answers of a size and above, from the largest size down
    bits = SIZES - 1 - bisect_right(longer, total // 100)
    return (1 << bits) - 1


def _with_margin(tokens: int) -> int:
    return -(-tokens * (100 + MARGIN_PERCENT) // 100)


def _learn_text(learned: Learned, text_bytes: int, input_tokens: int) -> None:
    size = min(text_bytes.bit_length(), SIZES - 1)
    ratio = input_tokens * PPM // (text_bytes or 1)
    if ratio > PPM:  # what is above a token a byte was added
        ratio = PPM
    known = learned.input[size]
    if ratio != known:
        learned.input[size] = ratio if ratio > known else known - (known - ratio) // FADE
    learned.seen[size] += 1
    if learned.hidden_bills >= HIDDEN_BILLS:
        learned.hidden_before, learned.hidden, learned.hidden_bills = learned.hidden, 0, 0
    learned.hidden_bills += 1
    added = input_tokens - text_bytes
    if added > learned.hidden:
        learned.hidden = added


def _learn_media(learned: Learned, billed: int, published: int) -> None:
    ratio = max(PPM, billed * PPM // published)
    known = learned.media
    learned.media = ratio if ratio >= known else known - (known - ratio) // FADE
