"""Whether marks pay, by the bills: what writes cost more than input would have, and what reads cost less.

Per rule and model, over a sliding window. Where writes exceed reads over enough of them, the marks stop, and say why.
Money: whole pico-USD.
"""

from collections.abc import Sequence

import msgspec

from bursar.domain.caching import CacheRule
from bursar.domain.money import usd_from_pico
from bursar.gateway.prompt_cache.rates import ONE_HOUR_US

SLOT_US = 600_000_000
SLOTS = 36
WRITES_MIN = 30
OLDEST_US = ONE_HOUR_US  # a window younger than this hasn't seen yet what its writes are read for
PAIRS_MAX = 1_024
MODEL_CHARS_MAX = 100


class Slot(msgspec.Struct, array_like=True):
    """Ten minutes. number: since 1970."""

    number: int
    premium_pico: int = 0
    saved_pico: int = 0
    writes: int = 0
    reads: int = 0


class Sums(msgspec.Struct, frozen=True):
    """What a window comes to."""

    premium_pico: int
    saved_pico: int
    writes: int
    reads: int
    since_us: int


class Stopped(msgspec.Struct, frozen=True):
    """Marks that were turned off by what they cost. why: in words, for `CacheRule.stopped`."""

    rule_id: str
    model: str
    why: str
    since_us: int


class Watch:
    """One worker's. What is stopped stays so until the operator turns the rule on again."""

    def __init__(self) -> None:
        self.stopped: dict[tuple[str, str], Stopped] = {}
        self.is_changed = False  # something stopped, or began anew, since it was told
        self._slots: dict[tuple[str, str], list[Slot]] = {}
        self._rules: dict[str, CacheRule] = {}

    def is_stopped(self, rule_id: str, model: str) -> bool:
        return (rule_id, model) in self.stopped

    def use(self, rules: Sequence[CacheRule]) -> None:
        """The rules as they are in force now. One that was stopped and goes on, or was changed, is watched anew."""
        for rule in rules:
            before = self._rules.get(rule.rule_id)
            if before is not None and (bool(before.stopped) > bool(rule.stopped) or before.terms != rule.terms):
                self.restart(rule.rule_id)
        self._rules = {rule.rule_id: rule for rule in rules}

    def restart(self, rule_id: str) -> None:
        """Forget what a rule's marks came to so far."""
        self.is_changed = True
        for pair in [pair for pair in self.stopped if pair[0] == rule_id]:
            del self.stopped[pair]
        for pair in [pair for pair in self._slots if pair[0] == rule_id]:
            del self._slots[pair]

    def billed(self, rule_id: str, model: str, premium_pico: int, saved_pico: int, now_us: int) -> Stopped | None:
        """A call with marks was billed. Returns why its marks stop, on the call that makes them stop."""
        pair = (rule_id, model)
        slots = self._slots.get(pair)
        if slots is None:
            if len(self._slots) >= PAIRS_MAX:
                return None
            slots = self._slots[pair] = []
        number = now_us // SLOT_US
        if not slots or slots[-1].number < number:
            slots.append(Slot(number))
            while slots[0].number <= number - SLOTS:
                del slots[0]
        slot = slots[-1]
        slot.premium_pico += premium_pico
        slot.saved_pico += saved_pico
        slot.writes += premium_pico > 0
        slot.reads += saved_pico > 0
        if pair in self.stopped:
            return None
        why = why_stop(self.sums(rule_id, model), now_us)
        if not why:
            return None
        self.is_changed = True
        stopped = self.stopped[pair] = Stopped(rule_id, model, said_of(model, why), now_us)
        return stopped

    def refuse(self, rule_id: str, model: str, field: str, now_us: int) -> None:
        """A provider refused a call for what marks added to it: none are set there any more."""
        pair = (rule_id, model)
        if pair in self.stopped or len(self.stopped) >= PAIRS_MAX:
            return
        self.is_changed = True
        self.stopped[pair] = Stopped(rule_id, model, said_of(model, f"its provider refused {field}"), now_us)

    def pairs(self) -> list[tuple[str, str]]:
        """(rule_id, model) of all that is watched."""
        return list(self._slots)

    def sums(self, rule_id: str, model: str) -> Sums:
        """The window as it stands."""
        slots = self._slots.get((rule_id, model), [])
        return Sums(
            sum([slot.premium_pico for slot in slots]),
            sum([slot.saved_pico for slot in slots]),
            sum([slot.writes for slot in slots]),
            sum([slot.reads for slot in slots]),
            slots[0].number * SLOT_US if slots else 0,
        )


def why_stop(sums: Sums, now_us: int) -> str:
    """Why marks with these sums stop; "" if they don't."""
    if sums.writes < WRITES_MIN or now_us - sums.since_us < OLDEST_US or sums.premium_pico <= sums.saved_pico:
        return ""
    hours = max(1, round((now_us - sums.since_us) / ONE_HOUR_US))
    return (
        f"in {hours} h, {sums.writes} writes to the provider's cache cost ${_usd(sums.premium_pico)} more than input, "
        f"and {sums.reads} reads saved ${_usd(sums.saved_pico)}"
    )


def said_of(model: str, why: str) -> str:
    """The reason with its model, as `CacheRule.stopped` takes it: printable, and of bounded length."""
    name = "".join([letter for letter in model[:MODEL_CHARS_MAX] if letter.isprintable()])
    return f"{name}: {why}"


def _usd(pico: int) -> str:
    return f"{usd_from_pico(pico):.4f}"
