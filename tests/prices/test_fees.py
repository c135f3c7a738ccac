"""A fee for each request is priced or the call is unpriced; a compatible service's prices are where it says."""

from bursar.domain.usage import Usage
from bursar.gateway.meter import Meter, Metered
from bursar.prices.book import PriceBook
from bursar.prices.genai import read_catalogue
from bursar.providers.base import Asked
from bursar.providers.registry import DIALECTS
from bursar.providers.services import SERVICES

AT_US = 1_790_000_000_000_000  # 2026-09-21
UNLISTED = {"ollama", "vllm", "lm-studio", "huggingface"}  # one's own price, or that of the provider behind


def metered(book: PriceBook, model: str, usage: str) -> Metered:
    body = b'{"model":"%b","choices":[{"finish_reason":"stop"}],"usage":%b}' % (model.encode(), usage.encode())
    answer = DIALECTS["openai-chat"].read_answer(body, 200)
    return Meter(book).answered(Asked(model), answer, "chat", "perplexity", AT_US, 100, 0)


def test_a_search_fee_is_in_the_price(book: PriceBook) -> None:
    tokens = '{"prompt_tokens":100,"completion_tokens":100,"total_tokens":200}'
    assert metered(book, "sonar", tokens).list_pico == 12_200_000_000  # 200 tokens at $1 a million, $12 per 1,000


def test_a_model_whose_fee_is_not_listed_is_unpriced(book: PriceBook) -> None:
    found = metered(book, "sonar-pro-search", '{"prompt_tokens":100,"completion_tokens":100,"total_tokens":200}')
    assert (found.list_pico, found.quality) == (None, "unpriced")
    assert found.usage == Usage(input=100, output=100), "what it used is kept, to be priced later"


def test_deep_research_costs_what_perplexitys_own_example_says(book: PriceBook) -> None:
    usage = (
        '{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,"citation_tokens":20016,'
        '"num_search_queries":18,"reasoning_tokens":73997}'
    )
    found = metered(book, "sonar-deep-research", usage)
    assert found.list_pico == 409_393_000_000  # the example rounds to 0.409


def test_every_service_has_a_price_list_or_is_known_to_have_none() -> None:
    known = {row.id for row in read_catalogue().providers}
    assert {name for name, service in SERVICES.items() if (service.provider or name) not in known} == UNLISTED
