"""A lost step of maturity is told once, with what turned; one that was climbed again isn't."""

from bursar.alerts.rules import LostSteps, Rule, parameters_of
from bursar.alerts.steps import judge_steps
from bursar.console.maturity_lost import losses
from bursar.governance.maturity import Logged

DAY_US = 86_400_000_000
WHOLE = {"tag_feature": "passed", "caching": "passed"}
NO_TAGS = WHOLE | {"tag_feature": "failed"}


def log(*steps: int) -> list[Logged]:
    """One a day, from day 100 on."""
    return [Logged(at, (100 + at) * DAY_US, step, WHOLE if step >= 3 else NO_TAGS, "") for at, step in enumerate(steps)]


def test_a_loss_says_from_where_to_where_and_by_what():
    found = losses(log(4, 4, 2), 103 * DAY_US)
    rule = Rule("m", parameters_of("maturity", {}))
    assert rule.what == LostSteps()
    (told,) = judge_steps(rule, found)
    assert told.title == "Maturity fell from step 4, active optimization to step 2, basic hygiene"
    assert "Spend says its feature" in told.text
    assert (told.address, told.window) == ("/maturity", str(102 * DAY_US))


def test_what_was_climbed_again_or_is_long_ago_is_not_told():
    assert losses(log(4, 2, 4), 103 * DAY_US) == []
    assert losses(log(4, 2), 109 * DAY_US) == []
    assert [one.after for one in losses(log(4, 3, 2, 3), 103 * DAY_US)] == ["step 3, cost attribution"]
    assert losses([], DAY_US) == losses(log(2, 4), 103 * DAY_US) == []
