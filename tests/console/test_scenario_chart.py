"""Charts of scenarios as geometry: axes on both sides of zero, bands around their line, bars on one axis."""

import re
from decimal import Decimal

from tests.finance.scenarios.populations import ask, many, payer

from bursar.console.scenario_chart import HEIGHT, axis, bars, fan

D = Decimal


def test_an_axis_has_zero_round_ticks_and_room_for_all():
    for low, high in ((D(0), D(70)), (D(-500), D(80)), (D(-3), D(0)), (D(0), D(0)), (D("-0.001"), D("0.002"))):
        ticks, bottom, top = axis(low, high)
        assert D(0) in ticks
        assert bottom <= low <= high <= top
        assert bottom < top


def test_the_fan_lies_around_its_line_and_every_scenario_has_one():
    found = ask(many(80), "usage 3 from=2027-02", "price +10%")
    drawn = fan(found, 1, lambda value, _: str(value), lambda month, margin: f"{month} {margin}")
    assert [line.slot for line in drawn.lines] == [0, 1, 2]
    assert [line.is_shown for line in drawn.lines] == [False, True, False]

    def heights(path: str) -> list[float]:
        return [float(point.split()[1]) for point in re.findall(r"[\d.]+ [-\d.]+", path)]

    line, outer = heights(drawn.lines[1].path), heights(drawn.outer)
    for at, height in enumerate(line):
        assert outer[at] <= height <= outer[len(outer) - 1 - at]
    assert all(0 <= height <= HEIGHT for height in (*line, *outer))


def test_bars_of_losses_and_gains_share_one_zero():
    found = ask([payer(f"c{at}", "pro", "10", "6") for at in range(12)], "usage 3")
    drawn = bars([found.as_is, *found.scenarios])
    gain, loss = drawn.rows
    assert gain.x == drawn.zero
    assert round(loss.x + loss.width, 2) == round(drawn.zero, 2)
    assert all(0 <= row.low <= row.high <= 100 for row in drawn.rows)
