"""Units that aren't tokens: the catalogue's prices of them, and an operator's own."""

from pathlib import Path

import pytest

from bursar.domain.usage import Usage
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.prices.rates import UnpricedUnit, price_usage

NOW_US = 1_790_000_000_000_000


def test_an_image_has_the_price_of_its_quality_and_size(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nprovider = "openai"\nmodel = "dall-e-3/hd/1024x1792"\nimages = 120_000\n')
    book = PriceBook(compile_rows(prices)[0])
    sheet = book.at("openai", "dall-e-3/hd/1024x1792", NOW_US)
    assert sheet is not None
    assert price_usage(Usage(images=2), sheet).list_pico == 24 * 10**10
    assert book.at("openai", "dall-e-3/standard/1024x1024", NOW_US) is None


def test_speech_and_transcription_have_the_catalogues_prices() -> None:
    book = PriceBook(compile_rows(None)[0])
    for model, usage, pico in (
        ("tts-1", Usage(characters=1_000), 15 * 10**9),
        ("tts-1-hd", Usage(characters=1), 30 * 10**6),
        ("whisper-1", Usage(audio_seconds=3_600), 36 * 10**10),
    ):
        sheet = book.at("openai", model, NOW_US)
        assert sheet is not None
        assert price_usage(usage, sheet).list_pico == pico
        with pytest.raises(UnpricedUnit):
            price_usage(Usage(input=1), sheet)
    tokens = book.at("openai", "gpt-4o-mini", NOW_US)
    assert tokens is not None
    for usage in (Usage(images=1), Usage(characters=1), Usage(audio_seconds=1), Usage(cache_storage=1)):
        with pytest.raises(UnpricedUnit):
            price_usage(usage, tokens)
