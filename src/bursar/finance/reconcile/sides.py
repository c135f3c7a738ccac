"""Whose usage a bill's key, project or account is: which of our charges it has to be compared with."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from bursar.finance.reconcile.bill import BillLine
from bursar.finance.reconcile.books import Ours, Whose

OUTSIDE = "outside"
ANY = ""
RECOGNISED_SHARE = 0.5  # of the days' quantities that must be the same for a key to be recognised by them
RECOGNISED_MIN = 2  # how many of them at least

How = Literal["said", "named", "recognised", "pooled", "unknown"]
Name = tuple[str, str]
"""(key, project) as a bill says them."""


class Side(NamedTuple):
    """label: what both sides of a comparison have in common; how: by what we know. `unknown`: never seen here."""

    label: str
    how: How


class Sides(NamedTuple):
    """theirs: by a bill's (key, project); ours: by what tells our charges apart."""

    theirs: Mapping[Name, Side]
    ours: Mapping[Whose, str]

    def of_line(self, line: BillLine) -> Side:
        return self.theirs[line.key, line.project]


def pair_sides(lines: Sequence[BillLine], charges: Sequence[Ours], said: Mapping[str, Sequence[str]]) -> Sides:
    """Pair what the bill names with what we know.

    said: what people said of a bill's key or project: ids of our keys, projects or upstreams; [OUTSIDE]: not ours.
    Beside that a name that is one of ours is taken as such, and a key whose usage is that of one of ours, day by day.
    Where nothing is recognised at all, all of the bill is compared with all of ours.
    """
    names = sorted({(line.key, line.project) for line in lines})
    known = {charge.whose for charge in charges}
    theirs: dict[Name, Side] = {}
    claims: dict[str, str] = {}  # our key, project or upstream → label
    for name in names:
        for word in name:
            targets = said.get(word, ()) if word else ()
            if targets:
                is_outside = OUTSIDE in targets
                theirs[name] = Side(word, "unknown" if is_outside else "said")
                claims.update(() if is_outside else ((target, word) for target in targets))
                break
    ours_named = {text for whose in known for text in (whose.credential_id, whose.project) if text}
    for name in names:
        word = next((word for word in name if word in ours_named), "") if name not in theirs else ""
        if word:
            theirs[name] = Side(word, "named")
            claims.setdefault(word, word)
    unsure = [name for name in names if name not in theirs and any(name)]
    for name, whose in _recognise(unsure, lines, charges, claims).items():
        theirs[name] = Side(name[0] or name[1], "recognised")
        claims[whose.credential_id] = name[0] or name[1]
    unsure = [name for name in unsure if name not in theirs]
    is_blind = bool(unsure) and not any(side.how != "unknown" for side in theirs.values())
    for name in unsure:
        theirs[name] = Side(ANY, "pooled") if is_blind else Side(name[0] or name[1], "unknown")
    for name in names:
        theirs.setdefault(name, Side(ANY, "pooled"))
    return Sides(theirs, {whose: _claimed(whose, claims) for whose in known})


def _claimed(whose: Whose, claims: Mapping[str, str]) -> str:
    """The closest that claims a charge: its key, its project, its upstream."""
    return next((claims[word] for word in whose if word and word in claims), ANY)


def _recognise(
    names: Iterable[Name], lines: Sequence[BillLine], charges: Sequence[Ours], claims: Mapping[str, str]
) -> dict[Name, Whose]:
    """Keys whose quantities by day and class are those of one of ours, most of the time."""
    wanted = set(names)
    if not wanted:
        return {}
    told: dict[Name, dict[tuple[object, str], Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for line in lines:
        if (line.key, line.project) in wanted and line.quantity and line.unit and line.days == 1:
            told[line.key, line.project][line.start, line.unit] += line.quantity
    mine: dict[str, dict[tuple[object, str], int]] = defaultdict(lambda: defaultdict(int))
    sample: dict[str, Whose] = {}
    for charge in charges:
        if charge.unit and _claimed(charge.whose, claims) == ANY:
            mine[charge.whose.credential_id][charge.day, charge.unit] += charge.quantity
            sample[charge.whose.credential_id] = charge.whose
    at: dict[tuple[object, str, Decimal], set[str]] = defaultdict(set)
    for credential, cells in mine.items():
        for (day, unit), quantity in cells.items():
            at[day, unit, Decimal(quantity)].add(credential)
    found: dict[Name, Whose] = {}
    taken: set[str] = set()
    for name, cells_told in told.items():
        hits: dict[str, int] = defaultdict(int)
        for (day, unit), said in cells_told.items():
            for credential in at.get((day, unit, said), ()):
                hits[credential] += 1
        best = max(hits, key=lambda one: hits[one], default="")
        enough = max(RECOGNISED_MIN, RECOGNISED_SHARE * len(cells_told))
        if best and best not in taken and hits[best] >= enough:
            found[name] = sample[best]
            taken.add(best)
    return found
