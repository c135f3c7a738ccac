"""Lists of models as they were answered, kept for the next time they are asked for: a client may ask at each start."""

from collections.abc import Hashable

KEPT_US = 10_000_000
"""Prices and rules have times of their own (a price from midnight on, a kill's end): a list is no older than that."""

KEPT_BYTES_MAX = 2_000_000  # of a worker; one list has a few hundred KB at most


class ModelLists:
    """Lists by what they depend on beside `made_of`: when that is another, none of them counts any more."""

    def __init__(self) -> None:
        self._made_of: tuple[object, ...] = ()
        self._kept: dict[Hashable, tuple[int, bytes]] = {}
        self._bytes = 0

    def find(self, key: Hashable, made_of: tuple[object, ...], now_us: int) -> bytes | None:
        """A list that is still true. made_of: the objects that it was made of, told apart by identity."""
        if len(made_of) != len(self._made_of) or any(
            one is not other for one, other in zip(made_of, self._made_of, strict=True)
        ):
            self._clear()
            self._made_of = made_of
            return None
        found = self._kept.get(key)
        return found[1] if found is not None and now_us - found[0] < KEPT_US else None

    def keep(self, key: Hashable, body: bytes, now_us: int) -> None:
        """For the next one who asks, unless it is too large. What was kept goes when there is no room."""
        if len(body) > KEPT_BYTES_MAX:
            return
        before = self._kept.pop(key, None)
        self._bytes -= len(before[1]) if before is not None else 0
        if self._bytes + len(body) > KEPT_BYTES_MAX:
            self._clear()
        self._kept[key] = (now_us, body)
        self._bytes += len(body)

    def _clear(self) -> None:
        self._kept.clear()
        self._bytes = 0
