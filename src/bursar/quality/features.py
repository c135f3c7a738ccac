"""What is seen of a request's text: a few counts, and which of its words fall into which bucket.

Plain Python, the same for training and for the gateway. Its time is bounded by TEXT_CHARS_MAX: later characters are not
looked at. From buckets no text can be read back: a thousand of them stand for all words there are.
"""

import re
from math import log1p, sqrt
from typing import NamedTuple
from zlib import crc32

TEXT_CHARS_MAX = 2_048
BUCKETS = 1_024
DIGITS_MAX = 8  # of a number: its length is seen, not its value

NAMES = (
    "length", "length squared", "digits", "share of digits", "lines", "question marks", "signs of arithmetic",
    "negation", "which of the following", "dollar signs", "commas", "quotes", "statements", "blanks to fill in",
    "full stops", "length of words", "asks what or who", "sets a task",
)  # fmt: skip
"""The counts, in the order of `Features.counts`. Each is capped, so no request goes far beyond what was trained on."""

_WORD = re.compile(r"[a-z]+|[0-9]+")
_SIGNS = str.maketrans("", "", "=+*^/<>")
_DIGITS = str.maketrans("", "", "0123456789")
_QUESTIONS = ("what", "which", "who", "when", "where")
_TASKS = ("if", "let", "suppose", "find", "how many", "calculate", "solve")


class Features(NamedTuple):
    """counts: one per name of NAMES. buckets: those that a word of the text falls into. weight: of each of them."""

    counts: tuple[float, ...]
    buckets: set[int]
    weight: float


def features_of(text: str) -> Features:
    """What is seen of a text."""
    head = text[:TEXT_CHARS_MAX]
    size = len(head)
    lower = head.lower()
    digits = size - len(head.translate(_DIGITS))
    signs = size - len(head.translate(_SIGNS))
    words = _WORD.findall(lower)
    buckets = {bucket_of(word) for word in words}
    length = log1p(size) / 8
    spaces = head.count(" ") + head.count("\n")
    counts = (
        length,
        length * length,
        log1p(digits) / 4,
        min(digits / max(1, size) * 5, 2.0),
        min(head.count("\n") / 10, 2.0),
        float(min(head.count("?"), 3)),
        min(signs / 10, 3.0),
        1.0 if " not " in lower or "except" in lower else 0.0,
        1.0 if "which of the following" in lower else 0.0,
        1.0 if "$" in head else 0.0,
        min(head.count(",") / 10, 4.0),
        min(head.count('"') / 4, 3.0),
        1.0 if "statement" in lower else 0.0,
        1.0 if "__" in head else 0.0,
        min(head.count(".") / 10, 3.0),
        min((size - spaces) / (spaces + 1) / 8, 2.0),
        1.0 if lower.startswith(_QUESTIONS) else 0.0,
        1.0 if lower.startswith(_TASKS) else 0.0,
    )
    return Features(counts, buckets, 3.0 / sqrt(len(buckets)) if buckets else 0.0)


def bucket_of(word: str) -> int:
    """Where a word falls. A number falls by its length."""
    return crc32((f"0{len(word[:DIGITS_MAX])}" if word[0] <= "9" else word).encode()) % BUCKETS
