"""How many tokens an earlier answer or a conversation, kept at its provider, brings into the next request.

The request shows only its id. What this worker saw of it is known: all that went in and came out of it is the most that
it can bring. Of what others saw, or nobody, the model's whole context window is the bound.
"""

KEPT_MAX = 16_384


class KeptTokens:
    """By id, the last KEPT_MAX of one worker: the older half is forgotten when there is no room."""

    def __init__(self) -> None:
        self._newer: dict[str, int] = {}
        self._older: dict[str, int] = {}

    def add(self, id: str, tokens: int) -> None:
        """What an answer came to, with all that went before it. A conversation grows: the most that was seen counts."""
        self._newer[id] = max(tokens, self.get(id) or 0)
        if len(self._newer) > KEPT_MAX // 2:
            self._older, self._newer = self._newer, {}

    def get(self, id: str) -> int | None:
        """Tokens at most; None: nothing is known."""
        found = self._newer.get(id)
        return self._older.get(id) if found is None else found
