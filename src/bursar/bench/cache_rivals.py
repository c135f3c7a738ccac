"""What marks are compared with: fixed rules, of which the best is picked afterwards, and perfect foresight."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from bursar.bench.cache_trace import MINIMUM_TOKENS, CacheCall, CacheModel
from bursar.gateway.prompt_cache.policy import Mark
from bursar.gateway.prompt_cache.rates import FIVE_MINUTES_US, ONE_HOUR_US, READY_US, CacheRates

NEW_UP_TO = (0, 2_048, 4_096, 8_192, 16_384, 32_768, 1_000_000)
NEVER = float("inf")


class FixedRule(msgspec.Struct, frozen=True):
    """Marks behind the longest beginning that came `seen` times before, and at the prompt's end where it has at most
    `new_up_to` tokens. The end is its last block but one: the last one is cut off in its midst, and never comes again.
    """

    seen: int
    new_up_to: int
    is_1h: bool

    def __str__(self) -> str:
        kept = "1 h" if self.is_1h else "5 m"
        return f"seen {self.seen}x, all of up to {self.new_up_to:,} tokens, {kept}"


def fixed_rules() -> list[FixedRule]:
    """All that are tried."""
    return [FixedRule(seen, most, is_1h) for seen in (1, 2, 3) for most in NEW_UP_TO for is_1h in (False, True)]


class Total(msgspec.Struct):
    """Tokens of a whole replay: sent, read from the cache, and what it cost at the input price."""

    sent: int = 0
    read: int = 0
    cost: float = 0.0

    @property
    def saving(self) -> float:
        """Share of the cost without a cache; below zero where it cost more."""
        return 1 - self.cost / self.sent


def replay_rule(calls: Sequence[CacheCall], rule: FixedRule, rates: CacheRates) -> Total:
    """A fixed rule on a trace."""
    provider = CacheModel()
    counts: dict[int, int] = defaultdict(int)
    total = Total()
    for call in calls:
        known = 0
        for block in call.blocks:
            if counts[block.prefix] < rule.seen:
                break
            known += 1
        at = {known - 1} if known else set()
        if call.tokens <= rule.new_up_to and len(call.blocks) > 1:
            at.add(len(call.blocks) - 2)
        add_bill(total, call, provider, [Mark(index, rule.is_1h) for index in sorted(at)], rates)
        for block in call.blocks:
            counts[block.prefix] += 1
    return total


def replay_ends(calls: Sequence[CacheCall], rates: CacheRates) -> Total:
    """One mark at the end of each prompt for five minutes, as clients set it that let the provider place it."""
    provider = CacheModel()
    total = Total()
    for call in calls:
        add_bill(total, call, provider, [Mark(len(call.blocks) - 1)], rates)
    return total


def add_bill(total: Total, call: CacheCall, provider: CacheModel, marks: Sequence[Mark], rates: CacheRates) -> None:
    """Send one call, and add what it cost."""
    bill = provider.call(call, marks)
    total.sent += call.tokens
    total.read += bill.read
    total.cost += bill.cost(rates)


def foresight(calls: Sequence[CacheCall], rates: CacheRates) -> Total:
    """The least that the trace can cost to somebody who knows all of it beforehand; a bound, and no way to reach it.

    Each block of each call is decided by itself: not written, written for five minutes or for an hour, as its future
    wants it. Any number of marks, at any place, no lookback, no block in front of it needed. Only what the provider's
    prices and times say holds: a write is readable two seconds later, until its time has passed since its last use;
    prompts below the minimum have no cache.
    """
    seen: dict[int, list[tuple[int, int]]] = defaultdict(list)  # when it came, its tokens
    total = Total()
    for call in calls:
        total.sent += call.tokens
        if call.tokens < MINIMUM_TOKENS:
            total.cost += call.tokens
            continue
        for block in call.blocks:
            seen[block.prefix].append((call.at_us, block.tokens))
    for came in seen.values():
        tokens = came[0][1]
        cost, reads = _cheapest([at_us for at_us, _ in came], rates)
        total.cost += tokens * cost
        total.read += tokens * reads
    return total


_State = tuple[int, int]
"""Of one block: for how long it is kept, 0 for not at all; and when it was written, 0 where it can be read by now."""


def _cheapest(times: list[int], rates: CacheRates) -> tuple[float, int]:
    """Cost in input prices and reads of one block that comes at these times."""
    states = {state: (cost, 0) for state, cost in _fresh(times[0], rates)}
    for before_us, now_us in pairwise(times):
        after: dict[_State, tuple[float, int]] = {}
        for state, cost, reads in _moves(states, before_us, now_us, rates):
            if state not in after or cost < after[state][0]:
                after[state] = (cost, reads)
        states = after
    return min(states.values())


def _fresh(now_us: int, rates: CacheRates) -> list[tuple[_State, float]]:
    """A block that isn't kept may be left so, or be written."""
    hour = NEVER if rates.write_1h is None else rates.write_1h
    return [((0, 0), 1.0), ((FIVE_MINUTES_US, now_us), rates.write_5m), ((ONE_HOUR_US, now_us), hour)]


def _moves(
    states: dict[_State, tuple[float, int]], before_us: int, now_us: int, rates: CacheRates
) -> Iterator[tuple[_State, float, int]]:
    for (ttl_us, written_us), (cost, reads) in states.items():
        if ttl_us and now_us - before_us <= ttl_us:
            if now_us - written_us >= READY_US:
                yield (ttl_us, 0), cost + rates.read, reads + 1
            else:
                yield (ttl_us, written_us), cost + 1, reads
            continue
        for state, price in _fresh(now_us, rates):
            yield state, cost + price, reads


def readable_tokens(calls: Sequence[CacheCall]) -> int:
    """Tokens that came before within an hour, and not in the last two seconds: no cache reads more."""
    last: dict[int, int] = {}
    found = 0
    for call in calls:
        for block in call.blocks:
            gap_us = call.at_us - last.get(block.prefix, -ONE_HOUR_US - 1)
            if READY_US <= gap_us <= ONE_HOUR_US and call.tokens >= MINIMUM_TOKENS:
                found += block.tokens
            last[block.prefix] = call.at_us
    return found


def new_again_share(calls: Sequence[CacheCall]) -> float:
    """Of the tokens that came for the first time, the share that came again within five minutes."""
    first: dict[int, tuple[int, int]] = {}  # when, tokens
    again: set[int] = set()
    for call in calls:
        for block in call.blocks:
            came = first.setdefault(block.prefix, (call.at_us, block.tokens))
            if READY_US <= call.at_us - came[0] <= FIVE_MINUTES_US:
                again.add(block.prefix)
    return sum(first[prefix][1] for prefix in again) / sum(tokens for _, tokens in first.values())
