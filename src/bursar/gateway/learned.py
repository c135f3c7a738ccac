"""What a worker has learned of tokens per byte, kept over restarts: `run/learned-N.json`, one file per worker.

Each worker replaces its own every few seconds and at its stop. At a start all files of the node are merged, ceiling by
ceiling the higher one, so that a ceiling is only ever too high. Later a worker takes over from the others the models
that it doesn't know itself: of one that it knows, an idle worker's old ceiling would never come down again. A file that
is torn or was changed is left out with a line in the log: what it held is learned anew.
"""

import contextlib
import os
import zlib
from pathlib import Path

import msgspec
import structlog

from bursar.budgets.bounds import Learned, TokenCeilings

WRITE_INTERVAL_US = 5_000_000
MODELS_KEPT_MAX = 256  # those with most answers; some 0.7 KB each
FILE_BYTES_MAX = 1024 * 1024

log = structlog.get_logger("bursar.gateway")

_FILE = msgspec.json.Decoder(dict[str, Learned])


class LearnedFile:
    """One worker's. `slot`: its number among the node's workers."""

    def __init__(self, ceilings: TokenCeilings, directory: Path, slot: int) -> None:
        self._ceilings = ceilings
        self._directory = directory
        self._own = directory / f"learned-{slot}.json"
        self._written_us = 0
        self._written_reports = 0
        self._heard_us = 0
        self._heard: dict[Path, int] = {}  # when the others' files were changed, as they were read last

    def begin(self) -> None:
        """Take over what all workers of this node knew when they wrote last."""
        for path in sorted(self._directory.glob("learned-[0-9]*.json")):  # of slots that are no more, too
            left_out = self._ceilings.take(read_learned(path))
            if left_out:
                log.warning("what was learned of some models is no good and left out", file=str(path), models=left_out)
        self._written_reports = self._ceilings.reports

    def look(self, now_us: int, *, is_last: bool = False) -> None:
        """Hear the others, and write if there is news and it is time. A disk that refuses stops nobody; it is tried
        again."""
        self._ceilings.age(now_us)
        if now_us - self._heard_us >= WRITE_INTERVAL_US:
            self._heard_us = now_us
            self._hear()
        reports = self._ceilings.reports
        if reports == self._written_reports or (now_us - self._written_us < WRITE_INTERVAL_US and not is_last):
            return
        self._written_us = now_us
        with contextlib.suppress(OSError):
            write_learned(self._own, self._ceilings)
            self._written_reports = reports

    def _hear(self) -> None:
        for path in self._directory.glob("learned-[0-9]*.json"):
            with contextlib.suppress(OSError):
                changed = path.stat().st_mtime_ns
                if path != self._own and self._heard.get(path) != changed:
                    self._heard[path] = changed
                    known = self._ceilings.known()
                    self._ceilings.take({model: one for model, one in read_learned(path).items() if model not in known})


def write_learned(path: Path, ceilings: TokenCeilings) -> None:
    """Replace a file in one step. Raises OSError."""
    known = sorted(ceilings.known().items(), key=lambda one: -sum(one[1].output))[:MODELS_KEPT_MAX]
    content = msgspec.json.encode(dict(known))
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_bytes(b"%08x\n%b" % (zlib.crc32(content), content))
    temporary.replace(path)


def read_learned(path: Path) -> dict[str, Learned]:
    """What a worker had learned; nothing where its file isn't there or isn't as it was written."""
    try:
        with path.open("rb") as file:
            checksum, _, content = file.read(FILE_BYTES_MAX).partition(b"\n")
        if checksum != b"%08x" % zlib.crc32(content):
            raise msgspec.DecodeError("its checksum is another")
        return _FILE.decode(content)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        log.warning("what was learned can't be read; it is learned anew", file=str(path), error=str(error))
        return {}
