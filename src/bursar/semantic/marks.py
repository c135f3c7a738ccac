"""What of a text the guards compare: words, numbers, names, signs, read once. Pure, on English."""

import re
import unicodedata
from hashlib import blake2b

import msgspec

from bursar.semantic.lexicon import (
    CIRCUMSTANCES,
    CLASSES,
    FILLERS,
    HOW_MUCH,
    MODALS,
    NEGATIONS,
    NUMBER_WORDS,
    OWNERS,
    QUESTIONS,
    RELATIONS,
    STOP_WORDS,
    VERBS_FIRST,
    stem,
)  # fmt: skip

QUESTION_WORDS = 4  # "tell me please how": so far from the beginning

_CODE = re.compile(
    r"```.*?```|`[^`\n]+`"  # code
    r"|\b[a-z][a-z0-9+.-]*://\S+|\bwww\.\S+|[\w.+-]+@[\w-]+\.[\w.-]+"  # links and addresses
    r"|(?<!\w)[@#]\w+|(?<![\w/.])(?:~|\.{1,2})?/[\w.~/-]+|\b[A-Za-z]:\\\S+"  # handles, paths
    r"|(?<!\w)--?[a-z][\w-]*",  # options of commands
    re.DOTALL | re.IGNORECASE,
)
_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|«([^»\n]+)»|(?<!\w)'([^'\n]+)'(?!\w)")
_NUMBER = re.compile(r"(?<![\w.])[vV]?[-−]?(?:\d+|\.\d+)(?:[.,:/-]\d+)*(?:st|nd|rd|th)?")
_WORD = re.compile(r"[^\W_]+(?:[_.'’+#-]*[^\W_]+)*(?:\+\+|#)?|[$€£¥₹%]")
_SENTENCE_END = re.compile(r"[.!?:]\s+|\n+|^\W*")
_INNER = re.compile(r"[a-z][A-Z]|[A-Z]{2}|\d|[_.]|\+\+|#")
_APOSTROPHE = re.compile(r"[’‘ʼ′´]|(?<=n)`(?=t\b)")
_PASSIVE = re.compile(r"\b\w+(?:ed|en|wn) by\b(?! \w+ing\b)", re.IGNORECASE)
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff\ufe0f"))  # a reader sees no difference
_RAISED = ("<super>", "<sub>", "<fraction>")  # 5² isn't 52
SENTENCE_MARKS = frozenset(".,;:!?…\"'()“”«»")
PLAIN_MARKS = SENTENCE_MARKS | frozenset("-–—_$€£¥₹%")
"""Signs that say nothing by themselves inside or beside a word, or that other guards read."""


_SAME = tuple(
    (re.compile(said, re.IGNORECASE), plainly)
    for said, plainly in (
        (r"^\W*(?:(?:hi|hello|hey|dear \w+)\b\W*)", ""),
        (r"^\W*(?:please|kindly)\b\W*", ""),
        (r"\b(?:can|could|would|will) you (?:please )?(?:tell|explain|show|describe)(?: to)?(?: me| us)?\b\W*", ""),
        (r"^\W*(?:please )?(?:tell|show) (?:me|us) (?:about )?", ""),
        (r"\bi (?:want|need|would like|'d like) to know\b", ""),
        (r"\bwhat (?:is|are|'s) the (?:best |right )?(?:ways?|steps|procedure|process) (?:to|of|for)\b", "how to"),
        (r"\bwhat (?:can|should|must|do) (?:i|we) (?:need to |have to )?do to\b", "how to"),
        (r"\bis it possible to\b", "can i"),
        (r"\bwhat (?:is|are|'s) the (?:price|cost)\b", "how much is the price"),
        (r"\b(?:turn|switch)(ed|ing|s)? on\b", "enable"),
        (r"\b(?:turn|switch)(ed|ing|s)? off\b", "disable"),
        (r"\bw/o\b", "without"),
        (r"\b(is|are|be|been|was|were|being) (?:used|utili[sz]ed|employed)\b", r"\1"),
    )
)
"""Ways of saying the same, brought into one before anything is compared."""


class Marks(msgspec.Struct, frozen=True):
    """What the guards compare of a text. It holds words of it: for memory, never for a disk.

    exact: the text, white space as one space. words: stems, in order, fillers among them. content: without fillers;
    contents: the same in order. symbols, numbers: in order, numbers in words last.
    names: in lower case; sure ones, not what stands first in a sentence. classes: (class, word). after: (relation, the
    word after it). order: the content, without what may stand anywhere. me: who asks is who something is done to; None:
    neither that nor who does it, or both. owned: how often a thing is said to be another's, in its two ways.
    passive: something is done by somebody.
    """

    exact: str
    language: str
    words: tuple[str, ...]
    content: frozenset[str]
    contents: tuple[str, ...]
    codes: frozenset[str]
    symbols: tuple[str, ...]
    numbers: tuple[str, ...]
    classes: frozenset[tuple[str, str]]
    names: frozenset[str]
    named: frozenset[str]
    negations: int
    question: str
    after: frozenset[tuple[str, str]]
    order: tuple[str, ...]
    me: bool | None
    owned: int
    passive: bool


def marks_of(text: str) -> Marks:
    """Read a text once; it is then compared with many. Takes time in proportion to its length."""
    exact = " ".join(text.split())
    text = unicodedata.normalize("NFKC", _flat(_APOSTROPHE.sub("'", text.translate(_UNSEEN))))
    codes: list[str] = []
    text = _QUOTED.sub(lambda match: _held(codes, match[match.lastindex or 0]),
                       _CODE.sub(lambda match: _held(codes, match.group()), text))  # fmt: skip
    plain = _plainly(text)
    spoken = [match.group() for match in _WORD.finditer(plain)]
    lower = [word.casefold() for word in spoken]
    stems = tuple(stem(word) for word in lower)
    numbers = [_number(match.group()) for match in _NUMBER.finditer(plain)]
    numbers += [number for word in lower for number in numbers_said(word)]
    contents = [one for one, word in zip(stems, lower, strict=True) if word not in FILLERS and one not in FILLERS]
    classes = {(name, known[one]) for one in stems for name, known in CLASSES.items() if one in known}
    after, order = set(), []
    for at, word in enumerate(lower[:-1]):
        if word in RELATIONS:
            follows = next((one for one in stems[at + 1 : at + 4] if one not in FILLERS), "")
            after.add((word, follows))
    is_circumstance = False  # "in Python" may stand anywhere
    for word, one in zip(lower, stems, strict=True):
        if (word in FILLERS or one in FILLERS) and word not in OWNERS:
            is_circumstance = word in CIRCUMSTANCES or (is_circumstance and word in ("a", "an", "the", "my"))
            continue
        if not is_circumstance:
            order.append(one)
        is_circumstance = False
    return Marks(
        exact=exact,
        language=language_of(plain, lower),
        words=stems,
        content=frozenset(contents),
        contents=tuple(contents),
        codes=frozenset(codes),
        symbols=symbols_in(text),
        numbers=tuple(numbers),
        classes=frozenset(classes),
        names=frozenset(stem(name) for name in names_in(plain)),
        named=frozenset(stems),
        negations=_negations(lower),
        question=question_of(lower, asks="?" in plain),
        after=frozenset(after),
        order=tuple(order),
        owned=lower.count("of") - sum(word.endswith("'s") for word in lower),
        passive=_PASSIVE.search(plain) is not None,
        me=None if ("me" in lower) == ("i" in lower) else "me" in lower,
    )


def _flat(text: str) -> str:
    """Raised and lowered figures and fractions, told apart from the same ones on the line: x² is `x ^2`."""
    return "".join(f" ^{char} " if unicodedata.decomposition(char).startswith(_RAISED) else char for char in text)


def _held(codes: list[str], found: str) -> str:
    """Keep what is compared letter by letter; a word that stands for it alone is left in its place in the sentence."""
    codes.append(found.strip("`.,;:!?)") or found)
    mark = blake2b(codes[-1].encode(), digest_size=8).digest()
    return "zq" + "".join(chr(97 + byte % 26) for byte in mark) + "x" + found[len(found.rstrip(".,;:!?)")) :]


def symbols_in(text: str) -> tuple[str, ...]:
    """Operators, emoji and whatever else isn't written in a sentence for its own sake, in order.

    >>> symbols_in("What is 6 - 7, or 6 * 7 ?"), symbols_in("well-known (too), isn't it?")
    (('-', '*'), ())
    """
    found: list[str] = []
    pieces = text.split()
    for at, piece in enumerate(pieces):
        if any(char.isalnum() for char in piece):
            found += [char for char in piece if not (char.isalnum() or char in PLAIN_MARKS)]
        elif at < len(pieces) - 1 or not SENTENCE_MARKS.issuperset(piece):
            found.append(piece)  # it stands alone
    return tuple(found)


def numbers_said(word: str) -> list[str]:
    """
    >>> numbers_said("twelve"), numbers_said("twenty-one"), numbers_said("well-known")
    (['12'], ['20', '1'], [])
    """
    parts = word.split("-")
    return [NUMBER_WORDS.get(part, "1") for part in parts if part in NUMBER_WORDS or (part == "one" and len(parts) > 1)]


def _plainly(text: str) -> str:
    for said, plainly in _SAME:
        text = said.sub(plainly, text)
    return text


def language_of(plain: str, words: list[str]) -> str:
    """`en`; "" where nothing says which; else another language, or another script."""
    letters = [char for char in plain if char.isalpha()]
    latin = sum(char < "ɐ" for char in letters)
    if letters and latin < 0.9 * len(letters):
        return "other script"
    counted = {name: sum(word in known for word in words) for name, known in STOP_WORDS.items()}
    best = max(counted, key=lambda name: (counted[name], name == "en"))
    if best != "en" and counted[best] >= 2:
        return best
    english = sum(word in FILLERS or word in STOP_WORDS["en"] for word in words)
    accented = sum(not word.isascii() for word in words)  # café is English too, where enough around it is
    return "en" if english >= 2 + accented else ""


def question_of(words: list[str], *, asks: bool) -> str:
    """What kind of answer is asked for: `how`, `how many`, `why`, `whether` …; "" for what is no question.

    asks: there is a question mark; without one, only a text's first words can make it a question.
    """
    if words and words[0] in VERBS_FIRST:
        return " ".join(("whether", *sorted({MODALS[word] for word in words if word in MODALS})))
    for at, word in enumerate(words if asks else words[:QUESTION_WORDS]):
        if word in QUESTIONS:
            if word == "how" and words[at + 1 : at + 2] and words[at + 1] in HOW_MUCH:
                return f"how {words[at + 1]}"
            return {"which": "what", "whom": "who", "whose": "who"}.get(word, word)
        if word.endswith(("'s", "'re")) and word.partition("'")[0] in QUESTIONS:
            return word.partition("'")[0]
    return ""


def names_in(plain: str) -> set[str]:
    """Names and identifiers for sure, in lower case: capitals inside a sentence, or signs or letters that no plain word
    has."""
    starts = {match.end() for match in _SENTENCE_END.finditer(plain)}
    found = set()
    for match in _WORD.finditer(plain):
        word = match.group()
        is_name = word[0].isupper() and match.start() not in starts and word not in ("I", "I'm", "I'd", "I've", "I'll")
        is_foreign = any(char >= "ɐ" and char.isalpha() for char in word)
        if (is_name or is_foreign or _INNER.search(word)) and not _NUMBER.fullmatch(word):
            found.add(word.casefold())
    return found


def _number(written: str) -> str:
    """1,000 and 1000 are one. 2.10 may be a version, so it isn't 2.1."""
    bare = written.lower().removeprefix("v").replace("−", "-")
    if bare.startswith((".", "-.")):
        bare = bare.replace(".", "0.", 1)
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", bare):
        return bare.replace(",", "")
    return bare


def _negations(words: list[str]) -> int:
    """How often the text denies; an opening yes or no answers something, and denies nothing by itself."""
    told = words[1:] if words[:1] == ["no"] else words
    return sum(word in NEGATIONS or word.endswith("n't") for word in told)
