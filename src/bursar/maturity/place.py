"""Where an installation stands: the step reached, what is missing for the next, and when steps were reached or lost."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from bursar.governance.maturity import Logged
from bursar.maturity.measure import Result
from bursar.maturity.steps import BY_ID, STEPS, Step, step_of


class Place(msgspec.Struct, frozen=True):
    """step: reached: all required checks of it and of every step below pass. next: None on the last one.

    missing: required checks of the next step that don't pass. Nothing but results goes in: a step can't be declared.
    """

    step: Step
    next: Step | None
    missing: list[Result]


class Turn(msgspec.Struct, frozen=True):
    """A step that was reached or lost. because: the checks that turned, of the steps in between."""

    at_us: int
    before: Step
    after: Step
    because: list[str]

    @property
    def is_up(self) -> bool:
        return self.after.number > self.before.number


def place(results: Sequence[Result]) -> Place:
    """The step by the results of all checks."""
    for step in STEPS:
        missing = [
            one for one in results if one.check.step == step.number and one.check.is_required and one.state != "passed"
        ]
        if missing:
            return Place(step_of(step.number - 1), step, missing)
    return Place(STEPS[-1], None, [])


def turns(log: Sequence[Logged]) -> list[Turn]:
    """Every change of the step, newest first. The first entry is no turn: what was before isn't known."""
    found = []
    for before, after in pairwise(log):
        if before.step != after.step:
            found.append(Turn(after.at_us, step_of(before.step), step_of(after.step), _because(before, after)))
    return found[::-1]


def since(log: Sequence[Logged], result: Result) -> int | None:
    """Since when a check has the state it has, in microseconds; None: it was never noted so, or only now is."""
    at_us = None
    for one in reversed(log):
        if one.states.get(result.check.id) != result.state:
            break
        at_us = one.at_us
    return at_us


def _because(before: Logged, after: Logged) -> list[str]:
    """Up: what passes now and didn't; down: what passed and doesn't; of the steps that were climbed or lost."""
    low, high = sorted((before.step, after.step))
    now, then = (after, before) if after.step > before.step else (before, after)
    return [
        check.name
        for name, check in BY_ID.items()
        if low < check.step <= high
        and check.is_required
        and now.states.get(name) == "passed"
        and then.states.get(name) != "passed"
    ]
