"""Where each promise of a contract stands: what is used of credits and commitments, how volumes and capacity go."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from bursar.domain.money import usd_from_pico
from bursar.finance.contracts.balances import Balances
from bursar.finance.contracts.book import RatedDay
from bursar.finance.contracts.rate import bounds_of, cost_of_credit
from bursar.finance.contracts.terms import PARTS, Commitment, Contract, ContractTerms, Credit, Volume, pico

PACE_DAYS = 28  # whole weeks
State = Literal["to come", "running", "met", "used up", "short", "over"]


class Drawdown(msgspec.Struct, frozen=True):
    """A credit or a commitment. Money in USD.

    kind:      "credit" or "commitment". used, left: of the amount. pace: a day, over the last 28 of them.
    expected:  what of it will be used by its last day at that pace; None: it has no last day.
    unused:    what would be left then: a shortfall of a commitment, an expired credit; what it costs (of a credit what
               was paid for that part).
    """

    contract: str
    provider: str
    kind: str
    name: str
    state: State
    amount: Decimal
    used: Decimal
    left: Decimal
    start: date
    end: date | None
    days_left: int | None
    pace: Decimal
    expected: Decimal | None
    unused: Decimal | None

    @property
    def share(self) -> Decimal:
        """Of the amount, from 0 to 1 and beyond."""
        return self.used / self.amount

    @property
    def is_short(self) -> bool:
        """Money will be lost at this pace."""
        return self.state in ("running", "short") and bool(self.unused)


class Reached(msgspec.Struct, frozen=True):
    """A volume's steps this month. brought: USD, or tokens. to_next: until the next step begins; None: the last."""

    contract: str
    name: str
    by: str
    mode: str
    brought: Decimal
    percent: Decimal
    next_percent: Decimal | None
    to_next: Decimal | None


def drawdowns(contract: Contract, rated: Mapping[date, RatedDay], today: date) -> list[Drawdown]:
    """Every credit and commitment of the terms that hold now, or held last."""
    version = contract.on(today) or contract.latest
    now, then = _after(rated, today), _after(rated, today - timedelta(days=PACE_DAYS))
    found = [_credit(contract, one, now, then, today) for one in version.terms.credits]
    return found + [_commitment(contract, one, now, then, today) for one in version.terms.commitments]


def volumes(contract: Contract, rated: Mapping[date, RatedDay], today: date) -> list[Reached]:
    """Where each volume of the terms that hold now stands in its month."""
    version = contract.on(today)
    if version is None:
        return []
    balances = _after(rated, today)
    brought = balances.volumes if balances.month == f"{today:%Y-%m}" else {}
    return [_reached(contract, one, brought.get(one.name, 0)) for one in version.terms.volumes]


def terms_in_words(terms: ContractTerms) -> list[str]:
    """A line for each thing that was agreed."""
    lines = [f"{one.percent.normalize():f} % off {_scope(one)}" for one in terms.discounts]
    lines += [f"{one.unit} at ${one.usd_per_million:f} per million, {_scope(one)}" for one in terms.prices]
    for volume in terms.volumes:
        unit = "$" if volume.by == "list_cost" else ""
        steps = ", ".join(f"{step.percent.normalize():f} % above {unit}{step.above:,}" for step in volume.steps)
        how = "for what lies above" if volume.mode == "graduated" else "for the whole month"
        lines.append(f"{volume.name}: {steps} {'of tokens ' if not unit else ''}a month, {how}, {_scope(volume)}")
    for credit in terms.credits:
        cost = f"paid ${credit.paid:,}" if credit.paid else "given"
        ends = f"until {credit.expires}" if credit.expires else "without an end"
        lines.append(f"credit {credit.name}: ${credit.amount:,}, {cost}, from {credit.granted} {ends}")
    for one in terms.commitments:
        paid = "paid up front" if one.payment == "upfront" else "in arrears"
        lines.append(f"commitment {one.name}: ${one.amount:,} from {one.start} to {one.end}, {paid}, {_scope(one)}")
    for capacity in terms.capacities:
        ends = f" to {capacity.end}" if capacity.end else ""
        most = f", {capacity.tokens_per_minute:,} tokens a minute" if capacity.tokens_per_minute else ""
        lines.append(
            f"capacity {capacity.name}: ${capacity.usd:,} per {capacity.per} from {capacity.start}{ends}{most}, "
            f"{_scope(capacity)}"
        )
    return lines


def _scope(one: object) -> str:
    models, tiers = getattr(one, "models", ()), getattr(one, "tiers", ())
    words = ", ".join(models) if models else "all models"
    return f"{words}{' on ' + ', '.join(tiers) if tiers else ''}"


def _after(rated: Mapping[date, RatedDay], day: date) -> Balances:
    """What stood after a day: of the last one that was rated by then."""
    known = [one for one in rated if one <= day]
    return rated[max(known)].balances if known else Balances()


def _credit(contract: Contract, one: Credit, now: Balances, then: Balances, today: date) -> Drawdown:
    used = now.credits.get(one.name, 0)
    amount = pico(one.amount)
    pace = _pace(used - then.credits.get(one.name, 0), one.granted, today)
    expected = _expected(used, pace, amount, one.expires, today)
    unused = None if expected is None else pico(one.paid) - cost_of_credit(one, expected)
    state = _state(one.granted, one.expires, today, is_full=used >= amount, unused=unused, full="used up")
    return _told(contract, "credit", one.name, state, (amount, used), (one.granted, one.expires), pace, today,
                 expected, unused)  # fmt: skip


def _commitment(contract: Contract, one: Commitment, now: Balances, then: Balances, today: date) -> Drawdown:
    used = now.commitments.get(one.name, 0)
    amount = pico(one.amount)
    pace = _pace(used - then.commitments.get(one.name, 0), one.start, today)
    expected = _expected(used, pace, None, one.end, today)
    unused = max(amount - (expected or 0), 0)
    state = _state(one.start, one.end, today, is_full=used >= amount, unused=unused, full="met")
    return _told(contract, "commitment", one.name, state, (amount, used), (one.start, one.end), pace, today,
                 expected, unused)  # fmt: skip


def _pace(used: int, start: date, today: date) -> Decimal:
    """Pico-USD a day, over the last weeks or since it began, today not counted as a whole day's worth."""
    days = max(min((today - start).days, PACE_DAYS), 1)
    return Decimal(max(used, 0)) / days


def _expected(used: int, pace: Decimal, most: int | None, end: date | None, today: date) -> int | None:
    if end is None:
        return None
    found = used + int(pace * max((end - today).days, 0))
    return found if most is None else min(found, most)


def _state(start: date, end: date | None, today: date, *, is_full: bool, unused: int | None, full: State) -> State:
    if today < start:
        return "to come"
    if is_full:
        return full
    if end is not None and today > end:
        return "over"
    return "short" if unused and end is not None else "running"


def _told(
    contract: Contract, kind: str, name: str, state: State, amounts: tuple[int, int], days: tuple[date, date | None],
    pace: Decimal, today: date, expected: int | None, unused: int | None,
) -> Drawdown:  # fmt: skip
    (amount, used), (start, end) = amounts, days
    return Drawdown(
        contract.name, contract.latest.terms.provider, kind, name, state, usd_from_pico(amount), usd_from_pico(used),
        usd_from_pico(max(amount - used, 0)), start, end, None if end is None else (end - today).days,
        usd_from_pico(int(pace)), None if expected is None else usd_from_pico(expected),
        None if unused is None else usd_from_pico(unused),
    )  # fmt: skip


def _reached(contract: Contract, one: Volume, brought: int) -> Reached:
    bounds = bounds_of(one)
    at = max((place for place, (above, _) in enumerate(bounds) if brought > above), default=0)
    after = bounds[at + 1] if at + 1 < len(bounds) else None

    def told(amount: int) -> Decimal:
        return usd_from_pico(amount) if one.by == "list_cost" else Decimal(amount)

    def percent(parts: int) -> Decimal:
        return Decimal(parts) * 100 / PARTS

    return Reached(
        contract.name, one.name, one.by, one.mode, told(brought), percent(bounds[at][1]),
        percent(after[1]) if after else None, told(after[0] - brought) if after else None,
    )  # fmt: skip
