"""The first calls of a model at an upstream, until its first bill: how many are under way, and who waits for it.

What an upstream adds to a request (tools, a system prompt) is in no request, so the first bill is the first word of it:
until then a budget can't be kept by what calls show. So of a model that never billed, only a few calls that a hard
budget touches are under way at a time, each held with a margin; the others wait for the first bill, for a while.
One worker's; what was learned outlives it (`learned.py`), so this happens once for each model of an upstream.
"""

import asyncio
import contextlib
from collections import deque

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
        self._waiting: dict[tuple[str, bool], deque[asyncio.Future[None]]] = {}  # by whether they need to be alone

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
        """End a place; the next one that waits has it, and all go on once the bill is known. Twice is once.

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
        self._wake(learned)

    async def turn(self, learned: str, timeout_s: float, *, alone: bool = False) -> None:
        """Wait for a place, for the first bill, or until time is up; in the order of coming."""
        self.waited += 1
        mine = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault((learned, alone), deque())
        queue.append(mine)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(timeout_s, 0.0)):
                    await asyncio.shield(mine)
        except asyncio.CancelledError:
            if mine.done():
                self._wake(learned)  # its turn is another's
            raise
        finally:
            mine.cancel()

    def _wake(self, learned: str) -> None:
        """The next one that waits, or all if the bill is known. One at a time: hundreds may wait."""
        is_new = self.is_new(learned)
        for alone in (True, False):
            if is_new and not self.may_enter(learned, alone=alone):
                continue
            queue = self._waiting.get((learned, alone), deque())
            while queue:
                waiting = queue.popleft()
                if not waiting.done():
                    waiting.set_result(None)
                    if is_new:
                        return
            self._waiting.pop((learned, alone), None)
