"""The benches run, small, and their figures name what the promises are about."""

import tempfile
from pathlib import Path

import pytest

from bursar.bench import decide, explore, ledger, route, watch_books
from bursar.bench.figure import Options
from bursar.bench.synthetic import synthetic_ledger
from bursar.domain.watching import Clock
from bursar.ledger.verify import verify
from bursar.watch.windows import DAY_US


@pytest.mark.slow
def test_the_loader_is_measured_and_its_books_hold() -> None:
    figures = ledger.measure(Options(scale=0.02, rounds=1))
    assert [figure.unit for figure in figures] == ["1/s", "1/s", "s"]
    assert all(figure.value > 0 for figure in figures)


def test_what_deciding_costs_is_measured_with_and_without_anything_configured() -> None:
    figures = decide.measure(Options(scale=0.005, rounds=1))
    assert figures[0].name == "nothing configured"
    assert {figure.unit for figure in figures} == {"µs"}
    assert {figure.bound for figure in figures} == {1.0, 3.0, None}


def test_what_routing_costs_is_measured() -> None:
    figures = route.measure(Options(scale=0.02, rounds=1))
    assert {figure.bound for figure in figures} == {1.0, 8.0, None}
    assert all(figure.value > 0 for figure in figures)


def test_the_made_up_ledger_is_a_real_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    figures = explore.measure(Options(scale=0.002, rounds=1))
    assert {figure.bound for figure in figures} == {0.3, 0.5, 5.0, None}
    monkeypatch.setattr(watch_books, "HISTORY_US", {Clock.HOUR: DAY_US, Clock.DAY: 4 * DAY_US})
    figures = watch_books.figures(Options(scale=0.002, rounds=1))
    assert {figure.bound for figure in figures} == {20.0, 0.5, None}
    made = synthetic_ledger(20_000)
    broken = [finding.name for finding in verify(made, tmp_path / "spool") if not finding.ok]
    made.close()
    assert broken == [
        "attempts in the journal = charges + in flight",  # they never were in a journal
        "settlements in the journal + assumed = charges",
    ]
