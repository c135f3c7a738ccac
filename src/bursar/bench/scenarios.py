"""`bursar bench scenarios`: how long a comparison of simulations takes, and whether its bands hold what they promise.

Speed: four scenarios beside what is, over 20,000 made-up customers and 1,000 worlds. Bands: of many made-up businesses
whose true mean margin is known, how often the band of margin holds it; it should be four times in five.
"""

import time
from collections.abc import Sequence
from datetime import date

import numpy as np

from bursar.bench.figure import Figure, Options, median
from bursar.finance.scenarios.payers import Grounds, Payer
from bursar.finance.scenarios.simulate import Wish, simulate
from bursar.finance.scenarios.steps import Scenario
from bursar.finance.scenarios.written import read_steps

CUSTOMERS, WORLDS = 20_000, 1_000
SECONDS_MAX = 3.0
BUSINESSES, TRIED_WORLDS = 200, 200
SIZES = (30, 100, 400)
POINTS_MAX = 8.0
FIRST = date(2027, 1, 1)
PICO = 10**12
MODELS = ("openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude-sonnet-4", "google/gemini-2.5-flash")
PLANS = (("free", 0, 0.75), ("pro", 19, 0.2), ("team", 99, 0.05))
TEXTS = (
    "usage 2 heavy=10%; pricelist +15% of=anthropic from=2027-03-15",
    "price +20% plan=pro; churn 0.5",
    "model openai/gpt-4o to=openai/gpt-4o-mini price=0.06 share=60% tokens=1.1; freelimit 200 price=10 convert=5%",
    "viral 10000 price=19 convert=1%..3% decay=20% ramp=2",
)
MEAN_LOG, SPREAD_LOG = 26.0, 1.2
"""Of a customer's AI cost in pico: a median of $0.20, a mean of $0.40, and a long tail."""


def measure(options: Options) -> list[Figure]:
    """options.rounds: how often the comparison is timed."""
    customers = max(int(CUSTOMERS * options.scale), 100)
    grounds = Grounds(payers=made(customers, 7), months=[date(2026, 12, 1)])
    wish = Wish(scenarios=[Scenario(text[:20], read_steps(text)) for text in TEXTS], first=FIRST, worlds=WORLDS)
    wall, cpu = [], []
    for _ in range(max(options.rounds, 1)):
        began, began_cpu = time.perf_counter(), time.process_time()
        simulate(grounds, wish)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
    what = f"{WORLDS:,} worlds of {customers:,} customers, 4 scenarios, 6 months"
    figures = [Figure(what, median(wall), "s", SECONDS_MAX, note=f"{median(cpu):.2f} s of CPU, {len(PLANS)} plans")]
    businesses = max(int(BUSINESSES * options.scale), 10)
    for size in SIZES:
        held = holding(size, businesses, TRIED_WORLDS)
        bound = POINTS_MAX if size >= SIZES[1] and options.scale >= 1 else None
        figures.append(
            Figure(f"bands of businesses with {size} customers", abs(100 * held - 80), "points from 80 %", bound,
                   note=f"{100 * held:.1f} % of {businesses} held the true mean")
        )  # fmt: skip
    return figures


def holding(size: int, businesses: int, worlds: int, text: str = "usage 2") -> float:
    """The share of businesses, all drawn alike, whose band holds what their margin is on average."""
    steps = read_steps(text)
    earned = sum(price * share for _, price, share in PLANS) * size
    truth = earned - 2 * size * float(np.exp(MEAN_LOG + SPREAD_LOG**2 / 2)) / PICO
    held = 0
    for at in range(businesses):
        grounds = Grounds(payers=made(size, 1_000 + at), months=[FIRST])
        wish = Wish(scenarios=[Scenario("", steps)], first=FIRST, months=1, seed=at, worlds=worlds)
        band = simulate(grounds, wish).scenarios[0].months[0].amounts.band
        held += float(band.low) <= truth <= float(band.high)
    return held / businesses


def made(customers: int, seed: int) -> Sequence[Payer]:
    """Customers drawn independently of each other: plan, AI cost and its split by model."""
    random = np.random.default_rng(seed)
    plans = random.choice(len(PLANS), customers, p=[share for _, _, share in PLANS]).tolist()
    costs = random.lognormal(MEAN_LOG, SPREAD_LOG, customers).astype(np.int64)
    first = (costs * random.uniform(0, 1, customers)).astype(np.int64)
    calls = random.lognormal(5, 1, customers).astype(np.int64) + 1
    found = []
    for at, (plan, cost, part, count) in enumerate(zip(plans, costs, first, calls, strict=True)):
        name, price, _ = PLANS[plan]
        split = {MODELS[at % 4]: int(part), MODELS[(at + 1) % 4]: int(cost - part)}
        found.append(
            Payer(
                customer=f"c{at:06d}", plan=name, is_free=price == 0, revenue=price * PICO, ai_cost=int(cost),
                calls=int(count), tokens=1_500 * int(count), cost_by_model=split,
            )
        )  # fmt: skip
    return found
