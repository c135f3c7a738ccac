"""Checks, acts and debts as data: each of them is whole, and every step can be climbed with three acts at most."""

import re
from pathlib import Path

import pytest

from bursar.maturity.acts import ACTS, act_of
from bursar.maturity.controls import LOOSE_FACTOR, LOOSE_TIMES, LOOSE_TOKENS, LOOSE_USD
from bursar.maturity.debt import DEBTS
from bursar.maturity.evidence import BY_PERSON
from bursar.maturity.measure import READERS
from bursar.maturity.steps import BY_ID, CHECKS, STEPS
from bursar.maturity.words import threshold_words

CLI = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
PAGE = (Path(__file__).parents[2] / "docs" / "maturity.md").read_text("utf-8")


def test_there_are_six_steps_and_eight_debts():
    assert [step.number for step in STEPS] == [1, 2, 3, 4, 5, 6]
    assert len(DEBTS) == 8
    assert len(BY_ID) == len(CHECKS)
    assert {check.step for check in CHECKS} == {1, 2, 3, 4, 5, 6}


def test_each_check_is_measured_by_bursar_or_said_by_a_person_and_never_both():
    assert set(READERS) | {check.id for check in BY_PERSON} == set(BY_ID)
    assert not set(READERS) & {check.id for check in BY_PERSON}
    assert {check.id for check in BY_PERSON} == {"roles_agreed", "finance_joins"}
    assert all(check.id in CLI for check in BY_PERSON)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_three_acts_at_most_climb_a_step(step):
    needed = {check.act for check in CHECKS if check.step == step.number and check.is_required}
    assert 1 <= len(needed) <= 3
    assert all(act_of(name).step == step.number for name in needed)


def test_each_act_mends_something_and_each_debt_has_an_act():
    assert {act.id for act in ACTS} == {check.act for check in CHECKS}
    for debt in DEBTS:
        assert act_of(debt.act)
        assert set(debt.checks) <= set(BY_ID)


@pytest.mark.parametrize("act", [act for act in ACTS if act.command], ids=lambda act: act.id)
def test_the_command_of_an_act_is_one_that_there_is(act):
    sections = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", CLI, flags=re.MULTILINE)}
    words = act.command.split(" ")
    name = next(" ".join(words[:count]) for count in (4, 3, 2) if " ".join(words[:count]) in sections)
    for option in re.findall(r"--[a-z-]+", act.command):
        assert f"`{option}`" in sections[name], f"`{name}` has no {option}"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_the_page_of_the_docs_has_every_check_as_it_is(check):
    name = check.name if check.is_required else f"{check.name} (optional)"
    assert f"| `{check.id}` | {name} | {check.how} | {threshold_words(check)} |\n" in PAGE


@pytest.mark.parametrize("debt", DEBTS, ids=lambda debt: debt.id)
def test_the_page_of_the_docs_has_every_debt_as_it_is(debt):
    assert f"| {debt.name} | {debt.practice} | {', '.join(f'`{name}`' for name in debt.checks)} |\n" in PAGE


def test_the_page_of_the_docs_says_what_counts_for_nothing():
    for figure in (LOOSE_TIMES, f"{LOOSE_TOKENS:,}", LOOSE_FACTOR):
        assert f"**{figure}" in PAGE
    assert f"or ${LOOSE_USD})" in PAGE
