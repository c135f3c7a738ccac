"""How an answer looks: a table for people, JSON or CSV for machines.

A table has aligned money and share bars; colour only on a terminal. JSON and CSV carry every digit, as text, so that no
reader's float can touch them.
"""

import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.domain import display
from bursar.domain.errors import BursarError
from bursar.domain.money import plain

BAR_CELLS = 12
GROW_MIN = 10  # columns: as much of a name as is needed to know it
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Column(NamedTuple):
    """One column of a table. `show`: a cell's value as text; `right`: figures stand at their last digit."""

    key: str
    title: str
    show: Callable[[Any], str | Text] = str
    right: bool = False
    style: str = ""
    grow: bool = False  # takes what room is left, and is cut when there is none; the others are never cut
    from_width: int = 0  # left out on a terminal narrower than this


def money_column(key: str, title: str, currency: str = "USD", *, unknown: str = "") -> Column:
    """Exact amounts as people read them; unknown says `unpriced`, or what is given for it; zero is a dash."""

    def show(value: Any) -> Text:
        amount = None if value is None else Decimal(str(value))
        if amount is None and unknown:
            return Text(unknown, style="yellow")
        shown = display.money(amount, currency)
        return Text(str(shown), style="yellow" if amount is None else "")

    return Column(key, title, show, right=True)


def count_column(key: str, title: str, *, from_width: int = 0) -> Column:
    """Whole numbers, grouped; zero is a dash."""

    def show(value: Any) -> str:
        return display.count(None if value is None else int(value))

    return Column(key, title, show, right=True, from_width=from_width)


def text_column(key: str, title: str, *, grow: bool = False, style: str = "", from_width: int = 0) -> Column:
    """Words; what wasn't said is `(none)`."""

    def show(value: Any) -> Text:
        return Text("(none)", style="dim") if value in ("", None) else Text(str(value), overflow="ellipsis")

    return Column(key, title, show, grow=grow, style=style, from_width=from_width)


def share_bar(share: float) -> str:
    """A bar of BAR_CELLS cells, an eighth of a cell exact: `█████▍      `. Something that is there is never empty."""
    eighths = round(max(0.0, min(share, 1.0)) * BAR_CELLS * 8)
    eighths = max(eighths, 1) if share > 0 else 0
    whole, part = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[part] if part else "")).ljust(BAR_CELLS)


def share_column(key: str, title: str, total: Decimal, largest: Decimal) -> Column:
    """A bar, full for the largest, and a percentage of `total`."""

    def show(value: Any) -> Text:
        if value is None or total <= 0:
            return Text("")
        part = Decimal(str(value))
        bar = Text(share_bar(float(part / largest) if largest else 0.0), style="cyan")
        return bar.append(f" {display.percent(part, total):>7}", style="default")

    return Column(key, title, show)


def print_table(
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str = "",
    totals: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """A table on stdout. `totals`: a last row, ruled off. `notes`: what a reader must know, under it."""
    console = out()
    shown = [column for column in columns if column.from_width <= console.width]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    cells = [[_cell(column, row) for column in shown] for row in rows]
    last = [_cell(column, totals) if totals and column.key in totals else Text("") for column in shown]
    for column, width in zip(shown, _widths(shown, [*cells, last], console.width), strict=True):
        justify: Literal["left", "right"] = "right" if column.right else "left"
        head = Text(column.title, overflow="ellipsis")
        table.add_column(head, justify=justify, no_wrap=True, overflow="ellipsis", style=column.style, width=width)
    for row in cells:
        table.add_row(*row)
    if totals is not None:
        table.add_section()
        table.add_row(*last, style="bold")
    if title:
        console.print(Text(title, style="bold"))
    console.print(table)
    for note in notes:
        console.print(Text(note, style="dim"))


def print_json(value: Any) -> None:
    """Any answer, two spaces deep; money is text with every digit, never in scientific notation."""
    encoded = msgspec.json.encode(_jsonable(value), enc_hook=str)
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def print_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """RFC 4180, with a header. A text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row])
    sys.stdout.write(buffer.getvalue())


def out_bytes(body: bytes) -> None:
    """An answer that is already in the format that was asked for; JSON is indented."""
    if body[:1] in b"{[":
        body = msgspec.json.format(body, indent=2) + b"\n"
    sys.stdout.buffer.write(body)
    sys.stdout.flush()


def say(line: str) -> None:
    """A line of news for a person, on stderr: stdout is for answers."""
    err().print(Text(line), soft_wrap=True)


def complain(error: BursarError) -> None:
    """What went wrong, in one line on stderr, with its stable code."""
    err().print(
        Text("bursar: ", style="bold red")
        .append(error.message, style="default")
        .append(f" [{error.code}]", style="dim"),
        soft_wrap=True,
    )


def out() -> Console:
    """Stdout, in colour only on a terminal; wide enough for any row where it is a pipe."""
    console = Console(highlight=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, emoji=False, width=max(console.width, 200))


def err() -> Console:
    """Stderr: news and progress, never answers."""
    return Console(stderr=True, highlight=False, emoji=False)


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[Text]], room: int) -> list[int]:
    """Cells for each column: what it needs, but those that may be cut share fairly what the others leave."""
    needed = [max([len(column.title), *(row[place].cell_len for row in cells)]) for place, column in enumerate(columns)]
    left = (
        room - 3 * len(columns) - sum(width for column, width in zip(columns, needed, strict=True) if not column.grow)
    )
    growing = sorted((place for place, column in enumerate(columns) if column.grow), key=needed.__getitem__)
    for done, place in enumerate(growing):  # the shortest first, so that the longer ones get what it doesn't need
        needed[place] = min(needed[place], max(GROW_MIN, left // (len(growing) - done)))
        left -= needed[place]
    return needed


def _cell(column: Column, row: Mapping[str, Any]) -> Text:
    shown = column.show(row.get(column.key))
    return shown if isinstance(shown, Text) else Text(shown)


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text and text[0] in "=+-@\t\r" and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _jsonable(value: Any) -> Any:
    """Decimals as plain text: `Decimal("1E-12")` would otherwise be written as it stands."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return {key: _jsonable(part) for key, part in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, msgspec.Struct):
        return [_jsonable(part) for part in value]
    if isinstance(value, msgspec.Struct):
        return _jsonable(msgspec.structs.asdict(value))
    return value
