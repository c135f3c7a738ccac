"""Rows of a Parquet file, through DuckDB in memory: numbers as decimals, everything else as text."""

import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from bursar.finance.reconcile.readers.figures import Unreadable


def is_parquet(data: bytes) -> bool:
    return data[:4] == b"PAR1"


def parquet_rows(data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, row). A double is read as the shortest decimal that is it, as its writer meant it. Raises Unreadable."""
    with tempfile.TemporaryDirectory(prefix="bursar-bill-") as directory:
        path = Path(directory) / "bill.parquet"
        path.write_bytes(data)
        connection = duckdb.connect(":memory:")
        try:
            answer = connection.execute("SELECT * FROM read_parquet($path)", {"path": str(path)})
            names = [column[0] for column in answer.description or ()]
            for number, row in enumerate(answer.fetchall(), 1):
                yield number, dict(zip(names, map(_plain, row), strict=True))
        except duckdb.Error as error:
            raise Unreadable(f"not a Parquet file that can be read: {str(error).partition(chr(10))[0]}") from error
        finally:
            connection.close()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value
