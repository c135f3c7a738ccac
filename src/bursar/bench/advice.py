"""Whether advice finds what is there to be saved: worlds with planted savings, judged by a month that came after.

A world is four weeks that are in a ledger and four more that aren't. Advice sees the first. What an advice then really
saves is what the calls of the second cost by the gateway's own meter, less what they cost under its change, told from
what only their maker knows. Nothing of the advisor's arithmetic is in that.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import mean

import msgspec
import numpy as np

from bursar.advisor.advice import KINDS, Advice
from bursar.advisor.look import MONTH_DAYS, Look
from bursar.advisor.review import Review, review
from bursar.bench.advice_making import Plant
from bursar.bench.advice_models import MODELS_AND_PLACES
from bursar.bench.advice_outputs import OUTPUTS_AND_TRAFFIC
from bursar.bench.advice_plants import CACHES_AND_JOBS
from bursar.bench.advice_world import DAY_US, Made, Pricer, write_ledger
from bursar.bench.figure import Figure, Options
from bursar.domain.money import usd_from_pico
from bursar.domain.periods import Period
from bursar.gateway.meter import Meter
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows

PLANTS: tuple[type[Plant], ...] = (*CACHES_AND_JOBS, *MODELS_AND_PLACES, *OUTPUTS_AND_TRAFFIC)
FIRST_DAY = 20_752  # 2026-10-26, a Monday
WEEKS = 4
SEEDS = 2
FOUND_MIN, ERROR_MAX, FALSE_MAX = 0.9, 0.15, 0.02
INTERVAL_MIN = 0.8
PROMISES = 5  # figures that are about all advice; the others are of one kind each
ZERO = Decimal(0)


class Judged(msgspec.Struct):
    """One planted saving and the advice that should find it. USD a month; expected, low, high: None: not found.

    planted: what the planted change saves in the weeks after. truth: what the advice's own change does.
    """

    kind: str
    name: str
    planted: Decimal
    expected: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    truth: Decimal = ZERO
    is_proven: bool = True

    @property
    def error(self) -> float | None:
        """Of the estimate, against what really is saved."""
        return None if self.expected is None or not self.truth else float(self.expected / self.truth) - 1


class World(msgspec.Struct):
    """What came of one seed. planted, found: all plants, each call's saving once. told: the advisor's total without
    false advice; true: what the changes in it really save together. false: (title, claimed, really saved)."""

    seed: int
    charges: int
    spent: Decimal
    judged: list[Judged]
    planted: Decimal
    found: Decimal
    told: Decimal
    true: Decimal
    false: list[tuple[str, Decimal, Decimal]]
    unproven_false: list[str]


def measure(options: Options) -> list[Figure]:
    """Found, accurate, not false: over SEEDS worlds, `--scale 3` for three times as many."""
    worlds = [run_world(seed) for seed in range(max(round(SEEDS * options.scale), 1))]
    return figures(worlds)


def documented() -> str:
    """The tables of docs/advice.md."""
    return documented_of([run_world(seed) for seed in range(SEEDS)])


def documented_of(worlds: Sequence[World]) -> str:
    """The promises and what came of them; then each planted saving."""
    told = ["| figure | value | target |", "| --- | --: | --: |"]
    told += [f"| {one.name} | {one.value:.1f} {one.unit} | {one.target} |" for one in figures(worlds)[:PROMISES]]
    return "\n".join([*told, "", table(worlds)])


def figures(worlds: Sequence[World]) -> list[Figure]:
    """The promises, with what came of them."""
    found = mean(float(one.found / one.planted) for one in worlds)
    errors = [float(one.told / one.true) - 1 for one in worlds]
    false = mean(float(sum((claimed for _, claimed, _ in one.false), ZERO) / one.told) for one in worlds)
    harm = mean(float(sum((-really for *_, really in one.false if really < 0), ZERO) / one.true) for one in worlds)
    proven = [row for one in worlds for row in one.judged if row.error is not None and row.is_proven]
    inside = mean(
        float(row.low <= row.truth <= row.high) for row in proven if row.low is not None and row.high is not None
    )
    note = f"{len(worlds)} worlds of {worlds[0].charges:,} charges"
    rows = [
        Figure("planted savings found, in money", 100 * found, "%", 100 * FOUND_MIN, "at least", note=note),
        Figure("error of the total, the worst world", 100 * max(map(abs, errors)), "%", 100 * ERROR_MAX),
        Figure("claimed by false advice, of the total", 100 * false, "%", 100 * FALSE_MAX),
        Figure("cost of following false advice, of what is saved", 100 * harm, "%", 100 * FALSE_MAX),
        Figure("advice whose interval holds the truth", 100 * inside, "%", 100 * INTERVAL_MIN, "at least"),
    ]
    for kind in KINDS:
        of_kind = [row for row in proven if row.kind == kind]
        if of_kind:
            told = sum((row.expected for row in of_kind if row.expected is not None), ZERO)
            error = float(told / sum((row.truth for row in of_kind), ZERO)) - 1
            single = [row.error or 0 for row in of_kind]
            note = f"a single one {round(100 * min(single)):+d} to {round(100 * max(single)):+d} %"
            rows.append(Figure(f"error of {KINDS[kind].lower()}", abs(100 * error), "%", 100 * ERROR_MAX, note=note))
    return rows


def run_world(seed: int) -> World:
    """Make it, ask for advice, and judge it."""
    book = PriceBook(compile_rows(None)[0])
    pricer = Pricer(Meter(book))
    plants = [plant(seed) for plant in PLANTS]
    days = 7 * WEEKS
    before = calls_of(plants, seed, FIRST_DAY, days)
    after = calls_of(plants, seed, FIRST_DAY + days, days)
    whole = sorted((call for calls in before for call in calls), key=lambda one: one.at_us)
    with looked_at(whole, book, days) as look:
        charges = int(look.session.query("SELECT count(*) FROM charges").only())
        found = review(look)
    return _judge(seed, charges, found, plants, after, pricer)


@contextmanager
def looked_at(calls: list[Made], book: PriceBook, days: int) -> Iterator[Look]:
    """A ledger of these calls, and one look at its days from the first."""
    with tempfile.TemporaryDirectory(prefix="bursar-advice-") as name:
        directory = Path(name)
        write_ledger(calls, directory / "spool", Meter(book))
        ledger = open_ledger(directory / "ledger.duckdb")
        try:
            Loader(ledger, directory / "spool").load_all()
            end_us = (FIRST_DAY + days) * DAY_US
            period = Period(_moment(FIRST_DAY * DAY_US), _moment(end_us))
            with ledger.reading() as session:
                yield Look(session, ledger.dialect, period, book, end_us)
        finally:
            ledger.close()


def table(worlds: Sequence[World]) -> str:
    """The means over worlds, a row for each planted saving, as Markdown."""
    lines = ["| advice | planted in | saves | advice says | error |", "| --- | --- | --: | --: | --: |"]
    for place, row in enumerate(worlds[0].judged):
        same = [one.judged[place] for one in worlds]
        told = [one.expected for one in same if one.expected is not None]
        if not told:
            lines.append(
                f"| {KINDS[row.kind]} | `{row.name}` | ${_mean(one.planted for one in same):,.2f} | not found | |"
            )
            continue
        errors = [one.error for one in same if one.error is not None]
        said = "" if row.is_proven else ", to be tried"
        missing = f" ({len(told)} of {len(same)})" if len(told) < len(same) else ""
        saves = _mean(one.planted if one.expected is None else one.truth for one in same)
        lines.append(
            f"| {KINDS[row.kind]}{said} | `{row.name}` | ${saves:,.2f} | ${_mean(told):,.2f}{missing} | "
            f"{round(100 * min(errors)):+d} to {round(100 * max(errors)):+d} % |"
        )
    return "\n".join(lines)


def calls_of(plants: Sequence[Plant], seed: int, first_day: int, days: int) -> list[list[Made]]:
    """Of each plant, all days; the same seed and day give the same calls."""
    return [
        [
            call
            for day in range(first_day, first_day + days)
            for call in plant.calls(np.random.default_rng([seed, number, day]), day)
        ]
        for number, plant in enumerate(plants)
    ]


def _judge(
    seed: int, charges: int, found: Review, plants: Sequence[Plant], after: Sequence[list[Made]], pricer: Pricer
) -> World:
    judged, planted, found_usd, true = [], ZERO, ZERO, ZERO
    for plant, calls in zip(plants, after, strict=True):
        mine: dict[str, Advice] = {}
        for row in found.ranked:
            if plant.is_about(row.advice) and row.advice.kind in plant.kinds and row.advice.saving is not None:
                mine.setdefault(row.advice.kind, row.advice)
        cost = pricer.all(calls)
        rows = [_judged(plant, kind, calls, cost, pricer, mine.get(kind)) for kind in plant.kinds]
        if not rows:
            continue
        judged += rows
        whole = _monthly(cost - plant.together(calls, pricer))
        planted += whole
        if len(mine) == len(plant.kinds):
            found_usd += whole
        elif mine:
            found_usd += max(row.planted for row in rows if row.kind in mine)
        proven = [row for row in rows if row.expected is not None and row.is_proven]
        if proven:
            true += whole if len(proven) == len(rows) > 1 else max(row.truth for row in proven)
    false, unproven, false_net = [], [], ZERO
    for row in found.ranked:
        owner = next((at for at, plant in enumerate(plants) if plant.is_about(row.advice)), None)
        if row.advice.saving is None or (owner is not None and row.advice.kind in plants[owner].kinds):
            continue
        if row.net is None:
            unproven.append(row.advice.title)
            continue
        calls = after[owner] if owner is not None else []
        really = (
            pricer.all(calls) - plants[owner].after(row.advice.kind, calls, pricer, None) if owner is not None else 0
        )
        false.append((row.advice.title, row.net, _monthly(really) if not plants[owner or 0].kinds else ZERO))
        false_net += row.net
    return World(seed, charges, found.spent, judged, planted, found_usd, found.total - false_net, true, false, unproven)


def _judged(plant: Plant, kind: str, calls: list[Made], cost: int, pricer: Pricer, advice: Advice | None) -> Judged:
    row = Judged(kind, plant.name, _monthly(cost - plant.after(kind, calls, pricer, None)))
    if advice is not None and advice.saving is not None:
        row.expected, row.low, row.high = advice.saving.expected, advice.saving.low, advice.saving.high
        row.truth = _monthly(cost - plant.after(kind, calls, pricer, advice))
        row.is_proven = advice.is_proven
    return row


def _monthly(pico: int) -> Decimal:
    return usd_from_pico(pico) * MONTH_DAYS / (7 * WEEKS)


def _mean(values: Iterable[Decimal]) -> Decimal:
    found = list(values)
    return sum(found, ZERO) / len(found)


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC)
