"""The answers that a worker has at hand: the last ones used, within a bound on their bytes."""

from collections import OrderedDict
from collections.abc import Collection

from bursar.cache.entry import Entry
from bursar.cache.key import SPACE_BYTES

ENTRY_OVERHEAD_BYTES = 600  # of the structs around a body


class Memory:
    """Least recently used goes first."""

    def __init__(self, bytes_max: int) -> None:
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._bytes_max = bytes_max
        self.bytes = 0

    def get(self, key: bytes) -> Entry | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep it; one larger than the bound isn't kept."""
        self.remove(key)
        size = _size(entry)
        if size > self._bytes_max:
            return
        self._entries[key] = entry
        self.bytes += size
        while self.bytes > self._bytes_max:
            _, oldest = self._entries.popitem(last=False)
            self.bytes -= _size(oldest)

    def remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= _size(entry)

    def keep_only(self, spaces: Collection[bytes]) -> None:
        """Forget what lies in no such space."""
        for key in [key for key in self._entries if key[:SPACE_BYTES] not in spaces]:
            self.remove(key)

    def __len__(self) -> int:
        return len(self._entries)


def _size(entry: Entry) -> int:
    return len(entry.body) + ENTRY_OVERHEAD_BYTES
