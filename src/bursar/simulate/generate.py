"""Traffic of a made-up company over any period: the real traces' hours, weekdays and sizes under named features.

The same seed gives the same events for a day, whatever period it is asked as part of. Three incidents are planted,
dated backwards from `end`; docs/simulator.md says where.
"""

from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from bursar.domain.usage import Usage
from bursar.simulate.cast import (
    ENVIRONMENTS,
    FEATURES,
    INTERNAL_CUSTOMER,
    INTERNAL_USERS,
    UNPRICED_MODEL,
    Feature,
    customers,
)
from bursar.simulate.trace import Rates, load_arrivals, load_rates

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
TRACE_DAYS = 14
TUESDAY = 1  # Monday is 0; the first day of the ServeGen trace
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday

WEEK_SHARE = 0.65  # how much of an hour's rate is its usual one, the rest is that very hour of the trace
GROWTH_PER_DAY = 0.004
CACHE_STEP = 128
CACHE_LEAST = 1024

FAILED_SHARE = 0.012  # first attempt refused by the provider, second one fine
PROVIDER_ERROR_SHARE = 0.004
TIMEOUT_SHARE = 0.0006
ABORTED_SHARE = 0.006
NO_USAGE_SHARE = 0.003
TRUNCATED_SHARE = 0.01
UNTAGGED_SHARE = 0.02

LOOP_DAYS_AGO = 12
LOOP_CALLS = 400
LOOP_FEATURE, LOOP_CUSTOMER, LOOP_MODEL = "billing-sync", "Kestrel Logistics", "gpt-5.6-sol"
LOOP_USAGE = Usage(input=9_840, output=540, reasoning=320)  # $0.05016 a call at $4 and $20 per million
LOOP_FROM_HOUR, LOOP_HOURS = 13, 4.5  # one afternoon, UTC
GROWING_FEATURE, GROWING_DAYS, GROWING_BY = "code-review", 21, 2.6
UNPRICED_DAYS_AGO = (9, 9, 6)


class Event(NamedTuple):
    """One call that a client makes. Times: microseconds since the epoch, UTC."""

    at_us: int
    feature: str
    team: str
    customer: str
    plan: str
    environment: str
    request_type: str
    session: str
    agent: str
    user: str
    provider: str
    model: str
    dialect: str
    stream: bool
    usage: Usage
    ending: str  # ok, truncated, provider_error, timeout, aborted, no_usage
    failed_attempts: tuple[str, ...]  # what an earlier attempt of the same call met: ("status_529",)
    first_byte_ms: int
    duration_ms: int
    request: int  # equal for repeats of one request
    client_retry: int
    incident: str  # "", "retry-loop", "output-growth", "dear-classification", "unpriced"


def events(seed: int, start_us: int, end_us: int, calls_per_day: float) -> Iterator[Event]:
    """Calls in [start, end), in order of time.

    end_us: also what the incidents are dated from.
    calls_per_day: of an average day at the end of the period; earlier days have fewer (the company grows).
    """
    world = _World(seed)
    for day in range(start_us // DAY_US, -(-end_us // DAY_US)):
        made = world.day(day, end_us, calls_per_day)
        made.sort(key=lambda event: event.at_us)
        yield from (event for event in made if start_us <= event.at_us < end_us)


class _World:
    """What stays the same from day to day."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rates = load_rates()
        self.hourly = {feature.name: _hourly(rates[feature.tenant]) for feature in FEATURES}
        self.sizes = {
            name: np.array([row[1:] for row in load_arrivals(name)], dtype=np.int64)
            for name in {feature.sizes for feature in FEATURES}
        }
        self.customers = customers()
        self.weights = {feature.name: self._customer_weights(feature) for feature in FEATURES}

    def day(self, day: int, end_us: int, calls_per_day: float) -> list[Event]:
        days_ago = (end_us - 1) // DAY_US - day
        made: list[Event] = []
        growth = (1 + GROWTH_PER_DAY) ** -days_ago
        for number, feature in enumerate(FEATURES):
            rng = np.random.default_rng([self.seed, day, number])
            hours = self.hourly[feature.name][_trace_hours(day)]
            counts = rng.poisson(hours * feature.share * calls_per_day * growth / 24)
            made.extend(self._calls(feature, rng, day, counts, days_ago))
        made.extend(_retry_loop(self.seed, end_us, day))
        made.extend(_unpriced(self.seed, end_us, day))
        return made

    def _calls(
        self, feature: Feature, rng: np.random.Generator, day: int, counts: npt.NDArray[np.int64], days_ago: int
    ) -> Iterator[Event]:
        n = int(counts.sum())
        if not n:
            return
        hour = np.repeat(np.arange(24), counts)
        at = day * DAY_US + hour * HOUR_US + rng.integers(0, HOUR_US, n)
        usages = self._usages(feature, rng, n, days_ago)
        who = rng.choice(len(self.customers), n, p=self.weights[feature.name])
        model = rng.choice(len(feature.models), n, p=[share.share for share in feature.models])
        environment = rng.choice(len(ENVIRONMENTS), n, p=[share for _, share in ENVIRONMENTS])
        fate, tagged, streams = rng.random(n), rng.random(n) >= UNTAGGED_SHARE, rng.random(n) < feature.stream
        user = rng.integers(0, len(INTERNAL_USERS), n)
        first_byte = rng.lognormal(6.1, 0.5, n).astype(np.int64)
        speed = rng.uniform(45, 110, n)  # output tokens per second
        session = rng.integers(0, 1 << 32, n)
        incident = {GROWING_FEATURE: "output-growth", "classify-ticket": "dear-classification"}.get(feature.name, "")
        columns = zip(
            at.tolist(), who.tolist(), model.tolist(), environment.tolist(), fate.tolist(), tagged.tolist(),
            streams.tolist(), user.tolist(), first_byte.tolist(), speed.tolist(), session.tolist(), usages,
            hour.tolist(), strict=True,
        )  # fmt: skip
        for at_us, who_, model_, env, chance, is_tagged, stream, user_, first, pace, draw, usage, hour_ in columns:
            chosen = feature.models[model_]
            customer, plan = self.customers[who_] if feature.customers else INTERNAL_CUSTOMER
            ending, failed = _fate(chance, chosen.dialect)
            usage = _for_wire(usage, chosen.dialect, chosen.model)
            yield Event(
                at_us,
                feature.name if is_tagged else "",
                feature.team if is_tagged else "",
                customer if is_tagged else "",
                plan if is_tagged else "",
                ENVIRONMENTS[env][0] if is_tagged else "",
                feature.request_type if is_tagged else "",
                _session(feature, day, hour_, who_, draw),
                feature.agent,
                "" if feature.customers else INTERNAL_USERS[user_],
                "anthropic" if chosen.dialect.startswith("anthropic") else "openai",
                chosen.model,
                chosen.dialect,
                stream,
                usage,
                ending,
                failed,
                first,
                first + int(usage.output * 1000 / pace),
                draw,
                0,
                incident,
            )

    def _usages(self, feature: Feature, rng: np.random.Generator, n: int, days_ago: int) -> list[Usage]:
        """Sizes drawn from the trace in pairs, scaled and clipped; some prompts find a prefix in the cache."""
        rows = self.sizes[feature.sizes][rng.integers(0, len(self.sizes[feature.sizes]), n)]
        inputs = np.clip(rows[:, 0] * feature.input_scale, *feature.input_limits).astype(np.int64)
        growing = 1.0
        if feature.name == GROWING_FEATURE:
            growing += (GROWING_BY - 1) * max(0, GROWING_DAYS - days_ago) / GROWING_DAYS
        low, high = feature.output_limits
        outputs = (np.clip(rows[:, 1] * feature.output_scale, low, high) * growing).astype(np.int64)
        if low == 2:  # a label: a handful of tokens, whatever the ticket
            outputs = rng.integers(low, high + 1, n)
        finds = (rng.random(n) < feature.cached) & (inputs >= CACHE_LEAST)
        share = np.clip(rng.normal(0.72, 0.16, n), 0.1, 0.95)
        cached = np.where(finds, (inputs * share).astype(np.int64) // CACHE_STEP * CACHE_STEP, 0)
        writes = np.where(finds | (rng.random(n) < feature.cached), (inputs - cached) * 7 // 10, 0)
        return [
            Usage(input=whole - read - write, cache_read=read, cache_write_5m=write, output=output)
            for whole, read, write, output in zip(
                inputs.tolist(), cached.tolist(), writes.tolist(), outputs.tolist(), strict=True
            )
        ]

    def _customer_weights(self, feature: Feature) -> npt.NDArray[np.float64]:
        """Few customers make most of the calls; each feature knows some of them better than others."""
        rng = np.random.default_rng([self.seed, crc32(feature.name.encode())])
        weights = 1 / np.arange(1, len(self.customers) + 1) ** 1.05 * rng.lognormal(0, 0.7, len(self.customers))
        weights[0] *= 2.0
        normal: npt.NDArray[np.float64] = weights / weights.sum()
        return normal


def _hourly(rates: Rates) -> npt.NDArray[np.float64]:
    """A tenant's rate for each hour of 14 days, 1.0 on average; extremes are pulled towards the usual week."""
    windows = np.zeros(TRACE_DAYS * 144)
    given = rates.per_second[: len(windows)]
    windows[: len(given)] = given
    hours = windows.reshape(-1, 6).mean(axis=1)
    weeks = hours.reshape(2, -1)
    usual = np.tile(weeks.mean(axis=0), 2)
    mixed = WEEK_SHARE * usual + (1 - WEEK_SHARE) * hours
    normal: npt.NDArray[np.float64] = mixed / mixed.mean()
    return normal


def _trace_hours(day: int) -> slice:
    """The hours of the trace that stand for a day: the same weekday, the two weeks in turn."""
    at = (day + EPOCH_WEEKDAY - TUESDAY) % TRACE_DAYS
    return slice(at * 24, at * 24 + 24)


def _fate(chance: float, dialect: str) -> tuple[str, tuple[str, ...]]:
    """How a call ends, and what its first attempt met."""
    for share, ending in (
        (PROVIDER_ERROR_SHARE, "provider_error"),
        (TIMEOUT_SHARE, "timeout"),
        (ABORTED_SHARE, "aborted"),
        (NO_USAGE_SHARE, "no_usage"),
        (TRUNCATED_SHARE, "truncated"),
    ):
        if chance < share:
            if dialect == "openai-embeddings" and ending in ("aborted", "truncated", "no_usage"):
                return "ok", ()
            return ending, ()
        chance -= share
    if chance < FAILED_SHARE:
        return "ok", ("status_529" if dialect.startswith("anthropic") else "status_503",)
    return "ok", ()


def _for_wire(usage: Usage, dialect: str, model: str) -> Usage:
    """What the provider would report: OpenAI bills cache writes since gpt-5.6 only, and nothing caches embeddings."""
    if dialect == "openai-embeddings":
        return Usage(input=usage.total_input)
    reasoning = 0
    if model.startswith(("gpt-5", "o3")):
        reasoning = usage.output * 3 // 5 // 64 * 64
    if dialect.startswith("openai") and not model.startswith("gpt-5.6"):
        return Usage(
            input=usage.input + usage.cache_write_5m,
            cache_read=usage.cache_read,
            output=usage.output,
            reasoning=reasoning,
        )
    return Usage(usage.input, usage.cache_read, usage.cache_write_5m, output=usage.output, reasoning=reasoning)


def _session(feature: Feature, day: int, hour: int, who: int, draw: int) -> str:
    """Calls of one customer within an hour share a few sessions, where the feature has sessions at all."""
    if feature.session_calls == 1:
        return ""
    return f"s-{crc32(f'{feature.name}/{day}/{hour}/{who}/{draw % 3}'.encode()):08x}"


def _retry_loop(seed: int, end_us: int, day: int) -> Iterator[Event]:
    """billing-sync sends one request 400 times in one afternoon: its parser rejects a good answer each time."""
    if day != loop_day(end_us):
        return
    feature = next(feature for feature in FEATURES if feature.name == LOOP_FEATURE)
    rng = np.random.default_rng([seed, 1, day])
    begin = day * DAY_US + LOOP_FROM_HOUR * HOUR_US
    offsets = np.sort(rng.integers(0, int(LOOP_HOURS * HOUR_US), LOOP_CALLS)).tolist()
    for number, offset in enumerate(offsets):
        yield Event(
            begin + offset, feature.name, feature.team, LOOP_CUSTOMER, "enterprise", "production",
            feature.request_type, "", "", "", "openai", LOOP_MODEL, "openai-chat", False, LOOP_USAGE, "ok", (),
            900, 9_000, seed, number, "retry-loop",
        )  # fmt: skip


def loop_day(end_us: int) -> int:
    """The day of the retry loop, in days since the epoch: about twelve days before `end`, on a working day."""
    day = (end_us - 1) // DAY_US - LOOP_DAYS_AGO
    weekday = (day + EPOCH_WEEKDAY) % 7
    return day - max(0, weekday - 4)


def _unpriced(seed: int, end_us: int, day: int) -> Iterator[Event]:
    """Somebody tries a preview model that no catalogue has: three calls."""
    last = (end_us - 1) // DAY_US
    for number, days_ago in enumerate(UNPRICED_DAYS_AGO):
        if last - days_ago == day:
            at_us = day * DAY_US + (10 + number) * HOUR_US + 61_000_000 * number
            yield Event(
                at_us, "search-rerank", "search", "", "", "development", "rerank", "", "", INTERNAL_USERS[number],
                "openai", UNPRICED_MODEL, "openai-chat", False, Usage(input=1_800, output=40), "ok", (),
                400, 1_200, seed + number, 0, "unpriced",
            )  # fmt: skip
