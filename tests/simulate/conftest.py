"""One provider for all of these tests: requests say themselves what should happen to them."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from bursar.simulate.launch import Running, provider_thread
from bursar.simulate.provider import Options


@pytest.fixture(scope="module")
def provider() -> Iterator[Running]:
    with provider_thread(Options(seed=5)) as running:
        yield running


@pytest.fixture(scope="module")
def gpt(provider: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(provider: Running) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.url, api_key="sk-ant-test", max_retries=0) as client:
        yield client
