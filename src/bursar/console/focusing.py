"""FOCUS files for the console: made beside the ledger, handed out, and removed again."""

import re
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from bursar.console.context import ConsoleContext
from bursar.domain.errors import BadRequest
from bursar.domain.periods import Period, parse_period
from bursar.finance.books.monthly import until_of
from bursar.finance.focus.closed import booked_in
from bursar.finance.focus.export import FORMATS, Exported, FileFormat, export, export_unpriced
from bursar.finance.focus.statements import BY_RECEIPT, Booked

DEFAULT_PERIOD = "last-month"
LEFT_OVER_S = 3_600.0  # a file that nobody fetched for an hour: its console died
MEDIA = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}

_one_at_a_time = threading.Lock()  # an export takes both the disk and the engine's memory


def focus_period(context: ConsoleContext, name: str, timezone: str) -> Period:
    """The period of a file: months of UTC unless a zone is named, as FOCUS's billing periods are. Raises BadPeriod."""
    period = parse_period(name or DEFAULT_PERIOD, context.now(), timezone or "UTC")
    if period.name != "all":
        return period
    first = context.explorer.first_call_at()
    return Period(first or period.start, period.end, "all")


def focus_format(name: str) -> FileFormat:
    """Raises BadRequest for a format that isn't one."""
    for known in FORMATS:
        if name in (known, "") and (name or known == "csv"):
            return known
    raise BadRequest(f"format is {name[:40]!r}; it is {' or '.join(FORMATS)}", field="format")


def how_booked(context: ConsoleContext, period: Period, *, as_booked: bool) -> Booked:
    """Which charges a file has: those of the period's calls, or what the books have in a month. Raises BadRequest for
    a period that is no month, Unavailable in a console without books."""
    if not as_booked:
        return BY_RECEIPT
    if re.fullmatch(r"\d{4}-\d{2}", period.name) is None or period.timezone != "UTC":
        raise BadRequest("what is booked is told by months of UTC; ask for one, as 2026-11", field="booked")
    return booked_in(until_of(context.finance().close.closings()))


def make_file(
    context: ConsoleContext, period: Period, form: FileFormat, splits: Sequence[str], booked: Booked = BY_RECEIPT
) -> tuple[Path, Exported]:
    """Write an export; whoever gets it removes it. Raises BadQuery, OSError."""
    with _one_at_a_time:
        file, names = _place(context, form), _key_names(context)
        contracts = [] if context.open_store is None else context.finance().contracts.all()
        done = export(
            context.ledger, period, file, form=form, splits=splits, key_names=names, booked=booked, contracts=contracts
        )
    return file, done


def make_unpriced(context: ConsoleContext, period: Period, splits: Sequence[str], booked: Booked = BY_RECEIPT) -> Path:
    """Write the list of charges without a price; whoever gets it removes it. Raises BadQuery, OSError."""
    with _one_at_a_time:
        file = _place(context, "csv")
        export_unpriced(context.ledger, period, file, splits=splits, booked=booked)
    return file


def incoming(context: ConsoleContext) -> Path:
    """Where a file that is sent here is put until it is read."""
    return _place(context, "in")


def file_name(period: Period, what: str, ending: str) -> str:
    """`focus-2026-11.csv`."""
    named = re.sub(r"[^0-9A-Za-z-]+", "-", period.name or period.start.astimezone(UTC).date().isoformat())
    return f"{what}-{named}.{ending}"


def months_with_calls(context: ConsoleContext, most: int) -> list[str]:
    """Months that can be exported, the newest first: `2026-11`."""
    first = context.explorer.first_call_at()
    if first is None:
        return []
    now = context.now().astimezone(UTC)
    found: list[str] = []
    year, month = now.year, now.month
    while (year, month) >= (first.year, first.month) and len(found) < most:
        found.append(f"{year}-{month:02d}")
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return found


def month_period(context: ConsoleContext, name: str) -> Period:
    """A month of UTC."""
    return parse_period(name, context.now(), "UTC")


def _place(context: ConsoleContext, ending: str) -> Path:
    directory = context.spool_dir.parent / "exports"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in directory.glob("focus-*"):
        if old.is_file() and time.time() - old.stat().st_mtime > LEFT_OVER_S:
            old.unlink(missing_ok=True)
    return directory / f"focus-{uuid.uuid4().hex}.{ending}"


def _key_names(context: ConsoleContext) -> dict[str, str]:
    return {} if context.open_controls is None else context.controls().key_names()
