"""What must agree before two texts may be called one, whatever their vectors say: pure, on English.

A cosine says what a text is about, not what it says of it: "safe with alcohol" and "unsafe with alcohol" score 0.99.
Each guard looks for one kind of difference and refuses on it. They refuse too much rather than too little: a refused
hit costs one call, a wrong one an answer to another question.

| guard | refuses when |
| --- | --- |
| language | a text is in another script or language than English: the other guards can't read it |
| length | one is more than twice as long |
| code | what stands in backticks, paths, addresses and links isn't the same |
| number | numbers, dates and versions aren't the same |
| class | units, currencies, months, weekdays, tools, tasks and the like aren't the same |
| name | a name or identifier of one isn't in the other |
| polarity | one denies more often, or has a word whose opposite is in the other |
| question | one asks how, the other why |
| order | the same words stand in another order, or on the other side of `to`, `from`, `than` |
| word | they differ by one word only, or one has but one more: who words a question anew changes more than that |
"""

import re
import unicodedata
from collections import Counter

import msgspec

from bursar.semantic.lexicon import (
    ALIKE,
    CIRCUMSTANCES,
    CLASSES,
    FILLERS,
    HOW_MUCH,
    MODALS,
    NEGATIONS,
    NUMBER_WORDS,
    OPPOSITES,
    OWNERS,
    PREFIXES,
    QUESTIONS,
    RELATIONS,
    STOP_WORDS,
    VERBS_FIRST,
    stem,
)  # fmt: skip

LENGTH_RATIO_MAX, LENGTH_SLACK = 2.0, 3
PREFIXED_CHARS_MIN = 3  # of its stem: unsafe
QUESTION_WORDS = 4  # "tell me please how": so far from the beginning

_CODE = re.compile(
    r"```.*?```|`[^`\n]+`"  # code
    r"|\b[a-z][a-z0-9+.-]*://\S+|\bwww\.\S+|[\w.+-]+@[\w-]+\.[\w.-]+"  # links and addresses
    r"|(?<!\w)[@#]\w+|(?<![\w/.])(?:~|\.{1,2})?/[\w.~/-]+|\b[A-Za-z]:\\\S+"  # handles, paths
    r"|(?<!\w)--?[a-z][\w-]*",  # options of commands
    re.DOTALL | re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])[vV]?[-−]?\d+(?:[.,:/-]\d+)*(?:st|nd|rd|th)?")
_WORD = re.compile(r"[^\W_]+(?:[_.'’+#-]*[^\W_]+)*(?:\+\+|#)?|[$€£¥₹%]")
_SENTENCE_END = re.compile(r"[.!?:]\s+|\n+|^\W*")
_INNER = re.compile(r"[a-z][A-Z]|[A-Z]{2}|\d|[_.]|\+\+|#")


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
        (r"\b(is|are|be|been|was|were|being) (?:used|utili[sz]ed|employed)\b", r"\1"),
    )
)
"""Ways of saying the same, brought into one before anything is compared."""


class Marks(msgspec.Struct, frozen=True):
    """What the guards compare of a text. It holds words of it: for memory, never for a disk.

    exact: the text, white space as one space. words: stems, in order, fillers among them.
    names: in lower case; sure ones, not what stands first in a sentence. classes: (class, word). after: (relation, the
    word after it). order: the content, without what may stand anywhere. me: who asks is who something is done to; None:
    neither that nor who does it, or both.
    """

    exact: str
    language: str
    words: tuple[str, ...]
    content: frozenset[str]
    codes: frozenset[str]
    numbers: frozenset[str]
    classes: frozenset[tuple[str, str]]
    names: frozenset[str]
    named: frozenset[str]
    negations: int
    question: str
    after: frozenset[tuple[str, str]]
    order: tuple[str, ...]
    me: bool | None


def marks_of(text: str) -> Marks:
    """Read a text once; it is then compared with many. Takes time in proportion to its length."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'")
    codes = frozenset(match.group().strip("`.,;:!?)") for match in _CODE.finditer(text))
    plain = _plainly(_CODE.sub(" ", text))
    spoken = [match.group() for match in _WORD.finditer(plain)]
    lower = [word.casefold() for word in spoken]
    stems = tuple(stem(word) for word in lower)
    numbers = {_number(match.group()) for match in _NUMBER.finditer(plain)}
    numbers |= {NUMBER_WORDS[word] for word in lower if word in NUMBER_WORDS}
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
        exact=" ".join(text.split()),
        language=language_of(plain, lower),
        words=stems,
        content=frozenset(
            one for one, word in zip(stems, lower, strict=True) if word not in FILLERS and one not in FILLERS
        ),
        codes=codes,
        numbers=frozenset(numbers),
        classes=frozenset(classes),
        names=frozenset(stem(name) for name in names_in(plain)),
        named=frozenset(stems),
        negations=_negations(lower),
        question=question_of(lower, asks="?" in plain),
        after=frozenset(after),
        order=tuple(order),
        me=None if ("me" in lower) == ("i" in lower) else "me" in lower,
    )


def why_not_one(one: Marks, other: Marks) -> str:
    """The guard that keeps two texts apart; "": none does. The same whichever comes first; equal texts always pass."""
    if one.exact == other.exact:
        return ""
    for name, differs in _GUARDS:
        if differs(one, other):
            return name
    return ""


def _plainly(text: str) -> str:
    for said, plainly in _SAME:
        text = said.sub(plainly, text)
    return text


def language_of(plain: str, words: list[str]) -> str:
    """`en`; "" where a text is too short to say, in Latin letters; else another language, or another script."""
    letters = [char for char in plain if char.isalpha()]
    latin = sum(char < "ɐ" for char in letters)
    if letters and latin < 0.9 * len(letters):
        return "other script"
    counted = {name: sum(word in known for word in words) for name, known in STOP_WORDS.items()}
    best = max(counted, key=lambda name: (counted[name], name == "en"))
    return best if counted[best] >= 2 else ""


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
    """Names and identifiers for sure, in lower case: capitals inside a sentence, or signs no plain word has."""
    starts = {match.end() for match in _SENTENCE_END.finditer(plain)}
    found = set()
    for match in _WORD.finditer(plain):
        word = match.group()
        is_name = word[0].isupper() and match.start() not in starts and word not in ("I", "I'm", "I'd", "I've", "I'll")
        if (is_name or _INNER.search(word)) and not _NUMBER.fullmatch(word):
            found.add(word.casefold())
    return found


def _number(written: str) -> str:
    """1,000 and 1000 are one. 2.10 may be a version, so it isn't 2.1."""
    bare = written.lower().removeprefix("v").replace("−", "-")
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", bare):
        return bare.replace(",", "")
    return bare


def _negations(words: list[str]) -> int:
    """How often the text denies; an opening yes or no answers something, and denies nothing by itself."""
    told = words[1:] if words[:1] == ["no"] else words
    return sum(word in NEGATIONS or word.endswith("n't") for word in told)


def _language(one: Marks, other: Marks) -> bool:
    return not {one.language, other.language} <= {"en", ""}


def _length(one: Marks, other: Marks) -> bool:
    short, long = sorted((len(one.words), len(other.words)))
    return long > LENGTH_RATIO_MAX * short + LENGTH_SLACK


def _polarity(one: Marks, other: Marks) -> bool:
    return one.negations != other.negations or _opposed(one, other) or _opposed(other, one)


def _opposed(one: Marks, other: Marks) -> bool:
    """Whether a word that only `one` has is the opposite of a word that only `other` has, or its denial."""
    mine, theirs = one.named - other.named, other.named - one.named
    if any(not theirs.isdisjoint(OPPOSITES.get(word, ())) for word in mine):
        return True
    return any(
        f"{prefix}{word}" in mine or f"{prefix}-{word}" in mine
        for word in theirs
        if len(word) >= PREFIXED_CHARS_MIN
        for prefix in PREFIXES
    ) or any(f"{word}less" in mine for word in theirs | other.named)


def _question(one: Marks, other: Marks) -> bool:
    """`whether` is met by nothing else; what is no question may say the same as one that asks what or how."""
    kinds = {one.question, other.question}
    return len(kinds) == 2 and kinds not in ({"", "what"}, {"", "how"})


def _order(one: Marks, other: Marks) -> bool:
    if one.order != other.order and Counter(one.words) == Counter(other.words):
        return True
    if None not in (one.me, other.me) and one.me != other.me:
        return True
    return _changed_sides(one, other) and _changed_sides(other, one)


def _changed_sides(one: Marks, other: Marks) -> bool:
    """Whether a word that stands after a `to` or `than` in `one` stands elsewhere in `other`, and another one there."""
    relations = {relation for relation, _ in one.after} & {relation for relation, _ in other.after}
    return any(
        relation in relations and (relation, word) not in other.after and word and word in other.named
        for relation, word in one.after
    )


def _word(one: Marks, other: Marks) -> bool:
    """One word for another, or one more, and all else the same."""
    mine, theirs = one.content - other.content, other.content - one.content
    if len(mine) > 1 or len(theirs) > 1 or not (mine or theirs):
        return False
    return not any(mine <= group and theirs <= group for group in ALIKE) or not (mine and theirs)


def _name(one: Marks, other: Marks) -> bool:
    return not (one.names <= other.named and other.names <= one.named)


_GUARDS = (
    ("language", _language),
    ("length", _length),
    ("code", lambda one, other: one.codes != other.codes),
    ("number", lambda one, other: one.numbers != other.numbers),
    ("class", lambda one, other: one.classes != other.classes),
    ("name", _name),
    ("polarity", _polarity),
    ("question", _question),
    ("order", _order),
    ("word", _word),
)
GUARDS: tuple[str, ...] = tuple(name for name, _ in _GUARDS)
