"""Which charges budgets and policies are about, as the gateway finds them; and where the others open, if they can."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.explore.filters import Filter, parse_filter
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.store import Ledger
from bursar.maturity.coverage import FILTERS_MAX, Subject, address, covered

NAMES = ("feature", "team", "customer", "model", "tag:plan")
VALUES = ("", "a", "b", "=x", "1,2")
COLUMNS = "feature VARCHAR, team VARCHAR, customer VARCHAR, model_asked VARCHAR, tags MAP(VARCHAR, VARCHAR)"

charge = st.fixed_dictionaries({name: st.sampled_from(VALUES) for name in NAMES})
match = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES[1:]), max_size=2)
subject = st.builds(lambda match, each: Subject(match, "" if each in match else each), match,
                    st.sampled_from(("", "", "customer", "tag:plan")))  # fmt: skip


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """With a table beside its own that has what is asked for, and as many rows as fit in a glance."""
    ledger = open_ledger(tmp_path_factory.mktemp("coverage") / "ledger.duckdb", threads=1)
    with ledger.writing() as session:
        session.run(f"CREATE TABLE made (place INTEGER, {COLUMNS})")
    yield ledger
    ledger.close()


def is_about(one: Subject, call: dict[str, str]) -> bool:
    """As a budget touches a call: all values are equal, and it has one of `each`."""
    return all(call[name] == value for name, value in one.match.items()) and (not one.each or bool(call[one.each]))


def lets_through(one: Filter, call: dict[str, str]) -> bool:
    name = "model" if one.field == "model_asked" else one.field
    return (call[name] in one.values) is (one.op == "is")


@settings(max_examples=40)
@given(calls=st.lists(charge, min_size=1, max_size=6), subjects=st.lists(subject, max_size=4))
def test_a_call_is_covered_if_a_budget_touches_it_and_the_address_opens_the_others(ledger, calls, subjects):
    found = covered(subjects, "budgeted", "model_asked")
    touched = [at for at, call in enumerate(calls) if any(is_about(one, call) for one in subjects)]
    with ledger.writing() as session:
        session.run("DELETE FROM made")
        for at, call in enumerate(calls):
            tags = "MAP {'plan': $plan}" if call["tag:plan"] else "MAP {}"
            said = {name.removeprefix("tag:"): call[name] for name in NAMES if call[name] or name in NAMES[:4]}
            session.run(
                f"INSERT INTO made VALUES ($at, $feature, $team, $customer, $model, {tags})", {"at": at, **said}
            )
        asked = session.query(f"SELECT place FROM made WHERE {found.condition} ORDER BY place", found.params)
    assert [at for (at,) in asked.rows] == touched
    assert not found.is_whole or len(touched) == len(calls)
    if found.others is not None and not found.is_whole:
        filters = [parse_filter(text) for text in found.others]
        opened = [at for at, call in enumerate(calls) if all(lets_through(one, call) for one in filters)]
        assert sorted([*opened, *touched]) == list(range(len(calls)))


def test_nothing_covers_nothing_and_one_without_conditions_covers_all():
    assert covered([], "x", "model_sent")[:3] == ("false", {}, ())
    assert covered([Subject({"feature": "a"}), Subject({})], "x", "model_sent").is_whole


@pytest.mark.parametrize(
    "subjects",
    [
        [Subject({"feature": "a", "team": "b"})],
        [Subject({"feature": "a"}, "customer")],
        [Subject({"tag:a=b": "c"})],
        [Subject({"feature": "x" * 600})],
        [Subject({"feature": str(number)}) for number in range(FILTERS_MAX + 1)],
    ],
)
def test_what_no_address_can_say_is_not_said(subjects):
    assert covered(subjects, "x", "model_sent").others is None


def test_an_address_is_quoted():
    assert address("/explore", ["feature!=a&b=c"], by="team") == "/explore?by=team&filter=feature%21%3Da%26b%3Dc"
    assert address("/explore") == "/explore"
