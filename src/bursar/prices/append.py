"""One more price at the end of the operator's price file; what is there already stays byte for byte."""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

from bursar.domain.errors import BadPrice, ConfigError
from bursar.domain.money import plain
from bursar.domain.usage import Unit
from bursar.prices.overrides import read_overrides


def price_table(
    provider: str,
    model: str,
    prices: Mapping[Unit, Decimal],
    *,
    valid_from: date | None = None,
    note: str = "",
    approved: bool = False,
) -> str:
    """A `[[price]]` table. prices: USD per million. valid_from: UTC, None: always, so earlier calls too."""
    lines = ["[[price]]", f"provider = {_quoted(provider)}", f"model = {_quoted(model)}"]
    if valid_from is not None:
        lines.append(f"from = {valid_from.isoformat()}")
    lines += [f"{unit.value} = {plain(usd)}" for unit, usd in prices.items()]
    if note:
        lines.append(f"note = {_quoted(note)}")
    if approved:
        lines.append("approved = true")
    return "\n".join(lines) + "\n"


def appended(text: str, table: str) -> str:
    """The file's text with a table behind it. Raises BadPrice for one that it can't be read with."""
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    longer = f"{text}{gap}{table}"
    before, after = read_overrides(text), read_overrides(longer)
    new = [fault for fault in after.faults if fault not in before.faults]
    if len(after.rows) <= len(before.rows) or new:
        fault = (new or after.faults)[-1]
        hint = (
            " (end that price first, with a line `to = DATE`, and set this one --from DATE)"
            if _overlaps(fault.what)
            else ""
        )
        raise BadPrice(f"prices.toml would not be usable, so it is as it was: {fault.what}{hint}", field="price")
    return longer


def append_price(path: Path, table: str) -> None:
    """Put a table at the end of a price file, whole or not at all; a file that isn't there is made.

    Raises BadPrice as `appended` does, ConfigError if the file can't be read or written.
    """
    target = path.resolve()  # through a link: the file is replaced, not the link
    try:
        with _locked(target.parent):
            text = target.read_bytes().decode() if target.exists() else ""
            _replace(target, appended(text, table).encode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error.reason} at byte {error.start}", field="prices") from error
    except OSError as error:
        raise ConfigError(f"can't write {path}: {error.strerror}", field="prices") from error


def _replace(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Two commands at once don't lose each other's price."""
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _overlaps(fault: str) -> bool:
    return fault.startswith("overlaps")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML string
