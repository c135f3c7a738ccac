"""A day's charges under a contract: what each costs after negotiated prices, with what was bought ahead, and as billed.

Pure: charges, terms and what carried over go in; the costs of each charge, entries that stand for no charge, and what
carries over come out. Integers throughout; each charge is rounded once, half-even, what is split adds up exactly.

The steps of one charge, in this order:

1. contracted: fixed prices per unit; on the rest the first discount that covers it, then the volume's step.
2. capacity:   a charge on reserved capacity isn't billed; its hour's flat cost is shared by tokens among those that
               used it, and what was idle stands apart.
3. commitments: others draw them down; one that was paid up front has paid for them.
4. credits:    pay for what is still to be billed; given ones make it free, paid ones are its cost.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from bursar.domain.money import FEMTO_PER_PICO, femto_from_usd_per_million
from bursar.finance.contracts.balances import Balances
from bursar.finance.contracts.capacity import ON_CAPACITY, Shared, share_capacity
from bursar.finance.contracts.terms import PARTS, Commitment, ContractTerms, Credit, Discount, Volume, parts_of, pico


class Used(msgspec.Struct, frozen=True, gc=False):
    """What stands for one attempt, all entries that aren't adjustments added up.

    hour: of its UTC day. lines: (unit, quantity, femto-USD a unit), where the contract has fixed prices; else none.
    """

    attempt_id: str
    hour: int
    model: str
    tier: str
    list_pico: int
    tokens: int
    lines: Sequence[tuple[str, int, int]] = ()


class Costs(msgspec.Struct, frozen=True, gc=False):
    """Pico-USD."""

    contracted: int = 0
    effective: int = 0
    billed: int = 0


class Apart(msgspec.Struct, frozen=True):
    """What a day costs beside its calls. kind: "idle", "purchase", "unused" or "expired"; name: of which term."""

    kind: str
    name: str
    costs: Costs


class Rated(msgspec.Struct, frozen=True):
    """A day. charges: as they came in, one for each. after: what carries over."""

    charges: list[Costs]
    apart: list[Apart]
    after: Balances


class Day(msgspec.Struct, frozen=True):
    """Which day, and how much of it is over.

    hours_over: 24 for a day that is over. brought: of each volume by its name, what the whole month brought so far.
    """

    day: date
    hours_over: int = 24
    brought: Mapping[str, int] = {}

    @property
    def is_over(self) -> bool:
        return self.hours_over >= 24


def rate_day(day: Day, terms: ContractTerms, charges: Sequence[Used], before: Balances) -> Rated:
    """charges: in the order of time."""
    after = before.copy()
    month = f"{day.day:%Y-%m}"
    if after.month != month:
        after.month, after.volumes = month, {}
    pricing = _Pricing(terms, day, after)
    contracted = [pricing.contracted(one) for one in charges]
    shared = share_capacity(terms.capacities, day.day, day.hours_over, charges)
    funds = _Funds(terms, day.day, after)
    found = [
        _costs(one, price, on, funds) for one, price, on in zip(charges, contracted, shared.of_charges, strict=True)
    ]
    return Rated(found, [*_apart_of_capacity(shared), *funds.apart(is_over=day.is_over)], after)


def _costs(one: Used, contracted: int, on_capacity: int | None, funds: "_Funds") -> Costs:
    if on_capacity == ON_CAPACITY:  # its hour isn't over: nothing is billed for it, and its share isn't known yet
        return Costs(contracted, 0, 0)
    if on_capacity is not None:
        return Costs(contracted, on_capacity, 0)
    prepaid = funds.draw(one, contracted)
    given, paid, paid_cost = funds.use_credits(one, contracted - prepaid)
    return Costs(contracted, contracted - given - paid + paid_cost, contracted - prepaid - given - paid)


class _Pricing:
    """Contracted cost, charge by charge; `after` counts what the month brings."""

    def __init__(self, terms: ContractTerms, day: Day, after: Balances) -> None:
        self._terms = terms
        self._day = day
        self._after = after
        self._kept: dict[tuple[str, str], tuple[dict[str, int], int, Volume | None]] = {}

    def contracted(self, one: Used) -> int:
        prices, left, volume = self._rules(one.model, one.tier)
        fixed_femto = rest_femto = 0
        if prices and any(unit in prices for unit, _, _ in one.lines):
            fixed_femto = sum(quantity * prices[unit] for unit, quantity, _ in one.lines if unit in prices)
            rest_femto = sum(quantity * femto for unit, quantity, femto in one.lines if unit not in prices)
        else:
            rest_femto = one.list_pico * FEMTO_PER_PICO
        numerator, denominator = self._volume(one, volume)
        return _rounded(
            fixed_femto * PARTS * denominator + rest_femto * left * numerator, FEMTO_PER_PICO * PARTS * denominator
        )

    def _rules(self, model: str, tier: str) -> tuple[dict[str, int], int, Volume | None]:
        """(unit → femto-USD, what a discount leaves in millionths, the volume) for a model on a tier."""
        found = self._kept.get((model, tier))
        if found is None:
            prices: dict[str, int] = {}
            for price in self._terms.prices:
                if price.covers(model, tier):
                    prices.setdefault(price.unit, femto_from_usd_per_million(price.usd_per_million))
            discount = next((each for each in self._terms.discounts if each.covers(model, tier)), None)
            volume = volume_of(self._terms, self._day.day, model, tier)
            found = self._kept[(model, tier)] = (prices, _left(discount), volume)
        return found

    def _volume(self, one: Used, volume: Volume | None) -> tuple[int, int]:
        """What a volume's steps leave of a charge, as a fraction: (numerator, denominator)."""
        if volume is None:
            return 1, 1
        amount = one.list_pico if volume.by == "list_cost" else one.tokens
        start = self._after.volumes.get(volume.name, 0)
        self._after.volumes[volume.name] = start + amount
        if volume.mode == "all_units":
            return PARTS - step_at(volume, max(self._day.brought.get(volume.name, 0), 0)), PARTS
        if amount <= 0:
            return PARTS - step_at(volume, max(start, 0)), PARTS
        return sum(part * (PARTS - off) for part, off in portions(volume, start, start + amount)), amount * PARTS


def _left(discount: Discount | None) -> int:
    return PARTS - parts_of(discount.percent) if discount is not None else PARTS


def volume_of(terms: ContractTerms, day: date, model: str, tier: str) -> Volume | None:
    """The volume that calls count towards; None: none, as those on reserved capacity, which nobody pays by use."""
    if terms.is_reserved(day, model, tier):
        return None
    return next((volume for volume in terms.volumes if volume.covers(model, tier)), None)


def bounds_of(volume: Volume) -> list[tuple[int, int]]:
    """(from where on, millionths off), from 0 on."""
    scale = pico if volume.by == "list_cost" else int
    bounds = [(scale(step.above), parts_of(step.percent)) for step in volume.steps]
    return bounds if bounds[0][0] == 0 else [(0, 0), *bounds]


def step_at(volume: Volume, brought: int) -> int:
    """Millionths off where a month has brought so much: a step begins above its bound."""
    return next((off for above, off in reversed(bounds_of(volume)) if brought > above), bounds_of(volume)[0][1])


def portions(volume: Volume, start: int, end: int) -> list[tuple[int, int]]:
    """How much from start to end lies in each step, with its millionths off."""
    bounds = bounds_of(volume)
    ends = [*(above for above, _ in bounds[1:]), None]
    found = []
    for (above, off), upper in zip(bounds, ends, strict=True):
        part = (end if upper is None else min(end, upper)) - max(start, above)
        if part > 0:
            found.append((part, off))
    return found or [(end - start, bounds[0][1])]


class _Funds:
    """What was bought or promised ahead, on one day: draws it down charge by charge."""

    def __init__(self, terms: ContractTerms, day: date, after: Balances) -> None:
        self._day = day
        self._after = after
        self._commitments = [one for one in terms.commitments if one.start <= day <= one.end]
        held = [one for one in terms.credits if one.granted <= day and (one.expires is None or day <= one.expires)]
        self._credits = sorted(held, key=_use_order)

    def draw(self, one: Used, contracted: int) -> int:
        """Count a charge to the first commitment that covers it; how much of it was paid up front."""
        for commitment in self._commitments:
            if commitment.covers(one.model, one.tier):
                counted = contracted if commitment.counts == "contracted_cost" else one.list_pico
                drawn = self._after.commitments.get(commitment.name, 0)
                self._after.commitments[commitment.name] = drawn + counted
                if commitment.payment == "arrears" or not counted:
                    return 0
                left = max(pico(commitment.amount) - drawn, 0)
                return contracted if counted <= left else _rounded(contracted * left, counted)
        return 0

    def use_credits(self, one: Used, to_pay: int) -> tuple[int, int, int]:
        """(what given credits pay, what paid ones do, what those paid ones cost)."""
        given = paid = cost = 0
        for credit in self._credits:
            if to_pay <= 0:
                break
            if not credit.covers(one.model, one.tier):
                continue
            used = self._after.credits.get(credit.name, 0)
            part = min(to_pay, pico(credit.amount) - used)
            if part <= 0:
                continue
            self._after.credits[credit.name] = used + part
            to_pay -= part
            if credit.paid:
                paid += part
                cost += cost_of_credit(credit, used + part) - cost_of_credit(credit, used)
            else:
                given += part
        return given, paid, cost

    def apart(self, *, is_over: bool) -> Iterable[Apart]:
        """What begins today, and, once the day is over, what ends with it unused."""
        for commitment in self._commitments:
            amount = pico(commitment.amount)
            if commitment.payment == "upfront" and commitment.start == self._day:
                yield Apart("purchase", commitment.name, Costs(billed=amount))
            if commitment.end == self._day and is_over:
                short = shortfall(commitment, self._after.commitments.get(commitment.name, 0))
                if short:
                    billed = short if commitment.payment == "arrears" else 0
                    yield Apart("unused", commitment.name, Costs(effective=short, billed=billed))
        for credit in self._credits:
            if credit.paid and credit.granted == self._day:
                yield Apart("purchase", credit.name, Costs(billed=pico(credit.paid)))
            if credit.paid and credit.expires == self._day and is_over:
                used = cost_of_credit(credit, self._after.credits.get(credit.name, 0))
                if used < pico(credit.paid):
                    yield Apart("expired", credit.name, Costs(effective=pico(credit.paid) - used))


def shortfall(commitment: Commitment, drawn: int) -> int:
    """What is missing, pico-USD."""
    return max(pico(commitment.amount) - drawn, 0)


def cost_of_credit(credit: Credit, used: int) -> int:
    """What so much of a paid credit cost, pico-USD: all of it together cost what was paid, to the pico."""
    return pico(credit.paid) * used // pico(credit.amount)


def _use_order(credit: Credit) -> tuple[bool, date, str]:
    return bool(credit.paid), credit.expires or date.max, credit.name


def _apart_of_capacity(shared: Shared) -> Iterable[Apart]:
    for name, (flat, idle) in shared.flats.items():
        if flat:
            yield Apart("purchase", name, Costs(billed=flat))
        if idle:
            yield Apart("idle", name, Costs(effective=idle))


def _rounded(numerator: int, denominator: int) -> int:
    """Half-even."""
    quotient, rest = divmod(numerator, denominator)
    if rest * 2 > denominator or (rest * 2 == denominator and quotient & 1):
        quotient += 1
    return quotient
