"""`bursar simulate provider` and `bursar simulate replay`."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from bursar.cli.main import build_app
from bursar.simulate.launch import Running
from bursar.simulate.trace import TRACES


def test_the_provider_says_its_port_and_ends_when_told_to():
    command = [sys.executable, "-m", "bursar.cli.main", "simulate", "provider", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        assert Running(port).bill()["requests"] == 0
        process.terminate()
        assert process.wait(10) == 0


def test_faults_that_make_no_sense_are_wrong_usage():
    command = [sys.executable, "-m", "bursar.cli.main", "simulate", "provider", "--faults", "42=x"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert ended.returncode == 2
    assert "429=0.02" in ended.stderr


@pytest.mark.parametrize("trace", TRACES)
def test_a_trace_is_played_with_its_own_token_counts(provider: Running, trace: str):
    options = ["--trace", trace, "--speed", "500", "--limit", "15", "--gateway", provider.url, "--json"]
    ended = CliRunner().invoke(build_app("simulate"), ["simulate", "replay", *options])
    assert ended.exit_code == 0, ended.output
    totals = json.loads(ended.stdout)
    assert (totals["calls"], totals["ok"], totals["statuses"]) == (15, 15, {"200": 15})
    entries = [entry for entry in provider.log() if entry.label == trace]
    assert len(entries) == 15
    assert all(entry.cost_pico for entry in entries)


def test_a_replay_against_nobody_is_a_finding():
    options = ["--trace", "mooncake", "--speed", "1000", "--limit", "2", "--gateway", "http://127.0.0.1:9"]
    ended = CliRunner().invoke(build_app("simulate"), ["simulate", "replay", *options])
    assert ended.exit_code == 1
    assert "no answer" in ended.stdout
