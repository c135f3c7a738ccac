"""Reconciles one bill with the ledger: its lines and our charges in, findings out. Nothing is posted here."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BadControl
from bursar.domain.money import EXACT
from bursar.domain.usage import Unit
from bursar.finance.reconcile import across, books
from bursar.finance.reconcile.bill import BATCH, STANDARD, BillLine
from bursar.finance.reconcile.books import Ours
from bursar.finance.reconcile.causes import UNCOVERED, Cause, Piece
from bursar.finance.reconcile.cells import About, Family, Priced, lay_side_by_side
from bursar.finance.reconcile.combine import join_usage
from bursar.finance.reconcile.explain import FEMTO, Question, Residual, explain, usual_prices
from bursar.finance.reconcile.grouping import Met, put_together, round_half_even
from bursar.finance.reconcile.infer import complete_quantities
from bursar.finance.reconcile.result import Day, KeyMet, Reconciliation
from bursar.finance.reconcile.sides import Side, Sides, pair_sides
from bursar.ledger.store import Session
from bursar.prices.book import PriceBook

USD = "USD"
_EXTRA = {"tax": Cause.TAX, "credit": Cause.CREDIT, "fee": Cause.FEE}


class Terms(NamedTuple):
    """How to look at a bill. said: whose a key or project is (see `sides.py`). rate: units of the bill's currency for
    one USD in our books. provisional_from: from this day on the provider may still change what it says."""

    provider: str
    said: Mapping[str, Sequence[str]] = {}
    rate: Decimal | None = None
    provisional_from: date = date.max
    book: PriceBook | None = None


def reconcile(session: Session, lines: Sequence[BillLine], terms: Terms) -> Reconciliation:
    """Raises BadControl for a bill in another currency where nobody says at which rate."""
    if not lines:
        return Reconciliation(0, 0, 0, 0, 0, [], [], [], [])
    start, end = min(line.start for line in lines), max(line.end for line in lines)
    charges = books.provider_days(session, terms.provider, start, end)

    def at_midnight(residual: Residual, day: date) -> list[dict[str, int]]:
        return books.near_midnight(session, terms.provider, day, residual.models, None)

    return compare(lines, charges, terms, at_midnight)


def compare(
    lines: Sequence[BillLine], charges: Sequence[Ours], terms: Terms, at_midnight: across.AtMidnight
) -> Reconciliation:
    """The same over values. Raises BadControl likewise."""
    start, end = min(line.start for line in lines), max(line.end for line in lines)
    money, evidence = join_usage(lines)
    usage, extra, pieces = _in_usd(money, terms)
    sides = pair_sides([*(one.line for one in usage), *evidence], charges, terms.said)
    strange = [one for one in usage if sides.of_line(one.line).how == "unknown"]
    pieces += [_not_through(one, sides.of_line(one.line)) for one in strange]
    families = lay_side_by_side(
        [one for one in usage if sides.of_line(one.line).how != "unknown"], evidence, charges, sides
    )
    exchanged = [piece for piece in pieces if piece.cause is Cause.CURRENCY]
    days = _days(families, strange, [*extra, *exchanged], terms)  # before a discount is spread over its cells
    our_money = sum(family.our_money for family in families)
    usual = usual_prices(families)
    complete_quantities(families, usual)
    found = [explain(family, usual) for family in families]
    pieces += [piece for one in found for piece in one.pieces]
    pieces += across.settle_residuals(found, (start, end), terms.provisional_from, at_midnight)
    is_foreign = any(line.currency != USD and line.rate is None for line in lines)
    pieces += across.settle_questions(found, is_foreign=is_foreign, tier_of=lambda asked: _tier_of(asked, terms))
    pieces += extra
    used = sum(one.money for one in usage)
    extra_money = round_half_even(sum(piece.money for piece in (*extra, *exchanged)))
    ours = round_half_even(our_money)
    variances = put_together(pieces, used + extra_money - ours, terms.provisional_from, _met(families, sides))
    uncovered = sum(max(one.money, 0) for one in variances if one.cause in UNCOVERED and one.cause is not Cause.FEE)
    notes = []
    if any(line.amount is None for line in lines) and not evidence and all(line.amount is None for line in lines):
        notes.append("usage pages alone say no money: import the cost pages of these days too")
    return Reconciliation(
        billed=used + extra_money, used=used, extra=extra_money, ours=ours,
        covered=min(max(used - uncovered, 0), max(used, 0)), variances=variances, days=days,
        keys=_keys(usage, sides), notes=notes, charges=len(charges),
    )  # fmt: skip


_OWN_RATE = "the bill's own rate and that of the books"


def _in_usd(money: Sequence[BillLine], terms: Terms) -> tuple[list[Priced], list[Piece], list[Piece]]:
    """(usage in USD, tax and the like, exchange differences)."""
    places: dict[str, int] = defaultdict(int)
    for line in money:
        places[line.currency] = max(places[line.currency], line.places)
    usage, extra, exchange = [], [], []
    for line in money:
        rate = Decimal(1) if line.currency == USD else line.rate or terms.rate
        if rate is None or rate <= 0:
            raise BadControl(
                f"rate: the bill is in {line.currency}; say how many {line.currency} one USD is in your books",
                field="rate",
            )
        amount = line.amount or Decimal(0)
        usd = _pico(amount, rate)
        half = Decimal(5).scaleb(-1 - min(places[line.currency], 12))
        about = About(line.start, line.end, "", "")
        if line.rate is not None and terms.rate is not None and line.rate != terms.rate and line.currency != USD:
            other = (_pico(amount, terms.rate) - usd) * FEMTO
            exchange.append(Piece(Cause.CURRENCY, about, ("", ""), other, Decimal(0), _OWN_RATE))
        if line.kind in _EXTRA:
            extra.append(Piece(_EXTRA[line.kind], about, ("", ""), usd * FEMTO, Decimal(0), line.text))
        else:
            usage.append(Priced(line, usd, max(_pico(half, rate), 1)))
    return usage, extra, exchange


def _pico(amount: Decimal, rate: Decimal) -> int:
    usd = EXACT.divide(amount, rate) if rate != 1 else amount
    return int(usd.scaleb(12, EXACT).to_integral_value(ROUND_HALF_EVEN, EXACT))


def _not_through(one: Priced, side: Side) -> Piece:
    line = one.line
    about = About(line.start, line.end, side.label, line.model)
    return Piece(
        Cause.NOT_THROUGH, about, (line.unit, line.tier), one.money * FEMTO, line.quantity or Decimal(0), side.label
    )


def _tier_of(asked: Question, terms: Terms) -> str:
    """The tier whose price theirs is, by our price list; "" where it is none, or the one that ours is."""
    unit = next((unit for unit in Unit if unit.value == asked.cell[0]), None)
    if terms.book is None or unit is None or not asked.models:
        return ""
    at_us = us_from_datetime(datetime.combine(asked.about.start, time(12), UTC))
    model, own = asked.models[0], asked.cell[1] or STANDARD
    for tier in (*terms.book.tiers(terms.provider, model), BATCH):
        name = STANDARD if tier == "default" else tier
        sheet = terms.book.at(terms.provider, model, at_us, tier=tier, batch=tier == BATCH)
        if sheet is None or name == own or not (sheet.tier_known or tier == BATCH):
            continue
        price = sheet.unit_prices.get(unit)
        if price is not None and price == asked.their_price and price != asked.our_price:
            return name
    return ""


def _met(families: Sequence[Family], sides: Sides) -> Met:
    credentials: dict[str, set[str]] = defaultdict(set)
    models: dict[str, set[str]] = defaultdict(set)
    for whose, label in sides.ours.items():
        credentials[label].add(whose.credential_id)
    for family in families:
        models[family.about.model] |= family.models
    return Met(
        {label: sorted(ids) for label, ids in credentials.items()}, {name: sorted(one) for name, one in models.items()}
    )


def _days(families: Sequence[Family], strange: Sequence[Priced], extra: Sequence[Piece], terms: Terms) -> list[Day]:
    spans: dict[tuple[date, date], list[int]] = defaultdict(lambda: [0, 0, 0])
    for family in families:
        both = spans[family.about.start, family.about.end]
        both[0] += family.their_money
        both[1] += family.our_money
    for one in strange:
        spans[one.line.start, one.line.end][0] += one.money
    for piece in extra:
        spans[piece.about.start, piece.about.end][2] += piece.money
    return [
        Day(*span, theirs, round_half_even(ours), round_half_even(more), span[1] > terms.provisional_from)
        for span, (theirs, ours, more) in sorted(spans.items())
    ]


def _keys(usage: Sequence[Priced], sides: Sides) -> list[KeyMet]:
    money: dict[tuple[str, str], int] = defaultdict(int)
    for one in usage:
        money[one.line.key, one.line.project] += one.money
    met = [KeyMet(" / ".join(filter(None, name)), sides.theirs[name].how, whole) for name, whole in money.items()]
    return sorted((one for one in met if one.name), key=lambda one: (-one.money, one.name))
