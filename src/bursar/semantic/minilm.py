"""all-MiniLM-L6-v2 in numpy: 384 numbers for a text, whose cosine says how close two texts are in meaning.

The weights come inside an installed package and are mapped into memory, so that all workers of a node share them.
torch is not needed: its six layers are matrix products, which numpy hands to BLAS. Source: the BERT paper and the
`config.json` beside the weights; compared with onnxruntime on the same weights (tests/semantic/test_minilm.py).
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bursar.semantic.weights import weights_directory
from bursar.semantic.wordpiece import WordPiece

Floats = NDArray[np.float32]

DIMENSIONS = 384
TOKENS_MAX = 256
"""The model was made for so many; a longer text has no vector, rather than one that says nothing of its end."""

LAYERS, HEADS = 6, 12
HEAD_SIZE = DIMENSIONS // HEADS
NORM_EPSILON = 1e-12
BATCH_MAX = 32


class MiniLM:
    """The model. It has no state between two texts, and may be asked by several threads."""

    def __init__(self, directory: Path | None = None) -> None:
        """directory: of the weights; None: where the package is installed. Raises NoWeights."""
        found = directory or weights_directory()
        self._tokens = WordPiece(found / "vocab.txt")
        self._weights = read_tensors(found / "model.safetensors")

    def embed(self, texts: Sequence[str]) -> list[Floats | None]:
        """A vector of length 1 for each text, float32 (384,); None for one of more than TOKENS_MAX tokens.

        A text's vector doesn't depend on those beside it, but for the last bits of its numbers.
        """
        by_length: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
        for at, text in enumerate(texts):
            ids = self._tokens.ids(text)
            if len(ids) <= TOKENS_MAX:
                by_length[len(ids)].append((at, ids))
        found: list[Floats | None] = [None] * len(texts)
        for group in by_length.values():
            for start in range(0, len(group), BATCH_MAX):
                some = group[start : start + BATCH_MAX]
                vectors = self._run(np.array([ids for _, ids in some]))
                for (at, _), vector in zip(some, vectors, strict=True):
                    found[at] = vector
        return found

    def _run(self, ids: NDArray[np.int64]) -> Floats:
        """ids: (texts, tokens), all of one length, so nothing has to be masked. Gives (texts, 384)."""
        weights = self._weights
        length = ids.shape[1]
        x = weights["embeddings.word_embeddings.weight"][ids]
        x = x + weights["embeddings.position_embeddings.weight"][:length]
        x = x + weights["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}"
            x = self._norm(x + self._attention(x, f"{layer}.attention"), f"{layer}.attention.output.LayerNorm")
            inner = gelu(self._dense(x, f"{layer}.intermediate.dense"))
            x = self._norm(x + self._dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        mean = x.mean(axis=1)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)

    def _attention(self, x: Floats, name: str) -> Floats:
        texts, length, _ = x.shape

        def heads(part: str) -> Floats:
            return self._dense(x, f"{name}.self.{part}").reshape(texts, length, HEADS, HEAD_SIZE).transpose(0, 2, 1, 3)

        scores: Floats = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32(HEAD_SIZE**0.5)
        shares = np.asarray(np.exp(scores - scores.max(axis=-1, keepdims=True)), np.float32)
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed: Floats = (shares @ heads("value")).transpose(0, 2, 1, 3).reshape(texts, length, DIMENSIONS)
        return self._dense(mixed, f"{name}.output.dense")

    def _dense(self, x: Floats, name: str) -> Floats:
        return np.asarray(x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"], np.float32)

    def _norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + NORM_EPSILON)
        return np.asarray(centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])


def gelu(x: Floats) -> Floats:
    """x times the normal distribution at x, its erf by Abramowitz and Stegun 7.1.26: right to 1.5e-7.

    >>> [round(float(value), 5) for value in gelu(np.array([-1.0, 0.0, 2.0], np.float32))]
    [-0.15866, 0.0, 1.9545]
    """
    scaled = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * scaled)
    series = np.zeros_like(x)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = np.asarray((series + np.float32(factor)) * t, np.float32)
    erf = np.sign(x) * (1 - series * np.exp(-scaled * scaled))
    return np.asarray(x * (1 + erf) / 2, np.float32)


def read_tensors(path: Path) -> dict[str, Floats]:
    """The float tensors of a safetensors file, mapped: eight bytes of length, a JSON head, then the numbers."""
    mapped = np.memmap(path, np.uint8, mode="r")
    head_bytes = int(mapped[:8].view(np.uint64)[0])
    head = json.loads(mapped[8 : 8 + head_bytes].tobytes())
    data = mapped[8 + head_bytes :]
    found = {}
    for name, said in head.items():
        if name != "__metadata__" and said["dtype"] == "F32":
            start, end = said["data_offsets"]
            found[name] = np.asarray(data[start:end]).view(np.float32).reshape(said["shape"])
    return found
