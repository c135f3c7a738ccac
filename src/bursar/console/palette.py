"""The same hue for the same feature on every page, for as long as the console runs."""

import threading
import zlib
from collections.abc import Sequence

SLOTS = 8
NAMES_MAX = 4_096  # values are clients' free text, so what is remembered of them has a bound


class Palette:
    """Gives each value of a dimension one of eight colours.

    The largest ones, told first, get a colour of their own and keep it. Later ones take the colour their name falls
    on, or within one chart the next free one.
    """

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def knows(self, dimension: str) -> bool:
        """Whether any value of it has a colour yet."""
        return bool(self._kept.get(dimension))

    def slots(self, dimension: str, names: Sequence[str]) -> list[int]:
        """A colour from 1 to 8 for each of at most eight names, all different; beyond eight they repeat."""
        with self._lock:
            kept = self._kept.setdefault(dimension, {})
            if len(kept) > NAMES_MAX:
                kept.clear()
            taken: set[int] = set()
            found: list[int] = []
            reserved = {kept[name] for name in names[:SLOTS] if name in kept}
            for name in names:
                slot = kept.get(name, 0)
                if not slot or slot in taken:
                    everywhere = set(kept.values()) | taken | reserved
                    hashed = zlib.crc32(name.encode()) % SLOTS
                    slot = _free(0, everywhere) or _free(hashed, taken | reserved) or _free(hashed, taken) or hashed + 1
                    kept.setdefault(name, slot)
                taken.add(slot)
                found.append(slot)
            return found


def _free(start: int, taken: set[int]) -> int:
    """The first slot from `start` on that nobody has, 1 to 8; 0 if all are taken."""
    return next((slot for i in range(SLOTS) if (slot := (start + i) % SLOTS + 1) not in taken), 0)
