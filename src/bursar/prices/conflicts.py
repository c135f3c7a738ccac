"""What deserves a second look: catalogues that contradict the book, and prices that jump."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from bursar.domain.usage import Unit
from bursar.prices.book import PriceBook
from bursar.prices.catalogue import Catalogue, Cell
from bursar.prices.rows import STANDARD, Accepted, Override, Period, PriceEntry
from bursar.prices.schedule import BEGIN_US, END_US, stamp
from bursar.prices.sheet import PriceSheet

JUMP = Decimal(3)
"""A price that changes by more than this factor, either way, waits for a person's approval."""

SAME = Decimal("1.000001")
"""Two catalogues that differ by less mean the same price: one of them went through a float."""


class Finding(NamedTuple):
    """One disagreement or jump. Prices in femto-USD per unit.

    kind: "conflict" (a catalogue contradicts the book), "jump" (a dated price over 3x its predecessor, needs approval),
        "override" (a local price over 3x off the catalogue's, needs approval).
    above: the context band, as in Band.
    left, right: the book's (or earlier) price and the other (or later) one, each with who or when says so.
    """

    kind: Literal["conflict", "jump", "override"]
    provider: str
    model: str
    tier: str
    above: int
    unit: Unit
    left: int
    left_source: str
    right: int
    right_source: str

    @property
    def ratio(self) -> Decimal | None:
        """How many times the larger is the smaller; None where one of them is zero."""
        return ratio_of(self.left, self.right)

    @property
    def needs_approval(self) -> bool:
        return is_jump(self.left, self.right)


def ratio_of(left: int, right: int) -> Decimal | None:
    low, high = sorted((left, right))
    return Decimal(high) / Decimal(low) if low else None


def is_jump(left: int, right: int) -> bool:
    """Over 3x, up or down. From or to nothing is a jump too."""
    if left == right:
        return False
    ratio = ratio_of(left, right)
    return ratio is None or ratio > JUMP


def not_accepted(findings: Iterable[Finding], accepted: Sequence[Accepted]) -> list[Finding]:
    """The findings that nobody has accepted yet."""
    return [f for f in findings if not any(row.covers(f.provider, f.model.lower(), f.unit, f.kind) for row in accepted)]


def find_conflicts(book: PriceBook, catalogues: Iterable[Catalogue]) -> list[Finding]:
    """Where a catalogue contradicts the book as of the day the catalogue was published; the widest gap first.

    Compared are prices that both list, in the same band. A cell that a local price settles is not a conflict: somebody
    has decided it.
    """
    findings = [finding for catalogue in catalogues for finding in _conflicts(book, catalogue)]
    return sorted(findings, key=lambda f: (-(f.ratio or Decimal("inf")), f.provider, f.model, f.unit))


def _conflicts(book: PriceBook, catalogue: Catalogue) -> Iterator[Finding]:
    for cell in catalogue.cells:
        sheet = _sheet(book, cell, catalogue.at_us)
        if sheet is None or not _comparable(sheet, cell):
            continue
        price = sheet.unit_prices[cell.unit]
        ratio = ratio_of(price, cell.femto)
        if price != cell.femto and (ratio is None or ratio > SAME):
            yield Finding("conflict", *cell[:5], price, sheet.source, cell.femto, catalogue.name)


def _sheet(book: PriceBook, cell: Cell, at_us: int) -> PriceSheet | None:
    tier = "" if cell.tier == STANDARD else cell.tier
    return book.at(cell.provider, cell.model, at_us, tier=tier, input_tokens=cell.above + 1)


def _comparable(sheet: PriceSheet, cell: Cell) -> bool:
    return (
        sheet.match in ("exact", "pattern")
        and sheet.tier_known
        and sheet.band_above == cell.above
        and cell.unit in sheet.listed
    )


def find_jumps(entries: Iterable[PriceEntry]) -> list[Finding]:
    """Dated prices that are over 3x their predecessor, up or down. Windows of the day are compared with themselves."""
    return [
        Finding("jump", entry.provider, entry.model, tier, -1, unit, before, _since(old), after, _since(new))
        for entry in entries
        for tier, periods in entry.tiers.items()
        for old, new in _successions(periods)
        for unit, before, after in _changes(old, new)
        if is_jump(before, after)
    ]


def find_bold_overrides(book: PriceBook, at_us: int) -> list[Finding]:
    """Local prices over 3x off the catalogue's and not marked `approved = true`. at_us: now, to choose by date."""
    catalogue = book.without_overrides()
    findings = []
    for row in book.overrides:
        instant = at_us if row.valid_to_us is None else min(at_us, row.valid_to_us - 1)
        instant = instant if row.valid_from_us is None else max(instant, row.valid_from_us)
        for provider, model in [] if row.approved else sorted(_targets(catalogue, row)):
            tier = "" if row.tier in (STANDARD, "*") else row.tier
            sheet = catalogue.at(provider, model, instant, tier=tier, input_tokens=row.above + 1)
            if sheet is None:
                continue
            for unit, price in row.prices.items():
                known = sheet.unit_prices.get(unit)
                if known is not None and is_jump(known, price):
                    where = f"prices.toml:{row.line}"
                    tiers = (sheet.provider, sheet.model, row.tier, row.above)
                    findings.append(Finding("override", *tiers, unit, known, sheet.source, price, where))
    return findings


def _targets(book: PriceBook, row: Override) -> set[tuple[str, str]]:
    """The catalogue's models that a local price is about, as (provider, model)."""
    if not row.is_pattern and row.provider != "*":
        return {(row.provider, row.model)}
    return {(entry.provider, entry.model) for entry in book.entries() if row.names(entry.provider, entry.model.lower())}


def _successions(periods: list[Period]) -> Iterator[tuple[Period, Period]]:
    """Each period with the one it follows, in the same part of the day."""
    ordered = sorted(periods, key=lambda p: BEGIN_US if p.valid_from_us is None else p.valid_from_us)
    for at, new in enumerate(ordered):
        for old in reversed(ordered[:at]):
            ended = END_US if old.valid_to_us is None else old.valid_to_us
            if ended == new.valid_from_us and old.day_from_s < new.day_to_s and new.day_from_s < old.day_to_s:
                yield old, new
                break


def _changes(old: Period, new: Period) -> Iterator[tuple[Unit, int, int]]:
    """Prices of the first band, of the units that both list."""
    before, after = old.bands[0].prices, new.bands[0].prices
    for unit in before.keys() & after.keys():
        if before[unit] != after[unit]:
            yield unit, before[unit], after[unit]


def _since(period: Period) -> str:
    return f"{period.source} {stamp(period.valid_from_us, period.day_from_s, period.day_to_s)}"
