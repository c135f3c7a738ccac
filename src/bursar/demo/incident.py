"""What goes wrong while somebody watches: a release of the support bot after which it reads each conversation anew."""

import random
from collections.abc import Iterator

from bursar.domain.usage import Usage
from bursar.simulate.generate import DAY_US, Event, events

FEATURE = "support-bot"
RELEASE = "support-bot 4.2"
AFTER_S = 150
LASTS_S = 15 * 60
CALLS_A_MINUTE = 40.0  # usually it makes one or two
LONGER = 3  # times the prompt
INPUT_MAX = 120_000


def bad_release(seed: int, from_us: int, calls_per_day: float) -> Iterator[Event]:
    """The calls that the release makes beside the usual ones, in order of time, for LASTS_S.

    They are of the customers that the feature had in the day before. None, if it had no call.
    """
    rng = random.Random(seed)  # noqa: S311 (seeded, so that a run can be replayed)
    usual = [one for one in events(seed, from_us - DAY_US, from_us, calls_per_day) if one.feature == FEATURE]
    at_us, until_us = from_us, from_us + LASTS_S * 1_000_000
    while usual and (at_us := at_us + round(rng.expovariate(CALLS_A_MINUTE / 60.0) * 1_000_000)) < until_us:
        one = rng.choice(usual)
        yield one._replace(at_us=at_us, usage=_longer(one.usage), request=rng.getrandbits(32))


def _longer(usage: Usage) -> Usage:
    """Nothing of the longer prompt is in the cache: it begins with what is new."""
    return Usage(input=min(usage.total_input * LONGER, INPUT_MAX), output=usage.output, reasoning=usage.reasoning)
