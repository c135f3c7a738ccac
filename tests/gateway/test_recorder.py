"""A journal that can't be written stops no call and loses no record."""

from pathlib import Path

import pytest
from tests.spool.test_journal import FACTS

from bursar.domain.usage import Usage
from bursar.gateway import recorder as recorder_module
from bursar.gateway.metrics import Metrics, page
from bursar.gateway.recorder import Recorder
from bursar.spool.journal import Journal
from bursar.spool.reader import read_slice, segments
from bursar.spool.records import Dispatched, Settled


def dispatch(recorder: Recorder, number: int) -> None:
    recorder.write(
        Dispatched(
            recorder.next_seq(), f"attempt-{number}", 1, 7, "openai", "openai", "gpt-4o", "", "", "", 1, "", FACTS
        )
    )


def written(directory: Path) -> list[int]:
    records = read_slice(segments(directory)[0].path, 0, records_max=10**6).records
    return [record.seq for record in records if isinstance(record, Dispatched)]


def test_records_wait_in_order_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(Journal(tmp_path, "w0-a", sync=False))
    dispatch(recorder, 1)

    def full(_: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(recorder.journal, "append", full)
    dispatch(recorder, 2)
    dispatch(recorder, 3)
    assert recorder.is_degraded
    assert written(tmp_path) == [1]
    monkeypatch.undo()
    dispatch(recorder, 4)
    assert not recorder.is_degraded
    assert written(tmp_path) == [1, 2, 3, 4]
    assert recorder.failures == 1
    recorder.journal.close()


def test_a_full_backlog_counts_what_it_loses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "BACKLOG_MAX", 2)
    recorder = Recorder(Journal(tmp_path, "w0-a", sync=False))

    def full(_: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(recorder.journal, "append", full)
    for number in range(5):
        dispatch(recorder, number)
    assert recorder.lost == 3
    assert recorder.is_degraded
    recorder.journal.close()


def test_the_metrics_page_adds_up_all_workers(tmp_path: Path) -> None:
    for slot in range(2):
        metrics = Metrics()
        metrics.settled(settled(70_000, 1_500_000_000_001), "openai", "openai-chat", 'a"b\\c\n', 0)
        metrics.settled(settled(999_000_000, None), "openai", "openai-chat", "unpriced", 0)
        metrics.write(tmp_path / f"metrics-{slot}.json")
    lines = page(tmp_path).decode().split("\n")
    assert 'bursar_calls_total{dialect="openai-chat",outcome="ok"} 4' in lines
    assert 'bursar_cost_usd_total{provider="openai",model="a\\"b\\\\c\\n"} 3.000000000002' in lines
    assert 'bursar_call_seconds_bucket{le="0.1"} 2' in lines
    assert 'bursar_call_seconds_bucket{le="+Inf"} 4' in lines
    assert "bursar_call_seconds_sum 1998.14" in lines


def test_models_past_the_bound_share_one_label() -> None:
    metrics = Metrics()
    for number in range(250):
        metrics.settled(settled(1, 5), "openai", "openai-chat", f"m{number}", 0)
    costs = {key[2]: value for key, value in metrics.rows() if key[0] == "bursar_cost_pico_usd_total"}
    assert len(costs) == 101
    assert costs["model=other"] == 150 * 5


def settled(ended_us: int, list_pico: int | None) -> Settled:
    return Settled(
        attempt_id="a",
        first_byte_us=0,
        ended_us=ended_us,
        http_status=200,
        outcome="ok",
        quality="reported",
        error_code="",
        finish_reason="stop",
        model_served="m",
        tier_served="",
        upstream_id="",
        usage=Usage(input=3),
        lines=[("input", 3, 1)],
        list_pico=list_pico,
        counterfactual_pico=list_pico,
        lever="",
        sku_id="",
        sku_price_id="",
        provider_cost_pico=None,
        response_bytes=1,
        final=True,
        call_outcome="ok",
        client_status=200,
    )
