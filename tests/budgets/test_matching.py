from hypothesis import given
from hypothesis import strategies as st

from bursar.budgets.budget import DIMENSIONS, Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.listing import listed
from bursar.budgets.matching import BudgetIndex, Subject, reader_of
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution

WORDS = st.sampled_from(["", "a", "b"])
NAMES = st.sampled_from([*DIMENSIONS, "tag:plan", "tag:release"])


def make(number: int, match: dict[str, str], each: str = "") -> Budget:
    each = "" if each in match else each
    window = Schedule(parse_spec("month"))
    return Budget(budget_id=f"bg_{number}", name="b", limit=LimitPlan(1), window=window, match=match, each=each)


subjects = st.builds(
    Subject,
    st.builds(Scope, WORDS, WORDS, WORDS),
    *[WORDS] * 6,
    st.builds(Attribution, *[WORDS] * 8, st.fixed_dictionaries({}, optional={"plan": WORDS, "release": WORDS})),
)
budgets = st.lists(
    st.tuples(st.dictionaries(NAMES, st.sampled_from(["a", "b"]), max_size=4), st.just("") | NAMES), max_size=20
).map(lambda made: [make(number, match, each) for number, (match, each) in enumerate(made)])


@given(budgets, subjects)
def test_the_index_finds_what_going_through_all_budgets_finds(made, subject):
    expected = set()
    for budget in made:
        if all(reader_of(name)(subject) == value for name, value in budget.match.items()):
            value = reader_of(budget.each)(subject) if budget.each else ""
            if value or not budget.each:
                expected.add((budget.budget_id, value))
    found = BudgetIndex(listed(made)).touching(subject)
    assert {(one.budget.budget_id, one.value) for one in found} == expected
    assert len(found) == len(expected)
