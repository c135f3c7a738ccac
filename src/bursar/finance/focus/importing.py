"""Bills into the books: a file's rows are added once, however often it comes, all of them or none.

A row is known by what it says. If it stands in a file three times, it stands in the books three times, whichever files
brought it: what is there already isn't added again. A file that tells the whole of its billing periods anew (`replace`)
also takes back what stood there and isn't in it, by rows of the opposite sign.
"""

import csv
import tempfile
import uuid
from datetime import date
from pathlib import Path

import msgspec

from bursar.finance.focus.columns import FOCUS_COLUMNS
from bursar.finance.focus.converting import Unrated
from bursar.finance.focus.export import CSV, PARQUET, FileFormat, copy
from bursar.finance.focus.reading import FAULTS_TOLD, ROW_FIELDS, BadFocusFile, Fault, read_rows
from bursar.finance.focus.told import literal, type_of
from bursar.ledger.imported import IMPORTS, PLACES, ROW_COLUMNS, SUMMED, TABLE
from bursar.ledger.store import Ledger, Session


class Imported(msgspec.Struct, frozen=True):
    """What a file brought. rows: in it; added, withdrawn: what changed by it. faults: then nothing was imported.

    foreign: rows whose costs aren't in USD. unrated: of all bills, what has no rate yet and so is unpriced.
    """

    import_id: str
    file_name: str
    rows: int
    added: int
    withdrawn: int
    foreign: int
    faults: list[Fault]
    fault_count: int
    unrated: list[Unrated] = []


class ImportNote(msgspec.Struct, frozen=True):
    """A file that was imported, as the list tells it."""

    import_id: str
    file_name: str
    imported_at: str
    rows: int
    added: int
    withdrawn: int


def import_file(
    ledger: Ledger, file: Path, file_name: str, actor: str, now_us: int, *, replace: bool = False
) -> Imported:
    """Read a file and post its rows. Any fault, and nothing is posted.

    Raises BadFocusFile where it is no FOCUS file at all.
    """
    import_id = str(uuid.uuid4())
    with tempfile.TemporaryDirectory(prefix="bursar-focus-") as directory:
        ready = Path(directory) / "rows.csv"
        rows, foreign, faults, fault_count = _prepare(file, ready)
        added = withdrawn = 0
        if not fault_count and rows:
            with ledger.writing() as session:
                added, withdrawn = _post(session, ready, import_id, replace=replace)
                if added or withdrawn:
                    _note(session, import_id, file_name, actor, now_us, rows, added, withdrawn)
    return Imported(import_id, file_name, rows, added, withdrawn, foreign, faults, fault_count)


def refuse_faults(done: Imported) -> None:
    """Raises BadFocusFile that names the first lines, for a face that has no room for a list."""
    if done.fault_count:
        first = "; ".join(f"line {one.line}: {one.column} {one.message}".strip() for one in done.faults[:3])
        more = f"; and {done.fault_count - 3:,} more" if done.fault_count > 3 else ""
        raise BadFocusFile(f"nothing was imported from {done.file_name}: {first}{more}", field="file")


def imports(ledger: Ledger, limit: int = 50) -> list[ImportNote]:
    """Files that brought something, newest first."""
    with ledger.reading() as session:
        rows = session.query(
            f"SELECT import_id, file_name, strftime(imported_at, '%Y-%m-%dT%H:%M:%SZ'), rows, added, withdrawn "
            f"FROM {IMPORTS} ORDER BY imported_at DESC, import_id LIMIT {limit:d}"
        ).rows
    return [ImportNote(*row) for row in rows]


def days_of_bills(ledger: Ledger) -> tuple[date, date] | None:
    """The first and the last day that imported rows are of, in UTC; None: there are none."""
    with ledger.reading() as session:
        first, last = session.query(f"SELECT min(charge_period_start), max(charge_period_start) FROM {TABLE}").rows[0]
    return None if first is None else (first.date(), last.date())


def export_imported(ledger: Ledger, file: Path, *, form: FileFormat = "csv") -> int:
    """Rows of imported bills that stand, as they were; how many."""
    chosen = ", ".join(
        f'{column.ours}::{_kept(column.kind, type_of(column))} AS "{column.name}"' for column in FOCUS_COLUMNS
    )
    sql = f"SELECT {chosen} FROM ({_STANDING}) ORDER BY charge_period_start, row_key, nth"
    with ledger.reading() as session:
        copy(session, sql, file, CSV.replace("HEADER false", "HEADER true") if form == "csv" else PARQUET)
        return int(session.query(f"SELECT count(*) FROM ({_STANDING})").only())


_STANDING = (
    f"SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY row_key ORDER BY line, import_id) AS nth "
    f"FROM {TABLE} WHERE weight > 0) JOIN (SELECT row_key, SUM(weight) AS times FROM {TABLE} GROUP BY row_key) "
    "USING (row_key) WHERE nth <= times"
)


def _kept(kind: str, usual: str) -> str:
    return f"DECIMAL(38,{PLACES})" if kind in ("money", "count") else usual


def _prepare(file: Path, ready: Path) -> tuple[int, int, list[Fault], int]:
    """Write the rows that fit to `ready`: (rows, rows in another currency, the first faults, all faults)."""
    rows = foreign = fault_count = 0
    faults: list[Fault] = []
    with ready.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        for found in read_rows(file):
            rows += 1
            if isinstance(found, Fault):
                fault_count += 1
                if len(faults) < FAULTS_TOLD:
                    faults.append(found)
            elif not fault_count:
                foreign += found.currency != "USD"
                writer.writerow(found.values)
    return rows, foreign, faults, fault_count


def _post(session: Session, ready: Path, import_id: str, *, replace: bool) -> tuple[int, int]:
    types = {"row_key": "UUID", "line": "BIGINT"} | ROW_COLUMNS
    names = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in ROW_FIELDS)
    cast = ", ".join(f"nullif({name}, '')::{types[name]} AS {name}" for name in ROW_FIELDS)
    session.run(
        f"CREATE OR REPLACE TEMP TABLE focus_read AS SELECT {cast}, "
        "row_number() OVER (PARTITION BY row_key ORDER BY line::BIGINT) AS nth FROM read_csv("
        f"{literal(str(ready))}, header = false, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
        f"new_line = '\\r\\n', parallel = false, max_line_size = 50000000, columns = {{{names}}})"
    )
    known = f"SELECT row_key, SUM(weight) AS times FROM {TABLE} GROUP BY row_key"
    session.run(f"CREATE OR REPLACE TEMP TABLE focus_known AS {known}")
    columns = ", ".join(ROW_COLUMNS)
    fresh = "FROM focus_read LEFT JOIN focus_known USING (row_key) WHERE nth > coalesce(times, 0)"
    added = int(session.query(f"SELECT count(*) {fresh}").only())
    withdrawn = _withdraw(session, import_id) if replace else 0
    session.run(
        f"INSERT INTO {TABLE} (row_key, import_id, line, weight, {columns}) "
        f"SELECT row_key, $import_id, line, 1, {columns} {fresh} ORDER BY charge_period_start, line",
        {"import_id": import_id},
    )
    return added, withdrawn


def _withdraw(session: Session, import_id: str) -> int:
    """Take back what stands in the file's billing periods and isn't in it."""
    negated = ", ".join(f"-{name}" if name in SUMMED else name for name in ROW_COLUMNS)
    columns = ", ".join(ROW_COLUMNS)
    scope = "provider_name, coalesce(billing_account_id, ''), billing_period_start"
    gone = f"""
        FROM ({_STANDING}) AS standing
        WHERE ({scope}) IN (SELECT DISTINCT {scope} FROM focus_read)
          AND nth > coalesce((SELECT count(*) FROM focus_read WHERE focus_read.row_key = standing.row_key), 0)"""
    count = int(session.query(f"SELECT count(*) {gone}").only())
    session.run(
        f"INSERT INTO {TABLE} (row_key, import_id, line, weight, {columns}) "
        f"SELECT row_key, $import_id, line, -1, {negated} {gone}",
        {"import_id": import_id},
    )
    return count


def _note(
    session: Session, import_id: str, file_name: str, actor: str, now_us: int, rows: int, added: int, withdrawn: int
) -> None:
    session.run(
        f"INSERT INTO {IMPORTS} VALUES ($id, $name, make_timestamp($now), $actor, $rows, $added, $withdrawn)",
        {"id": import_id, "name": file_name, "now": now_us, "actor": actor, "rows": rows, "added": added,
         "withdrawn": withdrawn},
    )  # fmt: skip
