"""Who bears which part of a cached content's life: pure, the same for whatever order its rows were read in.

The call that makes a cache bears the time until its first end, a call that prolongs it the time from that end to the
new one. So an hour is in the books of whoever asked for it, when it was asked for; and a cache's charges are its whole
life cut into pieces without gap or overlap. A shortened lifetime or a deletion takes off what lies behind it, from all.
"""

from collections.abc import Iterable

import msgspec

from bursar.domain.charge import Operation

CACHE_OPERATIONS = frozenset({Operation.CACHE, Operation.CACHE_CHANGE, Operation.CACHE_DELETE})
AS_EXPECTED = "kept until its expected end"
AS_OTHERS = "other calls changed its lifetime before"


class Fact(msgspec.Struct, frozen=True, order=True):
    """One call about a cache. Microseconds since the epoch.

    from_us: when it was made or changed, by the provider's word. until_us: kept until then; of a deletion, its moment.
    tokens: 0: not said.
    """

    from_us: int
    until_us: int
    attempt_id: str
    call_id: str
    operation: str
    tokens: int


class Share(msgspec.Struct):
    """What a call bears of a cache's life: [from_us, until_us).

    is_final:    nothing can change it any more: the cache is gone, or the time is over.
    is_unseen:   the cache's making wasn't seen, so where the time before ended isn't known: the most that it can be.
    why:         what cut it; "" for nothing.
    """

    attempt_id: str
    call_id: str
    operation: str
    tokens: int
    from_us: int
    until_us: int
    is_final: bool = False
    is_unseen: bool = False
    why: str = ""

    @property
    def place(self) -> tuple[int, int, bool]:
        return self.from_us, self.until_us, self.is_final


def share_life(facts: Iterable[Fact], now_us: int) -> list[Share]:
    """The shares of the calls that made and changed one cache, in the order in which they did."""
    ordered = sorted(facts)
    made = next((fact for fact in ordered if fact.operation == Operation.CACHE), None)
    changes = [fact for fact in ordered if fact.operation == Operation.CACHE_CHANGE]
    tokens = next((fact.tokens for fact in (made, *changes) if fact is not None and fact.tokens), 0)
    shares: list[Share] = []
    until_us: int | None = None
    if made is not None:
        shares.append(_share(made, tokens, made.from_us, made.until_us))
        until_us = made.until_us
    for change in changes:
        if until_us is None:
            shares.append(_share(change, tokens, change.from_us, change.until_us, is_unseen=True))
            until_us = change.until_us
        elif change.until_us >= until_us:
            shares.append(_share(change, tokens, until_us, change.until_us))
            until_us = change.until_us
        else:
            until_us = min(until_us, max(change.until_us, change.from_us))  # what is over was kept
            _cut(shares, until_us, f"lifetime shortened by call {change.call_id}")
            shares.append(_share(change, tokens, until_us, until_us))
    gone = min((fact for fact in ordered if fact.operation == Operation.CACHE_DELETE), default=None,
               key=lambda fact: fact.until_us)  # fmt: skip
    if gone is not None and shares:
        _cut(shares, max(gone.until_us, shares[0].from_us), f"deleted by call {gone.call_id}")
    for share in shares:
        share.is_final = gone is not None or share.until_us <= now_us
    return shares


def _cut(shares: list[Share], end_us: int, why: str) -> None:
    """Take off what lies behind an instant, from the last share backwards: their ends never fall."""
    for share in reversed(shares):
        if share.until_us <= end_us:
            return
        share.from_us, share.until_us, share.why = min(share.from_us, end_us), end_us, why


def _share(fact: Fact, tokens: int, from_us: int, until_us: int, *, is_unseen: bool = False) -> Share:
    return Share(
        fact.attempt_id, fact.call_id, fact.operation, fact.tokens or tokens, from_us, until_us, is_unseen=is_unseen
    )
