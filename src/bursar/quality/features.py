"""What is seen of a request's text: a few counts, and which of its words fall into which bucket.

Plain Python, the same for training and for the gateway. Its time is bounded by TEXT_CHARS_MAX: later characters are not
looked at. From buckets no text can be read back: a thousand of them stand for all words there are.
"""

from math import log1p, sqrt
from string import ascii_lowercase, digits
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

_LETTERS = bytes(byte if chr(byte) in ascii_lowercase else 32 for byte in range(256))
_NUMBERS = bytes(byte if chr(byte) in digits else 32 for byte in range(256))
"""What makes space of all that is no letter, or no digit: words come apart in C, at a fifth of a pattern's price."""
_SIGNS = b"=+*^/<>"
_DIGITS = digits.encode()
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
    said = lower.encode("utf-8", "surrogatepass")  # beyond ASCII no byte is a letter, a digit or a sign
    figures = len(said) - len(said.translate(None, _DIGITS))
    signs = len(said) - len(said.translate(None, _SIGNS))
    buckets = {crc32(word) % BUCKETS for word in set(said.translate(_LETTERS).split())}
    if figures:  # a number falls by its length
        buckets |= {crc32(b"0%d" % len(word[:DIGITS_MAX])) % BUCKETS for word in said.translate(_NUMBERS).split()}
    length = log1p(size) / 8
    spaces = head.count(" ") + head.count("\n")
    counts = (
        length,
        length * length,
        log1p(figures) / 4,
        min(figures / max(1, size) * 5, 2.0),
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
