"""What a worker tells the others of the loops it cut, and hears from them and from whoever lifts one.

Each look of the worker's watch (four a second) reads the files that changed and writes its own if it has news. A look
costs a `stat` for each file; counts need none of this, they are in shared memory (`loop_table.py`).
"""

import contextlib
from pathlib import Path

from bursar.gateway.loop_cuts import LIFTED_FILE, read_cuts, read_lifts, write_cuts
from bursar.gateway.loops import LoopBreaker

SLOTS_MAX = 256


class LoopWatch:
    """One worker's. `slot`: its number among the node's workers."""

    def __init__(self, breaker: LoopBreaker, directory: Path, slot: int, workers: int) -> None:
        self.breaker = breaker
        self.directory = directory
        self.own = directory / f"loops-{slot}.json"
        self._others = [directory / f"loops-{other}.json" for other in range(min(workers, SLOTS_MAX)) if other != slot]
        self._seen: dict[Path, tuple[int, int]] = {}

    def begin(self, now_us: int) -> None:
        """Take up the cuts that were in force when the worker ended."""
        self.breaker.lift(read_lifts(self.directory))
        for path in sorted(self.directory.glob("loops-[0-9]*.json")):  # of slots that are no more, too
            self.breaker.adopt(read_cuts(path), now_us, is_own=path == self.own)
        self.look(now_us)

    def look(self, now_us: int) -> None:
        """Hear and tell what is new. A disk that refuses stops nobody; it is tried again."""
        if self._has_changed(self.directory / LIFTED_FILE):
            self.breaker.lift(read_lifts(self.directory))
        for path in self._others:
            if self._has_changed(path):
                self.breaker.adopt(read_cuts(path), now_us)
        self.breaker.forget(now_us)
        if self.breaker.is_changed:
            with contextlib.suppress(OSError):
                write_cuts(self.own, self.breaker.cuts.values())
                self.breaker.is_changed = False

    def _has_changed(self, path: Path) -> bool:
        try:
            found = path.stat()
        except OSError:
            return False
        stamp = (found.st_mtime_ns, found.st_ino)
        if self._seen.get(path) == stamp:
            return False
        self._seen[path] = stamp
        return True
