"""kill -9 of the process that owns the books, at any instant: nothing is lost, nothing is there twice."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.ledger.records import T0, call_facts, dispatched, settled

from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.verify import verify
from bursar.spool.journal import Journal

KILLS = 6
OWNER = """
import sys, threading
from pathlib import Path
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
loader = Loader(open_ledger(Path(sys.argv[1]), threads=1), Path(sys.argv[2]), records_max=200)
print("open", flush=True)
loader.run(threading.Event())
"""


@pytest.mark.slow
def test_every_attempt_is_in_the_books_once_after_kills(tmp_path: Path) -> None:
    rng = random.Random(5)
    path, spool = tmp_path / "ledger.duckdb", tmp_path / "spool"
    journal = Journal(spool, "w0", segment_bytes=50_000, sync=False)  # files are finished and deleted meanwhile
    stop = threading.Event()
    written: list[str] = []

    def write() -> None:
        while not stop.is_set():
            one = dispatched(len(written) + 1, call_facts(T0 + len(written) * 1_000))
            journal.append(one)
            written.append(one.attempt_id)
            if rng.random() < 0.9:
                journal.append(settled(one, len(written)))
            time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(KILLS):
            owner = subprocess.Popen([sys.executable, "-c", OWNER, str(path), str(spool)], stdout=subprocess.PIPE)
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"open\n"
            time.sleep(rng.uniform(0.0, 0.5))
            owner.kill()
            owner.communicate()
    finally:
        stop.set()
        writer.join()
    journal.close()

    ledger = open_ledger(path, threads=1)
    Loader(ledger, spool).load_all()
    with ledger.reading() as session:
        found = [str(attempt) for (attempt,) in session.query("SELECT attempt_id FROM charges").rows]
    assert sorted(found) == sorted(written)
    assert [finding for finding in verify(ledger, spool) if not finding.ok] == []
    assert list(spool.iterdir()) == []
    ledger.close()
