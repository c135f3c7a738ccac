"""The file of weights that `bursar routes train` writes and a gateway's gate reads: JSON, some 30 KB."""

from math import exp
from operator import mul
from pathlib import Path
from typing import Annotated

import msgspec

from bursar.domain.errors import BadGate
from bursar.domain.gates import QualityGate
from bursar.quality.features import BUCKETS, NAMES, features_of

VERSION = 1
WEIGHTS_BYTES_MAX = 1_000_000

Chance = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Head(msgspec.Struct, frozen=True):
    """A logistic regression: the chance is 1 / (1 + exp(-z)), z the bias and all that is seen times its weight."""

    bias: float
    counts: tuple[float, ...]
    buckets: tuple[float, ...]


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A threshold, the share of calls that pass it, and the share of the dear model's accuracy that is kept then: by
    cross-validation, so that in 19 of 20 such trainings it is no less."""

    threshold: Chance
    share: Chance
    accuracy_kept: float


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """What was learned. chars_min, chars_max: lengths of texts that it learned from; others it doesn't judge.

    rows: examples. cheap_accuracy, dear_accuracy: of the two models on them.
    """

    version: int = VERSION
    cheap_model: str = ""
    dear_model: str = ""
    rows: int
    cheap_accuracy: Chance
    dear_accuracy: Chance
    chars_min: int
    chars_max: int
    miss: Head
    cheap: Head
    steps: tuple[Step, ...]

    def score(self, text: str) -> tuple[float, float]:
        """(the chance that only the dear model is right, the chance that the cheap one is) of a text."""
        seen = features_of(text)
        scores = []
        for head in (self.miss, self.cheap):
            z = sum(map(head.buckets.__getitem__, seen.buckets)) * seen.weight + head.bias
            z = sum(map(mul, seen.counts, head.counts), z)
            scores.append(1 / (1 + exp(-max(-30.0, min(30.0, z)))))
        return scores[0], scores[1]

    def threshold_for(self, gate: QualityGate) -> float | None:
        """The highest chance of a miss that a call may have; None: no threshold keeps so much of the accuracy."""
        if gate.threshold is not None:
            return gate.threshold
        kept = gate.accuracy_kept or 1.0
        return max((step.threshold for step in self.steps if step.accuracy_kept >= kept), default=None)


def read_weights(path: Path) -> Weights:
    """Raises BadGate that says what is wrong with the file."""
    try:
        if path.stat().st_size > WEIGHTS_BYTES_MAX:
            raise BadGate(f"{path.name} has more than {WEIGHTS_BYTES_MAX} bytes", field="quality_gate.weights")
        found = _DECODER.decode(path.read_bytes())
    except OSError as error:
        raise BadGate(
            f"{path.name} can't be read: {error.strerror}; `bursar routes train` writes it",
            field="quality_gate.weights",
        ) from error
    except msgspec.DecodeError as error:
        raise BadGate(f"{path.name} holds no weights: {error}", field="quality_gate.weights") from error
    sizes = {(len(head.counts), len(head.buckets)) for head in (found.miss, found.cheap)}
    if found.version != VERSION or sizes != {(len(NAMES), BUCKETS)}:
        raise BadGate(
            f"{path.name} was trained by another version of Bursar: train it anew with `bursar routes train`",
            field="quality_gate.weights",
        )
    return found


def encode_weights(weights: Weights) -> bytes:
    """The bytes of the file."""
    return msgspec.json.format(msgspec.json.encode(weights), indent=0)


_DECODER: msgspec.json.Decoder[Weights] = msgspec.json.Decoder(Weights)
