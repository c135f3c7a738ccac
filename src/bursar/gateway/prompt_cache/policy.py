"""Where the marks of a call go and how long each is kept: decided without a byte of its body.

A prompt is a list of blocks in the provider's order. Each carries the hash of everything up to its end, so equal hashes
are equal prefixes. Worth writing is what was seen to come again often enough (`learned_reuse.py`), as far as the
account allows (`account.py`). What is read already is marked again, which costs nothing and keeps it.
"""

import msgspec

from bursar.gateway.prompt_cache.account import Account
from bursar.gateway.prompt_cache.learned_reuse import NEVER_CAME, LearnedReuse, Reuse, note_again, note_sent
from bursar.gateway.prompt_cache.prefixes import Prefixes, Seen
from bursar.gateway.prompt_cache.rates import FIVE_MINUTES_US, MARKS_MAX, READY_US, CacheRates, Premiums

TOOLS, SYSTEM, DOCUMENT, HISTORY, LAST = range(5)
"""Kinds of blocks. LAST: the end of a prompt, which the next turn of a conversation goes on from, or nobody does."""

KINDS = 8
SEEN_MAX = 2
LATE = SEEN_MAX + 1
"""How often a block came before: not at all, once, oftener; or longer ago than five minutes."""


class Block(msgspec.Struct, frozen=True, gc=False):
    """prefix: the hash of everything up to its end. tokens: its own. can_mark: whether a mark may stand behind it."""

    prefix: int
    tokens: int
    kind: int = HISTORY
    can_mark: bool = True


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Behind the block of this index, kept for an hour or for five minutes."""

    block: int
    is_1h: bool = False


class Terms(msgspec.Struct, frozen=True):
    """What a model takes. minimum: tokens of the shortest prefix that is kept. ttl: auto, 5m or 1h, by the rule."""

    rates: CacheRates
    minimum: int
    ttl: str = "auto"


class Series:
    """What was learned from calls that are alike: of one credential, model, feature and request type."""

    def __init__(self) -> None:
        self.account = Account()
        self.reuse = LearnedReuse()


class Plan(msgspec.Struct):
    """The marks of one call in the order of its blocks. premium: what its writes cost more, in tokens at the input
    price; it is held in the accounts until the call's bill is known."""

    marks: list[Mark]
    premium: float
    seen: list[Seen]
    accounts: tuple[Account, ...]

    def keep(self, marks: list[Mark], now_us: int) -> list[Seen]:
        """These of its marks are sent. Returns what is kept by now: to be dropped if the call comes to nothing."""
        kept = [self.seen[mark.block] for mark in marks]
        for seen, mark in zip(kept, marks, strict=True):
            seen.keep(now_us, is_1h=mark.is_1h)
        return kept

    def end(self, paid: float, saved: float) -> None:
        """Its bill is known: what it really paid more for writes, and saved by reads."""
        for account in self.accounts:
            account.end(self.premium, paid, saved)


class _Ends(msgspec.Struct):
    """How far is read, and up to which block is written for an hour and then for five minutes; -1: nothing is."""

    read: int
    hour: int = -1
    minutes: int = -1
    premium: float = 0.0


def plan_marks(
    blocks: list[Block], series: Series, prefixes: Prefixes, terms: Terms, now_us: int, whole: Account | None = None
) -> Plan:
    """Learn from a call's blocks, and say where its marks go. It is called once for each call that is sent.

    whole: an account of more than this series, whose allowance holds as well: series without end must not each have
    an advance of their own.
    """
    accounts = (series.account,) if whole is None else (series.account, whole)
    seen = [prefixes.find(block.prefix) for block in blocks]
    total = new = 0
    for block, known in zip(blocks, seen, strict=True):
        total += block.tokens
        if not known.count:
            new += block.tokens
    size_class = new.bit_length() // 2  # in powers of four
    premiums = terms.rates.premiums(terms.ttl)
    classes: list[Reuse] = []
    for block, known in zip(blocks, seen, strict=True):
        gap_us = now_us - known.last_us if known.count else NEVER_CAME
        again = 0 if not known.count else LATE if gap_us > FIVE_MINUTES_US else min(known.count, SEEN_MAX)
        class_id = (size_class * KINDS + block.kind) * (LATE + 1) + again
        now = series.reuse.of(class_id, total, gap_us)
        if known.reuse is not None and gap_us >= READY_US:
            note_again(known.reuse, now, block.tokens, gap_us, premiums)
        classes.append(now)
    allowance = min([account.allowance() for account in accounts])
    marks: list[Mark] = []
    ends = _Ends(-1)
    if allowance >= 0:  # below it, the provider didn't keep what was paid for: not even a read is tried
        ends = _ends(blocks, seen, classes, allowance, premiums, terms.minimum, now_us)
        marks = _marks(blocks, seen, ends, terms.minimum, now_us)
    for block, known, now in zip(blocks, seen, classes, strict=True):
        note_sent(now, block.tokens)
        known.count += 1
        known.last_us = now_us
        known.reuse = now
    for account in accounts:
        account.sent += total
        account.held += ends.premium
    return Plan(marks, ends.premium, seen, accounts)


def _ends(
    blocks: list[Block],
    seen: list[Seen],
    classes: list[Reuse],
    allowance: float,
    premiums: Premiums,
    minimum: int,
    now_us: int,
) -> _Ends:
    """The ends that gain most: a part that is kept for an hour, then a part for five minutes; either may be empty."""
    read = next((index for index in range(len(blocks) - 1, -1, -1) if seen[index].is_live(now_us)), -1)
    can_hour = read < 0 or seen[read].is_1h  # what is kept longer must stand before what is kept shorter
    best, best_gain = _Ends(read), 0.0
    tokens = 0
    gain_minutes = gain_hour = paid_minutes = paid_hour = 0.0
    split, split_gain, split_paid = -1, 0.0, 0.0  # the best end of an hour's part so far, and what it adds to minutes
    for index, block in enumerate(blocks):
        tokens += block.tokens
        if index <= read:
            continue
        odds = classes[index]
        gain_minutes += block.tokens * (odds.gained_5m / odds.seen - premiums.minutes)
        gain_hour += block.tokens * (odds.gained_1h / odds.seen - premiums.hour)
        paid_minutes += block.tokens * premiums.minutes
        paid_hour += block.tokens * premiums.hour
        if not block.can_mark or tokens < minimum:
            continue
        if can_hour and paid_hour <= allowance:
            if gain_hour - gain_minutes > split_gain:
                split, split_gain, split_paid = index, gain_hour - gain_minutes, paid_hour - paid_minutes
            if gain_hour > best_gain:
                best, best_gain = _Ends(read, index, -1, paid_hour), gain_hour
        paid = paid_minutes + split_paid
        if gain_minutes + split_gain > best_gain and paid <= allowance and index > split:
            best, best_gain = _Ends(read, split, index, paid), gain_minutes + split_gain
    return best


def _marks(blocks: list[Block], seen: list[Seen], ends: _Ends, minimum: int, now_us: int) -> list[Mark]:
    """On what is read, at the ends of what is written, and where other calls went another way from here."""
    at: dict[int, bool] = {}
    if ends.read >= 0:
        at[ends.read] = seen[ends.read].is_1h
    if ends.hour >= 0:
        at[ends.hour] = True
    if ends.minutes >= 0:
        at[ends.minutes] = False
    written = max(ends.hour, ends.minutes)
    forks: list[tuple[int, int]] = []  # (calls that went another way, index)
    tokens = 0
    for index in range(len(blocks) - 1):
        block = blocks[index]
        tokens += block.tokens
        if index >= written and index >= ends.read:
            break
        gone = seen[index].count - seen[index + 1].count
        if not block.can_mark or index in at or tokens < minimum:
            continue
        is_fork = gone > 0 or block.kind != blocks[index + 1].kind
        if is_fork and (index > ends.read or seen[index].is_live(now_us)):
            forks.append((gone, index))
    forks.sort(reverse=True)
    for _, index in forks[: MARKS_MAX - len(at)]:
        at[index] = seen[index].is_1h if index < ends.read else index < ends.hour
    marks: list[Mark] = []
    for index in sorted(at):
        if at[index] and marks and not marks[-1].is_1h:
            continue  # one for an hour behind one for five minutes would be refused
        marks.append(Mark(index, at[index]))
    return marks
