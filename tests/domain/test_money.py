"""Money is exact and rounded once, half-even."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.money import (
    InexactMoney,
    femto_from_usd_per_million,
    pico_from_femto,
    pico_from_usd,
    plain,
    usd_from_femto,
    usd_from_pico,
)

PICO = Decimal("0.000000000001")


@given(st.integers(-(10**24), 10**24))
def test_femto_round_to_pico_as_decimals_do(femto: int) -> None:
    exact = usd_from_femto(femto)
    assert usd_from_pico(pico_from_femto(femto)) == exact.quantize(PICO, ROUND_HALF_EVEN)


@given(st.integers(-(10**18), 10**18))
def test_pico_survive_the_way_to_decimals_and_back(pico: int) -> None:
    assert pico_from_usd(usd_from_pico(pico)) == pico


@given(st.lists(st.integers(0, 10**12), max_size=50))
def test_a_sum_of_pico_is_the_sum_of_its_decimals(amounts: list[int]) -> None:
    assert usd_from_pico(sum(amounts)) == sum(map(usd_from_pico, amounts), Decimal(0))


@pytest.mark.parametrize(
    ("usd_per_million", "femto"),
    [("2.50", 2_500_000_000), ("0.0375", 37_500_000), ("0.02", 20_000_000), ("0", 0), ("0.000000001", 1)],
)
def test_a_catalogue_price_becomes_an_integer(usd_per_million: str, femto: int) -> None:
    assert femto_from_usd_per_million(Decimal(usd_per_million)) == femto


def test_a_price_too_fine_to_hold_is_refused_and_not_rounded() -> None:
    with pytest.raises(InexactMoney):
        femto_from_usd_per_million(Decimal("0.0000000001"))


@pytest.mark.parametrize(
    ("usd", "text"), [("0.000003750000", "0.00000375"), ("12.500", "12.5"), ("0E-12", "0"), ("1E+3", "1000")]
)
def test_decimals_are_written_plainly(usd: str, text: str) -> None:
    assert plain(Decimal(usd)) == text
