"""What people type by mistake: each says what is wrong and what to type, and leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from bursar.config import load_config
from bursar.domain.errors import ConfigError


@pytest.mark.parametrize("words", [("list",), ("revoke", "checkout")])
def test_a_mistyped_directory_is_no_new_installation(bursar, tmp_path: Path, words: tuple[str, ...]):
    result = bursar("keys", *words, "--data", str(tmp_path / "typo"))
    assert result.code == 2
    assert "no Bursar data directory" in result.err
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("price", "gpt-4o", "--reasoning", "5"), 2, "--output"),
        (("prices", "check", "--provider", "bogus"), 2, "no provider 'bogus'"),
        (("prices", "check", "--provider", "opnai"), 2, "openai"),
        (("prices", "list", "--model", "zzz"), 1, "no model matches"),
    ],
)
def test_a_price_that_cannot_be_told_says_why(bursar, words: tuple[str, ...], code: int, said: str):
    result = bursar(*words)
    assert result.code == code
    assert said in result.err
    assert result.out == ""


def test_a_model_without_a_price_gets_the_lines_to_fill_in(bursar):
    result = bursar("prices", "show", "house-model-1")
    assert result.code != 0
    assert 'model = "house-model-1"\ninput = "?"' in result.out
    assert "prices.toml" in result.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("costs", "--by", "day", "--limit", "3"), 2, "--limit"),
        (("calls", "--cursor", "xx"), 2, "[bad_query]"),
        (("costs", "--period", "2999-12"), 0, "no calls in 2999-12"),
    ],
)
def test_a_question_without_an_answer_says_so(bursar, running, words: tuple[str, ...], code: int, said: str):
    result = bursar(*words, "--data", str(running))
    assert (result.code, result.out) == (code, "")
    assert said in result.err


def test_a_reader_that_has_seen_enough_is_no_error(running):
    command = [
        sys.executable,
        "-m",
        "bursar.cli.main",
        "calls",
        "--period",
        "all",
        "--limit",
        "1000",
        "--format",
        "csv",
    ]
    process = subprocess.Popen(
        [*command, "--data", str(running)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()  # before the first line
    assert (process.wait(60), process.stderr.read()) == (0, b"")
    process.stderr.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("BURSAR_GATEWAY__PORT", "abc"), ("BURSAR_GATEWAY__PROT", "1"), ("BURSAR_CONSOLE__TIMEZONE", "Mars"),
     ("BURSAR_NOTHING", "1"), ("BURSAR_DATA__X", "1")],
)  # fmt: skip
def test_a_setting_from_the_environment_is_named_as_it_is_spelled_there(name: str, value: str):
    with pytest.raises(ConfigError, match=name):
        load_config(env={name: value})
