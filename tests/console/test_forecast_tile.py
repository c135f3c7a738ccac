"""The forecast on Overview: the page's figure, its band, budget or month before; words where nothing is known."""

import time
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from bursar.budgets.budget import Budget, pico_of
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.console.context import ConsoleContext
from bursar.console.forecast_tile import ForecastTile, forecast_tile
from bursar.console.forecasting import forecast_of, kept_forecast


def tile(context: ConsoleContext, **query: str) -> ForecastTile:
    return forecast_tile(context, context.view("/", {name: [value] for name, value in query.items()}))


@pytest.fixture
def made(context: ConsoleContext) -> ConsoleContext:
    """With the forecast of everything kept."""
    forecast_of(context, context.view("/forecast", {}))
    return context


def put(context: ConsoleContext, changes: dict[str, Any]) -> None:
    """Change the kept forecasts, as if the past had been another."""
    for key, kept in list(context.forecasts.items()):
        context.forecasts[key] = kept._replace(forecast=msgspec.structs.replace(kept.forecast, **changes))


def test_it_says_what_the_page_says_of_the_month_whatever_period_is_looked_at(made: ConsoleContext, client: TestClient):
    month = client.get("/api/forecast").json()["figures"][0]
    for query in ({}, {"period": "7d"}, {"by": "model"}):
        found = tile(made, **query)
        assert (found.label, found.amount) == ("All of November", Decimal(month["amount"]["expected"]))
        assert (found.low, found.high) == (Decimal(month["amount"]["low"]), Decimal(month["amount"]["high"]))
    page = client.get("/").text
    assert "All of November" in page
    assert 'href="/forecast"' in page


def test_a_month_that_was_not_whole_is_not_compared_and_a_whole_one_is(made: ConsoleContext):
    assert tile(made).against is None, "books begin on 14 October"
    kept, _ = kept_forecast(made, made.view("/", {}))
    assert kept is not None
    october = [(date(2026, 10, 1) + timedelta(days=day), 10**12) for day in range(31)]
    put(made, {"age": 60, "spent": [*october, *(one for one in kept.spent if one[0].month == 11)]})
    found = tile(made)
    assert (found.beside, found.against) == ("last month", Decimal(31))
    made.forecasts.clear()


def test_little_history_is_said_in_words(made: ConsoleContext):
    put(made, {"age": 1, "too_young": True, "figures": []})
    assert tile(made).said == "too little history: two whole days with calls are needed, there is 1"
    put(made, {"too_young": False, "figures": []})
    made.forecasts.clear()
    forecast_of(made, made.view("/forecast", {}))
    put(made, {"age": 2})
    found = tile(made)
    assert (found.low, found.said) == (None, "no band before 3 days of calls")
    made.forecasts.clear()


def test_one_that_knew_no_call_of_its_day_is_not_shown_once_more_was_loaded(made: ConsoleContext):
    """It said that the month would end at nothing while the loader was catching up with a month of calls."""
    view, (key, kept) = made.view("/", {}), next(iter(made.forecasts.items()))
    put(made, {"spent": [*kept.forecast.spent[:-1], (kept.forecast.today, 0)]})
    assert kept_forecast(made, view)[0] is not None, "nothing was loaded since: it is as it is"
    made.forecasts[key] = made.forecasts[key]._replace(version=-1)
    assert kept_forecast(made, view) == (None, False)
    assert forecast_of(made, made.view("/forecast", {})).spent == kept.forecast.spent
    made.forecasts.clear()


def test_nobody_waits_for_it_and_it_is_made_behind(context: ConsoleContext, monkeypatch: pytest.MonkeyPatch):
    context.forecasts.clear()
    monkeypatch.setattr("bursar.console.forecast_tile.LATER_S", 0.0)
    assert tile(context).said == "being worked out"
    deadline = time.monotonic() + 20
    while tile(context).amount is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_budget_of_just_these_calls_stands_beside_it(made: ConsoleContext):
    store = made.budget_store()
    limits = {"all of it": "20", "larger": "2000"}
    ids = [
        store.create(
            Budget(budget_id="", name=name, limit=LimitPlan(pico_of(Decimal(limit), "limit")),
                   window=Schedule(parse_spec("month"))), actor="test",
        ).budget_id
        for name, limit in limits.items()
    ]  # fmt: skip
    try:
        found = tile(made)
        assert (found.beside, found.against, found.level) == ("of budget all of it", Decimal(20), "danger")
        assert tile(made, tz="Asia/Kolkata").beside != "of budget all of it", "its month is another"
    finally:
        for one in ids:
            store.remove(one, actor="test")
