"""What a limit would have done, as a table."""

import msgspec

from bursar.cli.client import decode
from bursar.cli.render import count_column, money_column, print_table, say, text_column
from bursar.domain import display

ROWS_SHOWN = 20


class PaceTold(msgspec.Struct):
    """Calls of one value in `/api/limits/NAME/try`."""

    value: str
    calls: int
    refused: int
    effective_cost: str | None
    requests_most: int
    tokens_most: int
    concurrent_most: int


class TrialTold(msgspec.Struct):
    """`/api/limits/NAME/try`: what the table shows of it."""

    name: str
    each: str
    period: dict[str, str]
    currency: str
    calls: int
    refused: int
    values: int
    rows: list[PaceTold]
    notes: list[str]


def show_limit_trial(body: bytes) -> None:
    """How many calls it would have refused, then whose, those met most often first."""
    trial = decode(body, TrialTold)
    period, calls = trial.period["name"], display.count(trial.calls)
    if not trial.refused:
        say(f"limit {trial.name} would have refused nothing in {period}: {calls} calls examined.")
    else:
        say(f"limit {trial.name} would have refused {display.count(trial.refused)} of {calls} calls in {period}.")
    if trial.rows:
        shown = trial.rows[:ROWS_SHOWN]
        more = [f"the first {len(shown)} of {display.count(trial.values)}"] if trial.values > len(shown) else []
        print_table(
            [
                text_column("value", trial.each or "calls", grow=True),
                count_column("refused", "would be refused"),
                money_column("effective_cost", "their cost", trial.currency),
                count_column("calls", "calls"),
                count_column("requests_most", "busiest minute"),
                count_column("tokens_most", "tokens a minute"),
                count_column("concurrent_most", "at a time"),
            ],
            [msgspec.structs.asdict(row) | {"value": row.value or "together"} for row in shown],
            title=f"Limit {trial.name} against {period}", notes=more,
        )  # fmt: skip
    for note in trial.notes:
        say(note)
