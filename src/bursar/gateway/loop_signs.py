"""When what was counted is a loop: pure rules over a handful of numbers, and the words for each.

Money decides wherever it can. A health check comes every thirty seconds and costs nothing; a loop that nobody stops is
told by what it has cost. Where there is no price, what was sent stands in for it.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from bursar.domain.loops import Loops
from bursar.domain.money import pico_from_usd

MINUTE_US = 60_000_000
HARDLY_LONGER_BYTES = 64  # a request with a larger max_tokens is this much longer at most
UNPRICED_BYTES_MIN = 100_000  # sent without a price: less than this can't have cost much at anybody's
GREW_TIMES = 3  # an answer that is continued is truncated too, time and again: that needs more proof
NOBODYS_TIMES = 2  # as does a conversation known by its feature alone, which many may share
STORM_SUCCESS_SHARE = 20  # a storm has one success in so many failures at most
USUAL_HALVES_MINUTES = 1440  # a busiest minute counts half a day later
PASSING = frozenset({"rate_limited", "overloaded"})  # told to come again later, clients do: only a storm of it is one


class Sign(StrEnum):
    """What a loop was known by."""

    REPEAT = "repeat"  # one request, answered and sent again
    FAILING = "failing"  # one request that fails each time
    TRUNCATED = "truncated"  # cut by max_tokens and asked for again
    GROWING = "growing"  # a conversation that grows and always fails alike
    STORM = "storm"  # one kind of error, from all calls of a key
    RATE = "rate"  # suddenly many times its own usual


class Seen(msgspec.Struct, kw_only=True):
    """A loop as it was counted. `scope`: what is to be refused; of a conversation, requests of such a size.

    calls, unpriced, pico: since `first_us`; the unpriced ones are not in the cost.
    """

    sign: Sign
    scope: str
    key: int
    calls: int
    unpriced: int
    pico: int
    first_us: int
    lasts_us: int
    error_kind: str = ""
    bytes_from: int = 0
    bytes_to: int = 0


class Limits(msgspec.Struct, frozen=True):
    """`Loops` in the units that are counted in: microseconds and pico-USD."""

    enabled: bool
    window_us: int
    repeats: int
    repeat_pico: int
    repeats_unpriced: int
    repeats_failed: int
    repeats_again: int
    truncated: int
    truncated_pico: int
    growing: int
    storm: int
    rate_times: int
    rate_floor: int
    rate_floor_session: int
    rate_pico: int
    rate_learn_us: int
    rate_learn_session_us: int
    cut_us: int
    cut_wide_us: int
    cut_storm_us: int
    exempt: frozenset[tuple[str, str]]


def compile_limits(loops: Loops) -> Limits:
    """The settings, ready to count with; `config.py` has checked them."""
    return Limits(
        enabled=loops.enabled,
        window_us=_us(loops.window_s),
        repeats=loops.repeats,
        repeat_pico=_pico(loops.repeat_usd),
        repeats_unpriced=loops.repeats_unpriced,
        repeats_failed=loops.repeats_failed,
        repeats_again=loops.repeats_again,
        truncated=loops.truncated,
        truncated_pico=_pico(loops.truncated_usd),
        growing=loops.growing,
        storm=loops.storm,
        rate_times=loops.rate_times,
        rate_floor=loops.rate_floor,
        rate_floor_session=loops.rate_floor_session,
        rate_pico=_pico(loops.rate_usd),
        rate_learn_us=_us(loops.rate_learn_s),
        rate_learn_session_us=_us(loops.rate_learn_session_s),
        cut_us=_us(loops.cut_s),
        cut_wide_us=_us(loops.cut_wide_s),
        cut_storm_us=_us(loops.cut_storm_s),
        exempt=frozenset((name, value) for name, _, value in (one.partition("=") for one in loops.exempt)),
    )


def _us(seconds: float) -> int:
    return int(seconds * 1_000_000)


def _pico(usd: str) -> int:
    return pico_from_usd(Decimal(usd))


def request_sign(
    limits: Limits,
    *,
    calls: int,
    rounds: int,
    ended: int,
    pico: int,
    unpriced: int,
    truncated: int,
    failed: int,
    request_bytes: int,
    is_repeater: bool,
) -> Sign | None:
    """Whether one request that came again is a loop.

    calls: let through, `ended` of them by now; those under way will cost what the others did.
    rounds: arrivals that followed an answer; a handful of samples drawn at once are one round.
    failed: answers that were no passing trouble of the provider's. is_repeater: it was cut as a loop before.
    """
    if is_repeater and calls >= limits.repeats_again:
        return Sign.REPEAT
    if failed >= limits.repeats_failed and failed >= rounds:
        return Sign.FAILING
    if truncated >= limits.truncated and pico >= limits.truncated_pico:
        return Sign.TRUNCATED
    if rounds >= (limits.repeats + 1) // 2 and calls >= limits.repeats and pico * calls >= limits.repeat_pico * ended:
        return Sign.REPEAT
    if unpriced >= limits.repeats_unpriced and unpriced * request_bytes >= UNPRICED_BYTES_MIN:
        return Sign.REPEAT
    return None


def is_stuck(limits: Limits, failures: int, *, is_somebodys: bool) -> bool:
    """Whether a conversation that grew with each failure alike is a loop. is_somebodys: of one session or agent."""
    return failures >= limits.growing * (1 if is_somebodys else NOBODYS_TIMES)


def is_truncating(
    limits: Limits, *, count: int, grew: int, pico: int, unpriced: int, request_bytes: int, is_somebodys: bool
) -> bool:
    """Whether answers are cut by max_tokens again and again. grew: those whose request was more than hardly longer."""
    times = (GREW_TIMES if grew else 1) * (1 if is_somebodys else NOBODYS_TIMES)
    if count < limits.truncated * times:
        return False
    return pico >= limits.truncated_pico * times or (
        unpriced >= limits.repeats_unpriced and unpriced * request_bytes >= UNPRICED_BYTES_MIN
    )


def is_storm(limits: Limits, failures: int, successes: int) -> bool:
    """Whether a key's calls of the last minute do hardly anything but fail in one way."""
    return failures >= limits.storm and successes * STORM_SUCCESS_SHARE <= failures


def is_sudden(limits: Limits, *, calls: int, usual: int, floor: int, is_known: bool, pico: int, unpriced: int) -> bool:
    """Whether a minute's calls are out of all proportion to the busiest minute so far. Unpriced calls may cost much."""
    return (
        calls >= floor
        and calls >= usual * limits.rate_times
        and is_known
        and (pico >= limits.rate_pico or unpriced * 2 >= calls)
    )


def usual_after(usual: int, calls: int, minutes: int) -> int:
    """The busiest minute so far, after one of `calls` calls: older ones fade."""
    faded = usual - usual * min(minutes, USUAL_HALVES_MINUTES) // (2 * USUAL_HALVES_MINUTES)
    return max(calls, faded)


def error_kind(http_status: int, error_code: str) -> str:
    """The class of a failure: failures alike have the same. "" for none."""
    if http_status == 429:
        return "rate_limited"
    if http_status >= 500:
        return "overloaded"
    return error_code or (f"status {http_status}" if http_status >= 400 else "")
