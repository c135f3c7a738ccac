"""What the page of an uploaded file shows, and what each kind of file must answer for it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from bursar.console.context import ConsoleContext
from bursar.console.uploads.shelf import Outcome, Upload

ROWS_SHOWN = 8
CELL_SHOWN = 60
COLUMNS_SHOWN = 24
LOOK_BYTES = 4 * 1024 * 1024
"""So much of a large CSV is looked at before it is brought in; then all of it is checked, and a fault keeps it out."""

Given = Mapping[str, str]
"""What was said of a file: the address of its page, or its form."""


class Ask(msgspec.Struct, frozen=True):
    """A question of the form. options: (value, words) of a choice; empty: something is typed. is_flag: a tick."""

    name: str
    label: str
    value: str = ""
    options: list[tuple[str, str]] = []
    hint: str = ""
    is_flag: bool = False


class Match(msgspec.Struct, frozen=True):
    """A field of ours, and the column that is it. constant: what every row says where no column does."""

    field: str
    is_needed: bool
    column: str
    constant: str


class Look(msgspec.Struct, frozen=True):
    """What would come of a file as it is understood now.

    heads, rows: the beginning of it; heads empty: it is no table. columns: all heads to choose from.
    faults: (line, column, what is wrong and what to do). said: what would be kept. problem: why it can't be read.
    """

    asks: list[Ask]
    heads: list[str] = []
    rows: list[list[str]] = []
    columns: list[str] = []
    matches: list[Match] = []
    mappings: list[tuple[str, str]] = []
    faults: list[tuple[int, str, str]] = []
    fault_count: int = 0
    said: list[str] = []
    notes: list[str] = []
    problem: str = ""

    @property
    def can_keep(self) -> bool:
        return not self.problem and (bool(self.said) or not self.fault_count)


class Target(Protocol):
    """A kind of file that can be uploaded. back: the page it belongs to; nav: that page's name."""

    title: str
    back: str
    nav: str
    limit: int

    def look(self, context: ConsoleContext, one: Upload, given: Given) -> Look:
        """Never raises for what is wrong with the file: that is told."""

    def keep(self, context: ConsoleContext, one: Upload, given: Given) -> Outcome:
        """Bring it in, all or nothing. Raises what its books raise for what can't be."""

    def save(self, context: ConsoleContext, one: Upload, given: Given, name: str) -> None:
        """Keep how it is read under a name. Raises BadControl where that makes no sense."""


def clipped(rows: list[list[str]]) -> list[list[str]]:
    """Cells as far as they are shown."""
    return [
        [cell if len(cell) <= CELL_SHOWN else f"{cell[:CELL_SHOWN]}…" for cell in row[:COLUMNS_SHOWN]] for row in rows
    ]
