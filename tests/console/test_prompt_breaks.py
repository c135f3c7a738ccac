"""What breaks prompt caches: told with its place and its cost a month, unknown where it isn't known."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient
from tests.console.conftest import make_context

from bursar.console.app import create_app
from bursar.domain.caching import CacheTerms, PromptCaching
from bursar.domain.clock import us_from_datetime
from bursar.gateway.prompt_cache.breaks import Breaks, Place
from bursar.gateway.prompt_cache.news import SeriesBreaks, Told
from bursar.prices.book import PriceBook

DAY_US = 86_400_000_000


@pytest.fixture
def told(tmp_path: Path, book: PriceBook):
    """A console beside workers that saw three series."""
    context = make_context(tmp_path, book, history=True)
    context.controls().caches.create("all", CacheTerms(prompt=PromptCaching()), is_on=True, actor="test")
    now_us = us_from_datetime(context.now())
    place = Place(part="system[0]", cause="time", calls=98, at_bytes=812, lost_tokens=1_000_000)
    day = Breaks(now_us - DAY_US, now_us, 100, 2_000_000, 98, 1_000_000, [place])
    early = msgspec.structs.replace(day, since_us=now_us - 1_000_000)
    known = next(
        model for model in ("claude-sonnet-5", "claude-opus-5") if book.at("anthropic", model, now_us) is not None
    )
    series = [
        SeriesBreaks("vk_1", known, "support-bot", "answer", day),
        SeriesBreaks("vk_1", "nobody-knows", "search", "", day),
        SeriesBreaks("vk_1", known, "<b>early</b>", "", early),
    ]
    context.run_dir.mkdir(exist_ok=True, parents=True)
    (context.run_dir / "prompt-cache-0.json").write_bytes(msgspec.json.encode(Told(series)))
    sheet = book.at("anthropic", known, now_us)
    assert sheet is not None
    with TestClient(create_app(context), base_url="http://127.0.0.1") as client:
        yield client, sheet


def test_a_break_costs_what_its_tokens_would_have_been_cheaper_for_thirty_days(told):
    client, sheet = told
    rows = client.get("/api/prompt-breaks").json()
    assert [row["feature"] for row in rows] == ["support-bot", "search", "<b>early</b>"]
    first, unknown, early = rows
    femto = (sheet.unit_prices["input"] - sheet.unit_prices["cache_read"]) * 30_000_000
    assert Decimal(first["usd_a_month"]) == Decimal(femto // 1_000) / 10**12
    assert first["lost_tokens_a_month"] == 30_000_000
    assert "byte ~812 in 98 % of calls" in first["places"][0]["says"]
    assert (unknown["usd_a_month"], unknown["lost_tokens_a_month"]) == (None, 30_000_000)
    assert (early["usd_a_month"], early["lost_tokens_a_month"]) == (None, None)


def test_the_page_says_it_and_what_is_not_known(told):
    client, _ = told
    page = client.get("/caches").text
    assert "looks like a date or a time" in page
    assert "unpriced" in page
    assert "too early" in page
    assert "<b>early</b>" not in page
    assert len(client.get("/caches.json").json()["breaks"]) == 3
