"""One more price in the operator's file: whole or not at all, and nothing else in the file moves."""

import json
import re
import shlex
import stat
import threading
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.refusals import unpriced
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.cli.main import build_app
from bursar.domain.errors import BadPrice
from bursar.domain.usage import Unit
from bursar.prices.append import append_price, appended, price_table
from bursar.prices.overrides import read_overrides

PRICES = {Unit.INPUT: Decimal("0.40"), Unit.OUTPUT: Decimal(2)}


@pytest.fixture
def bursar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> Result:
        return CliRunner().invoke(build_app(words[0]), [*words])

    return run


@pytest.mark.parametrize(
    "before",
    [
        "",
        "# ours\r\n\r\n",
        "[[price]]\nprovider='x'\nmodel = 'y'\ninput=1",
        '[[accept]]\nprovider="é"\nmodel="z"\nreason="r"\n',
    ],
)
def test_the_rest_of_the_file_stays_byte_for_byte(tmp_path: Path, before: str):
    path = tmp_path / "prices.toml"
    path.write_bytes(before.encode())
    append_price(path, price_table("mistral", 'odd "name" \\ ☕', PRICES, valid_from=date(2026, 11, 1), note="page"))
    assert path.read_bytes().startswith(before.encode())
    file = read_overrides(path.read_bytes().decode())
    assert file.faults == []
    assert (file.rows[-1].model, file.rows[-1].note, file.rows[-1].prices[Unit.INPUT]) == (
        'odd "name" \\ ☕', "page", 400_000_000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "prices", "complaint"),
    [
        ("", {Unit.INPUT: Decimal(-1)}, "negative"),
        ("", {Unit.INPUT: Decimal("1e11")}, "over 10,000 USD"),
        ("this is no TOML", PRICES, "not valid TOML"),
        (price_table("mistral", "next", PRICES), PRICES, "overlaps the dates of line 1 (end that price first"),
    ],
)
def test_a_price_that_the_file_cannot_be_read_with_changes_nothing(
    tmp_path: Path, before: str, prices: dict[Unit, Decimal], complaint: str
):
    path = tmp_path / "prices.toml"
    path.write_text(before)
    with pytest.raises(BadPrice, match=re.escape(complaint)):
        append_price(path, price_table("mistral", "next", prices))
    assert path.read_text() == before
    assert [found.name for found in tmp_path.iterdir()] == ["prices.toml"]


def test_a_fault_that_was_in_the_file_before_is_not_in_the_way():
    before = "[[price]]\nprovider = 'x'\nmodel = 'y'\ninput = '?'\n"
    file = read_overrides(appended(before, price_table("mistral", "next", PRICES)))
    assert [row.model for row in file.rows] == ["next"]


def test_a_link_and_the_rights_of_the_file_stay(tmp_path: Path):
    kept = tmp_path / "kept.toml"
    kept.write_text("# ours\n")
    kept.chmod(0o640)
    link = tmp_path / "prices.toml"
    link.symlink_to(kept)
    append_price(link, price_table("mistral", "next", PRICES))
    assert link.is_symlink()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert len(read_overrides(kept.read_text()).rows) == 1


def test_prices_set_at_the_same_time_are_all_there(tmp_path: Path):
    path = tmp_path / "prices.toml"
    threads = [
        threading.Thread(target=append_price, args=(path, price_table("mistral", f"m{number}", PRICES)))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row.model for row in read_overrides(path.read_text()).rows} == {f"m{number}" for number in range(12)}


def test_the_command_that_a_refusal_names_prices_the_model(bursar, tmp_path: Path):
    budget = Budget(budget_id="bg", name="ci", limit=LimitPlan(1), window=Schedule(parse_spec("month")))
    named = re.search(r"`bursar (prices set .*?)`", unpriced(budget, "", "openai", "gpt-99/beta").message)
    assert named
    done = bursar(*shlex.split(named[1].replace("USD", "0.40", 1).replace("USD", "2")))
    assert done.exit_code == 0, done.output
    told = bursar("price", "openai/gpt-99/beta", "--input", "1000000", "--output", "1000000", "--format", "json")
    assert json.loads(told.stdout)["list_cost"] == "2.4"


def test_a_price_from_a_day_on_leaves_the_days_before_unpriced(bursar):
    bursar(
        "prices", "set", "openai/gpt-99", "--input", "1", "--output", "2", "--cache-read", "0.1", "--from", "2026-11-01"
    )
    before = bursar("price", "gpt-99", "--provider", "openai", "--input", "1", "--at", "2026-10-31")
    after = bursar("price", "gpt-99", "--provider", "openai", "--cache-read", "1000000", "--at", "2026-11-01")
    assert before.exit_code != 0
    assert "0.1" in after.stdout


@pytest.mark.parametrize(
    ("model", "price", "day", "complaint"),
    [
        ("gpt-99", "1", "2026-11-01", "names no provider"),
        ("openai/gpt-99", "cheap", "2026-11-01", "is no price"),
        ("openai/gpt-99", "NaN", "2026-11-01", "is no price"),
        ("openai/gpt-99", "1", "November", "is no date"),
    ],
)
def test_a_mistake_is_told_and_no_file_is_made(
    bursar, tmp_path: Path, model: str, price: str, day: str, complaint: str
):
    done = bursar("prices", "set", model, "--input", price, "--output", "1", "--from", day)
    assert isinstance(done.exception, BadPrice)
    assert complaint in str(done.exception)
    assert not (tmp_path / "bursar-data" / "prices.toml").exists()


def test_an_hour_is_spread_over_its_tokens_and_covered(bursar, tmp_path: Path):
    done = bursar("prices", "set", "vllm/llama-*", "--gpu-hour", "2.50", "--tokens-per-hour", "3000000")
    assert done.exit_code == 0, done.output
    [row] = read_overrides((tmp_path / "bursar-data" / "prices.toml").read_text()).rows
    assert row.prices[Unit.INPUT] == row.prices[Unit.OUTPUT] == 833_333_334  # femto-USD a token, rounded up
    assert row.prices[Unit.INPUT] * 3_000_000 >= 2_500_000_000_000_000


@pytest.mark.parametrize(
    "words",
    [
        ["--gpu-hour", "2"],
        ["--tokens-per-hour", "9"],
        ["--gpu-hour", "-1", "--tokens-per-hour", "9"],
        ["--gpu-hour", "1e9", "--tokens-per-hour", "9"],
        ["--gpu-hour", "2", "--tokens-per-hour", "9", "--input", "1"],
        ["--input", "1"],
        [],
    ],
)
def test_an_hour_goes_with_its_tokens_and_no_other_price(bursar, words: list[str]):
    assert isinstance(bursar("prices", "set", "vllm/llama", *words).exception, BadPrice)
