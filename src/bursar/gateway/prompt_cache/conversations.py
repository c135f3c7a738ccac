"""Messages of a series' newest conversations, by their hashes: which of a call's are known, and in their places.

Two generations: when the younger is full, the older is forgotten. A call's messages are remembered all at once, so that
no conversation is ever known by its end alone.
"""

import msgspec

MESSAGES_MAX = 512  # of a generation
_MIX = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class Change(msgspec.Struct, frozen=True):
    """at: the first message that isn't as it was. known_after: those behind it that were sent before.

    cause: text: it is new, with known ones behind it; trimmed: it stood further back before; added: further in front.
    """

    at: int
    cause: str
    known_after: list[int]


class Conversations:
    """One series'."""

    def __init__(self) -> None:
        self._young: dict[int, int] = {}  # own hash: its place
        self._old: dict[int, int] = {}
        self._young_chains: set[int] = set()
        self._old_chains: set[int] = set()

    def known_first(self, own: list[int]) -> int:
        """How many messages at the beginning were sent before, whatever stood in front of them."""
        for index, message in enumerate(own):
            if message not in self._young and message not in self._old:
                return index
        return len(own)

    def look(self, own: list[int]) -> Change | None:
        """What changed in a conversation that is otherwise known; its messages are remembered."""
        if len(own) > MESSAGES_MAX // 2:
            return None
        chains: list[int] = []
        chain = 0
        for message in own:
            chain = ((chain ^ message) * _MIX) & _MASK
            chains.append(chain)
        change = self._change(own, chains)
        if len(self._young) + len(own) > MESSAGES_MAX:
            self._old, self._young = self._young, {}
            self._old_chains, self._young_chains = self._young_chains, set()
        self._young.update(zip(own, range(len(own)), strict=True))
        self._young_chains.update(chains)
        return change

    def _change(self, own: list[int], chains: list[int]) -> Change | None:
        at = next((at for at, c in enumerate(chains) if c not in self._young_chains and c not in self._old_chains), -1)
        if at < 0 or at == len(own) - 1:
            return None
        known = [later for later in range(at, len(own)) if self._place(own[later]) is not None]
        if len(known) <= 1:
            return None
        was_at = self._place(own[at])
        cause = "text" if was_at is None else "trimmed" if was_at > at else "added"
        return Change(at, cause, known)

    def _place(self, message: int) -> int | None:
        place = self._young.get(message)
        return self._old.get(message) if place is None else place
