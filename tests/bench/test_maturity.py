"""Made-up companies at each step are placed right, and what the page tells them to do moves them up to the last one."""

from collections.abc import Iterator

import pytest

from bursar.bench.maturity import COMPANIES, Climbed, climb_all, company
from bursar.bench.maturity_company import Company
from bursar.maturity.acts import ACTS
from bursar.maturity.place import turns
from bursar.maturity.steps import CHECKS

GOVERNED, DISCIPLINED = COMPANIES[5], COMPANIES[6]


@pytest.fixture(scope="module")
def climbed() -> list[Climbed]:
    return climb_all()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_company_is_placed_at_the_step_it_was_built_for(climbed: list[Climbed]):
    assert {one.name: one.steps[0] for one in climbed} == {one.name: one.built for one in climbed}
    assert [one.built for one in climbed] == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_acts_of_the_next_step_done_move_each_company_up_by_one_until_the_last(climbed: list[Climbed]):
    assert {one.name: one.steps for one in climbed} == {one.name: list(range(one.built, 7)) for one in climbed}
    done = {act for one in climbed for acts in one.acts for act in acts}
    required = {check.act for check in CHECKS if check.is_required}
    assert done == required
    assert {act.id for act in ACTS} - required == {"own_keys"}  # mends only what no step depends on
    assert all(1 <= len(acts) <= 3 for one in climbed for acts in one.acts)


@pytest.fixture
def governed() -> Iterator[Company]:
    with company(GOVERNED) as one:
        yield one


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_company_whose_tags_fall_off_drops_back_and_the_page_says_why(governed: Company):
    assert governed.standing().place.step.number == 5
    governed.live(31, feature=0.5)
    found = governed.standing()
    assert (found.place.step.number, [one.check.id for one in found.place.missing]) == (2, ["tag_feature"])
    (lost,) = turns(found.log)
    assert (lost.before.number, lost.after.number, lost.because) == (5, 2, ["Spend says its feature"])
    governed.live(31, feature=1.0)
    assert governed.standing().place.step.number == 5


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_reviews_that_are_not_held_and_words_that_run_out_lose_the_last_step():
    with company(DISCIPLINED) as one:
        assert one.standing().place.step.number == 6
        one.reviews = one.reconciles = False
        one.live(20)
        missing = {result.check.id for result in one.standing().place.missing}
        assert "weekly_review" in missing
        one.live(30)
        missing = {result.check.id for result in one.standing().place.missing}
        assert {"weekly_review", "monthly_review", "finance_joins", "invoices_reconciled"} <= missing
