"""What must be known to read a simulation: sentences, the same on the page, in the API and on the command line."""

import numpy as np

from bursar.domain.display import money
from bursar.domain.money import usd_from_pico
from bursar.finance.scenarios.columns import Columns
from bursar.finance.scenarios.payers import Grounds
from bursar.finance.scenarios.runs import Run
from bursar.finance.scenarios.steps import Churn, FreeLimit, Overage, Price, Viral
from bursar.finance.scenarios.told import THIN_BELOW

FEW = 30
NAMED_MAX = 5


def notes_of_grounds(grounds: Grounds, base: Columns) -> list[str]:
    """Of the data that every scenario stands on."""
    told = []
    if grounds.unknown_customers or grounds.unknown_ai_cost:
        cost = money(usd_from_pico(grounds.unknown_ai_cost), grounds.currency)
        whose = "Calls without a customer cost"
        if grounds.unknown_customers:
            count = grounds.unknown_customers
            some = "customer has" if count == 1 else "customers have"
            whose = f"{count:,} {some} no known revenue. Their AI, and calls without a customer, cost"
        told.append(f"{whose} {cost} a month, which is in no figure here.")
    if grounds.unpriced:
        some = "call has" if grounds.unpriced == 1 else "calls have"
        told.append(f"{grounds.unpriced:,} {some} no price: what they cost is in no figure here.")
    if grounds.without_other_cost:
        told.append(
            f"Of {grounds.without_other_cost:,} customers nobody said what they cost beside AI: their margin is before "
            "that."
        )
    if 0 < len(base) < FEW:
        told.append(f"{len(base)} customers are few: the real range is wider than these bands.")
    counts = np.bincount(base.plan.astype(np.int64), minlength=len(base.plans))
    thin = [plan or "(no plan)" for plan, count in zip(base.plans, counts.tolist(), strict=True) if count < THIN_BELOW]
    if thin:
        named = ", ".join(thin[:NAMED_MAX]) + (f" and {len(thin) - NAMED_MAX} more" if len(thin) > NAMED_MAX else "")
        told.append(
            f"Fewer than {THIN_BELOW} customers: {named}. Their amounts are exact; their bands say little."
        )  # fmt: skip
    return told


def notes_of(base: Columns, one: Run) -> list[str]:
    """Of one scenario: what it assumes."""
    steps, told = one.scenario.steps, []
    churn = next((step for step in steps if isinstance(step, Churn)), None)
    changes = [step for step in steps if isinstance(step, Price | Overage)]
    if changes and (churn is None or not churn.elasticity):
        told.append("Assumes that nobody leaves over the price (elasticity 0).")
    elif churn is not None and changes:
        told.append(
            f"Assumes that each 1 % by which somebody pays more makes {churn.elasticity:f} % of such customers leave; "
            "who pays less brings nobody."
        )
    elif churn is not None:
        told.append("Churn answers a price, and no price changes here.")
    charged = sum((base.billed(step) & base.is_free for step in steps if isinstance(step, Price) and step.to), 0)
    if count := int(np.count_nonzero(charged)):
        told.append(f"{count:,} free users would pay, all of them: an elasticity says nothing of who paid nothing.")
    if any(isinstance(step, FreeLimit) for step in steps):
        told.append("Past a limit, the usage at which margin is zero is told of the use that remains.")
    told += [f"No call of these months was to {model}: moving it changes nothing." for model in one.unseen]
    if any(isinstance(step, Viral) and step.convert_low != step.convert_high for step in steps):
        told.append("Where between both the conversion falls is anybody's guess: each as likely.")
    return told
