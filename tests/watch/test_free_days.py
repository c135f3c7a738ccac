"""Which days are holidays, by place and by date; and what the settings' names become."""

import json
from datetime import date

import pytest

from bursar.config import Config, load_config
from bursar.console.watching import detecting_of
from bursar.domain.errors import ConfigError
from bursar.watch.free_days import FreeDays

HOLI, THANKSGIVING, CHAVEZ = date(2026, 3, 4), date(2026, 11, 26), date(2026, 3, 31)


def test_a_day_is_free_in_any_of_the_places_or_by_its_date():
    days = FreeDays(["US-CA", "IN", "2026-12-24"])
    assert all(day in days for day in (HOLI, THANKSGIVING, CHAVEZ, date(2026, 12, 24), date(2031, 12, 25)))
    assert date(2026, 12, 23) not in days
    assert "2026-12-24" not in days
    assert CHAVEZ not in FreeDays(["US"])  # of California alone
    assert HOLI not in FreeDays([])


def config_of(*holidays: str) -> Config:
    return load_config(env={"BURSAR_WATCH__HOLIDAYS": json.dumps(holidays)})


def test_the_settings_name_them():
    assert HOLI in detecting_of(config_of("IN", "US-CA"))._holidays


@pytest.mark.parametrize("name", ["XX", "US-ZZ", "india", "2026-13-01", "20261224x"])
def test_what_nobody_knows_is_said_when_the_console_starts(name):
    with pytest.raises(ConfigError, match=name) as refused:
        detecting_of(config_of("IN", name))
    assert refused.value.field == "watch.holidays"


def test_too_many_are_refused_at_once():
    with pytest.raises(ConfigError, match="100"):
        config_of(*["IN"] * 101)
