"""The rule about credits and commitments: what it tells, and how often."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bursar.alerts.promises import judge_promises
from bursar.alerts.rules import Commitments, Rule, parameters_of, write_rule
from bursar.domain.errors import BadAlert
from bursar.finance.contracts.standing import Drawdown

NOW = datetime(2026, 11, 23, tzinfo=UTC)
YEAR = Drawdown(
    "acme", "openai", "commitment", "year", "short", Decimal(1000), Decimal(100), Decimal(900), date(2026, 1, 1),
    date(2026, 12, 31), 38, Decimal(2), Decimal(176), Decimal(824),
)  # fmt: skip


def told(one: Drawdown, **parameters: Any) -> list[tuple[str, str]]:
    what = Commitments(**parameters)
    return [(found.value, found.window) for found in judge_promises(Rule("c", what), what, [one], NOW)]


def test_what_would_be_lost_is_told_once_a_month() -> None:
    what = Commitments()
    (found,) = judge_promises(Rule("c", what), what, [YEAR], NOW)
    assert found.title == "$824.00 of commitment year (openai) would be lost"
    assert "at $2.00 a day" in found.text
    assert (found.value, found.window, found.address) == ("acme/commitment year short", "2026-11", "/contracts")
    assert told(YEAR, least_usd=Decimal(825)) == []


def test_what_is_nearly_used_up_and_what_ends_soon_is_told_once() -> None:
    full = msgspec.structs.replace(YEAR, state="running", used=Decimal(950), left=Decimal(50), unused=Decimal(0))
    assert told(full) == [("acme/commitment year used", "2026-01-01")]
    assert told(full, days=40) == [
        ("acme/commitment year used", "2026-01-01"), ("acme/commitment year ends", "2026-12-31")
    ]  # fmt: skip
    assert told(msgspec.structs.replace(full, state="met")) == []


def test_a_rule_that_could_never_be_true_is_refused() -> None:
    write_rule(Rule("c", parameters_of("commitment", {"least_usd": "5", "percent": "80", "days": "14"})))
    with pytest.raises(BadAlert, match="days"):
        write_rule(Rule("c", Commitments(days=-1)))
    with pytest.raises(BadAlert, match="percent"):
        write_rule(Rule("c", Commitments(percent=Decimal(101))))
