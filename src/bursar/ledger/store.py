"""What the rest of Bursar may ask of a ledger store. DuckDB answers now (`duckdb.py`), ClickHouse will."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt

Params = Mapping[str, Any]
"""Values bound by name: `{"p1": …}` for `$p1` in the text."""


Columns = Mapping[str, npt.NDArray[Any]]
"""A staged table: numpy arrays of one length, by column."""


class UnfitData(ValueError):
    """A value that the store's column can't hold: a cost of a million dollars, a count beyond 63 bits."""


class Rows(NamedTuple):
    """An answer: column names, and rows as tuples. Times are naive UTC, money is Decimal, ids are uuid.UUID."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def only(self) -> Any:
        """The one value of a one-row, one-column answer."""
        return self.rows[0][0]


class Session(Protocol):
    """Statements inside one transaction: all of them see the same ledger."""

    def query(self, sql: str, params: Params | None = None) -> Rows: ...

    def run(self, sql: str, params: Params | None = None) -> None: ...

    def stage(self, name: str, columns: Columns) -> AbstractContextManager[None]:
        """Make columns (numpy arrays of one length) a table called `name` for the length of a `with`."""
        ...


class Ledger(Protocol):
    """An open ledger. Safe for threads: each thread reads by itself, writers take turns."""

    dialect: str  # SQLGlot's name of the engine: "duckdb"
    path: Path

    def reading(self) -> AbstractContextManager[Session]:
        """One consistent snapshot."""
        ...

    def writing(self) -> AbstractContextManager[Session]:
        """One transaction: all of it is durable when the `with` ends, or none of it happened."""
        ...

    def within(self, memory: str, threads: int) -> AbstractContextManager[None]:
        """For the length of a `with` the engine has no more than so much memory ("700 MB") and so many threads,
        whoever asks it."""
        ...

    @property
    def version(self) -> int:
        """Grows with each committed write of this process: what was answered at the same version still holds."""
        ...

    def close(self) -> None: ...
