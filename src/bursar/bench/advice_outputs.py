"""Savings planted in outputs, histories and retries; and the traffic in which there is nothing to save."""

from collections.abc import Iterator
from functools import cache

import numpy as np

from bursar.advisor.advice import Advice
from bursar.bench.advice_making import MINUTE_US, Plant, by_day, request_size, sizes
from bursar.bench.advice_plants import HAIKU, SONNET, Tutor
from bursar.bench.advice_world import DAY_US, Made, Pricer
from bursar.domain.usage import Usage
from bursar.simulate.trace import load_arrivals

RUNAWAY = 16_384


class Runaway(Plant):
    """One answer in a hundred and ten runs on until the model's own end."""

    name, kinds = "rewrite", ("output_cap",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 420)
        answers = sizes(rng, 90, 0.4, len(times))
        for at_us, size, answer in zip(times, sizes(rng, 250, 0.4, len(times)), answers, strict=True):
            runs = rng.random() < 1 / 110
            usage = Usage(input=size, output=RUNAWAY if runs else min(answer, 900))
            yield self.made(
                at_us, "rewrite", "openai", "gpt-4.1", usage, outcome="truncated" if runs else "ok",
                user=f"u{rng.integers(500)}", stream=True, request_bytes=request_size(rng, 0, size),
            )  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        cap = advice.change.terms["output_tokens_max"] if advice is not None else 512
        return sum(
            pricer.pico(call, Usage(input=call.usage.input, output=min(call.usage.output, cap))) for call in calls
        )


class CutOff(Plant):
    """A max_tokens of 300 that cuts off every third answer, which is then asked for again with more."""

    name, kinds = "digest", ("output_cut_off",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 260)
        answers = sizes(rng, 250, 0.4, len(times))
        for at_us, size, answer in zip(times, sizes(rng, 2_600, 0.5, len(times)), answers, strict=True):
            who, body = f"u{rng.integers(200)}", request_size(rng, 0, size)
            if answer > 300:
                yield self.made(at_us, "digest", "openai", "gpt-4.1", Usage(input=size, output=300),
                                outcome="truncated", user=who, request_bytes=body)  # fmt: skip
                at_us += int(rng.integers(4, 40)) * 1_000_000
            yield self.made(at_us, "digest", "openai", "gpt-4.1", Usage(input=size, output=answer), user=who,
                            request_bytes=body + 1)  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return pricer.all(call for call in calls if call.outcome == "ok")


class Labels(Plant):
    """Labels, as a word."""

    name = "helpdesk"
    request = "label"
    answer = (2, 7)
    mean = 220.0

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, self.mean)
        for at_us, size in zip(times, sizes(rng, 900, 0.5, len(times)), strict=True):
            short = int(rng.integers(2, 7))
            usage = Usage(input=size, output=int(rng.integers(*self.answer)))
            yield self.made(at_us, self.request, "openai", "gpt-4.1", usage, there=Usage(input=size, output=short),
                            session=f"{self.name}-{at_us}", user=f"u{rng.integers(60)}",
                            request_bytes=request_size(rng, 0, size))  # fmt: skip


class Prose(Labels):
    """The same labels, with an essay around them."""

    name, kinds = "tickets", ("output_length",)
    answer = (120, 420)

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return sum(pricer.pico(call, call.there) for call in calls)


class Thinking(Plant):
    """A yes or a no after much reasoning. What a lower effort spares differs from world to world."""

    name, kinds = "verify", ("reasoning",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 160)
        kept = np.random.default_rng(self.seed).uniform(0.3, 0.7)
        for at_us, size in zip(times, sizes(rng, 900, 0.5, len(times)), strict=True):
            thought, said = sizes(rng, 900, 0.5, 1)[0], int(rng.integers(3, 20))
            less = round(thought * kept)
            yield self.made(
                at_us, "verify", "openai", "gpt-5", Usage(input=size, output=thought + said, reasoning=thought),
                there=Usage(input=size, output=less + said, reasoning=less), user=f"u{rng.integers(60)}",
                session=f"v-{at_us}", request_bytes=request_size(rng, 0, size),
            )  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return sum(pricer.pico(call, call.there) for call in calls)


class Coach(Tutor):
    """Long conversations of slow turns, at a provider that forgets between them."""

    name, kinds = "coach", ("history",)
    turns, gap_s, model, provider = (22, 40), (1_300, 3_000), "gpt-4.1", "openai"
    talks = 7.0

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        inputs: dict[str, list[int]] = {}
        pico = 0
        for call in sorted(calls, key=lambda one: one.at_us):
            seen = inputs.setdefault(call.session, [])
            dropped = seen[-8] - seen[0] if len(seen) >= 8 else 0
            seen.append(call.usage.input)
            pico += pricer.pico(call, Usage(input=call.usage.input - dropped, output=call.usage.output))
        return pico


class HungUp(Plant):
    """A client that hangs up after ten seconds, and asks the same again."""

    name, kinds = "export", ("retries",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 200)
        for number, (at_us, size) in enumerate(zip(times, sizes(rng, 3_200, 0.5, len(times)), strict=True)):
            who, mark, body = f"u{rng.integers(50)}", f"export-{day}-{number}", request_size(rng, 0, size)
            usage = Usage(input=size, output=int(rng.integers(200, 700)))
            if rng.random() < 0.3:
                part = Usage(input=size, output=usage.output // 2)
                yield self.made(at_us, "export", "anthropic", SONNET, part, outcome="aborted", fingerprint=mark,
                                user=who, stream=True, request_bytes=body, duration_ms=10_000)  # fmt: skip
                at_us += int(rng.integers(11, 60)) * 1_000_000
            yield self.made(at_us, "export", "anthropic", SONNET, usage, fingerprint=mark, user=who, stream=True,
                            request_bytes=body)  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        return pricer.all(call for call in calls if call.outcome == "ok")


class JustAbove(Plant):
    """Long files, some a little above the size from which all of a call's tokens cost twice as much."""

    name, kinds = "case-files", ("context_band",)

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for at_us in by_day(rng, day, 16):
            size = int(rng.integers(170_000, 230_000))
            usage = Usage(input=size, output=int(rng.integers(300, 900)))
            yield self.made(at_us, "case", "google", "gemini-2.5-pro", usage, user=f"u{rng.integers(20)}",
                            session=f"c-{at_us}", request_bytes=request_size(rng, 0, size))  # fmt: skip

    def after(self, kind: str, calls: list[Made], pricer: Pricer, advice: Advice | None) -> int:
        pico = 0
        for call in calls:
            above = 200_000 < call.usage.input <= 220_000
            pico += pricer.pico(call, Usage(input=200_000, output=call.usage.output) if above else call.usage)
        return pico


@cache
def _traced(name: str) -> tuple[tuple[int, int], ...]:
    return tuple((row.input_tokens, row.output_tokens) for row in load_arrivals(name))


class Chat(Plant):
    """Real sizes of conversations, at a provider that caches by itself; nothing to save."""

    name = "support-chat"
    trace, mean, provider, model, request = "azure-conv", 240.0, "openai", "gpt-4.1", "reply"

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        traced = _traced(self.trace)
        for at_us in by_day(rng, day, self.mean):
            size, answer = traced[int(rng.integers(len(traced)))]
            usage = Usage(input=max(size, 1), output=max(answer, 1))
            yield self.made(
                at_us, self.request, self.provider, self.model, usage, user=f"u{rng.integers(700)}", stream=True,
                session=f"{self.name}-{at_us}", request_bytes=request_size(rng, 0, size),
            )  # fmt: skip


class Code(Chat):
    """Real sizes of code completions, on a model whose cache is marked, but other files each time."""

    name, trace, mean, provider, model, request = "completion", "azure-code", 200.0, "anthropic", HAIKU, "complete"


class Documents(Chat):
    """Questions on documents of all sizes, each another one: large inputs that share nothing."""

    name, trace, mean, provider, model, request = "documents", "azure-code", 160.0, "anthropic", SONNET, "ask"


class Cached(Plant):
    """An agent that marks its prompts well."""

    name = "agent"

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for number, start_us in enumerate(by_day(rng, day, 30)):
            at_us, past = start_us, 9_000
            for turn in range(int(rng.integers(6, 20))):
                grown, answer = sizes(rng, 700, 0.6, 1)[0], sizes(rng, 300, 0.6, 1)[0]
                usage = Usage(input=20, cache_read=past if turn else 0, cache_write_5m=grown if turn else past + grown,
                              output=answer)  # fmt: skip
                past += grown
                yield self.made(at_us, "step", "anthropic", SONNET, usage, session=f"agent-{day}-{number}", stream=True,
                                user=f"dev{number % 20}", request_bytes=request_size(rng, 0, past))  # fmt: skip
                at_us += int(rng.integers(8, 90)) * 1_000_000


class Variety(Plant):
    """Four answers to each request at once, of which the best is taken: equals that are wanted."""

    name, trap = "headlines", "exact_cache"

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for number, at_us in enumerate(by_day(rng, day, 45)):
            size = sizes(rng, 1_500, 0.4, 1)[0]
            for step in range(4):
                usage = Usage(input=size, output=int(rng.integers(60, 200)))
                yield self.made(at_us + step * 40_000, "headline", "openai", "gpt-4.1", usage, user=f"u{number % 9}",
                                fingerprint=f"head-{day}-{number}", request_bytes=size * 4)  # fmt: skip


class Staff(Plant):
    """People of one office, all in two hours of the morning, each with a session: they do wait."""

    name, trap = "morning-brief", "batch"

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        for _ in range(int(rng.poisson(90))):
            at_us = day * DAY_US + 8 * 60 * MINUTE_US + int(rng.integers(0, 110 * MINUTE_US))
            size = sizes(rng, 2_500, 0.5, 1)[0]
            usage = Usage(input=size, output=int(rng.integers(100, 400)))
            yield self.made(at_us, "brief-me", "openai", "gpt-4.1", usage, user=f"u{rng.integers(30)}",
                            session=f"s{at_us}", request_bytes=request_size(rng, 0, size))  # fmt: skip


class LongAnswers(Plant):
    """A few answers that are rightly long, and whole."""

    name, trap = "drafts", "output_cap"

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 300)
        for at_us, size in zip(times, sizes(rng, 800, 0.4, len(times)), strict=True):
            long = rng.random() < 0.008
            answer = int(rng.integers(12_000, 16_000)) if long else sizes(rng, 350, 0.4, 1)[0]
            yield self.made(at_us, "draft", "openai", "gpt-4.1", Usage(input=size, output=answer), stream=True,
                            user=f"u{rng.integers(90)}", request_bytes=request_size(rng, 0, size))  # fmt: skip


class Untold(Plant):
    """An application that says neither user nor session, whose users wait all day long."""

    name, trap = "quotes", "batch"

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 130)
        for at_us, size in zip(times, sizes(rng, 2_600, 0.5, len(times)), strict=True):
            usage = Usage(input=size, output=int(rng.integers(100, 400)))
            yield self.made(at_us, "quote", "openai", "gpt-4.1", usage, request_bytes=request_size(rng, 0, size))


class Cheap(Plant):
    """The same open model at its cheaper place."""

    name = "tags"

    def calls(self, rng: np.random.Generator, day: int) -> Iterator[Made]:
        times = by_day(rng, day, 120)
        for at_us, size in zip(times, sizes(rng, 900, 0.4, len(times)), strict=True):
            yield self.made(at_us, "tag", "groq", "llama-3.3-70b-versatile", Usage(input=size, output=80),
                            user=f"u{rng.integers(90)}", request_bytes=request_size(rng, 0, size))  # fmt: skip


OUTPUTS_AND_TRAFFIC: tuple[type[Plant], ...] = (
    Runaway, CutOff, Labels, Prose, Thinking, Coach, HungUp, JustAbove, Chat, Code, Documents, Cached, Variety, Staff,
    LongAnswers, Cheap, Untold,
)  # fmt: skip
