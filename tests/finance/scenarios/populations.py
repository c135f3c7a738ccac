"""Customers made up for tests of simulations: dollars in, exact pico out."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import numpy as np

from bursar.domain.money import pico_from_usd
from bursar.finance.scenarios.payers import Grounds, Payer
from bursar.finance.scenarios.simulate import Wish, simulate
from bursar.finance.scenarios.steps import Scenario
from bursar.finance.scenarios.told import Comparison, ScenarioTold
from bursar.finance.scenarios.written import read_steps

JANUARY = date(2027, 1, 1)
MODELS = ("openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude-sonnet-4")


def usd(amount: str | int) -> int:
    return pico_from_usd(Decimal(amount))


def payer(customer: str, plan: str, revenue: str, ai: str, *, calls: int = 100, segment: str = "") -> Payer:
    return Payer(
        customer=customer, plan=plan, segment=segment, is_free=plan == "free", revenue=usd(revenue), ai_cost=usd(ai),
        calls=calls, tokens=1_000 * calls, cost_by_model={MODELS[0]: usd(ai)},
    )  # fmt: skip


def grounds(payers: Sequence[Payer]) -> Grounds:
    return Grounds(payers=payers, months=[date(2026, 11, 1), date(2026, 12, 1)])


def ask(payers: Sequence[Payer], *texts: str, months: int = 3, seed: int = 1, worlds: int = 200) -> Comparison:
    scenarios = [Scenario(f"s{at}", read_steps(text)) for at, text in enumerate(texts)]
    return simulate(grounds(payers), Wish(scenarios=scenarios, first=JANUARY, months=months, seed=seed, worlds=worlds))


def one(payers: Sequence[Payer], text: str, *, months: int = 3) -> ScenarioTold:
    return ask(payers, text, months=months).scenarios[0]


def many(count: int, seed: int = 7) -> list[Payer]:
    """A business with three plans and a long tail of usage."""
    random = np.random.default_rng(seed)
    made = []
    for at in range(count):
        plan, revenue = (("free", "0"), ("pro", "19"), ("team", "99"))[int(random.choice(3, p=(0.7, 0.25, 0.05)))]
        ai = int(random.lognormal(26.0, 1.5)) + 1
        split = sorted(int(cut) for cut in random.integers(0, ai, 2))
        parts = (split[0], split[1] - split[0], ai - split[1])
        calls = int(random.lognormal(5, 1.2)) + 1
        made.append(
            Payer(
                customer=f"c{at:06d}", plan=plan, segment=("small", "large")[at % 7 == 0], is_free=plan == "free",
                revenue=usd(revenue), ai_cost=ai, other_cost=usd("0.35"), calls=calls, tokens=calls * 1_500,
                cost_by_model=dict(zip(MODELS, parts, strict=True)),
            )
        )  # fmt: skip
    return made
