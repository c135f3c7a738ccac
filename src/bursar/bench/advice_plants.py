"""Savings planted in caches, jobs and tiers."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bursar.advisor.advice import Advice
from bursar.bench.advice_making import HOUR_US, MINUTE_US, Plant, by_day, request_size, sizes
from bursar.bench.advice_world import DAY_US, Made, Pricer
from bursar.domain.usage import Usage

SONNET, HAIKU = "claude-sonnet-4-5", "claude-haiku-4-5"


def exact_hits(calls: list[Made], ttl_us: int) -> list[Made]:
    """Calls that an exact cache would answer; an entry ends its time after it was made."""
    made: dict[tuple[str, bool], int] = {}
    hits = []
    for call in sorted(calls, key=lambda one: one.at_us):
        key = (call.fingerprint, call.stream)
        if call.fingerprint and call.at_us < made.get(key, -1):
            hits.append(call)
        else:
            made[key] = call.at_us + ttl_us
    return hits


def _ttl_us(advice: Advice | None, otherwise_s: int) -> int:
    return 1_000_000 * (advice.change.terms["exact"].get("ttl_s", 3_600) if advice is not None else otherwise_s)


class Questions(Plant):
    """The same few hundred questions, asked by everybody: a third comes again within the hour or the day."""

    name, kinds = "faq", ("exact_cache",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for at_us in by_day(rng, day, 260):
            number = int(rng.zipf(1.25))
            known = np.random.default_rng(number)
            usage = Usage(input=int(known.integers(1_200, 3_000)), output=int(known.integers(80, 300)))
            print_ = f"faq-{number}" if number < 4_000 else ""
            yield self.made(at_us, "answer", "openai", "gpt-4.1", usage, fingerprint=print_, stream=True,
                            user=f"u{rng.integers(300)}", request_bytes=request_size(rng, 0, usage.input))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return pricer.all(calls) - pricer.all(exact_hits(calls, _ttl_us(advice, 86_400)))


class Probe(Plant):
    """Three requests of a forgotten monitor, every hour, answered alike."""

    name, kinds = "status-board", ("repeated_job",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for hour in range(24):
            for number in range(3):
                at_us = day * DAY_US + hour * HOUR_US + number * 1_000_000 + int(rng.integers(0, 800_000))
                yield self.made(at_us, "", "openai", "gpt-4.1", Usage(input=6_000 + number, output=120),
                                fingerprint=f"probe-{number}", request_bytes=25_000, response_bytes=1_080)  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        if advice is None:
            return 0
        return pricer.all(calls) - pricer.all(exact_hits(calls, _ttl_us(advice, 0)))


class Nightly(Plant):
    """A report that is made each night from two to half past three."""

    name, kinds = "nightly-report", ("batch",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        count = int(rng.poisson(90))
        for size, answer in zip(sizes(rng, 3_000, 0.6, count), sizes(rng, 400, 0.5, count), strict=True):
            at_us = day * DAY_US + 2 * HOUR_US + int(rng.integers(0, 90 * MINUTE_US))
            yield self.made(at_us, "summary", "anthropic", SONNET, Usage(input=size, output=answer),
                            request_bytes=request_size(rng, 0, size))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return sum(pricer.pico(call, tier="batch") for call in calls)


class Hourly(Nightly):
    """Enrichment that runs at five past each hour."""

    name, kinds = "enrichment", ("batch",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for hour in range(24):
            count = int(rng.poisson(8))
            for size, answer in zip(sizes(rng, 2_500, 0.4, count), sizes(rng, 150, 0.4, count), strict=True):
                at_us = day * DAY_US + hour * HOUR_US + 5 * MINUTE_US + int(rng.integers(0, 4 * MINUTE_US))
                yield self.made(at_us, "extract", "openai", "gpt-4.1", Usage(input=size, output=answer),
                                request_bytes=request_size(rng, 0, size))  # fmt: skip


class NightlyTwice(Plant):
    """A nightly run that asks a fifth of its requests twice: an exact cache and a batch both save on these."""

    name, kinds = "night-index", ("batch", "exact_cache")

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for number in range(int(rng.poisson(110))):
            size, answer = sizes(rng, 3_500, 0.3, 1)[0], sizes(rng, 250, 0.3, 1)[0]
            first_us = day * DAY_US + 3 * HOUR_US + int(rng.integers(0, 60 * MINUTE_US))
            for at_us in [first_us, *([first_us + 20 * MINUTE_US] if rng.random() < 0.2 else [])]:
                yield self.made(at_us, "index", "anthropic", SONNET, Usage(input=size, output=answer),
                                fingerprint=f"{day}-{number}", request_bytes=size * 4)  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        if kind == "batch":
            return sum(pricer.pico(call, tier="batch") for call in calls)
        return pricer.all(calls) - pricer.all(exact_hits(calls, _ttl_us(advice, 3_600)))

    def together(self, calls: list[Made], pricer: Pricer) -> int:
        hits = {id(call) for call in exact_hits(calls, HOUR_US)}
        return sum(pricer.pico(call, tier="batch") for call in calls if id(call) not in hits)


class Hurried(Plant):
    """Scores that a queue waits for, sent at the price of priority."""

    name, kinds = "lead-scoring", ("service_tier",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 220)
        for at_us, size in zip(times, sizes(rng, 1_800, 0.5, len(times)), strict=True):
            usage = Usage(input=size, output=int(rng.integers(60, 160)))
            yield self.made(at_us, "score", "openai", "gpt-4o", usage, tier="priority",
                            request_bytes=request_size(rng, 0, size))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return sum(pricer.pico(call, tier="") for call in calls)


class FixedPrompt(Plant):
    """A long instruction that is the same each time, before a short text, with no marks for a cache."""

    name, kinds = "contract-fields", ("prompt_cache",)
    fixed = 5_400

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 320)
        for at_us, size in zip(times, sizes(rng, 450, 0.7, len(times)), strict=True):
            usage = Usage(input=self.fixed + size, output=int(rng.integers(60, 240)))
            yield self.made(at_us, "extract", "anthropic", SONNET, usage, fixed=self.fixed, user=f"u{rng.integers(40)}",
                            request_bytes=request_size(rng, self.fixed, size))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        hour = advice is None or advice.change.terms["prompt"].get("ttl") == "1h"
        lives_us, write = (HOUR_US, "cache_write_1h") if hour else (5 * MINUTE_US, "cache_write_5m")
        ends_us, pico = -1, 0
        for call in sorted(calls, key=lambda one: one.at_us):
            count = call.fixed
            how: dict[str, int] = {"cache_read" if call.at_us <= ends_us else write: count}
            there = Usage(input=call.usage.input - count, output=call.usage.output, **how)
            pico += pricer.pico(call, there)
            ends_us = call.at_us + lives_us
        return pico


class Tutor(Plant):
    """Conversations of quick turns, each of which sends all before it, with no marks for a cache."""

    name, kinds = "tutor", ("prompt_cache",)
    turns, gap_s, model, provider = (5, 12), (15, 150), SONNET, "anthropic"
    talks = 26.0

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for number, start_us in enumerate(by_day(rng, day, self.talks)):
            at_us, past, answer = start_us, 1_300, 0
            for _ in range(int(rng.integers(*self.turns))):
                past += answer + sizes(rng, 130, 0.7, 1)[0]
                answer = sizes(rng, 260, 0.5, 1)[0]
                yield self.made(at_us, "chat", self.provider, self.model, Usage(input=past, output=answer),
                                session=f"{self.name}-{day}-{number}", user=f"u{rng.integers(500)}", stream=True,
                                request_bytes=request_size(rng, 0, past))  # fmt: skip
                at_us += int(rng.integers(*self.gap_s)) * 1_000_000

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        hour = advice is not None and advice.change.terms["prompt"].get("ttl") == "1h"
        lives_us, write = (HOUR_US, "cache_write_1h") if hour else (5 * MINUTE_US, "cache_write_5m")
        kept: dict[str, tuple[int, int]] = {}  # session → (tokens that are kept, until when)
        pico = 0
        for call in sorted(calls, key=lambda one: one.at_us):
            tokens, until_us = kept.get(call.session, (0, -1))
            read = tokens if call.at_us <= until_us else 0
            how = {"cache_read": read, write: call.usage.input - read}
            pico += pricer.pico(call, Usage(input=0, output=call.usage.output, **how))
            kept[call.session] = call.usage.input, call.at_us + lives_us
        return pico


class SameSize(Plant):
    """Other texts cut to one size: they look like a fixed part and share nothing."""

    name, trap = "chunk-notes", "prompt_cache"

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for at_us in by_day(rng, day, 110):
            size = 4_000 - int(rng.integers(0, 60))
            usage = Usage(input=size, output=int(rng.integers(40, 120)))
            yield self.made(at_us, "notes", "anthropic", SONNET, usage, user=f"u{rng.integers(9)}",
                            request_bytes=request_size(rng, 0, size))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        if kind != "prompt_cache":
            return pricer.all(calls)
        return sum(
            pricer.pico(call, Usage(input=0, cache_write_5m=call.usage.input, output=call.usage.output))
            for call in calls
        )


class WidePrompt(FixedPrompt):
    """A fixed instruction before texts of all sizes: counts can't tell it from texts that share nothing."""

    name, kinds = "answers-on-files", ("prompt_cache",)
    fixed = 3_000

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 150)
        for at_us, size in zip(times, sizes(rng, 3_000, 0.7, len(times)), strict=True):
            usage = Usage(input=self.fixed + size, output=int(rng.integers(60, 240)))
            yield self.made(at_us, "ask", "anthropic", SONNET, usage, fixed=self.fixed, user=f"u{rng.integers(40)}",
                            request_bytes=request_size(rng, self.fixed, size))  # fmt: skip


class TwoPrompts(FixedPrompt):
    """Two versions of one instruction, half of the calls each: what is fixed of the shorter is fixed of both only if
    they begin alike, which they don't."""

    name, kinds = "rollout", ("prompt_cache",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 200)
        for at_us, size in zip(times, sizes(rng, 300, 0.5, len(times)), strict=True):
            version = int(rng.integers(2))
            fixed = 4_000 + 500 * version
            usage = Usage(input=fixed + size, output=int(rng.integers(60, 240)))
            yield self.made(at_us, "rewrite", "anthropic", SONNET, usage, fixed=fixed, user=f"u{rng.integers(40)}",
                            request_bytes=request_size(rng, fixed, size))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        of_version = [[call for call in calls if call.fixed == fixed] for fixed in (4_000, 4_500)]
        return sum(super(TwoPrompts, self).after(kind, part, pricer, advice) for part in of_version)


class SharedJob(Plant):
    """A nightly run that has the feature, request type and model of people's calls."""

    name, kinds = "summaries", ("batch",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for at_us in by_day(rng, day, 60):
            yield self._one(rng, at_us, f"u{rng.integers(50)}")
        for _ in range(int(rng.poisson(60))):
            yield self._one(rng, day * DAY_US + HOUR_US + int(rng.integers(0, 60 * MINUTE_US)), "")

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return sum(pricer.pico(call, tier="" if call.user else "batch") for call in calls)

    def _one(self, rng: np.random.Generator, at_us: int, user: str) -> Made:
        usage = Usage(input=sizes(rng, 3_500, 0.4, 1)[0], output=int(rng.integers(100, 400)))
        return self.made(at_us, "summary", "openai", "gpt-4.1", usage, user=user,
                         request_bytes=request_size(rng, 0, usage.input))  # fmt: skip


class Stamped(Plant):
    """Marks behind a time of day: all is written to the cache and nothing read."""

    name, kinds = "brief", ("cache_repair",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for at_us in by_day(rng, day, 240):
            usage = Usage(input=int(rng.integers(100, 500)), cache_write_5m=6_500, output=int(rng.integers(100, 300)))
            yield self.made(at_us, "brief", "anthropic", SONNET, usage, user=f"u{rng.integers(30)}",
                            request_bytes=request_size(rng, 6_500, usage.input))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return sum(pricer.pico(call, Usage(input=call.usage.total_input, output=call.usage.output)) for call in calls)


class Slow(Plant):
    """Marks of five minutes on calls that come every ten to forty: an hour's would be read."""

    name, kinds = "desk-notes", ("cache_repair",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        at_us = day * DAY_US + 6 * HOUR_US
        while at_us < day * DAY_US + 22 * HOUR_US:
            usage = Usage(input=int(rng.integers(100, 400)), cache_write_5m=15_000, output=int(rng.integers(80, 200)))
            yield self.made(at_us, "note", "anthropic", SONNET, usage, user="desk",
                            request_bytes=request_size(rng, 15_000, usage.input))  # fmt: skip
            at_us += int(rng.integers(6, 25)) * MINUTE_US

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        pico, ends_us = 0, -1
        for call in sorted(calls, key=lambda one: one.at_us):
            how: dict[str, Any] = {"cache_read" if call.at_us <= ends_us else "cache_write_1h": 15_000}
            pico += pricer.pico(call, Usage(input=call.usage.input, output=call.usage.output, **how))
            ends_us = call.at_us + HOUR_US
        return pico


CACHES_AND_JOBS: tuple[type[Plant], ...] = (
    Questions, Probe, Nightly, Hourly, NightlyTwice, Hurried, FixedPrompt, Tutor, SameSize, Stamped, WidePrompt,
    TwoPrompts, SharedJob, Slow,
)  # fmt: skip
