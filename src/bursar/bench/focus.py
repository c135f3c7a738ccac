"""How long the FOCUS export of ten million charges takes, and how much memory. In a process of its own, whose peak it
is; on the ledger of `bursar bench explore`."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bursar.bench.figure import Figure, Options
from bursar.bench.synthetic import DAYS, END, synthetic_ledger
from bursar.domain.periods import Period
from bursar.explore.query import Explorer, Query
from bursar.finance.focus.columns import COSTS
from bursar.finance.focus.export import FORMATS, FileFormat, export

CHARGES = 10_000_000
SECONDS_MAX = 60.0
MEGABYTES_MAX = 1_000.0


class Measured(msgspec.Struct):
    """wall_s, cpu_s (user and system, of all threads), peak_mb of the process that exported; rows, megabytes written.

    ties: whether the file's four sums are Explore's.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    rows: int
    written_mb: float
    ties: bool


def measure(options: Options) -> list[Figure]:
    """Once per format: it takes a minute, and the disk's cache is warm from making the ledger or from the first."""
    charges = max(int(CHARGES * options.scale), 10_000)
    synthetic_ledger(charges).close()
    found: list[Figure] = []
    for form in FORMATS:
        load = os.getloadavg()[0]
        one = _apart(charges, form)
        note = (
            f"{charges:,} charges, {one.rows:,} rows, {one.written_mb:,.0f} MB; {one.cpu_s:.1f} s of CPU; "
            f"load average {load:.1f} before, on {os.cpu_count()} cores"
        )
        found += [
            Figure(f"FOCUS export, {form}", one.wall_s, "s", SECONDS_MAX, note=note),
            Figure(f"FOCUS export, {form}: CPU", one.cpu_s, "s", None, note="user and system, all threads"),
            Figure(f"FOCUS export, {form}: memory", one.peak_mb, "MB", MEGABYTES_MAX, note="peak of its process"),
            Figure(f"FOCUS export, {form}: sums that aren't Explore's", 0.0 if one.ties else 1.0, "", 0.0),
        ]
    return found


def _apart(charges: int, form: FileFormat) -> Measured:
    command = [sys.executable, "-m", "bursar.bench.focus", str(charges), form]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Measured)


def _export_once(charges: int, form: FileFormat) -> Measured:
    ledger = synthetic_ledger(charges)
    first = END.timestamp() - DAYS * 86_400
    period = Period(END.fromtimestamp(first, END.tzinfo), END)
    with tempfile.TemporaryDirectory(prefix="bursar-focus-") as directory:
        file = Path(directory) / f"focus.{form}"
        started, before = time.perf_counter(), os.times()
        done = export(ledger, period, file, form=form)
        wall_s, after = time.perf_counter() - started, os.times()
        peak_kb = _peak_kb()
        totals = Explorer(ledger).run(Query(period, COSTS)).totals
        return Measured(
            wall_s=wall_s,
            cpu_s=after.user + after.system - before.user - before.system,
            peak_mb=peak_kb / 1024,
            rows=done.rows,
            written_mb=file.stat().st_size / 1e6,
            ties=all(totals[name] == done.costs[name] for name in COSTS),
        )


def _peak_kb() -> int:
    """The most memory that this process had. Not `ru_maxrss`: that begins with what its parent had when it was made."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    measured = _export_once(int(sys.argv[1]), "parquet" if sys.argv[2] == "parquet" else "csv")
    sys.stdout.buffer.write(msgspec.json.encode(measured) + b"\n")
