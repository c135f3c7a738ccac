"""Quality gates of routes as an operator writes them, and what a gate said of a call."""

import re

import msgspec

GATE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class QualityGate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A route's first target takes only calls that it will likely answer as well as its second one would.

    weights:       name of a file of `bursar routes train`, in the data directory's `gates/`, without `.json`.
    threshold:     the highest chance that the second target gets right what the first one gets wrong.
    accuracy_kept: in its place, the share of the second one's accuracy to keep; the weights know the threshold for it.
    """

    weights: str
    threshold: float | None = None
    accuracy_kept: float | None = None


class Judgement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a gate said of a call: kept with its receipt. Of its text nothing is kept.

    miss:    the chance that the dear model is right and the cheap one isn't; None: it wasn't judged, `why` says why.
    cheap:   the chance that the cheap one is right.
    passed:  the cheap one goes first.
    dear:    the upstream and model of the dear way.
    """

    weights: str
    passed: bool
    threshold: float | None = None
    miss: float | None = None
    cheap: float | None = None
    why: str = ""
    dear: str = ""


def faults_of_gate(gate: QualityGate) -> list[str]:
    """What is wrong with a gate."""
    faults = []
    if not GATE_NAME.fullmatch(gate.weights):
        faults.append(
            f"weights: {gate.weights[:80]!r} is no name of a file in gates/; write lower-case letters, digits, '.', "
            "'_' and '-', 64 at most, without .json"
        )
    if (gate.threshold is None) == (gate.accuracy_kept is None):
        faults.append("it has a threshold or an accuracy_kept, one of the two")
    if gate.threshold is not None and not 0 <= gate.threshold <= 1:
        faults.append("threshold: a chance is from 0 to 1")
    if gate.accuracy_kept is not None and not 0 < gate.accuracy_kept <= 1:
        faults.append("accuracy_kept: a share is above 0 and at most 1, such as 0.98")
    return faults


def judgement_words(judged: Judgement) -> str:
    """What a gate said, as a person reads it."""
    limit = "no threshold keeps that accuracy" if judged.threshold is None else f"{judged.threshold:.3f} at most"
    told = f"quality gate {judged.weights!r}: "
    if judged.miss is None:
        return f"{told}not judged ({judged.why}), so {judged.dear} goes first"
    told += f"the cheap model misses what {judged.dear} gets right with a chance of {judged.miss:.3f} ({limit})"
    if judged.cheap is not None:
        told += f", and is right with {judged.cheap:.3f}"
    return told if judged.passed else f"{told}: {judged.dear} goes first"
