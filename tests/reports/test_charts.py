"""Charts of reports, drawn: bars in the order they were given, each with its figure, and what is ahead beside it."""

import re
from decimal import Decimal

from bursar.reports.charts import bars, margins, months, svg_of


def words_of(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def test_months_stand_in_their_order_with_their_figures_and_how_the_last_will_end():
    values = [("Oct 26", Decimal("22.96")), ("Nov 26", Decimal("48.59")), ("Apr 27", Decimal(1234567))]
    svg = svg_of(months(values, (Decimal(51), Decimal(58), Decimal(106))))
    words = words_of(svg)
    places = {
        name: float(x) for x, name in re.findall(r"translate\(([\d.]+),[^>]*>((?:Oct|Nov|Apr) \d\d)<", svg)
    }  # fmt: skip
    assert places["Oct 26"] < places["Nov 26"] < places["Apr 27"]
    assert {"22.96", "48.59", "1,234,567"} <= set(words)


def test_groups_stand_in_the_order_of_their_cost():
    values = [("zeta", Decimal(9), Decimal(1)), ("alpha", Decimal(5), Decimal(0)), ("mid", Decimal(1), Decimal(2))]
    words = [word for word in words_of(svg_of(bars("Features", values))) if word in ("zeta", "alpha", "mid")]
    assert words == ["zeta", "alpha", "mid"]
    plans = [word for word in words_of(svg_of(margins([("z", Decimal(3)), ("a", Decimal(-1))]))) if word in "za"]
    assert plans == ["z", "a"]


def test_a_month_of_unknown_cost_has_no_figure():
    assert "NaN" not in svg_of(months([("Oct 26", None), ("Nov 26", Decimal(1))], None))
