"""What days and models say together: usage that stands on the day before or after, prices that differ everywhere."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from bursar.finance.reconcile.causes import Cause, Piece
from bursar.finance.reconcile.cells import About, Cell
from bursar.finance.reconcile.explain import Explained, Question, Residual

NEIGHBOURS_DAYS = 1
RATE_MODELS_MIN = 2
RATE_SHARE = Fraction(9, 10)  # of the questions that must have one factor for it to be the exchange rate's
_CLOSE = Fraction(1, 10**6)

TierOf = Callable[[Question], str]
"""The tier whose price theirs is, by our price list; "": none."""
AtMidnight = Callable[[Residual, date], list[dict[str, int]]]
"""Usage of each of our last charges of a day, the last first."""


def settle_residuals(
    found: Sequence[Explained], span: tuple[date, date], provisional_from: date, at_midnight: AtMidnight
) -> list[Piece]:
    """What becomes of quantities that only one side has. span: the days of the bill; the provider may still change
    days from `provisional_from` on."""
    residuals = [one.residual for one in found if one.residual is not None]
    by_owner: dict[tuple[str, str], list[Residual]] = defaultdict(list)
    for residual in residuals:
        by_owner[residual.about.side, residual.about.model].append(residual)
    pieces, done = [], set()
    for same in by_owner.values():
        same.sort(key=lambda one: one.about)
        for first, second in pairwise(same):
            if id(first) in done or (second.about.start - first.about.start).days > NEIGHBOURS_DAYS:
                continue
            if first.vector == {cell: -value for cell, value in second.vector.items()}:
                done |= {id(first), id(second)}
                note = f"{first.about.start.isoformat()} and {second.about.start.isoformat()}"
                pieces += [*_pieces(Cause.TIMING, first, note), *_pieces(Cause.TIMING, second, note)]
    for residual in residuals:
        if id(residual) not in done:
            pieces += _alone(residual, span, provisional_from, at_midnight)
    return pieces


def _alone(residual: Residual, span: tuple[date, date], provisional_from: date, at_midnight: AtMidnight) -> list[Piece]:
    """A residual that no neighbour makes up for."""
    whole = sum(residual.money.values())
    if whole < 0 and residual.about.end > provisional_from:
        return _pieces(Cause.TIMING, residual, "the provider may still add to these days")
    edge = None
    if residual.about.end == span[1] and all(value < 0 for value in residual.vector.values()):
        edge = residual.about.end - timedelta(days=1)
    elif residual.about.start == span[0] and all(value > 0 for value in residual.vector.values()):
        edge = residual.about.start - timedelta(days=1)
    if edge is not None and not residual.by_money and _is_last_of(residual, at_midnight(residual, edge)):
        return _pieces(Cause.TIMING, residual, f"{edge.isoformat()} and the day after it")
    pieces = []
    for cell, value in residual.vector.items():
        cause = Cause.MISSING if value > 0 else Cause.NOT_BILLED
        pieces.append(Piece(cause, residual.about, cell, residual.money[cell], _told(value, residual)))
    return pieces


def _is_last_of(residual: Residual, charges: Sequence[dict[str, int]]) -> bool:
    """Whether the last charges of a day add up to just what differs."""
    wanted: dict[str, Fraction] = defaultdict(Fraction)
    for (unit, _), value in residual.vector.items():
        wanted[unit] += abs(value)
    so_far: dict[str, Fraction] = defaultdict(Fraction)
    for charge in charges:
        for unit, quantity in charge.items():
            so_far[unit] += quantity
        if all(so_far[unit] == wanted[unit] for unit in {*so_far, *wanted}):
            return True
    return False


def _pieces(cause: Cause, residual: Residual, note: str) -> list[Piece]:
    return [
        Piece(cause, residual.about, cell, residual.money[cell], _told(value, residual), note)
        for cell, value in residual.vector.items()
    ]


def _told(value: Fraction, residual: Residual) -> Decimal:
    return Decimal(0) if residual.by_money else Decimal(value.numerator) / Decimal(value.denominator)


def settle_questions(found: Sequence[Explained], *, is_foreign: bool, tier_of: TierOf) -> list[Piece]:
    """What becomes of quantities that are the same at another price."""
    questions = [question for one in found for question in one.questions]
    agreed: dict[tuple[str, Cell], list[About]] = defaultdict(list)
    for one in found:
        for about, cell in one.agreed:
            agreed[about.model, cell].append(about)
    rate = _common_factor(questions, sum(map(len, agreed.values()))) if is_foreign else None
    by_price: dict[tuple[str, Cell], list[Question]] = defaultdict(list)
    pieces = []
    for question in questions:
        if rate is not None and _is_close(question.their_price / question.our_price, rate):
            pieces.append(_piece(Cause.CURRENCY, question))
        else:
            by_price[question.about.model, question.cell].append(question)
    for key, asked in by_price.items():
        pieces += _of_one_price(asked, agreed.get(key, []), tier_of)
    return pieces


def _of_one_price(asked: Sequence[Question], agreed: Sequence[About], tier_of: TierOf) -> list[Piece]:
    """Questions about one model and class."""
    pieces = []
    for question in asked:
        factor = question.their_price / question.our_price
        others = (one for one in asked if one is not question)
        alike = any(_is_close(one.their_price / one.our_price, factor) for one in others)
        tier = "" if question.is_sum else tier_of(question)
        if tier:
            cause = Cause.BATCH if "batch" in (tier, question.cell[1]) else Cause.TIER
            pieces.append(_piece(cause, question, f"billed at the price of {tier}"))
        elif alike or not _is_alone(question, agreed):
            pieces.append(_piece(Cause.UNEXPLAINED if question.is_sum and not alike else Cause.STALE_PRICE, question))
        elif question.money > 0:
            pieces.append(_piece(Cause.THEIRS, question, "more than usage and the price of the other days come to"))
        else:
            pieces.append(_piece(Cause.STALE_PRICE, question, "less than the price of the other days comes to"))
    return pieces


def _is_alone(question: Question, agreed: Sequence[About]) -> bool:
    """Whether others were billed at our price after it, or on its own day: a price that changed would have stayed."""
    return any(about.start >= question.about.start for about in agreed)


def _common_factor(questions: Sequence[Question], agreed: int) -> Fraction | None:
    """The factor between the two sides' prices that nearly everything has, over several models."""
    ratios = sorted((one.their_price / one.our_price, one.about.model) for one in questions)
    if not ratios:
        return None
    middle = ratios[len(ratios) // 2][0]
    near = [model for ratio, model in ratios if _is_close(ratio, middle)]
    enough = len(near) >= RATE_SHARE * (len(ratios) + agreed) or len(near) > len(ratios) // 2 + agreed
    return middle if enough and len(set(near)) >= RATE_MODELS_MIN else None


def _is_close(ratio: Fraction, other: Fraction) -> bool:
    return abs(ratio - other) <= _CLOSE * abs(other)


def _piece(cause: Cause, question: Question, note: str = "") -> Piece:
    return Piece(
        cause, question.about, question.cell, question.money, _decimal(question.quantity) if not question.is_sum else
        Decimal(0), note, their_price=_decimal(question.their_price), our_price=_decimal(question.our_price),
    )  # fmt: skip


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
