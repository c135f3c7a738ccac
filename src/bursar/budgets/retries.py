"""The hourly cap on what retries cost, as the budget that it is: kept by the authority, shared by workers and nodes.

It is the settings' and nobody's to change by hand, so it isn't in the table of budgets and no page of theirs shows it.
"""

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec

RETRIES_ID = "retries"
HOUR_US = 3_600_000_000
KEPT_HOURS = 7 * 24  # what an hour's retries came to is forgotten after so long

_EACH = {"team": "scope_team", "key": "credential"}  # dimensions that the setting's word isn't


def retry_budget(limit_pico: int, scope: str) -> Budget:
    """`gateway.retry_usd_per_hour_max` of each value of `gateway.retry_scope` in a clock hour, UTC."""
    return Budget(
        budget_id=RETRIES_ID,
        name="retries in an hour",
        limit=LimitPlan(limit_pico),
        window=Schedule(parse_spec("hour")),
        each=_EACH.get(scope, scope),
        thresholds=(),
    )
