"""Steps of maturity that were lost, for alerts: read from what the console notes anyway, nothing is measured."""

from collections.abc import Sequence

from bursar.alerts.facts import StepLost
from bursar.console.context import ConsoleContext
from bursar.governance.maturity import Logged
from bursar.maturity.place import turns
from bursar.maturity.steps import Step

TOLD_FOR_US = 7 * 86_400_000_000  # a rule that is made later still hears of a loss of this week


def steps_lost(context: ConsoleContext) -> list[StepLost]:
    """None in a console without a control store."""
    if context.open_store is None:
        return []
    return losses(context.maturity().book.log(), context.clock.now_us())


def losses(log: Sequence[Logged], now_us: int) -> list[StepLost]:
    """Of the last week, those that weren't climbed again. log: oldest first."""
    stands = log[-1].step if log else 0
    return [
        StepLost(one.at_us, _told(one.before), _told(one.after), tuple(one.because))
        for one in turns(log)
        if not one.is_up and one.before.number > stands and now_us - one.at_us < TOLD_FOR_US
    ]


def _told(step: Step) -> str:
    return f"step {step.number}, {step.name.lower()}"
