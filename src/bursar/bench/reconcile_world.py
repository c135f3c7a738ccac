"""Traffic whose bill is known: attempts as the provider saw them, and as our books have them, with planted differences.

Two lists of attempts begin as one. A plant changes one of them (or the rates that the provider bills at), and notes
what reconciling has to say: the cause, where, and the money. Everything comes from the seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

from bursar.domain.money import femto_from_usd_per_million, pico_from_femto

Rates = dict[str, Decimal]
"""USD for a million, by class of usage."""

DAYS = 12
ATTEMPTS_A_DAY = 3


@dataclass(slots=True)
class Attempt:
    """One of them. day: of the provider's books; at: when we received it. key: as bills say; quality: of ours."""

    at: datetime
    day: date
    key: str
    credential: str
    model: str
    tier: str
    usage: dict[str, int]
    rates: Rates
    quality: str = "reported"
    bound: int = 0  # pico-USD, of one that is assumed

    @property
    def femto(self) -> int:
        return sum(count * femto_from_usd_per_million(self.rates[unit]) for unit, count in self.usage.items())

    @property
    def pico(self) -> int:
        return pico_from_femto(self.femto)


@dataclass(slots=True)
class Planted:
    """A difference that has to be found. money: pico-USD, theirs less ours. within: by how much it may be off, where
    the bill itself is rounded. key, model: None where the cause is about all of them."""

    bill: str
    cause: str
    money: int
    key: str | None = None
    model: str | None = None
    day: date | None = None
    within: int = 0


@dataclass(slots=True)
class Extra:
    """A line of a bill that is no usage."""

    day: date
    kind: str
    amount: Decimal
    text: str


@dataclass(slots=True)
class Traffic:
    """Of one bill. theirs, ours: attempts; doubled: attempts whose first line the bill says twice; extras: other lines.
    rate: units of the bill's currency for one USD, as the bill has it; books_rate: as our books have it."""

    name: str
    provider: str
    first: date
    theirs: list[Attempt] = field(default_factory=list)
    ours: list[Attempt] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)
    doubled: set[tuple[date, str, str, str, str]] = field(default_factory=set)
    raised: dict[tuple[date, str, str, str, str], Decimal] = field(default_factory=dict)
    planted: list[Planted] = field(default_factory=list)
    currency: str = "USD"
    rate: Decimal = Decimal(1)
    books_rate: Decimal | None = None
    taken: set[tuple[date, str, str]] = field(default_factory=set)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=at) for at in range(DAYS)]


@dataclass(frozen=True, slots=True)
class Sold:
    """A model as a provider sells it: rates by tier."""

    model: str
    rates: dict[str, Rates]

    @property
    def standard(self) -> Rates:
        return self.rates["standard"]


def make_traffic(
    random: Random, name: str, provider: str, first: date, keys: dict[str, str], sold: Sequence[Sold]
) -> Traffic:
    """Every key calls every model each day. keys: the bill's name of a key → our credential."""
    traffic = Traffic(name, provider, first)
    for day in traffic.days:
        for key, credential in keys.items():
            for model in sold:
                for _ in range(ATTEMPTS_A_DAY):
                    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
                    at += timedelta(seconds=random.randrange(3_600, 80_000), microseconds=random.randrange(10**6))
                    made = Attempt(
                        at, day, key, credential, model.model, "standard", _usage(random, model.standard),
                        model.standard,
                    )  # fmt: skip
                    traffic.theirs.append(made)
                    traffic.ours.append(replace(made))
    return traffic


def _usage(random: Random, rates: Rates) -> dict[str, int]:
    most = {"input": 40_000, "cache_read": 90_000, "cache_write_5m": 9_000, "cache_write_1h": 5_000, "output": 8_000}
    return {unit: random.randrange(200, most[unit]) for unit in most if unit in rates}


class NoRoom(Exception):
    """Every day, key and model that would do is another plant's."""


class Planter:
    """Plants in one bill's traffic, each in a place of its own: a day, key and model that no other plant touches."""

    def __init__(self, random: Random, traffic: Traffic, sold: Sequence[Sold]) -> None:
        self.random = random
        self.traffic = traffic
        self.sold = {one.model: one for one in sold}

    def missing(self) -> None:
        """Ours lost an attempt that they bill."""
        at = self._pick()
        one = self.traffic.theirs[at]
        self._drop_ours(one)
        self._note("missing_attempt", one.pico, one)

    def not_billed(self) -> None:
        """They don't bill one that we have."""
        at = self._pick()
        one = self.traffic.theirs.pop(at)
        self._note("not_billed", -one.pico, one)

    def stale_price(self, model: str, unit: str = "output", factor: str = "1.2") -> None:
        """They bill a class of a model at another price from some day on."""
        since = self.random.choice(self.traffic.days[3:8])
        money = 0
        for at, one in enumerate(self.traffic.theirs):
            if one.model == model and one.day >= since:
                changed = replace(one, rates={**one.rates, unit: one.rates[unit] * Decimal(factor)})
                self.traffic.theirs[at] = changed
                money += changed.femto - one.femto
        self.traffic.planted.append(
            Planted(self.traffic.name, "stale_price", pico_from_femto(money), None, model, since)
        )  # fmt: skip

    def tier(self, tier: str) -> None:
        """They served and billed another tier than we noted."""
        at = self._pick(tier)
        one = self.traffic.theirs[at]
        other = replace(one, tier=tier, rates=self.sold[one.model].rates[tier])
        self.traffic.theirs[at] = other
        self._note("batch" if tier == "batch" else "tier", other.pico - one.pico, one)

    def cache_class(self, ours: str = "input", theirs: str = "cache_read") -> None:
        """They count tokens in another class than we do."""
        at = self._pick(units=(ours, theirs))
        one = self.traffic.theirs[at]
        moved = one.usage[ours] // 2
        usage = {**one.usage, ours: one.usage[ours] - moved, theirs: one.usage[theirs] + moved}
        other = replace(one, usage=usage)
        self.traffic.theirs[at] = other
        self._note("cache_class", other.pico - one.pico, one)

    def timing(self) -> None:
        """They count an attempt of just before midnight on the next day."""
        days = self.traffic.days
        at = self._pick(days=days[:-1], span=2)
        self._to_midnight(at)
        one = self.traffic.theirs[at]
        self._note("timing", 0, one)

    def timing_at_the_end(self) -> None:
        """The same on the last day of the bill, so that it stands on the next one."""
        at = self._pick(days=self.traffic.days[-1:])
        self._to_midnight(at)
        one = self.traffic.theirs.pop(at)
        self._note("timing", -one.pico, one)

    def doubled(self) -> None:
        """The bill says a line twice."""
        at = self._pick()
        one = self.traffic.theirs[at]
        unit = next(iter(one.usage))
        line = (one.day, one.key, one.model, one.tier, unit)
        self.traffic.doubled.add(line)
        femto = sum(
            each.usage[unit] * femto_from_usd_per_million(each.rates[unit])
            for each in self.traffic.theirs
            if (each.day, each.key, each.model, each.tier) == line[:4]
        )
        self._note("theirs", pico_from_femto(femto), one)

    def raised(self, amount: str = "3.17") -> None:
        """A line comes to more than its usage and price."""
        at = self._pick(days=self.traffic.days[:-3])
        one = self.traffic.theirs[at]
        self.traffic.raised[one.day, one.key, one.model, one.tier, "output"] = Decimal(amount)
        self._note("theirs", int(Decimal(amount).scaleb(12)), one)

    def not_through(self, key: str, model: Sold) -> None:
        """A key that never came through us."""
        money = 0
        for day in self.traffic.days[2:7]:
            at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
            made = Attempt(
                at, day, key, "", model.model, "standard", _usage(self.random, model.standard), model.standard
            )  # fmt: skip
            self.traffic.theirs.append(made)
            money += made.pico
        self.traffic.planted.append(Planted(self.traffic.name, "not_through_bursar", money, key))

    def unpriced(self, model: str) -> None:
        """We have no price for a model."""
        money = 0
        for one in self.traffic.ours:
            if one.model == model:
                one.quality = "unpriced"
                money += one.femto
        self.traffic.planted.append(Planted(self.traffic.name, "unpriced", pico_from_femto(money), None, model))

    def estimated(self) -> None:
        """Our charge was counted from bytes."""
        one = self._ours(self._pick())
        wrong = {unit: max(count * self.random.randrange(70, 140) // 100, 1) for unit, count in one.usage.items()}
        before = one.pico
        one.usage, one.quality = wrong, "estimated"
        self._note("estimated", before - one.pico, one)

    def assumed(self) -> None:
        """We never heard back: a bound stands in."""
        one = self._ours(self._pick())
        before = one.pico
        one.bound, one.quality = before + self.random.randrange(10**9, 10**11), "assumed"
        self._note("assumed", before - one.bound, one)

    def add_line(self, kind: str, amount: str, text: str) -> None:
        """Tax, a credit, a flat charge."""
        traffic = self.traffic
        in_usd = Decimal(amount)
        traffic.extras.append(Extra(traffic.days[-1], kind, in_usd * traffic.rate, text))
        traffic.planted.append(Planted(traffic.name, kind, int(in_usd.scaleb(12)), None, None, None, within=10))

    def _to_midnight(self, at: int) -> None:
        """The attempt happens one second before midnight for us; they count the day after."""
        theirs, ours = self.traffic.theirs[at], self._ours(at)
        ours.at = datetime(theirs.day.year, theirs.day.month, theirs.day.day, 23, 59, 59, tzinfo=UTC)
        self.traffic.theirs[at] = replace(theirs, day=theirs.day + timedelta(days=1))

    def _ours(self, at: int) -> Attempt:
        one = self.traffic.theirs[at]
        return next(
            each for each in self.traffic.ours if (each.at, each.key, each.model) == (one.at, one.key, one.model)
        )

    def _drop_ours(self, one: Attempt) -> None:
        self.traffic.ours = [
            each for each in self.traffic.ours if (each.at, each.key, each.model) != (one.at, one.key, one.model)
        ]  # fmt: skip

    def _pick(self, tier: str = "", units: Sequence[str] = (), days: Sequence[date] = (), span: int = 1) -> int:
        """An attempt on a day, key and model that are nobody else's; they are then."""
        touched = {planted.model for planted in self.traffic.planted if planted.cause in ("stale_price", "unpriced")}
        fitting = [
            at for at, one in enumerate(self.traffic.theirs)
            if one.credential and one.model not in touched
            and (not days or one.day in days) and all(unit in one.usage for unit in units)
            and (not tier or tier in self.sold[one.model].rates)
            and not any(place in self.traffic.taken for place in self._places(one, span))
        ]  # fmt: skip
        if not fitting:
            raise NoRoom
        at = self.random.choice(fitting)
        self.traffic.taken.update(self._places(self.traffic.theirs[at], span))
        return at

    @staticmethod
    def _places(one: Attempt, span: int) -> Iterator[tuple[date, str, str]]:
        """With the days around, so that no two quantities on neighbouring days can cancel by accident."""
        for step in range(-1, span + 1):
            yield one.day + timedelta(days=step), one.key, one.model

    def _note(self, cause: str, money: int, one: Attempt) -> None:
        day = None if cause == "timing" else one.day
        self.traffic.planted.append(Planted(self.traffic.name, cause, money, one.key, one.model, day))
