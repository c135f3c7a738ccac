"""Which arm of a route's experiment a call is in: the same for a session, or a user, for as long as it goes on."""

from hashlib import blake2b

from bursar.domain.routes import CANDIDATE, CONTROL, RouteRule
from bursar.domain.tags import Attribution


def arm_of(rule: RouteRule, attribution: Attribution, call_id: str) -> str:
    """Candidate or control; "" where no experiment is on. A higher percent keeps those who were in it."""
    trial = rule.experiment
    if trial is None or trial.stopped:
        return ""
    return CANDIDATE if draw(rule.name, trial.name, attribution, call_id) < trial.percent / 100 else CONTROL


def draw(route: str, name: str, attribution: Attribution, call_id: str) -> float:
    """From 0 to 1, even, and always the same for one session, else for one user, else for one call."""
    whose = attribution.session or attribution.user or call_id
    mark = blake2b(f"{route}\0{name}\0{whose}".encode(), digest_size=8).digest()
    return int.from_bytes(mark, "big") / 2**64
