"""The local embedder: the vectors that torch gives for the same weights, and none for what it can't read whole."""

from pathlib import Path

import numpy as np
import pytest

from bursar.semantic import weights
from bursar.semantic.minilm import DIMENSIONS, TOKENS_MAX, MiniLM
from bursar.semantic.weights import INSTALL, NoWeights, weights_directory
from bursar.semantic.wordpiece import WordPiece

REFERENCE = [  # torch 2.13 and tokenizers 0.23 on the same weights, 2026-11: cosine, and the first vector's first four
    ("How do I enable logging?", "How do I disable logging?", 0.842219, (0.093112, -0.024973, -0.019581, 0.016743)),
    ("How do I enable logging?", "How can I turn on logging?", 0.914071, (0.093112, -0.024973, -0.019581, 0.016743)),
    ("What is the capital of France?", "Which city is France's capital?", 0.934505,
     (0.082048, 0.036056, -0.003893, -0.004881)),
    ("What is the capital of France?", "How do I bake bread?", 0.148114, (0.082048, 0.036056, -0.003893, -0.004881)),
    ("Is it safe to take ibuprofen with alcohol?", "Is it unsafe to take ibuprofen with alcohol?", 0.986889,
     (0.005355, -0.006691, -0.125908, 0.027603)),
]  # fmt: skip
LONG = ("The quick brown fox jumps over the lazy dog. " * 20, (0.058497, -0.045977, 0.075785, -0.003532))
TOKENS = {  # by the `tokenizers` package
    "naïve café déjà-vu": [101, 15743, 7668, 2139, 3900, 1011, 24728, 102],
    "emoji 😀 ok": [101, 7861, 29147, 2072, 100, 7929, 102],
    "a" * 120: [101, 100, 102],
    "": [101, 102],
}


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


@pytest.mark.parametrize(("one", "other", "cosine", "begins"), REFERENCE)
def test_vectors_are_those_of_the_reference(
    model: MiniLM, one: str, other: str, cosine: float, begins: tuple[float, ...]
):
    first, second = model.embed([one, other])
    assert first is not None
    assert second is not None
    assert float(first @ second) == pytest.approx(cosine, abs=2e-5)
    assert first[:4] == pytest.approx(begins, abs=2e-5)
    assert float(np.linalg.norm(first)) == pytest.approx(1.0, abs=1e-5)
    assert first.shape == (DIMENSIONS,)


def test_a_text_has_its_vector_whatever_stands_beside_it(model: MiniLM):
    texts = ["Hello", "How are you?", LONG[0], "Hello", ""]
    together = model.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        [alone] = model.embed([text])
        assert alone == pytest.approx(vector, abs=1e-5)
    assert together[2][:4] == pytest.approx(LONG[1], abs=2e-5)  # type: ignore[index]


def test_a_text_that_is_too_long_has_no_vector(model: MiniLM):
    assert model.embed(["word " * (TOKENS_MAX - 1)]) == [None]
    [vector] = model.embed(["word " * (TOKENS_MAX - 2)])
    assert vector is not None


@pytest.mark.parametrize(("text", "ids"), TOKENS.items(), ids=[text[:10] for text in TOKENS])
def test_tokens_are_those_of_the_reference(text: str, ids: list[int]):
    assert WordPiece(weights_directory() / "vocab.txt").ids(text) == ids


def test_missing_weights_are_told_with_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(weights, "PACKAGE", "no_such_package")
    with pytest.raises(NoWeights, match=INSTALL):
        weights_directory()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(weights, "PACKAGE", "half")
    with pytest.raises(NoWeights, match=r"model\.safetensors"):
        weights_directory()
