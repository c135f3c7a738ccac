"""Calls that levers made cheaper or dearer, at random, as records and as plain facts to add up by hand."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import msgspec
from tests.ledger.records import call_facts, dispatched, failed, settled, unpriced, with_savings

from bursar.domain.money import usd_from_pico
from bursar.domain.savings import LEVERS, Saved
from bursar.domain.tags import Attribution
from bursar.spool.records import Dispatched, Settled

FEATURES = ("checkout", "search", "support-bot", "doc-extract", "")
MODELS = ("gpt-5", "gpt-5-mini", "claude-opus-5")
SPAN_US = 45 * 86_400_000_000
PICO = 10**12


class Fact(NamedTuple):
    """One attempt as it was made. cost: list cost, USD; None: unpriced. saved: USD by lever, in the levers' order."""

    received_us: int
    keys: dict[str, str]
    cost: Decimal | None
    saved: tuple[Decimal, ...]
    quality: str


def saved_calls(seed: int, first_us: int, calls: int) -> Iterator[tuple[Fact, Dispatched, Settled]]:
    """Attempts over 45 days: plain ones, one lever, several, shadows, failures that are retried, unpriced ones."""
    rng = random.Random(seed)
    seq = 0
    for number in range(calls):
        at_us = first_us + number * SPAN_US // calls + rng.randrange(60_000_000)
        mark = Attribution(
            feature=rng.choice(FEATURES), team=rng.choice(("core", "growth")),
            customer=f"customer-{rng.randrange(12)}", environment=rng.choice(("prod", "dev")),
            tags={"plan": rng.choice(("pro", "free"))} if rng.random() < 0.7 else {},
        )  # fmt: skip
        shadow = rng.random() < 0.05
        call = call_facts(
            at_us, model_asked=rng.choice(MODELS), attribution=mark, traffic="shadow" if shadow else "live"
        )
        attempts = 1 + (rng.random() < 0.1)
        for attempt in range(1, attempts + 1):
            seq += 1
            one = dispatched(seq, call, attempt_number=attempt, dispatched_us=at_us + attempt * 1_000)
            more = {"model_served": call.model_asked, "final": attempt == attempts}
            if attempt < attempts:
                end = failed(one, **more)
            elif rng.random() < 0.06:
                end = unpriced(one, rng.randrange(1, 20_000), 7, **more)
            else:
                end = settled(one, rng.randrange(1, 20_000), rng.randrange(900), **more)
                if rng.random() < 0.1:
                    end = msgspec.structs.replace(end, quality="estimated")
                end = with_savings(end, Saved(routing=-(end.list_pico or 0)) if shadow else _random_saved(rng, mark))
            cost = None if end.list_pico is None else usd_from_pico(end.list_pico)
            steps = tuple(usd_from_pico(getattr(end.saved_by_lever, lever)) for lever in LEVERS)
            yield Fact(at_us, _keys(mark, call.model_asked, shadow), cost, steps, end.quality), one, end


def _random_saved(rng: random.Random, mark: Attribution) -> Saved:
    """Mostly one lever, sometimes several, each with an odd last pico; one feature's prompt cache is a loss."""
    if rng.random() < 0.35:
        return Saved()
    amounts = {
        lever: rng.randrange(-PICO // 400, PICO // 50) for lever in rng.sample(LEVERS, rng.choice((1, 1, 1, 2, 3)))
    }
    if mark.feature == "doc-extract":
        amounts["prompt_cache"] = -rng.randrange(1, PICO // 60)
    return Saved(**amounts)


def _keys(mark: Attribution, model: str, shadow: bool) -> dict[str, str]:
    return {
        "feature": mark.feature, "team": mark.team, "customer": mark.customer, "environment": mark.environment,
        "model": model, "tag:plan": mark.tags.get("plan", ""), "traffic": "shadow" if shadow else "live",
    }  # fmt: skip
