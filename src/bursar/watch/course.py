"""The course of a finding's series around it: what each step cost, and what was to be expected of it.

The expected of a step is the mean of the same step in the windows that the finding was compared with, at the one level
that makes the finding's own time add up to what was expected of it; low and high are the least and the most of them.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import msgspec

from bursar.domain.clock import datetime_from_us
from bursar.domain.findings import HOUR_US, Finding
from bursar.domain.periods import Period
from bursar.domain.watching import Clock, SeriesKey
from bursar.explore import compile as sql
from bursar.explore.apart import APART
from bursar.explore.filters import Filter, as_filters
from bursar.explore.rollups import CHARGES, choose_source
from bursar.explore.vocabulary import dimension
from bursar.ledger.rollups import SLOT_MINUTES
from bursar.ledger.store import Session
from bursar.watch.spent import first_call_us
from bursar.watch.windows import AROUND_US, DAY_US

MINUTE_US = 60_000_000
STEPS_US = (
    5 * MINUTE_US, 15 * MINUTE_US, 30 * MINUTE_US, HOUR_US, 3 * HOUR_US, 6 * HOUR_US, 12 * HOUR_US, DAY_US,
)  # fmt: skip
STEPS_MAX = 64
STEP_MIN_US = {Clock.MINUTE: 5 * MINUTE_US, Clock.HOUR: HOUR_US, Clock.DAY: DAY_US}
LEAD_MIN_US = {Clock.MINUTE: 3 * HOUR_US, Clock.HOUR: DAY_US, Clock.DAY: 14 * DAY_US}
LEAD_MAX_US = 60 * DAY_US
LEAD_TIMES = 2  # the finding's own length, before it
SLOT_US = SLOT_MINUTES * MINUTE_US
_PICO = 10**12


class Step(msgspec.Struct, frozen=True):
    """[start, end) in microseconds; pico USD. expected, low, high: None where nothing is known of before.

    is_inside: whether it is of the finding's time; the first such step begins with it.
    """

    start_us: int
    end_us: int
    actual_pico: int
    expected_pico: int | None
    low_pico: int | None
    high_pico: int | None
    is_inside: bool


class Course(msgspec.Struct, frozen=True):
    """Steps of one length without a gap. windows_us, windows_pico: what the finding was compared with, and its cost."""

    step_us: int
    steps: tuple[Step, ...]
    windows_us: tuple[tuple[int, int], ...]
    windows_pico: tuple[int, ...]


def course_of(session: Session, dialect: str, finding: Finding, now_us: int) -> Course:
    """One question to the ledger, of the finding's series, by when calls were received."""
    first_us = first_call_us(session) or 0
    start_us, step_us, count = span_of(finding, now_us)
    end_us = start_us + count * step_us
    windows = finding.evidence.windows_us
    backs = backs_of(finding)
    spans = [(start_us - back, end_us - back) for back in (0, *backs)]
    costs = _costs(session, dialect, finding.series, spans, step_us, windows)
    actual, earlier = costs[0], [costs[at + 1] for at in range(len(backs))]
    around = max(AROUND_US - (finding.until_us - finding.began_us), 0) // step_us // 2
    usual = [
        _smooth(
            [each.get(at, 0) if start_us + at * step_us - back >= first_us else None for at in range(count)], around
        )
        for back, each in zip(backs, earlier, strict=True)
    ]
    inside = [finding.began_us <= start_us + at * step_us < finding.until_us for at in range(count)]
    expected = _expected(finding, usual, [_part(finding, start_us + at * step_us, step_us) for at in range(count)])
    steps = tuple(
        Step(
            start_us + at * step_us, start_us + (at + 1) * step_us, actual.get(at, 0), *expected(at),
            is_inside=inside[at],
        )
        for at in range(count)
    )  # fmt: skip
    whole = costs[len(backs) + 1]
    return Course(step_us, steps, windows, tuple(whole.get(at, 0) for at in range(len(windows))))


def span_of(finding: Finding, now_us: int) -> tuple[int, int, int]:
    """(start, length of a step, how many): twice its own length before the finding, and half of it after its end.

    The finding begins where a step does.
    """
    length = max(finding.until_us - finding.began_us, 1)
    lead = min(max(LEAD_TIMES * length, LEAD_MIN_US[finding.clock]), LEAD_MAX_US)
    end_us = max(finding.until_us, min(now_us, finding.until_us + max(length // 2, LEAD_MIN_US[finding.clock] // 4)))
    shortest = STEP_MIN_US[finding.clock]
    for step_us in STEPS_US:
        before, after = -(-lead // step_us), -(-(end_us - finding.began_us) // step_us)
        if step_us >= shortest and before + after <= STEPS_MAX:
            break
    return finding.began_us - before * step_us, step_us, before + after


def backs_of(finding: Finding) -> list[int]:
    """How far back each of its windows lies, the middle of one from the middle of the other; [] where it was compared
    with what came right before."""
    length = finding.until_us - finding.began_us
    backs = [finding.began_us - (start + end - length) // 2 for start, end in finding.evidence.windows_us]
    return backs if all(back > 0 and back % DAY_US == 0 for back in backs) else []


def _expected(
    finding: Finding, usual: Sequence[Sequence[Fraction | None]], parts: Sequence[Fraction]
) -> Callable[[int], tuple[int | None, int | None, int | None]]:
    """(expected, low, high) of each step. parts: how much of each step is of the finding's time."""
    if not finding.evidence.windows_us:
        return lambda at: (None, None, None)
    if not usual:  # what came right before has no shape: a line
        whole = sum(parts, Fraction(0))
        flat = round(finding.expected_pico / whole) if whole else 0
        return lambda at: (flat, None, None)
    known = [[value for each in usual if (value := each[at]) is not None] for at in range(len(parts))]
    means = [sum(values, Fraction(0)) / len(values) if values else None for values in known]
    found = sum(((mean or 0) * part for mean, part in zip(means, parts, strict=True)), Fraction(0))
    level = Fraction(finding.expected_pico) / found if found > 0 else Fraction(1)

    def expected(at: int) -> tuple[int | None, int | None, int | None]:
        mean, values = means[at], known[at]
        if mean is None:
            return None, None, None
        return round(mean * level), round(min(values) * level), round(max(values) * level)

    return expected


def _part(finding: Finding, start_us: int, step_us: int) -> Fraction:
    inside = min(start_us + step_us, finding.until_us) - max(start_us, finding.began_us)
    return Fraction(max(inside, 0), step_us)


def _smooth(values: Sequence[int | None], around: int) -> list[Fraction | None]:
    """The mean of so many steps on both sides: what lasts minutes is compared with the hour around it. None: not known,
    because the books begin later."""
    found: list[Fraction | None] = []
    for at, value in enumerate(values):
        near = [each for each in values[max(at - around, 0) : at + around + 1] if each is not None]
        found.append(None if value is None else Fraction(sum(near), len(near)))
    return found


def _costs(
    session: Session,
    dialect: str,
    series: SeriesKey,
    spans: Sequence[tuple[int, int]],
    step_us: int,
    windows: Sequence[tuple[int, int]],
) -> list[dict[int, int]]:
    """Pico USD by step of each span; at last the windows, each as one step."""
    filters = as_filters([Filter(series.dimension, (series.value,))] if series.dimension else [])
    conditions = [one.sql(dialect=dialect) for one in sql.conditions(sql.filter_shapes(filters))]
    params = sql.filter_params(filters)
    parts = []
    asked = [(at, start, end, step_us) for at, (start, end) in enumerate(spans)]
    asked += [(-1 - at, start, end, end - start) for at, (start, end) in enumerate(windows)]
    for place, (at, start, end, step) in enumerate(asked):
        params |= {f"from{place}": sql.naive(datetime_from_us(start)), f"to{place}": sql.naive(datetime_from_us(end))}
        params |= {f"first{place}": start, f"step{place}": step}
        rows, time = _rows_of(series, start, end, step)
        where = " AND ".join([f"{time} >= $from{place}", f"{time} < $to{place}", *conditions])
        parts.append(
            f"SELECT {at} AS span, (epoch_us({time}) - $first{place}) // $step{place} AS step, "
            f"SUM(list_cost) AS cost FROM {rows} WHERE {where} GROUP BY 2"
        )
        apart = " AND ".join([f"received_at >= $from{place}", f"received_at < $to{place}", APART, *conditions])
        parts.append(
            f"SELECT {at}, (epoch_us(received_at) - $first{place}) // $step{place}, -SUM(list_cost) "
            f"FROM charges WHERE {apart} GROUP BY 2"
        )
    found: list[dict[int, int]] = [{} for _ in (*spans, None)]
    for at, step, cost in session.query(" UNION ALL ".join(parts), params).rows:
        pico = int((cost or 0) * _PICO)
        of_span, step_in_it = (found[-1], -1 - at) if at < 0 else (found[at], int(step))
        of_span[step_in_it] = of_span.get(step_in_it, 0) + pico
    return found


def _rows_of(series: SeriesKey, start_us: int, end_us: int, step_us: int) -> tuple[str, str]:
    """(what to add up, its column of time): sums kept ready, where steps lie on their slots; else the charges."""
    names = [dimension(series.dimension)] if series.dimension else []
    on_slots = step_us % SLOT_US == 0
    periods = [Period(datetime_from_us(start_us), datetime_from_us(end_us))]
    source = choose_source(["list_cost"], names, periods) if on_slots else CHARGES
    if not source.is_rollup:
        return "charges", source.time
    return f"({source.rows([source.time, 'list_cost', *(name.column for name in names)])})", source.time
