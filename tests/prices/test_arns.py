"""Amazon's names: an ARN is priced by the id in it or not at all; a geography without a price of its own says so."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.arns import id_of_arn
from bursar.domain.money import usd_from_pico
from bursar.domain.usage import Usage
from bursar.prices.book import PriceBook
from bursar.prices.compile import compile_rows
from bursar.prices.overrides import read_overrides
from bursar.prices.rates import price_usage

AT_US = 1_791_000_000_000_000  # 2026-10
MINE = "arn:aws:bedrock:us-east-1:123456789012"
UNKNOWN = [
    f"{MINE}:application-inference-profile/a1b2c3d4e5f6",
    f"{MINE}:application-inference-profile/us.anthropic.claude-sonnet-4-6",
    f"{MINE}:provisioned-model/a1b2c3d4e5f6",
    f"{MINE}:custom-model/amazon.nova-micro-v1.0:128k/a1b2c3d4e5f6",  # once priced as Nova Micro
    f"{MINE}:imported-model/meta.llama3-3-70b-instruct",
    f"{MINE}:prompt/ABCDEFGHIJ:1",
    f"{MINE}:default-prompt-router/anthropic.claude:1",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/meta.llama3-3-70b-instruct",
]

INPUT_PRICES = """
anthropic.claude-haiku-4-5-20251001-v1:0 -> 1.1
us.anthropic.claude-haiku-4-5-20251001-v1:0 -> 1.1
eu.anthropic.claude-haiku-4-5-20251001-v1:0 -> 1.1
global.anthropic.claude-haiku-4-5-20251001-v1:0 -> 1
US.Anthropic.Claude-Opus-5 -> 5.5
amazon.nova-lite-v1:0 -> 0.06
us.amazon.nova-lite-v1:0 -> 0.06
eu.amazon.nova-lite-v1:0 -> 0.06 guessed
apac.amazon.nova-micro-v1:0 -> 0.035 guessed
us-gov.amazon.nova-pro-v1:0 -> 0.8 guessed
anthropic.claude-3-sonnet-20240229-v1:0 -> 3
arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0 -> 0.06
arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.amazon.nova-pro-v1:0 -> 0.8 guessed
arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-haiku-4-5-20251001-v1:0 -> 1
"""


@pytest.fixture(scope="module")
def rows():
    return compile_rows(None)[0]


@pytest.fixture(scope="module")
def book(rows) -> PriceBook:
    return PriceBook(rows)


@pytest.mark.parametrize("line", INPUT_PRICES.strip().splitlines())
@pytest.mark.parametrize("provider", ["aws", "bedrock"])
def test_a_name_means_its_own_price(line: str, provider: str, book: PriceBook) -> None:
    name, _, rest = line.partition(" -> ")
    price, _, guessed = rest.partition(" ")
    sheet = book.at(provider, name, AT_US)
    assert sheet is not None
    assert usd_from_pico(price_usage(Usage(input=1_000_000), sheet).list_pico) == Decimal(price)
    assert bool(sheet.assumption) == bool(guessed)


@pytest.mark.parametrize("arn", UNKNOWN)
def test_what_only_its_owner_knows_has_no_price(arn: str, book: PriceBook) -> None:
    assert book.at("aws", arn, AT_US) is None
    assert id_of_arn(arn) == ""


@given(
    text=st.from_regex(r"[a-z0-9.:/-]{0,40}", fullmatch=True),
    name=st.sampled_from(["amazon.nova-lite", "claude-3-haiku-20240307"]),
)
def test_a_known_name_inside_an_arn_is_no_price(text: str, name: str, book: PriceBook) -> None:
    assert book.at("aws", f"{MINE}:custom-model/{text}{name}{text}", AT_US) is None


def test_an_operator_says_what_stands_behind_an_arn_or_in_a_geography(rows) -> None:
    local = read_overrides(
        f'[[price]]\nprovider = "aws"\nmodel = "{UNKNOWN[0]}"\ninput = 3\noutput = 15\n'
        '[[price]]\nprovider = "aws"\nmodel = "eu.amazon.nova-lite-v1:0"\ninput = 0.078\noutput = 0.312\n'
        '[[price]]\nprovider = "aws"\nmodel = "amazon.nova-micro-v1:0"\ninput = 0.05\n'
    )
    assert local.faults == []
    book = PriceBook(msgspec.structs.replace(rows, overrides=local.rows))
    for name, price, guessed in (
        (UNKNOWN[0], "3", False),
        ("eu.amazon.nova-lite-v1:0", "0.078", False),
        ("eu.amazon.nova-micro-v1:0", "0.05", True),  # said of another name
    ):
        sheet = book.at("aws", name, AT_US)
        assert sheet is not None
        assert usd_from_pico(price_usage(Usage(input=1_000_000), sheet).list_pico) == Decimal(price)
        assert bool(sheet.assumption) == guessed
    assert book.at("aws", UNKNOWN[2], AT_US) is None
