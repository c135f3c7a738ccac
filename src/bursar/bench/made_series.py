"""Made-up series of values with planted changes, to judge a setting on before it meets a benchmark's labels."""

import numpy as np

from bursar.bench.nab import Labelled
from bursar.watch.tails import Floats

STEP_S = 300.0
DAY_ROWS = 288
DAYS = 14
WINDOW_SHARE = 0.10  # of a series' rows, shared by its windows, as in the benchmark


def made_corpus(count: int, seed: int) -> list[Labelled]:
    """Series of five minutes over two weeks: of several shapes and noises; two changes in each."""
    return [_series(np.random.default_rng([seed, number]), number) for number in range(count)]


def _series(rng: np.random.Generator, number: int) -> Labelled:
    rows = DAYS * DAY_ROWS
    base = _background(rng, rows)
    size = float(np.mean(np.abs(np.diff(base)))) + 0.3 * float(np.std(base))
    half = int(WINDOW_SHARE * rows / 4)
    first = int(rng.integers(int(0.2 * rows), int(0.5 * rows)))
    second = int(rng.integers(int(0.6 * rows), int(0.95 * rows)))
    windows = []
    for start in (first, second):
        length = _plant(rng, base, start, size)
        middle = start + min(length, half) // 2
        windows.append((max(0, middle - half), min(rows - 1, middle + half)))
    start_s = 1_400_000_000.0
    return Labelled(f"made-{number}", start_s + STEP_S * np.arange(rows), base, tuple(windows))


def _background(rng: np.random.Generator, rows: int) -> Floats:
    hour = np.arange(rows) / 12.0
    season = rng.choice([0.0, 0.3, 1.0]) * np.sin(2 * np.pi * (hour - rng.uniform(0, 24)) / 24.0)
    weekend = np.where((hour // 24) % 7 >= 5, rng.choice([1.0, 0.7]), 1.0)
    kind = rng.integers(0, 4)
    noise = rng.standard_normal(rows)
    if kind == 1:  # wanders
        for row in range(1, rows):
            noise[row] += rng.choice([0.7, 0.95]) * noise[row - 1]
        noise /= max(1.0, float(np.std(noise)))
    elif kind == 2:  # bursts
        noise = np.abs(rng.standard_t(3, rows))
    elif kind == 3:  # counts
        return np.asarray(rng.poisson(10.0 * (1.2 + season) * weekend), float)
    return np.asarray((2.0 + season) * weekend + rng.choice([0.05, 0.2, 0.5]) * noise)


def _plant(rng: np.random.Generator, values: Floats, start: int, size: float) -> int:
    """Changes the values from `start` on, in a way drawn at random; how many rows it lasts."""
    kind = rng.integers(0, 6)
    amount = size * rng.uniform(2.0, 6.0) * rng.choice([-1.0, 1.0])
    length = int(rng.integers(1, 6)) if kind == 0 else int(rng.integers(24, 288))
    part = slice(start, min(start + length, len(values)))
    rows = part.stop - part.start
    if kind <= 1:  # a spike, a plateau
        values[part] += amount
    elif kind == 2:  # a shift that stays
        values[start:] += amount
        length = DAY_ROWS
    elif kind == 3:  # a creep, and back
        values[part] += amount * np.linspace(0.0, 1.5, rows)
    elif kind == 4:  # dead
        values[part] = values[start]
    else:  # wild
        values[part] += size * rng.uniform(2.0, 4.0) * rng.standard_normal(rows)
    return length
