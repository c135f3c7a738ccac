"""What was asked before, by tenant and context: vectors in a matrix, beside them the answers, all within bounds.

In memory alone: nothing of it is written anywhere, and a worker that starts knows nothing. Not for several threads:
one thread owns a room.
"""

from collections import OrderedDict
from collections.abc import Collection
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from bursar.semantic.guards import why_not_one
from bursar.semantic.marks import Marks, marks_of
from bursar.semantic.minilm import Floats, MiniLM

T = TypeVar("T")

ROWS_MAX = 1_024
"""Of one partition; the oldest goes first."""
BYTES_MAX = 64 * 1024 * 1024
"""Of all partitions of a worker; the one that was used longest ago goes first."""
CANDIDATES_MAX = 8
"""How many of the nearest that are fresh are shown to the guards."""
MARKS_BYTES = 8 * 1024  # of a text's marks, about


class Near(NamedTuple, Generic[T]):
    """An earlier text that means the same, and what was kept for it."""

    similarity: float
    value: T


class Looked(NamedTuple, Generic[T]):
    """vector, marks: of the text, to keep it by; None: it can't be compared. near: None: nothing means the same."""

    vector: Floats | None
    marks: Marks | None
    near: Near[T] | None = None


class Item(NamedTuple, Generic[T]):
    """One row. size: of its value, in bytes."""

    marks: Marks
    value: T
    expires_us: int
    size: int


class Partition(Generic[T]):
    """One tenant's questions in one context: rows of a matrix that grows by doubling. dimensions: of each vector."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._matrix = np.zeros((4, dimensions), np.float32)
        self._items: list[Item[T]] = []
        self._next = 0  # the row that is written over when all are full
        self.bytes = self._matrix.nbytes

    def nearest(self, vector: Floats, marks: Marks, similarity_min: float, now_us: int) -> Near[T] | None:
        """The nearest row from `similarity_min` on that is fresh and that no guard refuses."""
        cosines = self._matrix[: len(self._items)] @ vector
        seen = 0
        for at in np.argsort(-cosines, kind="stable"):
            item, similarity = self._items[at], float(cosines[at])
            if similarity < similarity_min or seen == CANDIDATES_MAX:
                return None
            if item.expires_us <= now_us:
                continue  # else a question that is asked each day would stand behind its own old answers
            if not why_not_one(marks, item.marks):
                return Near(min(similarity, 1.0), item.value)
            seen += 1
        return None

    def keep(self, vector: Floats, item: Item[T]) -> None:
        """Another row, in the place of the oldest where ROWS_MAX are there."""
        at = len(self._items)
        if at < ROWS_MAX:
            if at == len(self._matrix):
                self.bytes += self._matrix.nbytes
                self._matrix = np.concatenate([self._matrix, np.zeros_like(self._matrix)])
            self._items.append(item)
        else:
            at = self._next
            self._next = (self._next + 1) % ROWS_MAX
            self.bytes -= self._items[at].size
            self._items[at] = item
        self._matrix[at] = vector
        self.bytes += item.size

    def __len__(self) -> int:
        return len(self._items)


class Room(Generic[T]):
    """All partitions of one worker. key: made of tenant and context; whoever has another one meets nothing of it.

    model: embeds texts that come without a vector; None: all have one.
    """

    def __init__(self, model: MiniLM | None = None, bytes_max: int = BYTES_MAX) -> None:
        self.model = model
        self._partitions: OrderedDict[bytes, Partition[T]] = OrderedDict()
        self._bytes_max = bytes_max
        self.bytes = 0

    def look(self, key: bytes, text: str, similarity_min: float, now_us: int, given: Floats | None = None) -> Looked[T]:
        """What is known of a text. given: its vector, of length 1; None: the model makes it, in some 10 ms."""
        vector = given
        if vector is None and self.model is not None:
            [vector] = self.model.embed([text])
        if vector is None:
            return Looked(None, None)
        marks = marks_of(text)
        partition = self._partitions.get(key)
        if partition is None or partition.dimensions != len(vector):
            return Looked(vector, marks)
        self._partitions.move_to_end(key)
        return Looked(vector, marks, partition.nearest(vector, marks, similarity_min, now_us))

    def keep(self, key: bytes, looked: Looked[T], value: T, size: int, expires_us: int) -> None:
        """Keep an answer for those who mean the same; larger than all that may be kept, it isn't."""
        if looked.vector is None or looked.marks is None or size > self._bytes_max:
            return
        partition = self._partitions.get(key)
        if partition is not None and partition.dimensions != len(looked.vector):  # the upstream's model is another now
            self.bytes -= self._partitions.pop(key).bytes
            partition = None
        if partition is None:
            partition = self._partitions[key] = Partition(len(looked.vector))
            self.bytes += partition.bytes
        self._partitions.move_to_end(key)
        before = partition.bytes
        partition.keep(looked.vector, Item(looked.marks, value, expires_us, size + MARKS_BYTES))
        self.bytes += partition.bytes - before
        while self.bytes > self._bytes_max and len(self._partitions) > 1:
            _, oldest = self._partitions.popitem(last=False)
            self.bytes -= oldest.bytes
        if self.bytes > self._bytes_max:  # one partition alone is too large
            self._partitions.clear()
            self.bytes = 0

    def keep_only(self, begins: Collection[bytes]) -> None:
        """Forget all partitions but those whose key begins with one of these, all of one length."""
        lengths = {len(begin) for begin in begins}
        for key in [key for key in self._partitions if all(key[:length] not in begins for length in lengths)]:
            self.bytes -= self._partitions.pop(key).bytes

    def __len__(self) -> int:
        return sum(map(len, self._partitions.values()))
