"""A ledger that an earlier Bursar wrote gets the columns that it lacks, at zero, and is written on."""

from pathlib import Path

import duckdb
import msgspec
from tests.ledger.records import dispatched, settled

from bursar.domain.money import usd_from_pico
from bursar.domain.savings import COLUMNS
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.rollups import DAY_ROLLUPS, EVERYTHING, ROLLUPS
from bursar.ledger.schema import ADDED_COUNTS
from bursar.ledger.verify import verify
from bursar.spool.journal import Journal

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


def test_a_ledger_of_one_lever_a_charge_is_split_once(tmp_path: Path) -> None:
    path, spool = tmp_path / "ledger.duckdb", tmp_path / "spool"
    journal = Journal(spool, "w0", sync=False)
    one = dispatched(1)
    end = settled(one)
    assert end.list_pico is not None
    end = msgspec.structs.replace(end, lever="routing", counterfactual_pico=end.list_pico + 700)
    for record in (one, end):
        journal.append(record)
    journal.close()
    ledger = open_ledger(path)
    Loader(ledger, spool).load_all()
    ledger.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE ledger_facts SET value = '1' WHERE name = 'schema'")
        connection.execute("DROP VIEW calls")
        for table in TABLES:
            for name in COLUMNS.values():
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    ledger = open_ledger(path)
    with ledger.reading() as session:
        rows = session.query("SELECT saved_routing, saved_prompt_cache FROM charges").rows
        summed = session.query(f"SELECT SUM(saved_routing), SUM(saved_cost) FROM ({ROLLUPS[0].whole})").rows
    assert all(finding.ok for finding in verify(ledger, spool)), verify(ledger, spool)
    ledger.close()
    assert rows == [(usd_from_pico(700), 0)]
    assert summed == [(usd_from_pico(700), usd_from_pico(700))]
