"""Provider prompt caches: what learned marks save on a real trace, beside rules that know it beforehand; and their CPU.

The gateway's own decision (`gateway/prompt_cache/policy.py`) is replayed call by call, and billed by a provider's cache
as it is documented, at Claude's multiples: reads 0.1, writes 1.25 and 2 times the input price.
"""

import time

import msgspec

from bursar.bench.cache_rivals import (
    Total,
    fixed_rules,
    foresight,
    new_again_share,
    readable_tokens,
    replay_ends,
    replay_rule,
)
from bursar.bench.cache_trace import MINIMUM_TOKENS, CacheCall, CacheModel, load_calls, made_up
from bursar.bench.figure import Figure, Options, median
from bursar.domain.caching import PromptCaching
from bursar.domain.usage import Usage
from bursar.gateway.prompt_cache.caching import CallOf, PromptCaches, Ruled
from bursar.gateway.prompt_cache.policy import Series, Terms, plan_marks
from bursar.gateway.prompt_cache.prefixes import Prefixes
from bursar.gateway.prompt_cache.prices import CachePrices
from bursar.gateway.prompt_cache.rates import ANTHROPIC_RATES, CacheRates

PREFIXES = 1 << 18
"""More than a worker's: a block of 512 tokens is a quarter of a message."""

OF_BEST_RULE_MIN = 0.95
OF_FORESIGHT_MIN = 0.95
BEHIND_MAX_PERCENT = 1.0
SONNET = CachePrices(3_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000)
SECRET = b"a secret of the bench, 32 bytes."
CALLS = 300


class Learned(msgspec.Struct):
    """A replay of learned marks. behind: the most that it had cost more than no cache at any moment, in tokens."""

    total: Total
    behind: float = 0.0


def measure(options: Options) -> list[Figure]:
    """Savings as shares of the input cost without a cache, and CPU µs for one call."""
    calls = load_calls(options.scale)
    rates = ANTHROPIC_RATES
    series = Series()
    learned = replay_learned(calls, rates, series)
    trained = replay_learned(calls, rates, series)
    by_rule = {str(rule): replay_rule(calls, rule, rates).saving for rule in fixed_rules()}
    best = max(by_rule, key=lambda rule: by_rule[rule])
    known = foresight(calls, rates)
    total = learned.total
    behind = 100 * learned.behind / total.sent
    hits = 100 * total.read / max(1, readable_tokens(calls))
    found = [
        Figure(
            "prompt cache: saved by learned marks", 100 * total.saving, "% of input", OF_BEST_RULE_MIN, "at least",
            total.saving / by_rule[best] if by_rule[best] > 0 else 1.0, f"best fixed rule {100 * by_rule[best]:.2f}",
            f"picked afterwards of {len(by_rule)}: {best}",
        ),
        Figure(
            "prompt cache: most ever behind no cache", behind, "% of input", BEHIND_MAX_PERCENT,
            note="at any moment of the trace",
        ),
        Figure(
            "prompt cache: the same, learned beforehand", 100 * trained.total.saving, "% of input",
            note="a second time over the same trace: what learning costs",
        ),
        Figure("prompt cache: read", 100 * total.read / total.sent, "% of input", note=f"{hits:.0f} % of all repeats"),
        Figure(
            "prompt cache: new input that comes again within 5 minutes", 100 * new_again_share(calls), "%",
            note="from 22 % on a write for five minutes pays; little in a call tells which",
        ),
        Figure("prompt cache: a mark at each end", 100 * replay_ends(calls, rates).saving, "% of input"),
        Figure(
            "prompt cache: saved by perfect foresight", 100 * known.saving, "% of input",
            note=f"a bound; learned marks have {100 * total.saving / known.saving:.0f} % of it, "
            f"and cost {total.cost / known.cost:.2f} x as much",
        ),
    ]  # fmt: skip
    return found + predictable(rates) + cpu(options)


def predictable(rates: CacheRates) -> list[Figure]:
    """Made-up traffic where what came before says what comes: there learned marks are held to perfect foresight."""
    found = []
    for name, calls in made_up().items():
        saving = replay_learned(calls, rates, Series()).total.saving
        best = foresight(calls, rates).saving
        found.append(
            Figure(
                f"prompt cache: {name}", 100 * saving, "% of input", OF_FORESIGHT_MIN, "at least", saving / best,
                f"perfect foresight {100 * best:.1f}", "made up",
            )
        )  # fmt: skip
    return found


def replay_learned(
    calls: list[CacheCall], rates: CacheRates, series: Series, *, minimum: int = MINIMUM_TOKENS, ttl: str = "auto"
) -> Learned:
    """The gateway's decision on a trace, as one series; each bill is known before the next call."""
    prefixes, provider = Prefixes(PREFIXES), CacheModel(minimum)
    terms, premiums = Terms(rates, minimum, ttl), rates.premiums()
    learned = Learned(Total())
    total = learned.total
    for call in calls:
        plan = plan_marks(call.blocks, series, prefixes, terms, call.at_us)
        plan.keep(plan.marks, call.at_us)
        bill = provider.call(call, plan.marks)
        paid = bill.write_5m * premiums.minutes + (bill.write_1h * premiums.hour if bill.write_1h else 0)
        plan.end(paid, bill.read * premiums.one_read)
        total.sent += call.tokens
        total.read += bill.read
        total.cost += bill.cost(rates)
        learned.behind = max(learned.behind, total.cost - total.sent)
    return learned


def cpu(options: Options) -> list[Figure]:
    """CPU of marking one call of a conversation, its prompt's breaks looked for; medians of rounds."""
    found = []
    for name, messages, size in (("1.4 KB", 3, 1_400), ("98 KB", 20, 98_000)):
        for what, rule in (("marks", Ruled("ca_bench", PromptCaching(), SONNET)), ("breaks only", None)):
            rounds = [_cpu_us(_bodies(messages, size), rule) for _ in range(options.rounds)]
            note = f"{len(rounds)} rounds, {min(rounds):.3g}–{max(rounds):.3g}"
            found.append(Figure(f"prompt cache: CPU per call of {name}, {what}", median(rounds), "µs", note=note))
    return found


def _cpu_us(bodies: list[bytes], rule: Ruled | None) -> float:
    caches = PromptCaches(SECRET)
    call = CallOf(
        dialect="anthropic-messages", model="claude-sonnet-4-5", provider="anthropic", account="a", credential_id="vk"
    )
    usage = Usage(input=100, cache_read=len(bodies[0]) // 4)
    begun_s = time.process_time()
    for number, body in enumerate(bodies):
        now_us = 1_760_000_000_000_000 + number * 10_000_000
        marked = caches.mark(call, rule, body, now_us)
        if marked is not None and marked.ticket is not None:
            caches.billed(marked.ticket, usage, now_us)
    return (time.process_time() - begun_s) / len(bodies) * 1_000_000


def _bodies(messages: int, size: int) -> list[bytes]:
    """Calls with one system prompt, a third of them, and a conversation that goes on from call to call."""
    system = "Answer in the words of the handbook, and say where they stand. " * (size // 3 // 63)
    words = "What does it say about travel by night? " * (size * 2 // 3 // messages // 40)
    return [
        msgspec.json.encode(
            {
                "model": "claude-sonnet-4-5",
                "max_tokens": 1_000,
                "system": system,
                "messages": [
                    {"role": "user" if turn % 2 == 0 else "assistant", "content": f"{turn + number // 8} {words}"}
                    for turn in range(messages)
                ],
            }
        )
        for number in range(CALLS)
    ]
