"""Initiatives that share charges: every charge's saving is split once, and the parts add up to the whole, exactly."""

from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.advisor.initiatives_worlds import daily

from bursar.advisor.initiatives_portfolio import Plan, saving_of, split, turns
from bursar.advisor.initiatives_rates import Rates, Trend, rates_of
from bursar.explore.unit_costs import Cell

FIRST = date(2026, 8, 1)
KINDS = [(feature, kind) for feature in ("a", "b") for kind in ("x", "y", "new")]


def plan(start: int, since: int, rates: dict, mix_at=(0, 1), unit_at=0) -> Plan:
    """Days from FIRST on; rates: pico per unit by kind."""
    known = {tuple(kind[place] for place in (0, 1))[: len(mix_at)]: Fraction(rate) for kind, rate in rates.items()}
    found = Rates(known, dict.fromkeys(known, Fraction(100)), {}, 10)
    return Plan(FIRST + timedelta(days=start), FIRST + timedelta(days=since), found, mix_at, unit_at)


PLANS = st.lists(
    st.builds(
        lambda start, back, rates, unit_at: (start, max(0, start - back), rates, unit_at),
        st.integers(10, 60),
        st.integers(7, 40),
        st.dictionaries(st.sampled_from([kind for kind in KINDS if kind[1] != "new"]), st.integers(1, 10**9)),
        st.sampled_from((0, 1)),
    ),
    min_size=1,
    max_size=5,
)
CHARGES = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from(KINDS), st.integers(0, 31), st.integers(0, 50),
              st.integers(0, 50), st.integers(0, 10**10)),
    max_size=40,
)  # fmt: skip
TRENDS = st.lists(st.fractions(Fraction(1, 2), 2, max_denominator=1_000), min_size=5, max_size=5)


@settings(max_examples=80, deadline=None)
@given(made=PLANS, charges=CHARGES, trends=TRENDS)
def test_what_each_saved_adds_up_to_what_all_saved_and_no_charge_counts_twice(made, charges, trends):
    plans = [plan(start, since, rates, unit_at=at) for start, since, rates, at in sorted(made, key=lambda one: one[0])]
    cells = []
    for day, kind, scopes, one, other, pico in charges:
        at = FIRST + timedelta(days=day)
        owners = sum(1 << place for place, own in enumerate(plans) if scopes >> place & 1 and own.start <= at)
        if owners:
            cells.append(Cell(at, owners, kind, (one, other), pico, one, 0))

    def trend(at, _month):
        return Trend(trends[at], {})

    parts = split(plans, cells)
    savings = {key: saving_of(*key, part, plans, trend) for key, part in parts.items()}
    total = sum((one.expected - one.left for one in savings.values()), Fraction(0))
    # the whole, of each charge by itself: what the first who knows it expects, less what it cost
    whole, paid, apart = Fraction(0), 0, 0
    for cell in cells:
        able = [at for at in turns(cell.owners, plans) if cell.stratum in plans[at].rates.by_stratum]
        if not able:
            apart += cell.pico
            continue
        first = able[0]
        rate = plans[first].rates.by_stratum[cell.stratum]
        whole += trends[first] * rate * cell.units[plans[first].unit_at] - cell.pico
        paid += cell.pico
    assert total == whole
    assert sum(part.paid_pico for part in parts.values()) == paid
    assert sum(part.new_pico for part in parts.values()) == apart
    rounded = sum(one.pico for one in savings.values())
    assert abs(rounded - whole) <= Fraction(len(savings), 2)  # each is rounded once, to the pico


def test_a_later_one_goes_on_from_what_the_earlier_left():
    """10 → 6 by the first, 6 → 4 by the second: of 100 calls 400 and 200, not 600 and 200."""
    kind = ("a", "x")
    first, second = plan(30, 0, {kind: 10}), plan(60, 40, {kind: 6})
    now = Cell(FIRST + timedelta(days=61), 0b11, kind, (100,), 400, 100, 0)
    parts = split([first, second], [now])
    saved = [saving_of(*key, part, [first, second], lambda *_: Trend(Fraction(1), {})).pico for key, part in
             sorted(parts.items())]  # fmt: skip
    assert saved == [400, 200]


def test_a_later_one_whose_baseline_is_from_before_the_earlier_saves_nothing_of_what_they_share():
    kind = ("a", "x")
    first, second = plan(30, 0, {kind: 10}), plan(60, 20, {kind: 10})
    assert turns(0b11, [first, second]) == (0,)
    assert turns(0b10, [first, second]) == (1,)
    now = Cell(FIRST + timedelta(days=61), 0b11, kind, (100,), 400, 100, 0)
    assert list(split([first, second], [now])) == [(0, "2026-10")]


def test_of_two_that_begin_on_one_day_the_older_measures():
    kind = ("a", "x")
    assert turns(0b11, [plan(30, 0, {kind: 10}), plan(30, 0, {kind: 9})]) == (0,)


def test_a_kind_that_no_baseline_knows_is_counted_apart_and_is_no_saving():
    one = plan(30, 0, {("a", "x"): 10})
    cells = [
        Cell(FIRST + timedelta(days=31), 1, ("a", "new"), (1_000,), 1, 1_000, 3),
        Cell(FIRST + timedelta(days=31), 1, ("a", "x"), (10,), 70, 10, 0),
    ]
    ((key, part),) = split([one], cells).items()
    assert (part.new_calls, part.new_pico, part.calls, part.unpriced) == (1_000, 1, 1_010, 3)
    assert saving_of(*key, part, [one], lambda *_: Trend(Fraction(1), {})).pico == 30


def test_rates_are_exact():
    cells = [Cell(FIRST + timedelta(days=at), 1, ("a", "x"), (7,), 10, 7, 0) for at in range(9)]
    assert rates_of(daily(cells)).by_stratum == {("a", "x"): Fraction(10, 7)}
