"""The minute clock's state: arrays whose first axis is the series, under 2 KB for each."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.domain.watching import SeriesKey
from bursar.watch.baseline import DAY_SLOTS, WEEK_SLOTS
from bursar.watch.rates import CHANNELS
from bursar.watch.tails import Floats, Tail

SPANS = (1, 5, 30, 120)
"""Minutes over which deviations are summed, the past fading: a burst shows in the first, a quarter more in the last."""

G = len(CHANNELS)
SUMS = 3  # amount, expected, variance
VERSION = 3

Column = tuple[tuple[int, ...], type[Any], float]

COLUMNS: dict[str, Column] = {
    "born": ((), np.int32, 0),  # the minute it was first seen
    "last_call": ((), np.int32, 0),
    "spent": ((), np.float32, 0),  # USD since it was born, until it is a day old
    "by_minute": ((), np.float32, 0),  # USD a minute, of the last week
    "gap": ((), np.float32, 0),  # calls expected since the last one
    "gap_mean": ((), np.float32, 0),
    "gap_square": ((), np.float32, 0),
    "gap_longest": ((), np.float32, 0),
    "gaps": ((), np.float32, 0),
    "amount": ((G,), np.float32, 0),  # sums that fade over two days; their ratio is the level
    "units": ((G,), np.float32, 0),
    "slot_amount": ((G,), np.float32, 0),
    "slot_units": ((G,), np.float32, 0),
    "seen": ((G,), np.uint16, 0),  # minutes with something to look at, up to MEMORY_MINUTES and more
    "square": ((G,), np.float32, 0),  # mean of squared residuals beyond single calls, and of what they are relative to
    "base": ((G,), np.float32, 0),
    "jump": ((2,), np.float16, 0),  # of volumes: the largest rise of some days, as log of times expected
    "most": ((2,), np.float16, -12),  # log of the largest amount of five minutes or so, of some days
    "rise": ((2,), np.float16, 0),  # the same as jump, of the rise that goes on
    "steady": ((), np.float32, 0),  # of the minutes in which calls were to be expected: the share that had some about
    "quiet_most": ((), np.float32, 0),  # minutes: the longest that it had no call though some were to be expected
    "rest": ((), np.uint16, 0),  # minutes without a call so far, of those in which some were to be expected
    "cost_up": ((), np.uint8, 0),  # minutes for which cost has been out of the ordinary
    "woke": ((), np.int32, 0),  # the minute its last unexpected rest ended
    "sums": ((G, len(SPANS) - 1, SUMS), np.float32, 0),
    "inflation": ((G, len(SPANS)), np.float32, 1),
    "began": ((G + 1,), np.int32, 0),  # of the rise or the episode that goes on
    "opened": ((G + 1,), np.int32, 0),  # 0: no episode
    "calm": ((G + 1,), np.uint8, 0),
    "volume_profile": ((WEEK_SLOTS,), np.float16, float("nan")),
    "rate_profile": ((G - 2, DAY_SLOTS), np.float16, float("nan")),
}
TAIL_START = Tail.fresh(())


class _Saved(msgspec.Struct):
    version: int
    minute: int
    slot: int
    keys: list[SeriesKey]
    arrivals: dict[str, tuple[int, int, float]]
    columns: dict[str, bytes]


class StreamState:
    """Columns by name, with room for more series than there are; `keys` gives each its row."""

    def __init__(self) -> None:
        self.keys: dict[SeriesKey, int] = {}
        self.minute = 0  # the last one observed
        self.slot = -1  # of the week, that the slot's sums are about
        self.arrivals: dict[str, tuple[int, int, float]] = {}  # dimension: first minute, last arrival, arrivals fading
        self._columns: dict[str, Floats] = {
            name: np.full((0, *shape), start, kind) for name, (shape, kind, start) in COLUMNS.items()
        }
        for name in Tail.__struct_fields__:
            start = float(getattr(TAIL_START, name))
            kind = np.float16 if name == "excesses" else np.float32  # small whole numbers
            self._columns[f"tail_{name}"] = np.full((0, G), start, kind)
        self._starts = {name: COLUMNS[name][2] for name in COLUMNS} | {
            f"tail_{name}": float(getattr(TAIL_START, name)) for name in Tail.__struct_fields__
        }

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, name: str) -> Floats:
        """A column's rows in use: a view, to be changed in place."""
        return self._columns[name][: len(self.keys)]

    def tail(self) -> Tail:
        return Tail(*(self[f"tail_{name}"] for name in Tail.__struct_fields__))

    def add(self, key: SeriesKey) -> int:
        row = len(self.keys)
        if row == len(self._columns["born"]):
            self._resize(row + max(64, row // 32))
        self.keys[key] = row
        return row

    def _resize(self, rows: int) -> None:
        for name, column in self._columns.items():
            grown = np.full((rows, *column.shape[1:]), self._starts[name], column.dtype)
            grown[: len(column)] = column
            self._columns[name] = grown

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Forget the series that aren't kept, (series,)."""
        names = [key for key, row in self.keys.items() if kept[row]]
        self._columns = {name: column[: len(self.keys)][kept] for name, column in self._columns.items()}
        self.keys = {key: row for row, key in enumerate(names)}

    def move(self, minute: int) -> None:
        """Take `minute` for the last one observed, and what is known as if it had been learned up to then."""
        moved = minute - self.minute
        for name in ("born", "last_call"):
            self[name][...] += moved
        for name in ("began", "opened", "woke"):
            self[name][self[name] > 0] += moved
        self.arrivals = {
            name: (first + moved, last + moved, count) for name, (first, last, count) in self.arrivals.items()
        }
        self.minute, self.slot = minute, -1

    @property
    def bytes_a_series(self) -> float:
        """Of the arrays, without the room kept for growth."""
        return sum(column.itemsize * float(np.prod(column.shape[1:])) for column in self._columns.values())

    def to_bytes(self) -> bytes:
        columns = {name: self[name].tobytes() for name in self._columns}
        return msgspec.msgpack.encode(_Saved(VERSION, self.minute, self.slot, list(self.keys), self.arrivals, columns))

    @classmethod
    def from_bytes(cls, data: bytes) -> "StreamState":
        """Raises ValueError if these aren't the bytes of a state of this version: the caller starts afresh."""
        try:
            saved = msgspec.msgpack.decode(data, type=_Saved)
        except msgspec.DecodeError as error:
            raise ValueError("not a saved state of the watch") from error
        state = cls()
        if saved.version != VERSION or saved.columns.keys() != state._columns.keys():
            raise ValueError(f"a state of version {saved.version}, not {VERSION}")
        state.minute, state.slot, state.arrivals = saved.minute, saved.slot, saved.arrivals
        state.keys = {key: row for row, key in enumerate(saved.keys)}
        for name, column in state._columns.items():
            shape = (len(saved.keys), *column.shape[1:])
            state._columns[name] = np.frombuffer(saved.columns[name], column.dtype).reshape(shape).copy()
        return state
