"""The engine's own ways, beyond what every ledger does."""

import threading
import time
from contextlib import suppress
from pathlib import Path

import duckdb

from bursar.ledger.duckdb import open_ledger


def test_closing_waits_for_a_question_that_is_being_answered(tmp_path: Path):
    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    asking, answers = threading.Event(), []

    def ask() -> None:
        with suppress(duckdb.Error), ledger.reading() as session:  # its end may find the ledger closed
            asking.set()
            answers.append(session.query("SELECT sum(sqrt(range)) FROM range(60_000_000)").only())

    asker = threading.Thread(target=ask)
    asker.start()
    asking.wait()
    time.sleep(0.05)  # so that the question has begun
    ledger.close()
    asker.join()
    assert len(answers) == 1
