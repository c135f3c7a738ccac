"""The Numenta Anomaly Benchmark: half of its series, and its scorer written anew from the description of its rules.

Source: numenta/NAB at ea702d75cc2258d9d7dd35ca8e5e2539d71f3140 (MIT); `data/SOURCES.md`.
"""

import csv
import io
import json
import lzma
import math
import tarfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files

import msgspec
import numpy as np

from bursar.bench.figure import Figure, Options
from bursar.watch.tails import Floats
from bursar.watch.values import DAY_S, ODD_ROWS, ValueWatch, alarms

ARCHIVE = "nab-half.tar.xz"
PROBATION_SHARE, PROBATION_ROWS = 0.15, 750


STANDARD_MIN = 60.0
RATE_ROWS = 200
"""How many rows at the start say how far apart a series' rows are; all are within probation."""


class Profile(msgspec.Struct, frozen=True):
    """What a hit is worth, and what a false alarm and a miss cost."""

    name: str
    hit: float
    false_alarm: float
    miss: float


class Labelled(msgspec.Struct, frozen=True):
    """A series and the windows around its anomalies, as row numbers, both ends within. times: seconds."""

    name: str
    times: Floats
    values: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        return min(int(PROBATION_SHARE * len(self.values)), PROBATION_ROWS)


def sigmoid(y: float) -> float:
    """1 far before the end of a window, 0 at its end, -1 well after it."""
    return -1.0 if y > 3.0 else 2.0 / (1.0 + math.exp(5.0 * y)) - 1.0


def raw_score(series: Labelled, detections: Sequence[int], profile: Profile) -> float:
    """What these rows, called anomalies, earn on one series. Rows in probation aren't looked at."""
    earned: dict[int, float] = {}
    cost = 0.0
    for row in sorted(detections):
        if row < series.probation:
            continue
        inside = next((n for n, (left, right) in enumerate(series.windows) if left <= row <= right), None)
        if inside is not None:
            left, right = series.windows[inside]
            worth = profile.hit * sigmoid(-(right - row + 1) / (right - left + 1)) / sigmoid(-1.0)
            earned[inside] = max(worth, earned.get(inside, -math.inf))
            continue
        before = [(left, right) for left, right in series.windows if right < row]
        penalty = 1.0
        if before:
            left, right = before[-1]
            penalty = abs(sigmoid((row - right) / (right - left)))
        cost += profile.false_alarm * penalty
    missed = len(series.windows) - len(earned)
    return sum(earned.values()) - cost - profile.miss * missed


def normalised(corpus: Sequence[Labelled], detections: Mapping[str, Sequence[int]], profile: Profile) -> float:
    """0: nothing was ever called an anomaly; 100: each window at its first row and nothing else."""
    windows = sum(len(series.windows) for series in corpus)
    raw = sum(raw_score(series, detections[series.name], profile) for series in corpus)
    null, perfect = -profile.miss * windows, profile.hit * windows
    return 100.0 * (raw - null) / (perfect - null)


def load_corpus() -> tuple[list[Labelled], list[Profile]]:
    """The series by name, and the three profiles."""
    packed = (files("bursar.bench") / "data" / ARCHIVE).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(packed))) as archive:
        texts = {
            member.name: handle.read().decode()
            for member in archive.getmembers()
            if member.isfile() and (handle := archive.extractfile(member)) is not None
        }
    windows = json.loads(texts["labels/combined_windows.json"])
    corpus = [
        _labelled(name, texts[f"data/{name}"], windows[name]) for name in sorted(windows) if f"data/{name}" in texts
    ]
    profiles = [
        Profile(name, found["CostMatrix"]["tpWeight"], found["CostMatrix"]["fpWeight"], found["CostMatrix"]["fnWeight"])
        for name, found in json.loads(texts["config/profiles.json"]).items()
    ]
    return corpus, profiles


def _labelled(name: str, text: str, windows: Sequence[tuple[str, str]]) -> Labelled:
    rows = list(csv.reader(io.StringIO(text)))[1:]
    times = np.array([_seconds(row[0]) for row in rows])
    values = np.array([float(row[1]) for row in rows])
    spans = []
    for start, end in windows:
        inside = np.flatnonzero((times >= _seconds(start)) & (times <= _seconds(end)))
        spans.append((int(inside[0]), int(inside[-1])))
    return Labelled(name, times, values, tuple(spans))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def surprises_of(corpus: Sequence[Labelled]) -> dict[str, Floats]:
    """Each row's surprise, all series side by side, each row seen once and in order. One setting for all."""
    rows = max(len(series.values) for series in corpus)
    values = np.full((len(corpus), rows), np.nan)
    times = np.zeros((len(corpus), rows))
    apart = []
    for number, series in enumerate(corpus):
        values[number, : len(series.values)] = series.values
        times[number, : len(series.times)] = series.times
        apart.append(max(60.0, float(np.median(np.diff(series.times[:RATE_ROWS])))))
    watch = ValueWatch(DAY_S / np.array(apart))
    seen = ~np.isnan(values)
    values = np.nan_to_num(values)
    found = np.stack([watch.step(values[:, row], times[:, row], seen[:, row]) for row in range(rows)], axis=1)
    return {series.name: found[number, : len(series.values)] for number, series in enumerate(corpus)}


def measure(options: Options) -> list[Figure]:
    """The three profiles at the one threshold; what a threshold chosen on the labels would give; false alarms."""
    corpus, profiles = load_corpus()
    began = time.perf_counter()
    surprises = surprises_of(corpus)
    took = time.perf_counter() - began
    called = {name: alarms(found).tolist() for name, found in surprises.items()}
    rows = sum(len(series.values) for series in corpus)
    figures = [
        Figure(
            f"NAB, {profile.name}", normalised(corpus, called, profile), "points",
            STANDARD_MIN if profile.name == "standard" else None, "at least",
            note=f"{len(corpus)} series; threshold: one row in {ODD_ROWS:,.0f}, not chosen on them",
        )
        for profile in profiles
    ]  # fmt: skip
    best = max((_at(corpus, surprises, threshold, profiles[0]), threshold) for threshold in np.arange(2.0, 6.05, 0.1))
    false = sum(not any(a <= row <= b for a, b in s.windows) for s in corpus for row in called[s.name])
    figures += [
        Figure(
            "NAB, standard, best threshold", best[0], "points", note=f"picked on the labels: {best[1]:.1f}; no target"
        ),
        Figure("NAB, alarms outside windows", false, "", note=f"of {sum(map(len, called.values()))}, in {rows:,} rows"),
        Figure("NAB, windows found", _windows_found(corpus, called), "%"),
        Figure("time for a row", 1e6 * took / rows, "µs", note=f"{took:.1f} s in all, {len(corpus)} series at a time"),
    ]
    return figures


def _at(corpus: Sequence[Labelled], surprises: Mapping[str, Floats], threshold: float, profile: Profile) -> float:
    return normalised(corpus, {name: alarms(found, threshold).tolist() for name, found in surprises.items()}, profile)


def _windows_found(corpus: Sequence[Labelled], called: Mapping[str, Sequence[int]]) -> float:
    hit = [any(a <= row <= b and row >= s.probation for row in called[s.name]) for s in corpus for a, b in s.windows]
    return 100.0 * sum(hit) / len(hit)
