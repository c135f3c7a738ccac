"""Embeddings that tell which text they are of, and of which words it is made.

So a test sees when two were exchanged, and texts that share most of their words are near each other, as a real model's
are. They know no meaning: `buy` and `purchase` are two words.
"""

import re
from functools import lru_cache
from hashlib import blake2b

DIMENSIONS = 64  # short, for no one bills by its length, and enough for texts without a word in common to be far apart
OWN_SHARE = 0.05  # of a text's vector: what is its alone, so that the same words in another order are another text

_WORD = re.compile(r"\w+")


def vector_of(text: str, dimensions: int | None = None) -> list[float]:
    """The same numbers of length 1 together for the same text."""
    wanted = dimensions or DIMENSIONS
    words = _WORD.findall(text.lower())
    total = [OWN_SHARE * own for own in _drawn(f"text {text}", wanted)]
    for word in words:
        total = [sum(pair) for pair in zip(total, _drawn(word, wanted), strict=True)]
    length = sum(number * number for number in total) ** 0.5
    return [round(number / length, 6) for number in total]


@lru_cache(4_096)
def _drawn(text: str, wanted: int) -> tuple[float, ...]:
    """Numbers between -1 and 1 that look like chance; none of them is 0."""
    drawn = b"".join(blake2b(f"{at}/{text}".encode()).digest() for at in range(wanted // 64 + 1))
    return tuple(number / 127.5 - 1 for number in drawn[:wanted])
