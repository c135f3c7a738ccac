"""How good an embedder and the guards are, on pairs of which it is known whether they mean the same."""

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.semantic.guards import why_not_one
from bursar.semantic.marks import marks_of

SAME = "same"
NEAREST = "nearest other"
NUMBER = "a number changed"
DENIED = "`not` put in"
THRESHOLDS = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97)

Vector = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Sequence[Vector | None]]

_VERB = re.compile(r"\b(is|are|was|can|will|does|should|must)\b(?! not)")
_DIGITS = re.compile(r"\d+")


class Case(msgspec.Struct, frozen=True):
    """Two texts. kind: `same`, or what makes them differ. part: which figures they count for."""

    part: str
    kind: str
    one: str
    other: str


class Judged(msgspec.Struct, frozen=True):
    """A case with its cosine, and the guard that refuses it ("": none)."""

    case: Case
    similarity: float
    refused: str


class Score(msgspec.Struct, frozen=True):
    """At one threshold: how many of the pairs that mean the same are hits, and of those that don't."""

    similarity_min: float
    same: int
    others: int
    same_hits: int
    other_hits: int

    @property
    def recall(self) -> float:
        return self.same_hits / self.same if self.same else 0.0

    @property
    def precision(self) -> float | None:
        """Of the hits, how many mean the same; None: there is no hit."""
        hits = self.same_hits + self.other_hits
        return self.same_hits / hits if hits else None


def read_cases(path: Path) -> list[Case]:
    """A file with the columns part, kind, one, other. Raises OSError, KeyError for a column that isn't there."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Case(row["part"], row["kind"], row["one"], row["other"]) for row in csv.DictReader(file)]


def read_pairs(path: Path, embed: Embed) -> list[Case]:
    """A file of pairs that mean the same (pair_id, origin, similar), and what is made of it to differ.

    Every second pair is `seen`: the guards were written with it; the other half is `held`. Of each text of a half, the
    nearest one of another pair of that half is taken to differ (some don't: nobody read them all), and the text itself
    with its last number one higher, and with a `not` put in.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cases: list[Case] = []
    for part, rest in (("seen", 0), ("held", 1)):
        half = [row for row in rows if int(row["pair_id"]) // 2 % 2 == rest]
        cases += [Case(part, SAME, row["origin"], row["similar"]) for row in half]
        texts = list(dict.fromkeys(" ".join(row["origin"].split()) for row in half))
        cases += [Case(part, NEAREST, *pair) for pair in nearest_others(texts, embed)]
        for kind, change in ((NUMBER, other_number), (DENIED, denied)):
            changed = [(text, change(text)) for text in texts]
            cases += [Case(part, kind, text, other) for text, other in changed if other]
    return cases


def nearest_others(texts: Sequence[str], embed: Embed) -> list[tuple[str, str]]:
    """Each text with the one that is nearest to it, each two once."""
    known = [(text, vector) for text, vector in zip(texts, embed(texts), strict=True) if vector is not None]
    matrix = np.array([vector for _, vector in known])
    cosines = matrix @ matrix.T
    np.fill_diagonal(cosines, -1.0)
    pairs = {tuple(sorted((at, int(row.argmax())))) for at, row in enumerate(cosines)}
    return [(known[one][0], known[other][0]) for one, other in sorted(pairs)]


def other_number(text: str) -> str:
    """The text with its last number one higher; "" if it has none.

    >>> other_number("new in version 2.10")
    'new in version 2.11'
    """
    found = list(_DIGITS.finditer(text))
    if not found:
        return ""
    last = found[-1]
    return f"{text[: last.start()]}{int(last.group()) + 1}{text[last.end() :]}"


def denied(text: str) -> str:
    """The text with a `not` behind its first verb; "" if none is found."""
    found = _VERB.search(text)
    return f"{text[: found.end()]} not{text[found.end() :]}" if found else ""


def judge(cases: Sequence[Case], embed: Embed) -> list[Judged]:
    """Each case that has vectors; one that is too long for the embedder is never a hit."""
    ones, others = embed([case.one for case in cases]), embed([case.other for case in cases])
    found = []
    for case, one, other in zip(cases, ones, others, strict=True):
        similarity = float(one @ other) if one is not None and other is not None else -1.0
        found.append(Judged(case, similarity, why_not_one(marks_of(case.one), marks_of(case.other))))
    return found


def score(judged: Sequence[Judged], similarity_min: float, *, guarded: bool) -> Score:
    """Pairs of any kind but `same` are those that must not be hits."""
    hits = [one for one in judged if one.similarity >= similarity_min and not (guarded and one.refused)]
    same = sum(one.case.kind == SAME for one in judged)
    same_hits = sum(one.case.kind == SAME for one in hits)
    return Score(similarity_min, same, len(judged) - same, same_hits, len(hits) - same_hits)


def table(judged: Sequence[Judged]) -> str:
    """Markdown: recall, wrong hits and precision at each threshold, by the cosine alone and with the guards."""
    lines = [
        "| cosine from | recall | wrong hits | precision | guarded: recall | wrong hits | precision |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for threshold in THRESHOLDS:
        cells = [f"{threshold:.2f}"]
        for guarded in (False, True):
            seen = score(judged, threshold, guarded=guarded)
            precision = "–" if seen.precision is None else _percent(seen.precision)
            cells += [_percent(seen.recall), f"{seen.other_hits} of {seen.others}", precision]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def kinds_table(judged: Sequence[Judged], similarity_min: float) -> str:
    """Markdown: by kind, how many pairs there are, how many the cosine takes for one, how many with the guards."""
    lines = ["| kind | pairs | hits by cosine | hits, guarded |", "| --- | ---: | ---: | ---: |"]
    for kind in dict.fromkeys(one.case.kind for one in judged):
        of_kind = [one for one in judged if one.case.kind == kind]
        near = [one for one in of_kind if one.similarity >= similarity_min]
        lines.append(f"| {kind} | {len(of_kind)} | {len(near)} | {sum(not one.refused for one in near)} |")
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
