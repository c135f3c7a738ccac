"""Savings planted in models and places."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from bursar.advisor.advice import Advice
from bursar.bench.advice_making import Plant, by_day, request_size, sizes
from bursar.bench.advice_plants import HAIKU, SONNET
from bursar.bench.advice_world import Made, Pricer, Tried
from bursar.domain.usage import Usage

US_SONNET = "claude-sonnet-4-6"


class Classes(Plant):
    """Classification on a dear model. A shadow has shown that a small one agrees; its tokens and answers are longer."""

    name = "inbox"
    kinds: ClassVar[tuple[str, ...]] = ("cheaper_model",)
    agrees = 0.965

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 330)
        for at_us, size in zip(times, sizes(rng, 1_500, 0.6, len(times)), strict=True):
            usage = Usage(input=size, output=int(rng.integers(4, 30)))
            there = Usage(
                input=round(size * rng.normal(1.04, 0.02)), output=round(usage.output * rng.uniform(1.0, 1.7))
            )
            agrees = 1.0 if rng.random() < self.agrees else float(rng.uniform(0.2, 0.8))
            tried = Tried("openai", "gpt-4o-mini", there, agrees) if rng.random() < 0.1 else None
            yield self.made(at_us, "classify", "openai", "gpt-4.1", usage, there=there, tried=tried,
                            user=f"u{rng.integers(80)}", request_bytes=request_size(rng, 0, size))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        model = advice.change.terms["targets"][0]["model"] if advice is not None else "gpt-4o-mini"
        return sum(pricer.pico(call, call.there, model=model) for call in calls)


class Disputed(Classes):
    """The same, but the small model is often wrong: nothing is to be saved."""

    name, trap = "triage", "cheaper_model"
    kinds: ClassVar[tuple[str, ...]] = ()
    agrees = 0.7

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return pricer.all(calls)


class Trialled(Plant):
    """An experiment sends a fifth of the calls to a cheaper model, and people like its answers as well."""

    name = "listing"
    kinds: ClassVar[tuple[str, ...]] = ("cheaper_model",)
    liked = 0.86

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 280)
        for at_us, size in zip(times, sizes(rng, 900, 0.5, len(times)), strict=True):
            tried = rng.random() < 0.2
            answer = int(rng.integers(150, 400))
            there = Usage(input=size, output=round(answer * rng.uniform(0.8, 1.3)))
            liked = float(rng.random() < (self.liked if tried else 0.86)) if rng.random() < 0.4 else None
            yield self.made(
                at_us, "describe", "anthropic", HAIKU if tried else SONNET,
                there if tried else Usage(input=size, output=answer), there=there, score=liked,
                arm="candidate" if tried else "control", user=f"u{rng.integers(200)}",
                request_bytes=request_size(rng, 0, size),
            )  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return sum(pricer.pico(call, call.there, model=HAIKU) for call in calls)


class Disliked(Trialled):
    """The same, but people like the cheaper model's answers less."""

    name, trap = "pitches", "cheaper_model"
    kinds: ClassVar[tuple[str, ...]] = ()
    liked = 0.7

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return pricer.all(calls)


class Residency(Plant):
    """Calls that are served in the United States at a tenth more, with nobody asking for it."""

    name, kinds = "site-search", ("place",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 240)
        for at_us, size in zip(times, sizes(rng, 5_200, 0.6, len(times)), strict=True):
            usage = Usage(input=size, output=int(rng.integers(80, 300)))
            yield self.made(at_us, "search", "anthropic", US_SONNET, usage, region="us", user=f"u{rng.integers(900)}",
                            stream=True, request_bytes=request_size(rng, 0, size))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return sum(pricer.pico(call, region="") for call in calls)


class Elsewhere(Plant):
    """An open model at a dear place, while a cheaper one that sells the same is in use."""

    name, kinds = "moderation", ("place",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 260)
        for at_us, size in zip(times, sizes(rng, 9_000, 0.4, len(times)), strict=True):
            usage = Usage(input=size, output=int(rng.integers(90, 200)))
            yield self.made(at_us, "moderate", "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", usage,
                            user=f"u{rng.integers(900)}", request_bytes=request_size(rng, 0, size))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return sum(pricer.pico(call, provider="groq", model="llama-3.3-70b-versatile") for call in calls)


MODELS_AND_PLACES: tuple[type[Plant], ...] = (Classes, Disputed, Trialled, Disliked, Residency, Elsewhere)
