"""A contract's form: every kind of term in a line of its own, and a line that can't be read is named."""

from decimal import Decimal

import pytest

from bursar.console.forms.contract import terms_of_form
from bursar.domain.errors import BadContract, BadControl

BASE = {"provider": "openai", "since": "2026-11-01"}


def test_every_term_can_be_said_without_json():
    terms = terms_of_form(BASE | {
        "owner": "Ada", "percent": "12.5 %", "models": "", "discounts": "gpt-5-mini*, o3: 30\n\ntier batch: 5",
        "volume_steps": "10,000: 5\n$50000: 10 %", "volume_mode": "all_units", "prices": "gpt-5 output: 8",
        "capacities": "gpt-4.1: $2 an hour, 37,000\nall: 9000 a month", "committed": "$120,000",
        "committed_until": "2027-10-31", "credit": "2500", "credit_until": "2027-01-31",
    })  # fmt: skip
    assert [(one.models, one.tiers, one.percent) for one in terms.discounts] == [
        (("gpt-5-mini*", "o3"), (), Decimal(30)), ((), ("batch",), Decimal(5)), ((), (), Decimal("12.5")),
    ]  # fmt: skip
    (volume,) = terms.volumes
    assert (volume.mode, volume.by, [(one.above, one.percent) for one in volume.steps]) == (
        "all_units", "list_cost", [(Decimal(10_000), Decimal(5)), (Decimal(50_000), Decimal(10))],
    )  # fmt: skip
    assert [(one.models, one.unit, one.usd_per_million) for one in terms.prices] == [(("gpt-5",), "output", Decimal(8))]
    first, second = terms.capacities
    assert (first.models, first.usd, first.per, first.tokens_per_minute) == (("gpt-4.1",), Decimal(2), "hour", 37_000)
    assert (second.models, second.usd, second.per, second.tokens_per_minute) == ((), Decimal(9_000), "month", None)
    assert (terms.commitments[0].amount, terms.credits[0].amount) == (Decimal(120_000), Decimal(2_500))


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("discounts", "gpt-5 30", "line 1 is 'gpt-5 30'; write it as gpt-5-mini*: 30, or tier batch: 5"),
        ("volume_steps", "1000: 5\nmuch: 9", "line 2 is 'much: 9'; write it as 10000: 5"),
        ("prices", "output: 8", "write it as gpt-5 output: 8"),
        ("capacities", "gpt-4.1: 2", "write it as gpt-4.1: 2 an hour, 37000"),
        ("terms", "{", "not JSON"),
    ],
)
def test_a_line_that_can_not_be_read_is_named(field: str, typed: str, said: str):
    with pytest.raises(BadContract, match=field) as caught:
        terms_of_form(BASE | {field: typed})
    assert said in caught.value.message
    assert caught.value.field == field


def test_a_number_that_is_none_is_named():
    with pytest.raises(BadControl, match="percent"):
        terms_of_form(BASE | {"percent": "many"})
