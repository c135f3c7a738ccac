"""What a call saved, by the lever that saved it: steps from what it would have cost to what it did.

The steps are taken in one order, each from what is left after those before it, so that no cent is counted twice and
their sum is the whole difference, to the last pico:

1. routing:         the model and provider that were asked for → those that served it
2. batch:           its standard service tier → a cheaper one (batch, flex)
3. prompt_cache:    every token at its plain price → the provider's own prompt cache, whose writes may cost more
4. response_cache,  → its answer was kept, so it was not sent at all; or
   semantic_cache:    one to a request that means the same was
A step that cost more than it saved is negative. What was negotiated comes after them and is no saving of engineers:
list cost less effective cost.
"""

import msgspec

from bursar.domain.charge import Lever

CHEAPER_TIERS = frozenset({"batch", "flex"})
"""Service tiers that cost less for waiting. A dearer one is the caller's choice, and saves nothing."""


class Saved(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Pico-USD by lever, in the order of the steps.

    >>> saved = Saved(routing=700, prompt_cache=-50)
    >>> saved.total, saved.lever
    (650, 'routing')
    """

    routing: int = 0
    batch: int = 0
    prompt_cache: int = 0
    response_cache: int = 0
    semantic_cache: int = 0

    @property
    def total(self) -> int:
        """All steps together: counterfactual less list cost."""
        return self.routing + self.batch + self.prompt_cache + self.response_cache + self.semantic_cache

    @property
    def lever(self) -> str:
        """The lever that made the most difference, of equals the first; "" where none made any."""
        amounts = msgspec.structs.astuple(self)
        most = max(map(abs, amounts))
        if not most:
            return ""
        return LEVERS[next(at for at, amount in enumerate(amounts) if abs(amount) == most)]

    def plus(self, other: "Saved") -> "Saved":
        """Both together, step by step."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Saved(*(one + more for one, more in pairs))

    def steps(self) -> list[tuple[str, int]]:
        """(lever, pico) of those that made a difference."""
        return [(lever, getattr(self, lever)) for lever in LEVERS if getattr(self, lever)]


LEVERS: tuple[str, ...] = (
    Lever.ROUTING.value,
    Lever.BATCH.value,
    Lever.PROMPT_CACHE.value,
    Lever.RESPONSE_CACHE.value,
    Lever.SEMANTIC_CACHE.value,
)
"""The levers in the order of their steps: the fields of `Saved`."""

NOTHING = Saved()

COLUMNS: dict[str, str] = {lever: f"saved_{lever}" for lever in LEVERS}
"""lever → the column of the ledger, and the measure, that holds what it saved."""

WORDS: dict[str, str] = {
    Lever.ROUTING: "Routing",
    Lever.BATCH: "Batch and flex",
    Lever.PROMPT_CACHE: "Prompt cache",
    Lever.RESPONSE_CACHE: "Exact cache",
    Lever.SEMANTIC_CACHE: "Semantic cache",
}
"""lever → its name on pages."""


def saved_by(lever: str, pico: int) -> Saved:
    """All of it by one lever: of charges that were written when a charge had one lever only."""
    return Saved(**{lever: pico}) if lever in COLUMNS and pico else NOTHING
