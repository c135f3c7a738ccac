"""Bill lines and charges laid side by side: families (days × side × model) of cells (class of usage × tier)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from bursar.domain.usage import INPUT_UNITS, OUTPUT_UNITS
from bursar.finance.reconcile.bill import BillLine, standard_tier
from bursar.finance.reconcile.books import Ours
from bursar.finance.reconcile.readers.words import model_mark
from bursar.finance.reconcile.sides import ANY, Sides

ALL_INPUT, ALL_OUTPUT, ALL = "all input", "all output", ""
_ALL_OF = {unit.value: ALL_INPUT for unit in INPUT_UNITS} | {unit.value: ALL_OUTPUT for unit in OUTPUT_UNITS}
Cell = tuple[str, str]
"""(class of usage, tier)"""


@dataclass(slots=True)
class Their:
    """What the bill says of a cell. money: pico-USD. tolerance: by how much its lines may be rounded, pico-USD."""

    quantity: Decimal | None = None
    money: int = 0
    tolerance: int = 0
    copies: list[tuple[Decimal | None, int]] = field(default_factory=list)  # lines that say again what another said


@dataclass(slots=True)
class Our:
    """What our charges say of a cell. Money: femto-USD. doubtful: of estimated charges."""

    quantity: int = 0
    unpriced: int = 0
    doubtful: int = 0
    money: int = 0


class About(NamedTuple):
    """The days [start, end), the side's label and the bill's name of the model that a family is about."""

    start: date
    end: date
    side: str
    model: str


@dataclass(slots=True)
class Family:
    """Both sides of one comparison. assumed, other: femto-USD of ours that no class of usage explains; evidence: usage
    that stands beside money which isn't told by class, by ALL_INPUT and ALL_OUTPUT."""

    about: About
    theirs: dict[Cell, Their] = field(default_factory=dict)
    ours: dict[Cell, Our] = field(default_factory=dict)
    evidence: dict[str, Decimal] = field(default_factory=dict)
    our_evidence: dict[str, int] = field(default_factory=dict)
    assumed: int = 0
    other: int = 0
    models: set[str] = field(default_factory=set)

    @property
    def their_money(self) -> int:
        return sum(cell.money for cell in self.theirs.values())

    @property
    def our_money(self) -> int:
        """Femto-USD."""
        return sum(cell.money for cell in self.ours.values()) + self.assumed + self.other


class Priced(NamedTuple):
    """A usage line with its money in USD. money, tolerance: pico-USD."""

    line: BillLine
    money: int
    tolerance: int


def lay_side_by_side(
    priced: Sequence[Priced], evidence: Sequence[BillLine], charges: Sequence[Ours], sides: Sides
) -> list[Family]:
    """Every usage line and every charge in exactly one cell of one family."""
    families: dict[About, Family] = {}
    seen: set[BillLine] = set()
    for line, money, tolerance in priced:
        family = _family(families, About(line.start, line.end, sides.of_line(line).label, line.model))
        cell = family.theirs.setdefault((line.unit, line.tier), Their())
        if line in seen:
            cell.copies.append((line.quantity, money))
        seen.add(line)
        cell.money += money
        cell.tolerance += tolerance
        if line.quantity is not None:
            cell.quantity = (cell.quantity or Decimal(0)) + line.quantity
    for line in evidence:
        about = About(line.start, line.end, sides.of_line(line).label, line.model)
        if about in families:
            word = _ALL_OF.get(line.unit, line.unit)
            families[about].evidence[word] = families[about].evidence.get(word, Decimal(0)) + (line.quantity or 0)
    _put_ours(families, charges, sides, {line.model for line, _, _ in priced if line.model})
    return list(families.values())


def _put_ours(families: dict[About, Family], charges: Sequence[Ours], sides: Sides, models: set[str]) -> None:
    labels = model_labels({charge.model for charge in charges}, models)
    spans: dict[date, list[tuple[date, date]]] = defaultdict(list)
    long = sorted({(about.start, about.end) for about in families if (about.end - about.start).days > 1})
    homes: dict[tuple[date, str, str, str], About] = {}
    for charge in charges:
        day, side, label = charge.day, sides.ours.get(charge.whose, ANY), labels.get(charge.model, charge.model)
        key = (day, side, label, charge.unit)
        home = homes.get(key)
        if home is None:
            if day not in spans:
                one = (day, date.fromordinal(day.toordinal() + 1))
                spans[day] = [one, *(span for span in long if span[0] <= day < span[1])]
            home = homes[key] = _home(families, spans[day], side, label, charge.unit)
        _add(_family(families, home), charge)


def _home(
    families: Mapping[About, Family], spans: Sequence[tuple[date, date]], side: str, label: str, unit: str
) -> About:
    """Where a charge belongs: to the closest cell that is about it, else to a family of its day, side and model."""
    tried = [About(*span, one, model) for span in spans for one in dict.fromkeys((side, ANY)) for model in (label, "")]
    words = tuple(dict.fromkeys((unit, _ALL_OF.get(unit, unit), ALL))) if unit else (ALL,)
    for word in words:
        for about in tried:
            family = families.get(about)
            if family is not None and any(cell[0] == word for cell in family.theirs):
                return about
    for about in tried:
        if about in families and about.model == label:
            return about
    return tried[0]


def _add(family: Family, charge: Ours) -> None:
    family.models.add(charge.model)
    if not charge.unit:
        if charge.quality == "assumed":
            family.assumed += charge.money
        else:
            family.other += charge.money
        return
    word = _ALL_OF.get(charge.unit, charge.unit)
    family.our_evidence[word] = family.our_evidence.get(word, 0) + charge.quantity
    cell = family.ours.setdefault(_cell_of(family, charge), Our())
    cell.quantity += charge.quantity
    cell.money += charge.money
    if charge.quality == "unpriced":
        cell.unpriced += charge.quantity
    elif charge.quality in ("estimated", "assumed"):
        cell.doubtful += charge.quantity


def _cell_of(family: Family, charge: Ours) -> Cell:
    """The bill's own cell for a charge where it has one; it may tell less than we do: no tier, several classes."""
    tier = standard_tier(charge.tier)
    unit = charge.unit
    for word in (unit, _ALL_OF.get(unit, unit), ALL):
        for said in (tier, ""):
            if (word, said) in family.theirs:
                return word, said
    says_tier = any(told for _, told in family.theirs) or not family.theirs
    return unit, tier if says_tier else ""


def _family(families: dict[About, Family], about: About) -> Family:
    found = families.get(about)
    if found is None:
        found = families[about] = Family(about)
    return found


def model_labels(ours: set[str], theirs: set[str]) -> dict[str, str]:
    """The bill's name of each model of ours: the same name, else the one that means the same without date and vendor;
    none where several might."""
    by_mark: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for name in theirs:
        by_mark[model_mark(name)].add(name)
    labels = {}
    for name in ours:
        if name in theirs:
            labels[name] = name
            continue
        alike = by_mark.get(model_mark(name), set())
        if len(alike) == 1:
            labels[name] = next(iter(alike))
    return labels
