"""What the clocks find of planted incidents in real tenants' traffic, what they tell of untouched ones, and how much of
both is possible there."""

from collections.abc import Callable, Iterable

from bursar.bench.figure import Figure, Options, median
from bursar.bench.watch_hindsight import excursions, found_by_hindsight, records_passed, steps_of
from bursar.bench.watch_long import Creep, creeps, findings_of, hours_of, steps_borne_out, told_by_both
from bursar.bench.watch_plants import KINDS, Outcome, Untouched, borne_out, by_chance, play, untouched, world_of_tenants
from bursar.bench.watch_world import World
from bursar.domain.watching import Clock, Signal

SEEDS = 200
RECALL_MIN, MINUTES_MAX, FALSE_MAX, RIGHT_MIN, PERIODS_MAX = 0.95, 5.0, 1.0, 0.9, 2.0
SIZES = ((2.0, 4.0), (4.0, 8.0), (8.0, 20.0))
BY_THEMSELVES = frozenset({"runaway agent", "silence"})
"""What real tenants do too: all other kinds are of what the trace doesn't have, and which is steady here."""


def figures(options: Options) -> list[Figure]:
    """Recall, minutes and false alarms. The fortnight is always whole; the scale is that of the seeds."""
    world = world_of_tenants()
    base = untouched(world)
    outcomes = [play(world, base, seed) for seed in range(max(10, int(SEEDS * options.scale)))]
    counting = [one for one in outcomes if one.plant.counts]
    found = [one for one in counting if one.minutes is not None]
    false = sum(one.false_alarms for one in outcomes)
    all_found = sum(one.minutes is not None for one in outcomes)
    return [
        Figure("planted incidents found", len(found) / max(1, len(counting)), "of 1", RECALL_MIN, "at least",
               note=f"{len(found)} of {len(counting)} that count, {len(outcomes)} planted"),
        _share("the same, all silences counting", [one for one in outcomes if one.plant.counted_before]),
        *(_share(f"found: {kind}", [one for one in counting if one.plant.kind == kind]) for kind in KINDS),
        *(_share(f"found: {low:g} to {high:g} times", [one for one in counting if low <= one.plant.size < high])
          for low, high in SIZES),
        Figure("time to find one", _middle(found), "minutes", MINUTES_MAX, note="median of those found"),
        Figure("first signal names the cause", sum(one.right for one in found) / max(1, len(found)), "of 1",
               RIGHT_MIN, "at least"),
        *_false_alarms(world, base),
        Figure("precision beside a planted incident", all_found / max(1, all_found + false), "of 1",
               note=f"{all_found} planted ones found, {false} others"),
        *_possible(world, outcomes),
        *_slow(world),
    ]  # fmt: skip


def _share(name: str, mine: list[Outcome]) -> Figure:
    found = [one for one in mine if one.minutes is not None]
    note = f"{len(found)} of {len(mine)}, median {_middle(found):g} minutes"
    return Figure(name, len(found) / max(1, len(mine)), "of 1", note=note)


def _false_alarms(world: World, base: Untouched) -> list[Figure]:
    true = sum(borne_out(world, one) for one in base.findings)
    new = sum(one.first.signal is Signal.NEW_SPENDER for one in base.findings)
    return [
        Figure("false alarms of untouched tenants", base.a_week_of_100, "a week per 100", FALSE_MAX,
               note=f"{len(base.findings)} findings in week two of {base.series} tenants, {new} of them new spenders"),
        Figure("the same, without those that would count if planted",
               base.a_week_of_100 * (1 - true / max(1, len(base.findings))), "a week per 100", FALSE_MAX,
               note=f"{true} moved a fifth of a day's cost; of random moments {100 * by_chance(world):.0f} % do"),
    ]  # fmt: skip


def _possible(world: World, outcomes: list[Outcome]) -> list[Figure]:
    """What thresholds could do here at all."""
    cost, per_100 = steps_of(world), 100.0 / len(world.keys)
    plants = [one.plant for one in outcomes if one.plant.counts]
    restless = [one for one in plants if one.kind in BY_THEMSELVES]
    found = found_by_hindsight(cost, restless)
    most = len(plants) - len(restless) + found
    return [
        Figure("would count if planted, untouched tenants", excursions(cost) * per_100, "a week per 100",
               note="six hours that cost a fifth of a day more than those of the days before"),
        *(Figure(f"an hour of over {times:g} times any before it", records_passed(cost, times) * per_100,
                 "a week per 100", note="and a fifth of a day's cost above the same hours") for times in (1.5, 3.0)),
        Figure("runaways and silences, by hindsight", found / max(1, len(restless)), "of 1",
               note=f"{found} of {len(restless)} pass what their tenant does by itself in that very week"),
        Figure("planted incidents, at most, with nothing false", most / max(1, len(plants)), "of 1",
               note=f"{most} of {len(plants)}: those, and all of the other kinds"),
    ]  # fmt: skip


def _slow(world: World) -> list[Figure]:
    """The clocks of hours and days: what they tell of untouched tenants, and of prompts that creep."""
    hours = hours_of(world)
    told = told_by_both(world, hours)
    rows: list[Figure] = []
    for clock in (Clock.HOUR, Clock.DAY):
        findings = findings_of(told[clock])
        true = sum(steps_borne_out(world, one) for one in findings)
        rows.append(
            Figure(f"told by the clock of each {clock.value}, untouched", 100.0 * len(findings) / len(world.keys),
                   "a week per 100", note=f"{len(findings)} findings, {len(findings) - true} not borne out by money")
        )  # fmt: skip
    crept = creeps(world, hours, told)
    rows.append(_creeping("found: prompts that creep 5 % a day", crept, lambda one: True))
    rows.append(_creeping("the same, of steady tenants", crept, lambda one: one.steady))
    days = [one.days for one in crept if one.days is not None]
    rows.append(Figure("days to find one", median(days or [0.0]), "days", PERIODS_MAX, note="median of those found"))
    return rows


def _creeping(name: str, crept: Iterable[Creep], which: Callable[[Creep], bool]) -> Figure:
    mine = [one for one in crept if which(one)]
    found = [one for one in mine if one.days is not None]
    return Figure(name, len(found) / max(1, len(mine)), "of 1", note=f"{len(found)} of {len(mine)}")


def _middle(found: list[Outcome]) -> float:
    return median([float(one.minutes) for one in found if one.minutes is not None] or [0.0])
