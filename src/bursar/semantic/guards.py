"""What must agree before two texts may be called one, whatever their vectors say: pure, on English.

A cosine says what a text is about, not what it says of it: "safe with alcohol" and "unsafe with alcohol" score 0.99.
Each guard looks for one kind of difference and refuses on it. They refuse too much rather than too little: a refused
hit costs one call, a wrong one an answer to another question.

| guard | refuses when |
| --- | --- |
| language | a text is in another script or language than English: others can't read it; or maybe, and a word differs |
| length | one is more than twice as long |
| code | what stands in backticks or quotes, paths, addresses and links isn't the same |
| symbol | operators, emoji and other signs aren't the same |
| number | numbers, dates and versions aren't the same |
| class | units, currencies, months, weekdays, tools, tasks and the like aren't the same |
| name | a name or identifier of one isn't in the other |
| polarity | one denies more often, or has a word whose opposite is in the other |
| question | one asks how, the other why |
| order | the same words stand in another order, or on the other side of `to`, `from`, `than` |
| relation | the same is said with another small word: to, from; by, about |
| word | they differ by one word only, or one has but one more: who words a question anew changes more than that; or,
where a text is to be translated and the like, by any |
"""

from collections import Counter

from bursar.semantic.lexicon import ALIKE, OPPOSITES, PREFIXES, TEXT_TASKS, TURNING
from bursar.semantic.marks import Marks

LENGTH_RATIO_MAX, LENGTH_SLACK = 2.0, 3
PREFIXED_CHARS_MIN = 3  # of its stem: unsafe


def why_not_one(one: Marks, other: Marks) -> str:
    """The guard that keeps two texts apart; "": none does. The same whichever comes first; equal texts always pass."""
    if one.exact == other.exact:
        return ""
    for name, differs in _GUARDS:
        if differs(one, other):
            return name
    return ""


def _language(one: Marks, other: Marks) -> bool:
    return not {one.language, other.language} <= {"en", ""}


def _unsure(one: Marks, other: Marks) -> bool:
    """Nothing says that a text is English: then no other word may be in it."""
    return "" in (one.language, other.language) and one.content != other.content


def _length(one: Marks, other: Marks) -> bool:
    short, long = sorted((len(one.words), len(other.words)))
    return long > LENGTH_RATIO_MAX * short + LENGTH_SLACK


def differ_in_polarity(one: Marks, other: Marks) -> bool:
    """Whether one denies what the other doesn't, or says the opposite."""
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
    if one.passive != other.passive:
        return _same_side(one, other)  # the dog is chased by the cat, the dog chases the cat
    if one.order != other.order and one.owned == other.owned and Counter(one.order) == Counter(other.order):
        return True  # the dog bites the man, could the man bite the dog; but: the capital of France, France's capital
    if None not in (one.me, other.me) and one.me != other.me:
        return True
    return _changed_sides(one, other) and _changed_sides(other, one)


def _same_side(one: Marks, other: Marks) -> bool:
    """Whether the same of what both speak of comes first."""
    ours, theirs = ([word for word in each.contents if word in one.content & other.content] for each in (one, other))
    return ours[:1] == theirs[:1]


def _relation(one: Marks, other: Marks) -> bool:
    """A book by Kant or about him, shipping to a country or from it: one small word in place of another."""
    mine, theirs = set(one.words) - set(other.words), set(other.words) - set(one.words)
    if one.content != other.content:
        return False
    return bool(mine & TURNING and theirs & TURNING) or any(
        "from" in ours and "to" in others for ours, others in ((mine, theirs), (theirs, mine))
    )


def _changed_sides(one: Marks, other: Marks) -> bool:
    """Whether a word that stands after a `to` or `than` in `one` stands elsewhere in `other`, and another one there."""
    relations = {relation for relation, _ in one.after} & {relation for relation, _ in other.after}
    return any(
        relation in relations and (relation, word) not in other.after and word and word in other.named
        for relation, word in one.after
    )


def _word(one: Marks, other: Marks) -> bool:
    """One word for another, or one more, or one once more, and all else the same."""
    mine, theirs = one.content - other.content, other.content - one.content
    if (mine or theirs) and any(name == "task" and task in TEXT_TASKS for name, task in one.classes):
        return True
    if not (mine or theirs) and Counter(one.contents) != Counter(other.contents):
        return True
    if len(mine) > 1 or len(theirs) > 1 or not (mine or theirs):
        return False
    return not any(mine <= group and theirs <= group for group in ALIKE) or not (mine and theirs)


def _name(one: Marks, other: Marks) -> bool:
    return not (one.names <= other.named and other.names <= one.named)


_GUARDS = (
    ("language", _language),
    ("length", _length),
    ("code", lambda one, other: one.codes != other.codes),
    ("symbol", lambda one, other: one.symbols != other.symbols),
    ("number", lambda one, other: one.numbers != other.numbers),
    ("class", lambda one, other: one.classes != other.classes),
    ("name", _name),
    ("polarity", differ_in_polarity),
    ("question", _question),
    ("order", _order),
    ("relation", _relation),
    ("word", _word),
    ("language", _unsure),
)
GUARDS: tuple[str, ...] = tuple(dict.fromkeys(name for name, _ in _GUARDS))
