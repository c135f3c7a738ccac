import resource
import socket
import subprocess
import sys

import pytest

from bursar import __version__
from bursar.cli.main import COMMANDS

HEAVY = ("duckdb", "litestar", "sqlalchemy", "alembic", "sqlglot", "numpy", "genai_prices", "uvicorn")


def test_help_names_every_command(bursar):
    result = bursar("--help")
    assert result.code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in result.out] == []


def test_no_words_at_all_show_the_help(bursar):
    assert "Commands:" in bursar().out


def test_the_version_is_told(bursar):
    assert bursar("--version").out == f"bursar {__version__}\n"


def test_an_unknown_command_is_wrong_usage(bursar):
    result = bursar("cost")
    assert result.code == 2
    assert "cost" in result.err


def test_an_unknown_option_is_wrong_usage(bursar):
    assert bursar("keys", "list", "--nonsense").code == 2


@pytest.mark.parametrize("words", [["--help"], ["up", "--help"]])
def test_starting_imports_nothing_heavy(words):
    script = f"""
import sys
from bursar.cli.main import run
try:
    run({words!r})
except SystemExit:
    pass
print("IMPORTED", *[name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "IMPORTED", done.stdout + done.stderr


def test_help_is_there_at_once():
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "bursar.cli.main", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < 0.6, took  # 0.1 s on an idle machine; of CPU, which a busy one takes no more of


def test_a_setting_that_cannot_be_used_is_named_and_is_wrong_usage(bursar, tmp_path):
    (tmp_path / "bursar.toml").write_text("[gateway]\nportt = 1\n")
    result = bursar("keys", "list")
    assert result.code == 2
    assert "portt" in result.err
    assert "[bad_config]" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("setting", "value"), [("timezone", "Mars/Base"), ("locale", "zz_QQ"), ("locale", ""), ("currency", "EUR")]
)
def test_what_every_page_would_stumble_over_stops_the_start(bursar, monkeypatch, setting, value):
    monkeypatch.setenv(f"BURSAR_CONSOLE__{setting.upper()}", value)
    result = bursar("up")
    assert result.code == 2
    assert f"console.{setting}" in result.err
    assert "[bad_config]" in result.err


@pytest.mark.parametrize("words", [("call", "a\udcffb"), ("costs", "--filter", "team=\udcff"), ("\udcff",)])
def test_bytes_that_are_not_utf_8_are_wrong_usage(bursar, words):
    result = bursar(*words)
    assert result.code == 2
    assert "not UTF-8" in result.err
    assert "Traceback" not in result.err


def test_a_simulator_on_a_port_that_is_taken_says_so(bursar):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = bursar("simulate", "provider", "--port", str(taken.getsockname()[1]))
    assert result.code == 2
    assert "in use" in result.err


def test_a_directory_without_data_says_how_to_start(bursar):
    result = bursar("costs", "--data", "nowhere")
    assert result.code == 1
    assert "bursar up" in result.err
    assert result.out == ""
