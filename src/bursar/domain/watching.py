"""What the watch looks at and what it says: series of sums, the signals read off them, detections, markers, labels."""

from enum import StrEnum

import msgspec


class Clock(StrEnum):
    """How long one step of a series is. MINUTE is looked at as calls come, the others when their step is over."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class Signal(StrEnum):
    """What of a series may be out of the ordinary. Ratios are shares of calls, but of attempts for RETRIES."""

    COST = "cost"
    CALLS = "calls"
    INPUT_PER_CALL = "input_per_call"
    OUTPUT_PER_CALL = "output_per_call"
    COST_PER_TOKEN = "cost_per_token"  # noqa: S105 (of a model: price and mix)
    RETRIES = "retry_ratio"
    TRUNCATED = "truncation_ratio"
    ERRORS = "error_ratio"
    CACHE_HITS = "cache_hit_ratio"  # cache-read tokens of all input tokens
    DEAR_MODELS = "dear_share"  # dear models on request types that cheap ones answer
    NEW_SPENDER = "new_spender"
    SILENCE = "silence"
    TAG_COVERAGE = "tag_coverage"
    UNPRICED = "unpriced_share"


class Change(StrEnum):
    """Its shape: it passes, it stays, it grows a little each step, it is new, it has stopped."""

    SPIKE = "spike"
    SHIFT = "shift"
    GROWTH = "growth"
    NEW = "new"
    SILENCE = "silence"


class Label(StrEnum):
    """What a person said of a finding. EXPECTED: true, and wanted (a launch)."""

    TRUE = "true"
    FALSE = "false"
    EXPECTED = "expected"


class SeriesKey(msgspec.Struct, frozen=True, order=True):
    """Whose series it is: one value of one dimension of the ledger ("feature", "search"); ("", "") is all there is."""

    dimension: str = ""
    value: str = ""


class Bucket(msgspec.Struct):
    """The sums of one step of one series. Input tokens hold what was read from a cache; cost is list cost in pico USD.

    cost_pico is known cost only: `unpriced` attempts are counted and add nothing to it.
    """

    calls: int = 0
    attempts: int = 0
    retries: int = 0
    truncated: int = 0
    errors: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    cost_pico: int = 0
    dear_calls: int = 0
    untagged_calls: int = 0
    unpriced: int = 0


class Detection(msgspec.Struct, frozen=True):
    """One signal of one series left what was to be expected of it. Times are UTC microseconds.

    began_us:  the first step that is out of the ordinary; seen_us: the end of the step that made it certain.
    expected:  of the signal at that step; actual: what it was. Both in the signal's unit (cost in USD), for people.
    surprise:  -log10 of the chance to see this or more if nothing had changed, after all that was looked at.
    """

    series: SeriesKey
    signal: Signal
    clock: Clock
    change: Change
    began_us: int
    seen_us: int
    expected: float
    actual: float
    surprise: float


class Marker(msgspec.Struct, frozen=True):
    """Something that happened at a time: a deploy, a launch, a change of settings.

    scope: the series it is about; ("", ""): everything. source: who said so ("api", "audit", …).
    """

    marker_id: str
    at_us: int
    title: str
    kind: str = "deploy"
    scope: SeriesKey = SeriesKey()
    source: str = "api"
