"""A ledger that an earlier Bursar wrote gets the columns that it lacks, at zero, and is written on."""

from pathlib import Path

import duckdb

from bursar.ledger.duckdb import open_ledger
from bursar.ledger.rollups import DAY_ROLLUPS, EVERYTHING, ROLLUPS
from bursar.ledger.schema import ADDED_COUNTS

TABLES = ["charges", *(rollup.name for rollup in (*ROLLUPS, EVERYTHING, *DAY_ROLLUPS))]


def test_counts_of_media_are_added_to_charges_and_to_every_rollup(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    open_ledger(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP VIEW calls")
        for table in TABLES:
            for name in ADDED_COUNTS:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        connection.execute("INSERT INTO rollup_model (slot, model, output_tokens) VALUES ('2026-01-01', 'm', 7)")
    ledger = open_ledger(path)
    with ledger.reading() as session:
        for table in TABLES:
            assert session.query(f"SELECT sum({ADDED_COUNTS[0]}) AS n FROM {table}").rows is not None
        row = session.query("SELECT images, audio_seconds, output_tokens FROM rollup_model").rows[0]
    ledger.close()
    assert row == (0, 0, 7)
