"""The weights of quality gates that this worker's routes name, read when a route names them and when they change."""

from collections.abc import Iterable
from pathlib import Path

import structlog

from bursar.domain.errors import BadGate
from bursar.domain.routes import RouteRule
from bursar.quality.weights import Weights, read_weights

log = structlog.get_logger("bursar.gateway")


class Gates:
    """Weights by name; a file that is missing or broken is told once, and its gate then passes nothing."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._named: dict[str, Weights | None] = {}
        self._stamps: dict[str, tuple[int, int]] = {}

    def use(self, rules: Iterable[RouteRule]) -> None:
        """Have the weights that these routes name, and no others."""
        wanted = {rule.quality_gate.weights for rule in rules if rule.quality_gate is not None}
        for name in self._named.keys() - wanted:
            del self._named[name], self._stamps[name]
        for name in wanted - self._named.keys():
            self._read(name)

    def look(self) -> None:
        """Read again what was trained anew. Costs a stat for each name."""
        for name, stamp in list(self._stamps.items()):
            if stamp != self._stamp(name):
                self._read(name)

    def get(self, name: str) -> Weights | None:
        """The weights of that name; None: they can't be read."""
        return self._named.get(name)

    def _read(self, name: str) -> None:
        self._stamps[name] = self._stamp(name)
        try:
            self._named[name] = read_weights(self._path(name))
        except BadGate as error:
            self._named[name] = None
            log.error("a quality gate has no weights; all its calls go to the dear model", gate=name, error=str(error))

    def _path(self, name: str) -> Path:
        return (self._directory or Path()) / f"{name}.json"

    def _stamp(self, name: str) -> tuple[int, int]:
        try:
            found = self._path(name).stat()
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)
