"""The burn-down of a budget as geometry: spent, held apart from it, the limit, and the forecast's band.

Pure. Horizontal and vertical positions are in a box of 1000 × height that is stretched to the width it gets.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from bursar.budgets.forecast import HOUR_US, Forecast, Point

POINTS_MAX = 240
OVER = 1.35  # limits' worth that a chart shows of a forecast that shoots over
HELD_WIDTH = 14.0


class Course(NamedTuple):
    """What the chart is of; instants in microseconds, amounts in pico.

    hours: (start of an hour, pico) by the books, since at least `start_us`. end_us: where the chart ends.
    """

    start_us: int
    now_us: int
    end_us: int
    hours: Sequence[tuple[int, int]]
    spent: int
    held: int
    limit: int | None


class Burndown(msgspec.Struct, frozen=True):
    """Paths in the box; "" where there is nothing to draw. limit_y: None without a limit. now_x, at_x: of 1000;
    at_x: where the forecast meets the limit."""

    height: int
    spent: str
    area: str
    held: tuple[float, float, float, float] | None
    band: str
    ahead: str
    limit_y: float | None
    now_x: float
    at_x: float | None


def burndown(course: Course, forecast: Forecast, height: int) -> Burndown:
    """The line ends at exactly what is spent; before that it follows the books."""
    path: Sequence[Point] = [point for point in forecast.path if point.at_us <= course.end_us]
    top = _top(course, path)
    width_us = max(course.end_us - course.start_us, 1)

    def x(at_us: int) -> float:
        return round(min(max((at_us - course.start_us) / width_us, 0.0), 1.0) * 1000, 1)

    def y(pico: int) -> float:
        return round(height * (1 - min(max(pico / top, 0.0), 1.0)), 1)

    line = [(x(at_us), y(pico)) for at_us, pico in _spent(course)]
    spent = _path(line)
    held = None
    if course.held > 0:
        upper, lower = y(course.spent + course.held), y(course.spent)
        held = (min(x(course.now_us), 1000 - HELD_WIDTH), upper, HELD_WIDTH, max(round(lower - upper, 1), 1.5))
    ahead = _until_over(path, [point.pico for point in path], top)
    path = _until_over(path, [point.low for point in path], top)
    high, low = [(x(p.at_us), y(p.high)) for p in path], [(x(p.at_us), y(p.low)) for p in path]
    at_us = forecast.at_us if forecast.at_us is not None and forecast.at_us <= course.end_us else None
    return Burndown(
        height=height,
        spent=spent,
        area=f"{spent}L{line[-1][0]} {height}L{line[0][0]} {height}Z",
        held=held,
        band=f"{_path([*high, *reversed(low)])}Z" if forecast.has_band and len(path) > 1 else "",
        ahead=_path([(x(p.at_us), y(p.pico)) for p in ahead]) if len(ahead) > 1 else "",
        limit_y=None if course.limit is None else y(course.limit),
        now_x=x(course.now_us),
        at_x=None if at_us is None else x(at_us),
    )


def _until_over(path: Sequence[Point], amounts: Sequence[int], top: float) -> Sequence[Point]:
    """As far as a course stays inside the chart, and the point where it leaves."""
    over = next((at for at, pico in enumerate(amounts) if pico > top), len(path))
    return path[: over + 1]


def _top(course: Course, path: Sequence[Point]) -> float:
    limit = course.limit or 0
    ahead = max((point.high for point in path), default=0)
    return max(limit * 1.12, (course.spent + course.held) * 1.05, min(ahead, limit * OVER), 1.0)


def _spent(course: Course) -> list[tuple[int, int]]:
    inside = sorted((at, pico) for at, pico in course.hours if at + HOUR_US > course.start_us and at <= course.now_us)
    begun = course.spent - sum(pico for _, pico in inside)  # an opening balance, and what the books don't have yet
    points = [(course.start_us, max(begun, 0))]
    total = begun
    for at, pico in inside:
        if at > points[-1][0]:
            points.append((at, max(total, 0)))
        total += pico
        points.append((min(at + HOUR_US, course.now_us), min(max(total, 0), course.spent)))
    points.append((course.now_us, course.spent))
    every = -(-len(points) // POINTS_MAX)
    return [*points[:-1:every], points[-1]]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{'L' if at else 'M'}{x} {y}" for at, (x, y) in enumerate(points))
