"""The simulator's embeddings: the same for the same text, near for shared words, another for every other text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.simulate.vectors import vector_of


def cosine(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(vector_of(one), vector_of(other), strict=True))


@given(st.text(max_size=40), st.integers(1, 200))
def test_a_vector_has_length_one_and_its_text_alone(text: str, dimensions: int):
    vector = vector_of(text, dimensions)
    assert len(vector) == dimensions
    assert sum(number * number for number in vector) == pytest.approx(1, abs=1e-4)
    assert vector == vector_of(text, dimensions)


def test_shared_words_are_near_and_their_order_shows():
    asked = "How do I reset my password?"
    assert cosine(asked, "How can I reset my password?") > 0.8
    assert cosine(asked, "Cook rice with water") < 0.4
    assert vector_of("ship to us") != vector_of("us to ship")
    assert cosine("ship to us", "us to ship") > 0.95
