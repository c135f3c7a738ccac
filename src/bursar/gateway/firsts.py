"""The first calls of a model at an upstream, until its first bill: how many are under way, and who waits for it.

What an upstream adds to a request (tools, a system prompt) is in no request, so the first bill is the first word of it:
until then a budget can't be kept by what calls show. So of a model that never billed, only a few calls that a hard
budget touches are under way at a time, each held with a margin; the others wait for the first bill, for a while.
One worker's; what was learned outlives it (`learned.py`), so this happens once for each model of an upstream.
"""

import asyncio
import contextlib

import msgspec

from bursar.budgets.bounds import MODELS_MAX, TokenCeilings

FIRST_CALLS_MAX = 4  # under way on a node; each worker has a part of them, and one at least
FIRST_BILL_WAIT_S = 10.0  # after that, calls go on with the margin alone: an answer may take many minutes


class First(msgspec.Struct):
    """The place of one call among the first of its model; `is_open` until it is left, once."""

    learned: str
    is_open: bool = True


class Firsts:
    """ceilings: what was learned. workers: of the node. `learned`, all through: a model as `learned_as` names it."""

    def __init__(self, ceilings: TokenCeilings, workers: int = 1) -> None:
        self.waited = 0  # calls that had to wait for a first bill
        self._ceilings = ceilings
        self._most = max(1, FIRST_CALLS_MAX // workers)
        self._under_way: dict[str, int] = {}
        self._silent: set[str] = set()  # answered without usage: there will be no bill to wait for
        self._news: dict[str, asyncio.Event] = {}

    def is_new(self, learned: str) -> bool:
        """Whether nothing is known yet of what a call of the model may be billed."""
        return not self._ceilings.knows(learned) and learned not in self._silent

    def may_enter(self, learned: str, *, alone: bool = False) -> bool:
        """Whether there is a place; alone: whether nobody has one."""
        return self._under_way.get(learned, 0) < (1 if alone else self._most)

    def is_alone(self, learned: str) -> bool:
        """Whether there is just one call under way."""
        return self._under_way.get(learned, 0) == 1

    def enter(self, learned: str) -> First:
        """Take a place; each is to be left."""
        self._under_way[learned] = self._under_way.get(learned, 0) + 1
        return First(learned)

    def leave(self, first: First, *, was_answered: bool = False) -> None:
        """End a place, and wake who waits. Leaving twice is leaving once.

        was_answered: the call was; if no bill was learned of then, none will be.
        """
        if not first.is_open:
            return
        first.is_open = False
        learned = first.learned
        self._under_way[learned] -= 1
        if not self._under_way[learned]:
            del self._under_way[learned]
        if was_answered and not self._ceilings.knows(learned) and len(self._silent) < MODELS_MAX:
            self._silent.add(learned)
        if news := self._news.pop(learned, None):
            news.set()

    async def news(self, learned: str, timeout_s: float) -> None:
        """Wait until one of the model's first calls has ended, or time is up."""
        self.waited += 1
        news = self._news.setdefault(learned, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), max(timeout_s, 0.0))
