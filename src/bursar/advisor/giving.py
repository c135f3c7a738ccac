"""Puts an advice together: what all families do alike once they know what would be saved."""

from bursar.advisor.advice import Advice, Claim, Confidence, Draft, Estimate, Level, advice_id
from bursar.advisor.drafts import doubts_of_draft
from bursar.advisor.look import Look, Segment


def give(
    look: Look,
    kind: str,
    segment: Segment,
    claim: Claim,
    saving: Estimate,
    *,
    title: str,
    why: str,
    change: Draft,
    confidence: Confidence,
    effort: Level,
    risk: Level,
    doubts: tuple[str, ...],
    is_proven: bool = True,
    about: str = "",
    evidence: tuple[str, ...] = (),
) -> Advice:
    """Advice on a segment. about: what tells it from another of its kind on the same segment."""
    attempts, spent, examples = look.claimed(claim)
    return Advice(
        id=advice_id(kind, *segment, about), kind=kind, title=title, why=why, scope=segment.scope, examples=examples,
        attempts=attempts, spent=spent, saving=saving, confidence=confidence, effort=effort, risk=risk, change=change,
        doubts=(*doubts, *doubts_of_draft(change, segment)), claim=claim,
        is_proven=is_proven, evidence=evidence,
    )  # fmt: skip
