"""What a semantic cache's shadow has shown, counted from the ledger's rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from bursar.domain.resemblance import Measured
from bursar.explore.resemblances import measured_so_far
from bursar.ledger.duckdb import open_ledger

AT = datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None)  # as the ledger keeps times


def counted(directory: Path, *rows: tuple[float | None, float | None, bool]) -> Measured:
    """rows: (similarity, agreement, whether the cache answers)."""
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    with ledger.writing() as session:
        for at, (similarity, agreement, is_live) in enumerate(rows):
            session.run(
                "INSERT INTO resemblances VALUES ($id, 'ca_1', 'm', $at, $similarity, $agreement, 5, 1, $is_live)",
                {"id": UUID(int=at), "at": AT + timedelta(seconds=at), "similarity": similarity,
                 "agreement": agreement, "is_live": is_live},
            )  # fmt: skip
    with ledger.reading() as session:
        found = measured_so_far(session, "ca_1", "m", 0.6, AT)
    ledger.close()
    return found


def test_the_same_question_again_is_a_hit_and_no_evidence_unless_it_is_answered_otherwise(tmp_path: Path):
    probe = [(1.0, 1.0, False)] * 200
    found = counted(tmp_path, (None, None, False), *probe, (0.93, 0.9, False), (0.94, 0.2, False), (1.0, 0.1, False))
    assert (found.calls, found.hits) == (204, 203)
    assert (found.compared, found.false_hits) == (3, 2)
    assert found.saved_pico == 201 * 5


def test_samples_of_one_that_answers_are_counted_by_themselves(tmp_path: Path):
    found = counted(tmp_path, (0.93, 0.9, False), (0.93, 0.9, True), (0.95, 0.1, True), (1.0, 1.0, True))
    assert (found.calls, found.compared, found.false_hits) == (1, 3, 1)
    assert (found.live_compared, found.live_false) == (2, 1)
