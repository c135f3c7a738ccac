"""One measured figure: what it is, what it should be, and whether it is."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec


class Options(msgspec.Struct, frozen=True):
    """How much to measure. `scale`: 1.0 is what the promises are about; less is quicker and only for a first look."""

    scale: float = 1.0
    rounds: int = 5


class Figure(msgspec.Struct, frozen=True):
    """A figure with its target.

    value:  in `unit`; ratio: against the baseline measured in the same run, None where there is none.
    sense:  whether the judged number must be at most or at least `bound`; the ratio is judged where there is one.
    """

    name: str
    value: float
    unit: str
    bound: float | None = None  # None: for information
    sense: Literal["at most", "at least"] = "at most"
    ratio: float | None = None
    baseline: str = ""  # what the ratio is to: "nginx 21.3"
    note: str = ""

    @property
    def judged(self) -> float:
        return self.value if self.ratio is None else self.ratio

    @property
    def ok(self) -> bool:
        if self.bound is None:
            return True
        return self.judged <= self.bound if self.sense == "at most" else self.judged >= self.bound

    @property
    def target(self) -> str:
        """`≤ 4.5 ×` for a ratio, `≤ 90 MB` for a value, nothing for information."""
        if self.bound is None:
            return ""
        sign = "≤" if self.sense == "at most" else "≥"
        return f"{sign} {self.bound:,g} {'×' if self.ratio is not None else self.unit}".rstrip()

    def as_row(self) -> dict[str, object]:
        """What `--json` prints: name, value, unit, ratio, baseline, target, ok, note."""
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "baseline": self.baseline,
            "target": self.target,
            "ok": self.ok,
            "note": self.note,
        }


def against(
    name: str, unit: str, ours: Sequence[float], theirs: Sequence[float], bound: float, *, of: str = "nginx"
) -> Figure:
    """A figure whose target is a ratio: medians of interleaved rounds, ours to theirs."""
    value, base = median(ours), median(theirs)
    ratio = value / base if base > 0 else float("inf")
    spread = f"{min(ours):,.4g}–{max(ours):,.4g}"
    return Figure(name, value, unit, bound, "at most", ratio, f"{of} {base:,.4g}", f"{len(ours)} rounds, {spread}")


def median(samples: Sequence[float]) -> float:
    """The middle sample; the mean of the two middle ones of an even number."""
    ordered = sorted(samples)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def timed(name: str, ask: Callable[[], Any], bound: float | None, rounds: int, of: str) -> Figure:
    """The median time of a question that was asked once before, with its CPU time. of: what it was asked of."""
    ask()
    samples, cpu = [], time.process_time()
    for _ in range(rounds):
        started = time.perf_counter()
        ask()
        samples.append(time.perf_counter() - started)
    cpu = (time.process_time() - cpu) / rounds
    note = f"{of}, {cpu:.2f} s of CPU, {min(samples):.2f}–{max(samples):.2f}"
    return Figure(name, median(samples), "s", bound, note=note)
