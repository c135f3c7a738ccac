"""What workers tell the console of prompt caches: `run/prompt-cache-N.json`, one file each, without text or hashes.

What breaks which cache (for the advisor, who prices it), and what each rule's marks cost and saved (for the console,
which turns a rule off where its workers together show that it doesn't pay).
"""

import contextlib
import os
from collections import defaultdict
from pathlib import Path

import msgspec

from bursar.gateway.prompt_cache.breaks import Breaks, Place, merged
from bursar.gateway.prompt_cache.caching import PromptCaches
from bursar.gateway.prompt_cache.prices import FEMTO_PER_PICO, CachePrices
from bursar.gateway.prompt_cache.watch import SLOT_US, Stopped, Sums, said_of, why_stop

WRITE_INTERVAL_US = 30_000_000
MONTH_US = 30 * 86_400_000_000
CALLS_MIN = 20  # a series of fewer isn't told
MEASURED_US_MIN = 600_000_000  # what is shorter than this isn't made into a month

_LOOKS_LIKE = {
    "time": "looks like a date or a time",
    "id": "looks like an id",
    "number": "a number",
    "text": "other words",
    "whitespace": "only spaces or line ends",
    "reordered": "the same tools in another order",
    "added": "something was put before it",
    "removed": "something was taken out",
    "trimmed": "its beginning was cut off",
}


class SeriesBreaks(msgspec.Struct, frozen=True):
    """What breaks the caches of calls that are alike."""

    credential_id: str
    model: str
    feature: str
    request_type: str
    breaks: Breaks


class RuleSums(msgspec.Struct, frozen=True):
    """What a rule's marks came to on one model, in a worker's window."""

    rule_id: str
    model: str
    sums: Sums


class Told(msgspec.Struct, frozen=True):
    """One worker's file; or those of all workers, put together."""

    series: list[SeriesBreaks] = []
    rules: list[RuleSums] = []
    stopped: list[Stopped] = []


class PromptNews:
    """One worker's, in its file."""

    def __init__(self, caches: PromptCaches, directory: Path, slot: int) -> None:
        self._caches = caches
        self._path = directory / f"prompt-cache-{slot}.json"
        self._written_us = 0
        self._written = b""

    def look(self, now_us: int, *, is_last: bool = False) -> None:
        """Write if there is news and it is time; at once if a rule's marks stopped or began anew. A disk that refuses
        stops nobody; it is tried again."""
        watch = self._caches.watch
        if now_us - self._written_us < WRITE_INTERVAL_US and not watch.is_changed and not is_last:
            return
        watch.is_changed = False
        self._written_us = now_us
        content = msgspec.json.encode(tell(self._caches))
        if content == self._written:
            return
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        with contextlib.suppress(OSError):
            temporary.write_bytes(content)
            temporary.replace(self._path)
            self._written = content


def tell(caches: PromptCaches) -> Told:
    """What a worker has to tell now."""
    watch = caches.watch
    return Told(
        [SeriesBreaks(*name, found) for name, found in caches.broken() if found.calls >= CALLS_MIN],
        [RuleSums(rule_id, model, watch.sums(rule_id, model)) for rule_id, model in watch.pairs()],
        list(watch.stopped.values()),
    )


def read_told(directory: Path) -> Told:
    """All workers of this node together: a series and a rule's window once each."""
    series: dict[tuple[str, str, str, str], list[Breaks]] = defaultdict(list)
    rules: dict[tuple[str, str], list[Sums]] = defaultdict(list)
    stopped: list[Stopped] = []
    for path in sorted(directory.glob("prompt-cache-[0-9]*.json")):
        told = _read(path)
        for one in told.series:
            series[one.credential_id, one.model, one.feature, one.request_type].append(one.breaks)
        for rule in told.rules:
            rules[rule.rule_id, rule.model].append(rule.sums)
        stopped += told.stopped
    found = [SeriesBreaks(*name, merged(breaks)) for name, breaks in series.items()]
    return Told(
        sorted(found, key=lambda one: -one.breaks.lost_tokens),
        [RuleSums(*pair, _added(sums)) for pair, sums in sorted(rules.items())],
        stopped,
    )


def stops(told: Told, changed_us: dict[str, int], now_us: int) -> dict[str, str]:
    """Why rules have to be turned off, by rule: what the console writes as `CacheRule.stopped`.

    A rule stops when one of its workers stopped it, or all of them together would have. changed_us: when each rule was
    last turned on or changed; what was counted before doesn't stop it again.
    """
    found: dict[str, str] = {}
    for one in told.stopped:
        if one.since_us > changed_us.get(one.rule_id, 0):
            found.setdefault(one.rule_id, one.why)
    for rule in told.rules:
        is_old = rule.sums.since_us + SLOT_US <= changed_us.get(rule.rule_id, 0)
        why = "" if is_old else why_stop(rule.sums, now_us)
        if why:
            found.setdefault(rule.rule_id, said_of(rule.model, why))
    return found


def lost_a_month(breaks: Breaks, tokens: int | None = None) -> int | None:
    """Tokens that would have been read in thirty days such as those measured; None: too little was measured.

    tokens: of one place; otherwise of all.
    """
    measured_us = breaks.until_us - breaks.since_us
    if measured_us < MEASURED_US_MIN:
        return None
    return (breaks.lost_tokens if tokens is None else tokens) * MONTH_US // measured_us


def monthly_pico(breaks: Breaks, prices: CachePrices, tokens: int | None = None) -> int | None:
    """What a break costs a month: its tokens at what a read is cheaper than input. Pico-USD. None as above."""
    lost = lost_a_month(breaks, tokens)
    return None if lost is None else lost * (prices.input - prices.read) // FEMTO_PER_PICO


def say(place: Place, breaks: Breaks) -> str:
    """A place in words.

    >>> found = Breaks(0, 1, calls=100)
    >>> say(Place(part="system[0]", cause="time", calls=98, at_bytes=812, lost_tokens=1), found)
    'system[0] changes at byte ~812 in 98 % of calls (looks like a date or a time)'
    >>> say(Place(part="tools[2]", cause="reordered", calls=7, lost_tokens=1), found)
    'tools[2] changes in 7 % of calls (the same tools in another order)'
    """
    share = round(100 * place.calls / max(1, breaks.calls))
    where = f" at byte ~{place.at_bytes}" if place.at_bytes else ""
    looks = _LOOKS_LIKE.get(place.cause, place.cause)
    return f"{place.part} changes{where} in {share} % of calls ({looks})"


def _added(sums: list[Sums]) -> Sums:
    return Sums(
        sum(one.premium_pico for one in sums),
        sum(one.saved_pico for one in sums),
        sum(one.writes for one in sums),
        sum(one.reads for one in sums),
        min(one.since_us for one in sums),
    )


def _read(path: Path) -> Told:
    try:
        return _TOLD.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return Told()


_TOLD = msgspec.json.Decoder(Told)
