"""What the shadow of a semantic cache has shown, and whether it may be switched on by that: pure, in words.

Nothing is invented: a hit saves what its provider's answer did cost; a false one saves nothing; comparing costs what
was booked for it.
"""

from math import exp, lgamma, log

import msgspec

from bursar.domain.caching import CacheRule, CacheTerms, SemanticCaching, measured_as
from bursar.domain.money import PICO_PER_USD

COMPARED_MIN = 100
"""So many would-be hits, in other words than what they met, must have been compared with their provider's answer."""
SAMPLES_MIN = 5
"""So many samples of one that answers must have been compared before they alone may stop it."""
SURE = 0.95
SURE_Z = 1.6449
EXACTLY_MAX = 100
MONTH_US = 30 * 86_400_000_000
SPAN_US_MIN = 86_400_000_000
"""Calls of less than a day are taken for a day's."""


class Measured(msgspec.Struct, frozen=True):
    """mark: what was measured (`measured_as`). agreement_min: below it a hit was counted as false.

    calls: compared with what was kept. hits: that would have been answered. compared: hits whose kept answer was
    compared, in shadow and of samples when on, without equal texts that were answered alike. live_compared, live_false:
    of these, the samples. saved_pico: list cost of true hits. embed_pico: what comparing cost, in shadow, by the rows
    of its embeddings; embeds_unpriced: of these rows, how many have no price, and aren't counted.
    unpriced: hits whose saving isn't known, and not counted.
    """

    mark: str
    agreement_min: float
    calls: int = 0
    hits: int = 0
    compared: int = 0
    false_hits: int = 0
    saved_pico: int = 0
    embed_pico: int = 0
    unpriced: int = 0
    since_us: int = 0
    until_us: int = 0
    embeds_unpriced: int = 0
    live_compared: int = 0
    live_false: int = 0

    @property
    def false_hits_upper(self) -> float:
        """The share of false hits that it is below, with SURE."""
        return upper_share(self.false_hits, self.compared)

    def monthly(self, figure: int) -> float:
        """A figure of the span, for thirty days."""
        return figure * MONTH_US / max(SPAN_US_MIN, self.until_us - self.since_us)


def read_measured(text: str) -> Measured | None:
    """None: nothing was measured."""
    return msgspec.json.decode(text, type=Measured) if text else None


def measured_words(measured: Measured) -> str:
    """What was seen: "312 of 4,100 calls (7.6 %) would have been hits, 21 of them wrong; at 4,100 calls a month …"."""
    if not measured.calls:
        return "no call compared yet"
    share = 100 * measured.hits / measured.calls
    told = f"{measured.hits:,} of {_calls(measured.calls)} ({share:.1f} %) would have been hits"
    if measured.compared:
        told += f", {measured.false_hits:,} of {measured.compared:,} compared were wrong"
    unpriced = f"; the saving of {measured.unpriced:,} hits isn't known" if measured.unpriced else ""
    return f"{told}; {_return_words(measured)}{unpriced}{_unpriced_words(measured)}"


def shown_measured(rule: CacheRule) -> str:
    """What a rule's shadow has shown, in words, and whether it may be switched on; "" where it has none."""
    semantic = rule.terms.semantic
    if semantic is None:
        return ""
    measured = read_measured(rule.measured)
    if measured is None or measured.mark != measured_as(rule.terms):
        return "nothing measured yet" if semantic.mode == "shadow" else "nothing measured since it was changed"
    told = measured_words(measured)
    if semantic.mode == "on":
        return told
    why = why_not_on(rule.terms, rule.measured)
    if not why:
        return f"{told}. It may be switched on"
    return told if why in told else f"{told}. Not yet: {why}"


def why_not_on(terms: CacheTerms, text: str) -> str:
    """Why the semantic cache may not answer, in words; "": its measurement says that it pays.

    text: what the rule of that name has measured up to now, as it is kept.
    """
    semantic = terms.semantic or SemanticCaching()
    measured = read_measured(text)
    if measured is None or measured.mark != measured_as(terms):
        return (
            "it hasn't been measured as it is written here (match, embedder, similarity_min, ttl_s, share): let it run "
            f"with mode shadow until {COMPARED_MIN} would-be hits were compared"
        )
    if measured.agreement_min != semantic.agreement_min:
        return (
            f"its false hits were counted with agreement_min {measured.agreement_min:g}: keep it in shadow with "
            f"{semantic.agreement_min:g} for half a minute, then they are counted anew"
        )
    if measured.compared < COMPARED_MIN:
        return (
            f"{measured.compared:,} of {COMPARED_MIN} would-be hits in other words were compared with their provider's "
            "answer: let it run with mode shadow"
        )
    if measured.embeds_unpriced:
        return f"what comparing costs isn't known: give {semantic.embedder} a price (`bursar prices set`)"
    if measured.saved_pico <= measured.embed_pico:
        return _return_words(measured)
    if measured.false_hits_upper > semantic.false_hits_max:
        return (
            f"as many as {100 * measured.false_hits_upper:.1f} % may be wrong, and false_hits_max is "
            f"{100 * semantic.false_hits_max:g} %: raise similarity_min, or narrow the match"
        )
    return why_off(terms, measured)


def why_off(terms: CacheTerms, measured: Measured) -> str:
    """Why a semantic cache that answers must stop; "": it need not.

    By its false hits alone, where their share is surely too large: what it saves can't be measured while it answers.
    By those of its samples too: a long shadow that went well doesn't hide that it goes wrong now.
    """
    semantic = terms.semantic or SemanticCaching()
    for false, compared, least in (
        (measured.live_false, measured.live_compared, SAMPLES_MIN),
        (measured.false_hits, measured.compared, 1),
    ):
        surely_above = 1 - upper_share(compared - false, compared)
        if compared >= least and surely_above > semantic.false_hits_max:
            return (
                f"{false:,} of {compared:,} answers that were compared say something else: surely more than "
                f"{100 * semantic.false_hits_max:g} %"
            )
    return ""


def upper_share(seen: int, of: int) -> float:
    """The upper end of Clopper and Pearson's one-sided interval at SURE; 1.0 of none. Of many, Wilson's, which is near.

    >>> round(upper_share(0, 100), 4), round(upper_share(2, 100), 4)
    (0.0295, 0.0616)
    """
    if seen >= of:
        return 1.0
    if seen > EXACTLY_MAX:
        share, spread = seen / of, SURE_Z**2 / of
        return float((share + spread / 2 + (spread * (share * (1 - share) + spread / 4)) ** 0.5) / (1 + spread))
    low, high = seen / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(seen, of, middle) > 1 - SURE:
            low = middle
        else:
            high = middle
    return high


def _at_most(seen: int, of: int, share: float) -> float:
    """How likely it is to see so many or fewer."""
    if share <= 0.0 or share >= 1.0:
        return float(share <= 0.0)
    whole = lgamma(of + 1)
    return sum(
        exp(whole - lgamma(one + 1) - lgamma(of - one + 1) + one * log(share) + (of - one) * log(1 - share))
        for one in range(seen + 1)
    )


def _return_words(measured: Measured) -> str:
    """ "at 4,100 calls a month this would cost $11 and save $7"."""
    calls = round(measured.monthly(measured.calls))
    cost, saved = measured.monthly(measured.embed_pico), measured.monthly(measured.saved_pico)
    return f"at {_calls(calls)} a month this would cost {_usd(cost)} and save {_usd(saved)}"


def _unpriced_words(measured: Measured) -> str:
    number = measured.embeds_unpriced
    return f"; the cost of {number:,} embedding{'' if number == 1 else 's'} isn't known" if number else ""


def _calls(number: int) -> str:
    return f"{number:,} call{'' if number == 1 else 's'}"


def _usd(pico: float) -> str:
    usd = pico / PICO_PER_USD
    return f"${usd:,.0f}" if usd >= 10 or not usd else f"${usd:,.2f}" if usd >= 0.01 else f"${usd:.4f}"
