"""What planted savings are made with: arrivals over a day, texts, and the contract of a plant."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from bursar.advisor.advice import Advice
from bursar.bench.advice_world import DAY_US, ENVELOPE_BYTES, Made, Pricer, text_bytes
from bursar.domain.usage import Usage

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
OFFICE = (8, 19)  # UTC hours between which most of the daytime calls come


class Plant(ABC):
    """A saving that is there to be found, or (kinds empty) traffic in which there is none.

    kinds:   what advice finds it. traps are traffic that looks like a saving and is none: `trap` says of which kind.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ()
    trap: ClassVar[str] = ""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @abstractmethod
    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        """Of one day; in any order. day: since the epoch."""

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        """What the same calls cost, in pico-USD, after the change that an advice of this kind proposes; None: after
        the one that was planted. Without `kinds`, what applying false advice does: nothing is saved."""
        del kind, advice
        return pricer.all(calls)

    def together(self, calls: list[Made], pricer: Pricer) -> int:
        """After all changes that were planted here."""
        return self.after(self.kinds[0], calls, pricer, None)

    def is_about(self, advice: Advice) -> bool:
        """Whether an advice is on this plant's calls."""
        return any(one.field == "feature" and one.values == (self.name,) for one in advice.scope)

    def made(self, at_us: int, request_type: str, provider: str, model: str, usage: Usage, **more: object) -> Made:
        return Made(at_us, self.name, request_type, provider, model, usage, **more)  # type: ignore[arg-type]


def by_day(rng: np.random.Generator, day: int, mean: float) -> list[int]:
    """Arrivals of a day, mostly in office hours, fewer at weekends."""
    weekend = (day + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    count = int(rng.poisson(mean * (0.4 if weekend else 1.0)))
    inside = rng.random(count) < 0.85
    hours = np.where(inside, rng.uniform(*OFFICE, count), rng.uniform(0, 24, count))
    return sorted(day * DAY_US + int(hour * HOUR_US) for hour in hours)


def sizes(rng: np.random.Generator, middle: float, spread: float, count: int) -> list[int]:
    """Tokens, log-normal about a middle, at least one."""
    return [max(int(value), 1) for value in rng.lognormal(np.log(middle), spread, count)]


def request_size(rng: np.random.Generator, fixed_tokens: int, varying_tokens: int) -> int:
    """Bytes of a request: its fixed part has always the same, what varies is another text each time."""
    return ENVELOPE_BYTES + round(fixed_tokens * 4.2) + text_bytes(rng, varying_tokens)
