"""Where an uploaded file lies until somebody has looked at it: in the data directory, for an hour, few at a time."""

import shutil
from pathlib import Path
from typing import IO

import msgspec

from bursar.domain.clock import Clock
from bursar.domain.errors import UnknownControl
from bursar.domain.ids import random_id

KEPT_US = 3600 * 1_000_000
KEPT_MAX = 16
PIECE = 1 << 20
NAME_MAX = 200


class Outcome(msgspec.Struct, frozen=True):
    """What came of bringing one in. said: for people; back: where it can be seen; faults: why nothing was kept."""

    is_kept: bool
    said: list[str]
    back: str = ""
    faults: list[tuple[int, str, str]] = []
    fault_count: int = 0


class Upload(msgspec.Struct, frozen=True):
    """One that lies there. target: which kind of file it is meant to be; size in bytes."""

    upload_id: str
    target: str
    name: str
    size: int
    at_us: int
    outcome: Outcome | None = None


class Shelf:
    """One console's, over a directory of its own."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def put(self, target: str, name: str, content: IO[bytes]) -> Upload:
        """Copy a file piece by piece; the oldest give way to it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clear()
        upload_id = random_id("up", 24)
        with self._file(upload_id).open("xb") as stream:
            shutil.copyfileobj(content, stream, PIECE)
        shown = "".join(letter for letter in Path(name).name if letter.isprintable())[:NAME_MAX]
        size = self._file(upload_id).stat().st_size
        one = Upload(upload_id, target, shown or "file", size, self._clock.now_us())
        self._write(one)
        return one

    def one(self, upload_id: str) -> Upload:
        """Raises UnknownControl for one that isn't there, or not any more."""
        known = upload_id.replace("_", "").isalnum() and upload_id.isascii()
        path = self._directory / f"{upload_id}.json"
        if not known or not path.is_file():
            raise UnknownControl(
                "this file isn't here any more: it is kept for an hour, or until others come. Nothing of it was "
                "brought in; upload it again",
                field="upload",
            )
        return msgspec.json.decode(path.read_bytes(), type=Upload)

    def content(self, one: Upload, most: int = -1) -> bytes:
        """What it has, or its beginning."""
        with self._file(one.upload_id).open("rb") as stream:
            return stream.read(most)

    def tell(self, one: Upload, outcome: Outcome) -> None:
        """Write down what came of it; of one that was kept the file itself isn't needed any more."""
        self._write(msgspec.structs.replace(one, outcome=outcome))
        if outcome.is_kept:
            self._file(one.upload_id).unlink(missing_ok=True)

    def drop(self, upload_id: str) -> None:
        self._file(upload_id).unlink(missing_ok=True)
        (self._directory / f"{upload_id}.json").unlink(missing_ok=True)

    def _clear(self) -> None:
        lying = sorted(self._directory.iterdir(), key=lambda path: path.stat().st_mtime)
        whole = [path.stem for path in lying if path.suffix == ".json"]
        for stem in whole[: max(len(whole) - KEPT_MAX + 1, 0)]:
            self.drop(stem)
        now_us = self._clock.now_us()
        for stem in whole:
            path = self._directory / f"{stem}.json"
            if path.is_file() and msgspec.json.decode(path.read_bytes(), type=Upload).at_us < now_us - KEPT_US:
                self.drop(stem)
        for path in lying:
            if path.suffix == ".part" and path.stem not in whole:
                path.unlink(missing_ok=True)  # an upload that broke off

    def _file(self, upload_id: str) -> Path:
        return self._directory / f"{upload_id}.part"

    def _write(self, one: Upload) -> None:
        (self._directory / f"{one.upload_id}.json").write_bytes(msgspec.json.encode(one))
