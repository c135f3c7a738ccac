"""What was paid for nothing: retries by whom, answers cut off, requests sent over and over."""

from collections.abc import Iterator
from decimal import Decimal

from bursar.explore.filters import Filter
from bursar.reviews.facts import Facts, Opens
from bursar.reviews.said import Said
from bursar.reviews.words import Words

SHARE_LEAST = Decimal("0.002")  # of what was spent: less isn't worth a sentence
MONEY_LEAST = Decimal("0.10")  # USD


def wasted(facts: Facts, words: Words) -> Iterator[Said]:
    """One sentence a cause, with the feature that has most of it."""
    least = max(MONEY_LEAST, SHARE_LEAST * facts.now.cost)
    total = sum((one.cost for one in facts.wasted), Decimal(0))
    before = sum((one.before for one in facts.wasted), Decimal(0))
    if total >= least:
        share = words.share(total, facts.now.cost)
        change = f", {words.than(total, before, f'in {facts.before}')}" if before else ""
        yield Said(
            f"{words.money(total)} brought nothing, {share} of what was spent{change}.",
            Opens("/loops"),
            total,
            "bad" if total > before and facts.then.attempts else "plain",
        )
    for one in facts.wasted:
        if one.cost < least:
            continue
        change = f" ({words.more(one.cost, one.before)})" if facts.then.attempts else ""
        whose = ""
        if one.of_feature * 2 > one.cost:
            whose = f", {words.share(one.of_feature, one.cost)} of it by {words.name('feature', one.feature)}"
        yield Said(
            f"{one.label}: {words.money(one.cost)}{change} for {words.attempts(one.attempts)}{whose}.",
            Opens("/calls", one.filters),
            one.cost,
            "bad" if one.cost > one.before and facts.then.attempts else "plain",
        )


def repeats(facts: Facts, words: Words) -> Iterator[Said]:
    """Requests that were asked again and again, each time paid for."""
    for one in facts.repeated:
        yield Said(
            f"{words.name('feature', one.feature)} sent one request {words.count(one.calls)} times, for "
            f"{words.money(one.cost)}: an exact cache would have answered all but the first.",
            Opens("/calls", (Filter("fingerprint", (one.fingerprint,)),)),
            one.cost,
            "bad",
        )
