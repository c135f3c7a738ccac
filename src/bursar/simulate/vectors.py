"""Embeddings that tell which text they are of: so a test sees when two were exchanged."""

from hashlib import blake2b

DIMENSIONS = 8  # a short vector will do: no one bills by its length


def vector_of(text: str, dimensions: int | None = None) -> list[float]:
    """The same numbers, between -1 and 1, for the same text."""
    wanted = dimensions or DIMENSIONS
    drawn = b"".join(blake2b(f"{at}/{text}".encode()).digest() for at in range(wanted // 64 + 1))
    return [round(number / 127.5 - 1, 6) for number in drawn[:wanted]]
