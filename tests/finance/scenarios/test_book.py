"""Saved scenarios: kept in their one spelling, audited, removed without being forgotten; in both kinds of store."""

import pytest

from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadScenario, NameTaken, UnknownScenario
from bursar.finance.scenarios import book as module
from bursar.finance.scenarios.book import ScenarioBook
from bursar.governance.audit import audit_entries
from bursar.governance.store import ControlStore


@pytest.fixture
def book(store: ControlStore) -> ScenarioBook:
    return ScenarioBook(store, b"secret", FixedClock(1_000_000))


def test_a_scenario_is_kept_as_it_is_spelt_and_audited(book: ScenarioBook, store: ControlStore):
    made = book.save("  spring ", "churn 0.50;price 10% plan=pro", "why", actor="ada")
    assert (made.name, made.text, made.note, made.created_by) == (
        "spring",
        "price +10% plan=pro; churn 0.5",
        "why",
        "ada",
    )
    assert book.all() == [made] == [book.get("spring")] == [book.get(made.scenario_id)]
    assert [type(step).__name__ for step in made.scenario.steps] == ["Price", "Churn"]
    book.remove("spring", actor="bob")
    assert book.all() == []
    assert book.save("spring", "usage 2", actor="ada").scenario_id != made.scenario_id
    with store.reading() as connection:
        actions = [one.action for one in audit_entries(connection)]
    assert [one for one in actions if one.startswith("scenario.")] == [
        "scenario.save",
        "scenario.remove",
        "scenario.save",
    ]


@pytest.mark.parametrize(
    ("name", "text", "note", "error", "field"),
    [
        ("", "usage 2", "", BadScenario, "name"),
        ("x" * 121, "usage 2", "", BadScenario, "name"),
        ("taken", "usage 2", "", NameTaken, "name"),
        ("x", "", "", BadScenario, "steps"),
        ("x", "usage two", "", BadScenario, "usage.factor"),
        ("x", "usage 2", "x" * 2001, BadScenario, "note"),
    ],
)
def test_what_can_not_be_kept_is_refused(book, name: str, text: str, note: str, error: type[Exception], field: str):
    book.save("taken", "usage 3", actor="ada")
    with pytest.raises(error) as raised:
        book.save(name, text, note, actor="ada")
    assert raised.value.field == field
    assert len(book.all()) == 1


def test_there_is_a_bound_and_what_is_not_there_can_not_be_removed(book: ScenarioBook, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SAVED_MAX", 1)
    book.save("a", "usage 2", actor="ada")
    with pytest.raises(BadScenario, match="at most 1"):
        book.save("b", "usage 2", actor="ada")
    with pytest.raises(UnknownScenario):
        book.remove("b", actor="ada")
