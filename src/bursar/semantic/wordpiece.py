"""Texts as the token ids of an uncased BERT: split at white space and punctuation, then into known pieces.

Source: Google's BERT tokenizer and the `tokenizer.json` beside MiniLM's weights, compared id for id with the
`tokenizers` package on the texts of the tests, 2026-11.
"""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

CLS, SEP, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
WORD_CHARS_MAX = 100  # a longer word is unknown


class WordPiece:
    """A vocabulary, one piece a line; the line is the piece's id."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where there is no such file."""
        lines = path.read_text("utf-8").split("\n")
        self._ids = {piece.rstrip("\r"): at for at, piece in enumerate(lines) if piece}
        self._cls, self._sep, self._unknown = (self._ids[name] for name in (CLS, SEP, UNKNOWN))

    def ids(self, text: str) -> list[int]:
        """The text's pieces between the marks of its beginning and its end; not cut."""
        found = [self._cls]
        for word in words(text):
            found += self._pieces(word)
        found.append(self._sep)
        return found

    def _pieces(self, word: str) -> list[int]:
        """The longest known piece from the left, again and again; a word with a part that isn't known is unknown."""
        if len(word) > WORD_CHARS_MAX:
            return [self._unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                piece = self._ids.get(prefix + word[start:end])
                if piece is not None:
                    found.append(piece)
                    start = end
                    break
            else:
                return [self._unknown]
        return found


def words(text: str) -> Iterator[str]:
    """Words, signs of punctuation and CJK characters, each by itself, in lower case and without accents."""
    cleaned = "".join(_cleaned(char) for char in text)
    bare = unicodedata.normalize("NFD", cleaned)
    bare = "".join(char.lower() for char in bare if unicodedata.category(char) != "Mn")  # each alone: Σ is σ
    word: list[str] = []
    for char in bare:
        if char.isspace() or _is_punctuation(char):
            if word:
                yield "".join(word)
                word = []
            if not char.isspace():
                yield char
        else:
            word.append(char)
    if word:
        yield "".join(word)


def _cleaned(char: str) -> str:
    """A space for each kind of space, nothing for what can't be seen, CJK characters with a space around them."""
    code = ord(char)
    if code in (0, 0xFFFD):
        return ""
    if char in "\t\n\r" or unicodedata.category(char) == "Zs":
        return " "
    if unicodedata.category(char) in ("Cc", "Cf", "Co"):
        return ""
    return f" {char} " if any(low <= code <= high for low, high in _CJK) else char


def _is_punctuation(char: str) -> bool:
    code = ord(char)
    if 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126:
        return True  # ASCII signs count, also those that Unicode calls symbols
    return unicodedata.category(char).startswith("P")


_CJK = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
