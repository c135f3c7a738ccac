"""Answers and prompts that grew, and those that dominate the bill."""

from collections.abc import Iterator
from decimal import Decimal

from bursar.reviews.facts import Facts, Opens, Spend
from bursar.reviews.said import Said
from bursar.reviews.words import Words

CALLS_LEAST = 20  # in both periods: fewer say little of a usual length
GREW = Decimal("1.15")
COST_LEAST = Decimal("0.50")  # USD that it made
DOMINATES = Decimal("0.1")  # of the bill


def grew(facts: Facts, words: Words) -> Iterator[Said]:
    """Features whose calls hold more tokens than before and cost more for it."""
    for group in facts.features:
        now, before = group.now, group.before
        if min(now.calls, before.calls) < CALLS_LEAST or not now.per_call or not before.per_call:
            continue
        dearer = (now.per_call - before.per_call) * now.calls
        if dearer < COST_LEAST:
            continue
        longer = [
            text
            for text in (
                _longer("answers", now.output_tokens, now.calls, before.output_tokens, before.calls, words),
                _longer("prompts", now.input_tokens, now.calls, before.input_tokens, before.calls, words),
                _colder(now, before, words),
            )
            if text
        ]
        if longer:
            name = words.name("feature", group.keys[0])
            yield Said(
                f"{name}: {' and '.join(longer)}. A call costs {words.money(now.per_call - before.per_call)} more, "
                f"which made {words.money(dearer)}.",
                Opens("/calls", group.filters, (("order", "dearest"),)),
                dearer,
                "bad",
            )


def dominating(facts: Facts, words: Words) -> Iterator[Said]:
    """Prompts (a feature at a model) with a tenth of the bill or more, and what is in them."""
    for group in facts.prompts:
        now = group.now
        if not facts.now.cost or now.cost < DOMINATES * facts.now.cost or not now.calls:
            continue
        feature, model = group.keys
        cached = ""
        if now.input_tokens:
            cached = f", {words.share(now.cache_read_tokens, now.input_tokens)} of the input from a cache"
        yield Said(
            f"{words.name('feature', feature)} on {words.name('model', model)} is "
            f"{words.share(now.cost, facts.now.cost)} of the bill, {words.money(now.cost)}: "
            f"{words.calls(now.calls)} of "
            f"{words.tokens(_each(now.input_tokens, now.calls))} in and "
            f"{words.tokens(_each(now.output_tokens, now.calls))} out{cached}.",
            Opens("/calls", group.filters, (("order", "dearest"),)),
            now.cost,
        )


def unit_costs(facts: Facts, words: Words) -> Iterator[Said]:
    """What a call, and a customer, costs."""
    known = [group for group in facts.customers if group.keys[0] and group.now.cost]
    if len(known) == 1:
        only = known[0]
        yield Said(
            f"{only.keys[0]} is the only customer that calls name: {words.money(only.now.cost)}.",
            Opens("/explore", only.filters),
            only.now.cost,
        )
    if len(known) > 1:
        cost = sum((group.now.cost for group in known), Decimal(0))
        before = [group.before.cost for group in facts.customers if group.keys[0] and group.before.cost]
        each = cost / len(known)
        change = ""
        if before:
            change = f", {words.than(each, sum(before, Decimal(0)) / len(before), f'in {facts.before}')}"
        yield Said(
            f"{len(known)} customers cost {words.money(each)} each on average{change}.",
            Opens("/explore", extra=(("by", "customer"),)),
            cost,
        )
        dearest = max(known, key=lambda group: group.now.cost)
        yield Said(
            f"{dearest.keys[0]} is the dearest: {words.money(dearest.now.cost)}, "
            f"{words.share(dearest.now.cost, cost)} of what customers cost.",
            Opens("/explore", dearest.filters),
            dearest.now.cost,
        )
    for group in sorted(facts.features, key=lambda one: -one.now.cost)[:3]:
        if group.now.per_call:
            change = ""
            if group.before.per_call:
                change = f", {words.than(group.now.per_call, group.before.per_call, f'in {facts.before}')}"
            yield Said(
                f"A call of {words.name('feature', group.keys[0])} costs {words.money(group.now.per_call)}{change}.",
                Opens("/explore", group.filters),
                group.now.cost,
            )


def _longer(what: str, now: int, calls: int, before: int, calls_before: int, words: Words) -> str:
    each, each_before = _each(now, calls), _each(before, calls_before)
    if not each_before or each < GREW * each_before:
        return ""
    by = words.more(each, each_before).removesuffix(" more").removesuffix(" as much")
    return f"{what} grew {by}, to {words.tokens(each)}"


def _colder(now: Spend, before: Spend, words: Words) -> str:
    """A provider's cache that answers much less than it did."""
    if not now.input_tokens or not before.input_tokens:
        return ""
    hits, hits_before = (Decimal(one.cache_read_tokens) / one.input_tokens for one in (now, before))
    if hits_before < Decimal("0.1") or hits * 2 > hits_before:
        return ""
    share, share_before = words.share(hits, Decimal(1)), words.share(hits_before, Decimal(1))
    return f"the provider's cache gave {share} of the input, after {share_before}"


def _each(tokens: int, calls: int) -> Decimal:
    return (Decimal(tokens) / calls).quantize(Decimal(1)) if calls else Decimal(0)
