"""What was spent, against the period before, and who moved it. A change is split in two parts that add up exactly."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from bursar.explore.filters import Filter
from bursar.reviews.facts import Facts, Group, MonthSpend, Opens, Spend
from bursar.reviews.said import Said, Tone
from bursar.reviews.words import Words

MOVER_SHARE = Decimal("0.01")  # of what was spent then and now: a smaller move is no news
MOVER_LEAST = Decimal("0.50")  # USD, and below that neither
MONTHS_SHOWN = 6


class Split(NamedTuple):
    """A change of cost: what more or fewer calls made, and what a call's cost made. They sum to the change."""

    by_calls: Decimal
    by_cost_per_call: Decimal


def split(now: Spend, before: Spend) -> Split:
    """At the earlier cost per call; where there were no calls before, or are none now, calls made all of it."""
    delta = now.cost - before.cost
    if not before.calls or not now.calls:
        return Split(delta, Decimal(0))
    by_calls = (now.calls - before.calls) * before.cost / before.calls
    return Split(by_calls, delta - by_calls)


def totals(facts: Facts, words: Words) -> Iterator[Said]:
    """The sum, why it moved, and what of it isn't sure."""
    now, then = facts.now, facts.then
    if not now.attempts and not then.attempts:
        return
    explore = Opens("/explore")
    change = "" if not then.attempts else f", {_against(now.cost, then.cost, words)} in {facts.before}"
    yield Said(f"{words.money(now.cost)} for {words.calls(now.calls)}{change}.", explore, now.cost)
    parts = split(now, then)
    if then.calls and now.calls and abs(now.cost - then.cost) >= MOVER_LEAST:
        delta, by_calls, by_each = now.cost - then.cost, parts.by_calls, parts.by_cost_per_call
        yield Said(
            f"The {words.rise(delta)}: {_part(by_calls, words)} by the number of calls "
            f"({words.more(now.calls, then.calls, 'many')}), {_part(by_each, words)} by what a call costs.",
            explore,
            delta,
            "bad" if delta > 0 else "good",
        )
    if now.saved > 0:
        yield Said(
            f"Without caches, routes and batches it would have been {words.money(now.cost + now.saved)}: "
            f"{words.money(now.saved)} saved.",
            Opens("/savings"),
            now.saved,
            "good",
        )
    yield from doubts(now, words)


def doubts(now: Spend, words: Words) -> Iterator[Said]:
    """What the figures above can't say."""
    for number, quality, text in (
        (now.unpriced, "unpriced", "without a price: that cost is in no figure here"),
        (now.assumed, "assumed", "whose end we never heard: booked at the most that can be"),
        (now.estimated, "estimated", "without reported usage: estimated from bytes"),
    ):
        if number:
            yield Said(
                f"{words.attempts(number)} {text}.",
                Opens("/calls", (Filter("quality", (quality,)),)),
                None,
                "bad" if quality == "unpriced" else "plain",
            )


def movers(groups: Sequence[Group], facts: Facts, words: Words) -> Iterator[Said]:
    """Who spent more or less than before, and by what."""
    if not facts.then.attempts:
        return
    least = max(MOVER_LEAST, MOVER_SHARE * max(facts.now.cost, facts.then.cost))
    for group in groups:
        if abs(group.delta) < least:
            continue
        name = words.named(group.of[0], group.keys[0])
        tone: Tone = "bad" if group.delta > 0 else "good"
        opens = Opens("/explore", group.filters, (("by", "model"),))
        if not group.before.cost:
            yield Said(f"{name} is new: {words.money(group.now.cost)}.", opens, group.delta, tone)
        elif not group.now.cost:
            spent = words.money(group.before.cost)
            yield Said(f"{name} spent nothing, after {spent} in {facts.before}.", opens, group.delta, tone)
        else:
            yield Said(_moved(name, group, words), opens, group.delta, tone)


def trend(months: Sequence[MonthSpend], words: Words) -> Iterator[Said]:
    """The last months in a line, and how far the newest one is from their usual."""
    shown = sorted(months, key=lambda one: one.first)[-MONTHS_SHOWN:]
    spent = [one for one in shown if one.spend.attempts and not one.is_cut]
    if len(spent) < 2:
        return
    line = ", ".join(
        f"{one.first:%b}{' so far' if one.is_running else ''} {words.money(one.spend.cost)}" for one in spent
    )
    first, last = spent[0], spent[-1]
    change = "" if last.is_running else f": {words.than(last.spend.cost, first.spend.cost, f'in {first.first:%B}')}"
    yield Said(
        f"{line}{change}.",
        Opens("/explore", extra=(("period", f"{first.first}..{_end_of_month(last.first)}"),), has_period=False),
        last.spend.cost - first.spend.cost,
    )
    if first.spend.per_call and last.spend.per_call:
        yield Said(
            f"A thousand calls cost {words.money(1000 * last.spend.per_call)}, "
            f"{_against(last.spend.per_call, first.spend.per_call, words, first.spend.per_call * 1000)} "
            f"in {first.first:%B}.",
            Opens("/explore"),
            None,
        )


def _moved(name: str, group: Group, words: Words) -> str:
    parts = split(group.now, group.before)
    larger = max(parts, key=abs)
    why = "calls" if larger is parts.by_calls else "cost per call"
    calls = words.more(group.now.calls, group.before.calls, "many")
    text = f"{name} spent {words.rise(group.delta)}, {words.money(group.now.cost)} in all: "
    if why == "calls":
        return text + f"{_part(parts.by_calls, words)} by its calls ({calls}), the rest by what each costs."
    each = words.more(group.now.per_call or 0, group.before.per_call or 0)
    return text + f"{_part(parts.by_cost_per_call, words)} by what a call costs ({each}), the rest by their number."


def _end_of_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _part(amount: Decimal, words: Words) -> str:
    return "nothing" if amount == 0 else ("+" if amount > 0 else "−") + words.money(abs(amount))


def _against(now: Decimal, before: Decimal, words: Words, shown: Decimal | None = None) -> str:
    return words.than(now, before, f"the {words.money(before if shown is None else shown)}")
