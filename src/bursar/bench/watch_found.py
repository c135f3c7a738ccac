"""What the minute clock finds of planted incidents in real tenants' traffic, and what it tells of untouched ones."""

from bursar.bench.figure import Figure, Options, median
from bursar.bench.watch_plants import KINDS, Outcome, borne_out, play, untouched, world_of_tenants
from bursar.domain.watching import Signal

SEEDS = 200
RECALL_MIN, MINUTES_MAX, FALSE_MAX, RIGHT_MIN = 0.95, 5.0, 1.0, 0.9


def figures(options: Options) -> list[Figure]:
    """Recall, minutes and false alarms. The fortnight is always whole; the scale is that of the seeds."""
    world = world_of_tenants()
    base = untouched(world)
    outcomes = [play(world, base, seed) for seed in range(max(10, int(SEEDS * options.scale)))]
    counting = [one for one in outcomes if one.plant.counts]
    found = [one for one in counting if one.minutes is not None]
    false = sum(one.false_alarms for one in outcomes)
    all_found = sum(one.minutes is not None for one in outcomes)
    true = sum(borne_out(world, one) for one in base.findings)
    new = sum(one.first.signal is Signal.NEW_SPENDER for one in base.findings)
    return [
        Figure("planted incidents found", len(found) / max(1, len(counting)), "of 1", RECALL_MIN, "at least",
               note=f"{len(found)} of {len(counting)} that count, {len(outcomes)} planted"),
        *(_of_kind(kind, counting) for kind in KINDS),
        Figure("time to find one", _middle(found), "minutes", MINUTES_MAX, note="median of those found"),
        Figure("first signal names the cause", sum(one.right for one in found) / max(1, len(found)), "of 1",
               RIGHT_MIN, "at least"),
        Figure("false alarms of untouched tenants", base.a_week_of_100, "a week per 100", FALSE_MAX,
               note=f"{len(base.findings)} findings in week two of {base.series} tenants, {new} of them new spenders"),
        Figure("the same, without those that would count if planted",
               base.a_week_of_100 * (1 - true / max(1, len(base.findings))), "a week per 100",
               note=f"{true} cost a fifth of a day more, or in silence less, than the days before"),
        Figure("precision beside a planted incident", all_found / max(1, all_found + false), "of 1",
               note=f"{all_found} planted ones found, {false} others"),
    ]  # fmt: skip


def _of_kind(kind: str, counting: list[Outcome]) -> Figure:
    mine = [one for one in counting if one.plant.kind == kind]
    found = [one for one in mine if one.minutes is not None]
    note = f"{len(found)} of {len(mine)}, median {_middle(found):g} minutes"
    return Figure(f"found: {kind}", len(found) / max(1, len(mine)), "of 1", note=note)


def _middle(found: list[Outcome]) -> float:
    return median([float(one.minutes) for one in found if one.minutes is not None] or [0.0])
