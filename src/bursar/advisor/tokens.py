"""How many tokens a model makes of the same text, as the calls of this ledger have shown.

Each provider cuts text into tokens in its own way. A ratio is measured where both models were sent enough text; else it
is assumed to be one, and every figure made with it says so.
"""

from collections.abc import Iterable

import msgspec

from bursar.explore.portfolio import Group

CALLS_MIN = 50
BYTES_MIN = 100_000


class Ratio(msgspec.Struct, frozen=True):
    """Tokens of the target for each token of the source. is_measured: on both models' own calls."""

    value: float
    is_measured: bool


SAME = Ratio(1.0, True)
ASSUMED = Ratio(1.0, False)


class Tokenizers:
    """Tokens per byte of each (provider, model)."""

    def __init__(self, groups: Iterable[Group]) -> None:
        seen: dict[tuple[str, str], list[int]] = {}
        for group in groups:
            if group.operation == "embeddings" or group.attempts <= 0:
                continue
            found = seen.setdefault((group.provider, group.model), [0, 0, 0])
            for at, count in enumerate((group.attempts, group.text_bytes, group.text_tokens)):
                found[at] += count
        self._per_byte = {
            key: tokens / size
            for key, (calls, size, tokens) in seen.items()
            if calls >= CALLS_MIN and size >= BYTES_MIN and tokens > 0
        }

    def ratio(self, source: tuple[str, str], target: tuple[str, str]) -> Ratio:
        """From a model's counts to another's."""
        if source == target:
            return SAME
        one, other = self._per_byte.get(source), self._per_byte.get(target)
        return ASSUMED if one is None or other is None else Ratio(other / one, True)
