"""Incidents of known kind, size and time, planted in real tenants' traffic: which are found, how soon, what else is.

One untouched fortnight teaches the detector; its state is kept at points of the second week. Each seed begins at one of
them, plants one incident, and goes on until it is found, or `HORIZON` minutes are over. So a seed costs minutes of
traffic and not a fortnight. What is found of other tenants meanwhile is a false alarm, and so is all that is found of
untouched tenants in the second week: they are real, and may have had incidents of their own that nobody labelled.
"""

import math
from typing import NamedTuple

import numpy as np

from bursar.bench.tenants import load_tenants
from bursar.bench.watch_world import DEAR_TIMES, MINUTES, Incident, World
from bursar.domain.watching import Detection, SeriesKey, Signal
from bursar.watch.stream import StreamDetector

DAY = 1440
LEARNED = 7 * DAY
KEEP_EVERY = 6 * 60
HORIZON = 6 * 60
STEP = 10  # minutes: the trace's rates are of so many
QUIET = 60  # minutes: what is found of a series so soon after something else of it is part of that
MINUTE_US = 60_000_000
SHARE_MIN = 0.2  # of the tenant's usual daily cost that an incident costs above it, to count
CALLS_MIN = 2.0  # a minute: a tenant with less can't show an incident within minutes

KINDS: dict[str, frozenset[Signal]] = {
    "retry loop": frozenset({Signal.RETRIES}),
    "output growth": frozenset({Signal.OUTPUT_PER_CALL}),
    "cache-hit drop": frozenset({Signal.CACHE_HITS}),
    "dear model": frozenset({Signal.DEAR_MODELS}),
    "price jump": frozenset({Signal.COST_PER_TOKEN}),
    "runaway agent": frozenset({Signal.CALLS}),
    "silence": frozenset({Signal.SILENCE}),
}
"""What is planted, and the signals that say so."""


class Plant(NamedTuple):
    """One incident. excess: USD of a whole HORIZON above the usual, or below it, of a silence; daily: the usual cost a
    day."""

    kind: str
    size: float
    incident: Incident
    start: int
    excess: float
    daily: float

    @property
    def counts(self) -> bool:
        """Whether it moves so much money that it must be found."""
        return self.excess >= SHARE_MIN * self.daily

    @property
    def counted_before(self) -> bool:
        """Whether it counted in the figures up to 27 November 2026: every silence, however little there was."""
        return self.kind == "silence" or self.counts


class Outcome(NamedTuple):
    """What came of one seed. minutes: until it was found, None if it wasn't; right: its first signal names its kind.

    false_alarms: findings of other tenants meanwhile, of `watched` minutes.
    """

    plant: Plant
    minutes: int | None
    right: bool
    false_alarms: int
    watched: int


class Finding(NamedTuple):
    """Detections of one series that follow each other."""

    series: SeriesKey
    first: Detection


class Untouched(NamedTuple):
    """The fortnight without incidents. states: of the detector, by the minute it goes on from."""

    states: dict[int, bytes]
    findings: list[Finding]
    series: int
    minutes: int

    @property
    def a_week_of_100(self) -> float:
        """False alarms."""
        return len(self.findings) / (self.minutes / (7 * DAY)) / (self.series / 100)


def untouched(world: World) -> Untouched:
    """Learn a week, and count what is found in the next."""
    detector, states = StreamDetector(), {}
    detections: list[Detection] = []
    for minute in range(MINUTES):
        if minute >= LEARNED and minute % KEEP_EVERY == 0 and minute + HORIZON + KEEP_EVERY < MINUTES:
            states[minute] = detector.to_bytes()
        found = detector.observe(minute * MINUTE_US, world.minute(minute))
        detections += found if minute >= LEARNED else []
    return Untouched(states, merged(detections), len(world.tenants), MINUTES - LEARNED)


def merged(detections: list[Detection]) -> list[Finding]:
    """Detections as findings: those of one series within QUIET minutes of one another are one."""
    last: dict[SeriesKey, int] = {}
    findings = []
    for one in detections:
        before = last.get(one.series)
        if before is None or one.seen_us - before > QUIET * MINUTE_US:
            findings.append(Finding(one.series, one))
        last[one.series] = one.seen_us
    return findings


def borne_out(world: World, finding: Finding) -> bool:
    """Whether an untouched tenant did what would have counted had it been planted: in the HORIZON from some minute
    between its beginning (no earlier than a HORIZON before) and its being told, it cost SHARE_MIN of a usual day more
    than in the same hours of the week before, or that much less where it fell silent.

    Nobody's label is in it. A new spender, who cost nothing before, is always one.
    """
    tenant, told = world.keys.index(finding.series), finding.first.seen_us // MINUTE_US
    began = max(finding.first.began_us // MINUTE_US, told - HORIZON + STEP)
    daily = world.expected_cost(tenant, range(max(0, told - LEARNED), told)) / (min(told, LEARNED) / DAY)
    sign = -1 if finding.first.signal is Signal.SILENCE else 1
    return any(sign * excess_of(world, tenant, at) >= SHARE_MIN * daily for at in range(began, told + 1, STEP))


def by_chance(world: World, moments: int = 2000) -> float:
    """The share of random moments of untouched tenants that `borne_out` would let pass for a finding told at once."""
    rng = np.random.default_rng(11)
    passed = 0
    for tenant, minute in zip(
        rng.integers(0, len(world.keys), moments), rng.integers(LEARNED, MINUTES - HORIZON, moments), strict=True
    ):
        daily = world.expected_cost(int(tenant), range(int(minute) - LEARNED, int(minute))) / (LEARNED / DAY)
        passed += daily > 0 and excess_of(world, int(tenant), int(minute)) >= SHARE_MIN * daily
    return passed / moments


def excess_of(world: World, tenant: int, minute: int) -> float:
    """USD of a tenant in the HORIZON from a minute on, above the same hours of the days before, up to seven."""
    until = min(minute + HORIZON, MINUTES)
    backs = [back for back in range(DAY, 8 * DAY, DAY) if back <= minute]
    before = [world.expected_cost(tenant, range(minute - back, until - back)) for back in backs]
    return world.expected_cost(tenant, range(minute, until)) - sum(before) / max(1, len(before))


def planted(world: World, start: int, rng: np.random.Generator) -> Plant:
    """One incident of any kind and of a size from 2 to 20, of a tenant that has traffic then."""
    kind = str(rng.choice(list(KINDS)))
    size = float(math.exp(rng.uniform(math.log(2), math.log(20))))
    from_minute = start + int(rng.integers(5, 30))
    span = range(from_minute, from_minute + HORIZON)
    busy = [
        at
        for at in range(len(world.tenants))
        if min(world.expected_calls(minute)[at] for minute in (start - 60, from_minute, from_minute + 60)) >= CALLS_MIN
    ]
    tenant = int(rng.choice(busy))
    incident = incident_of(kind, size, tenant, from_minute)
    usual = world.expected_cost(tenant, span)
    day = range(from_minute - DAY, from_minute)
    excess = usual if kind == "silence" else usual * (cost_factor(world, kind, size, tenant, span) - 1)
    return Plant(kind, size, incident, start, excess, world.expected_cost(tenant, day))


def incident_of(kind: str, size: float, tenant: int, minute: int) -> Incident:
    """What a kind changes."""
    match kind:
        case "retry loop":
            return Incident(tenant, minute, attempts=size)
        case "output growth":
            return Incident(tenant, minute, output=size)
        case "cache-hit drop":
            return Incident(tenant, minute, cached=0.0)
        case "dear model":
            return Incident(tenant, minute, dear=min(1.0, 0.05 * size + 0.1))
        case "price jump":
            return Incident(tenant, minute, price=size)
        case "runaway agent":
            return Incident(tenant, minute, calls=size)
    return Incident(tenant, minute, calls=0.0)


def cost_factor(world: World, kind: str, size: float, tenant: int, minutes: range) -> float:
    """How many times the usual cost of these minutes an incident makes, roughly."""
    dear = (DEAR_TIMES - 1) * world.usual.dear[tenant]
    if kind == "dear model":
        return float((1 + (DEAR_TIMES - 1) * min(1.0, 0.05 * size + 0.1)) / (1 + dear))
    share_out, saved = world.cost_shares(tenant, minutes)
    if kind == "output growth":
        return 1 + share_out * (size - 1)
    if kind == "cache-hit drop":
        return 1 + saved
    return size


def play(world: World, base: Untouched, seed: int) -> Outcome:
    """One seed."""
    rng = np.random.default_rng(seed)
    start = int(rng.choice(list(base.states)))
    plant = planted(world, start, rng)
    world.rng = rng
    detector = StreamDetector.from_bytes(base.states[start])
    key, at = world.keys[plant.incident.tenant], plant.incident.from_minute
    others: list[Detection] = []
    for minute in range(start, at + HORIZON):
        found = detector.observe(minute * MINUTE_US, world.minute(minute, plant.incident))
        mine = [one for one in found if one.series == key and minute >= at]
        others += [one for one in found if one not in mine]
        if mine:
            right = mine[0].signal in KINDS[plant.kind]
            return Outcome(plant, minute + 1 - at, right, len(merged(others)), minute + 1 - start)
    return Outcome(plant, None, False, len(merged(others)), at + HORIZON - start)


def world_of_tenants(seed: int = 0) -> World:
    """All tenants of the trace."""
    return World(load_tenants(), seed)
