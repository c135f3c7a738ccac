"""A route's quality gate at work: judges a call, and puts the cheap way in front or behind."""

from bursar.domain.gates import Judgement, QualityGate
from bursar.gateway.call import Arrival, Way, Worker
from bursar.gateway.gate_text import question_of
from bursar.providers.base import Asked

BEHIND = "quality_gate"


def judge_way(worker: Worker, arrival: Arrival, asked: Asked, gate: QualityGate, ways: list[Way]) -> Judgement | None:
    """Order the ways by what the gate says: the cheap one behind all others unless it passes.

    It stays a fallback: a call that no dear upstream takes is better answered by it than not at all. None: the cheap
    or the dear way is left out already, so there is nothing to judge.
    """
    if len(ways) < 2 or not ways[0].is_cheap:
        return None
    dear = f"{ways[1].plan.route.name}/{ways[1].model}"
    judged = _judged(worker, arrival, asked, gate, dear)
    if not judged.passed:
        cheap = ways.pop(0)
        cheap.why = BEHIND
        ways.append(cheap)
    return judged


def _judged(worker: Worker, arrival: Arrival, asked: Asked, gate: QualityGate, dear: str) -> Judgement:
    weights = worker.gates.get(gate.weights)
    if weights is None:
        return Judgement(gate.weights, False, why="no weights", dear=dear)
    threshold = weights.threshold_for(gate)
    question = question_of(arrival.body, asked, arrival.dialect.operation)
    size = len(question.text)
    why = question.why or ("" if weights.chars_min <= size <= weights.chars_max else "length")
    if why:
        return Judgement(gate.weights, False, threshold, why=why, dear=dear)
    miss, cheap = weights.score(question.text)
    passed = threshold is not None and miss <= threshold
    return Judgement(gate.weights, passed, threshold, round(miss, 4), round(cheap, 4), dear=dear)
