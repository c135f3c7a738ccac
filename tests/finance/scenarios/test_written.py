"""Scenarios as text: one spelling each, and mistakes that say what to write."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.errors import BadScenario
from bursar.finance.scenarios.steps import Churn, FreeLimit, Model, Overage, Price, PriceList, Step, Usage, Viral
from bursar.finance.scenarios.written import EXAMPLES, read_steps, write_steps

D = Decimal
names = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Zs", "Cn", "Co")) | st.just(" "), max_size=20
)
numbers = st.decimals(0, 1000, places=6)
counts = st.integers(0, 10**12)
percents = st.decimals(0, 100, places=4)
months = st.none() | st.dates().map(lambda day: day.replace(day=1, year=2020 + day.year % 900))
whose = {"plan": st.none() | names, "segment": st.none() | names, "since": months}
models = st.sampled_from(["openai/gpt-4o", "anthropic/claude", "x/ü;\"q'"])
units = st.sampled_from(["calls", "tokens"])
signed = st.decimals(-100, 1000, places=3)
SPELT: dict[type, dict[str, Any]] = {
    Usage: {"factor": numbers, "heavy": st.none() | st.decimals("0.1", 100, places=3), **whose},
    FreeLimit: {"limit": counts, "price": st.decimals(1, 99, places=2), "convert": percents, "unit": units, **whose},
    Overage: {"price": numbers, "included": counts, "unit": units, **whose},
    Model: {
        "model": models, "to": st.just("b/c"), "price": numbers, "share": percents, "tokens": numbers,
        "since": months,
    },
    PriceList: {"percent": signed, "of": st.sampled_from(["openai", "openai/gpt-4o"]), "since": months},
    Viral: {
        "users": st.integers(1, 10**7), "price": numbers, "convert_low": st.decimals(0, 40, places=2),
        "convert_high": st.decimals(41, 100, places=2), "cost": st.none() | numbers, "ramp": st.integers(1, 24),
        "decay": percents, "after": st.integers(0, 24), "since": months,
    },
}  # fmt: skip
STEPS: st.SearchStrategy[Step] = st.one_of(
    *(st.builds(kind, **fields) for kind, fields in SPELT.items()),
    st.builds(Price, to=numbers, **whose),
    st.builds(Price, percent=signed, **whose),
)


@given(steps=st.lists(STEPS, max_size=3))
def test_what_was_written_is_read_as_it_was(steps: list[Step]):
    text = write_steps(tuple(steps))
    if len(text) > 512:
        return
    read = read_steps(text)
    assert sorted(read, key=str) == sorted(steps, key=str)
    assert read_steps(write_steps(read)) == read


@pytest.mark.parametrize("text", EXAMPLES.values())
def test_each_example_is_read_and_is_its_own_spelling(text: str):
    assert write_steps(read_steps(text)) == text


def test_the_order_in_which_steps_are_written_does_not_matter():
    assert read_steps("churn 1; price +5%; usage 2") == read_steps("usage x2 ;; price 5%; churn 1.0;")
    assert read_steps("") == read_steps(" ; ") == ()
    assert [type(one) for one in read_steps("churn 1; price +5%; usage 2")] == [Usage, Price, Churn]


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("sell 3", "steps", "there are usage"),
        ("usage", "usage.factor", "usage 2 heavy=10%"),
        ("usage two", "usage.factor", "from 0 to 1,000"),
        ("usage 1001", "usage.factor", "from 0 to 1,000"),
        ("usage nan", "usage.factor", "from 0 to 1,000"),
        ("usage 1e5", "usage.factor", "from 0 to 1,000"),
        ("usage 1.0000001", "usage.factor", "6 decimals"),
        ("usage 2 3", "usage.factor", "said twice"),
        ("usage 2 heavy=0%", "usage.heavy", "above 0, up to 100%"),
        ("usage 2 of=pro", "usage.of", "there are heavy, plan, segment, from"),
        ("usage 2 from=2027-01-15", "usage.since", "a month, as 2027-01"),
        ("usage 2 from=2027-13", "usage.since", "a month, as 2027-01"),
        ("price", "price.amount", "price 29"),
        ("price -101%", "price.amount", "from -100 to 1,000%"),
        ("price -1", "price.amount", "from 0 to 1,000,000"),
        ("model gpt-4o to=a/b price=1", "model.model", "provider/model"),
        ("model a/b to=a/b price=1", "model.to", "the model itself"),
        ("model a/b price=1", "model.to", "to is missing"),
        ("pricelist +5%", "pricelist.of", "of is missing"),
        ("freelimit 10 price=0 convert=5%", "freelimit.price", "above 0"),
        ("freelimit 10 price=5 unit=seats", "freelimit.unit", "calls or tokens"),
        ("viral 0 price=1 convert=1%", "viral.users", "from 1 to 10,000,000"),
        ("viral 5 price=1 convert=3%..1%", "viral.convert", "the lower one comes first"),
        ("viral 5 price=1", "viral.convert", "convert is missing"),
        ("viral 5 price=1 convert=1% ramp=25", "viral.ramp", "from 1 to 24"),
        ("churn 1; churn 2", "churn", "said twice"),
        ('usage 2 plan="pro', "steps", "quotes come in pairs"),
        ("usage 2;" * 13, "steps", "at most 12"),
        ("usage 2 plan=" + "x" * 600, "steps", "at most 512"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_field_its_limit_and_what_to_write(text: str, field: str, says: str):
    with pytest.raises(BadScenario) as raised:
        read_steps(text)
    assert raised.value.field == field
    assert says in str(raised.value)
