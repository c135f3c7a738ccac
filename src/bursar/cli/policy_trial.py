"""What a policy would have done, as a table."""

from decimal import Decimal

import msgspec

from bursar.cli.client import decode
from bursar.cli.render import count_column, money_column, print_table, say, text_column
from bursar.domain import display


class RowTold(msgspec.Struct):
    """Calls alike in `/api/policies/NAME/try`."""

    effect: str
    rule: str
    value: str
    feature: str
    team: str
    customer: str
    key: str
    calls: int
    effective_cost: str | None


class SumTold(msgspec.Struct):
    calls: int
    effective_cost: str | None
    unpriced_calls: int


class TrialTold(msgspec.Struct):
    """`/api/policies/NAME/try`: what the table shows of it."""

    name: str
    period: dict[str, str]
    currency: str
    examined: SumTold
    effects: dict[str, SumTold]
    rows: list[RowTold]
    others: SumTold | None
    notes: list[str]


def show_trial(body: bytes) -> None:
    """One line for each effect, then whose calls they are, dearest first."""
    trial = decode(body, TrialTold)
    period, total = trial.period["name"], trial.examined.calls
    if not trial.effects:
        say(f"policy {trial.name} would have changed nothing in {period}: {display.count(total)} calls examined.")
    else:
        told = [
            f"{display.count(one.calls)} of {display.count(total)} calls {effect}"
            + (f", {display.count(one.unpriced_calls)} of them unpriced" if one.unpriced_calls else "")
            for effect, one in trial.effects.items()
        ]
        rows = [msgspec.structs.asdict(row) for row in trial.rows]
        totals = {
            "effect": "total", "rule": " ", "value": " ", "feature": " ", "team": " ", "customer": " ", "key": " ",
            "calls": sum(one.calls for one in trial.effects.values()),
            "effective_cost": sum(Decimal(one.effective_cost or 0) for one in trial.effects.values()),
        }  # fmt: skip
        if trial.others is not None:
            rows.append({**totals, **msgspec.structs.asdict(trial.others), "effect": "(others)"})
        print_table(
            [
                text_column("effect", "would be"),
                text_column("rule", "rule"),
                *(text_column(name, name, grow=True) for name in ("value", "feature", "team", "customer", "key")),
                count_column("calls", "calls"),
                money_column("effective_cost", "cost", trial.currency),
            ],
            rows, title=f"Policy {trial.name} against {period}", totals=totals, notes=told,
        )  # fmt: skip
    for note in trial.notes:
        say(note)
