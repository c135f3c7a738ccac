"""Compiling the price book: catalogue and local prices into one file. The slow path, run when inputs changed."""

import hashlib
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from bursar.domain.errors import ConfigError
from bursar.prices.book import PriceBook
from bursar.prices.catalogue import litellm_catalogue
from bursar.prices.overrides import OverrideFile, read_overrides
from bursar.prices.rows import FORMAT_VERSION, Compiled, Fault
from bursar.prices.tiers import add_tiers


def inputs_digest(overrides: Path | None) -> str:
    """Names what a book would be compiled from: catalogue version, local prices, format. Cheap; no catalogue import."""
    try:
        catalogue = version("genai-prices")
    except PackageNotFoundError:
        catalogue = ""
    local = _read(overrides)
    mark = hashlib.sha256(f"{FORMAT_VERSION}\n{catalogue}\n{local is None}\n".encode())
    mark.update(local or b"")
    return mark.hexdigest()


def compile_book(destination: Path, overrides: Path | None, *, keep_if_faulty: bool = False) -> list[Fault]:
    """Write the book to `destination`, whole or not at all.

    overrides: the local price file; None or a path where no file is: no local prices.
    keep_if_faulty: a book that is there already stays as it is while the local price file has faults.
    Returns the faults of the local price file, each with its line; the rows they are about are not in the book, so
    until somebody mends them the catalogue's prices hold there. Notes on the catalogue are in `PriceBook.faults`.
    Raises ConfigError if a file can't be read or written.
    """
    compiled, faults = compile_rows(overrides)
    if faults and keep_if_faulty and destination.exists():
        return faults
    data = msgspec.msgpack.encode(compiled)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=destination.parent, prefix=destination.name, delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(destination)
    except OSError as error:
        raise ConfigError(f"can't write the price book {destination}: {error.strerror}", field="prices") from error
    return faults


def current_book(path: Path, overrides: Path | None) -> tuple[PriceBook, list[Fault]]:
    """The book as of the inputs now: the compiled file if it is of them, else compiled in memory; no file is written.

    Also the faults of the local price file. Raises ConfigError if it can't be read.
    """
    try:
        book = PriceBook.load(path)
    except ConfigError:  # none yet, or of another version
        book = None
    if book is None or book.inputs_digest != inputs_digest(overrides):
        book = PriceBook(compile_rows(overrides)[0])
    return book, [fault for fault in book.faults if fault.severity == "error"]


def compile_rows(overrides: Path | None) -> tuple[Compiled, list[Fault]]:
    """The book's rows, and the faults of the local price file."""
    from bursar.prices.genai import read_catalogue  # costs 0.2 s; `inputs_digest` must not pay it

    imported = read_catalogue()
    providers = add_tiers(imported.providers, litellm_catalogue())
    local = _read_overrides(overrides)
    compiled = Compiled(
        format_version=FORMAT_VERSION,
        inputs_digest=inputs_digest(overrides),
        catalogue=imported.catalogue,
        providers=providers,
        overrides=local.rows,
        accepted=local.accepted,
        faults=[*local.faults, *imported.faults],
    )
    return compiled, local.faults


def _read_overrides(path: Path | None) -> OverrideFile:
    data = _read(path)
    if data is None:
        return OverrideFile([], [], [])
    try:
        return read_overrides(data.decode())
    except UnicodeDecodeError as error:
        return OverrideFile([], [], [Fault("prices.toml", 0, f"not UTF-8: {error.reason} at byte {error.start}")])


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"can't read {path}: {error.strerror}", field="prices.overrides") from error
