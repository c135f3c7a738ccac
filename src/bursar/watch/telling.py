"""A finding in words: what it is, what it costs, and why, in a line or two."""

from decimal import Decimal

from bursar.domain import display
from bursar.domain.findings import HOUR_US, Factor, Finding
from bursar.domain.money import usd_from_pico
from bursar.domain.watching import Change, SeriesKey, Signal

HOURS_A_DAY = 24
PARTS_TOLD = 2
TOLD_AS_TIMES_FROM, TOLD_AS_TIMES_MAX = 2, 1_000
PART_SHARE = 10  # a factor with less than a tenth of the excess isn't told in the line

SIGNALS = {
    Signal.COST: "cost",
    Signal.CALLS: "calls",
    Signal.INPUT_PER_CALL: "prompt length",
    Signal.OUTPUT_PER_CALL: "answer length",
    Signal.COST_PER_TOKEN: "price per token",
    Signal.RETRIES: "retries",
    Signal.TRUNCATED: "cut-off answers",
    Signal.ERRORS: "errors",
    Signal.CACHE_HITS: "prompt-cache hits",
    Signal.DEAR_MODELS: "dear models on cheap work",
    Signal.NEW_SPENDER: "a new spender",
    Signal.SILENCE: "silence",
    Signal.TAG_COVERAGE: "untagged calls",
    Signal.UNPRICED: "calls without a price",
}

FACTORS = {
    Factor.CALLS: ("more calls", "fewer calls"),
    Factor.INPUT: ("longer prompts", "shorter prompts"),
    Factor.OUTPUT: ("longer answers", "shorter answers"),
    Factor.CACHE: ("fewer cache hits", "more cache hits"),
    Factor.RETRIES: ("paid retries", "fewer paid retries"),
    Factor.PRICE: ("higher prices", "lower prices"),
    Factor.MODELS: ("dearer models", "cheaper models"),
    Factor.MIX: ("dearer kinds of calls", "cheaper kinds of calls"),
    Factor.OTHER: ("more beside tokens", "less beside tokens"),
}
"""Each factor where it costs more, and where it costs less."""


def name_of(series: SeriesKey) -> str:
    """ "feature search", "key vk_1"; everything is "all calls"."""
    return f"{dimension_word(series.dimension)} {series.value}" if series.dimension else "all calls"


def dimension_word(dimension: str) -> str:
    """A dimension as people say it: "request type", "key", a tag by its name."""
    return "key" if dimension == "credential_id" else dimension.removeprefix("tag:").replace("_", " ")


def title_of(finding: Finding) -> str:
    """One line: "feature search costs $4.20 an hour more than usual (3.1×)"; less than twice is "(+12.5 %)"."""
    name, signal = name_of(finding.series), finding.signals[0]
    if finding.change is Change.SILENCE or signal is Signal.SILENCE:
        return f"{name} {'has' if finding.series.dimension else 'have'} gone silent"
    more, tense = finding.excess_pico >= 0, "costs" if finding.is_open and finding.series.dimension else "cost"
    hourly = display.money(usd_from_pico(abs(finding.excess_per_hour_pico)))
    if not finding.excess_pico:
        return f"{name}: {SIGNALS[signal]} out of the ordinary"
    if finding.change is Change.NEW:
        return f"{name} is new and {tense} {hourly} an hour"
    times = ""
    if more and finding.expected_pico > 0:
        ratio = Decimal(finding.actual_pico) / finding.expected_pico
        times = f" ({_times(ratio)})"
    return f"{name} {tense} {hourly} an hour {'more' if more else 'less'} than usual{times}"


def _times(ratio: Decimal) -> str:
    """What it costs beside what it should: "+12.5 %", "3.1×"."""
    if ratio < TOLD_AS_TIMES_FROM:
        return f"+{display.ratio(ratio - 1)}"
    return f"{ratio.quantize(Decimal('0.1')):,}×" if ratio < TOLD_AS_TIMES_MAX else f"over {TOLD_AS_TIMES_MAX:,}×"


def why_of(finding: Finding) -> str:
    """The factors that made most of it: "more calls, longer prompts"; "" where none is known."""
    excess = abs(finding.excess_pico)
    told = [
        FACTORS[part.factor][part.pico < 0]
        for part in finding.cause.parts
        if abs(part.pico) * PART_SHARE >= excess and (part.pico > 0) == (finding.excess_pico > 0)
    ]
    return ", ".join(told[:PARTS_TOLD])


def where_of(finding: Finding) -> str:
    """The path of values that it falls on: "customer acme, model gpt-5"; "" where it falls on none."""
    path: list[SeriesKey] = []
    for movement in finding.cause.movements:
        if not movement.values or movement.values[0].is_rest or tuple(path) != movement.within:
            break
        path.append(SeriesKey(movement.dimension, movement.values[0].value))
    return ", ".join(name_of(one) if one.value else f"no {dimension_word(one.dimension)}" for one in path)


def per_day_pico(finding: Finding) -> int:
    """What it costs more in a day at its pace, pico USD; of one that was over within a day, what it did cost more."""
    if not finding.is_open and finding.until_us - finding.began_us < HOURS_A_DAY * HOUR_US:
        return finding.excess_pico
    return finding.excess_per_hour_pico * HOURS_A_DAY
