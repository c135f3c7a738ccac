"""Which arm of a route's experiment a call is in: the same for a session, or a user, for as long as it goes on."""

from hashlib import blake2b

from bursar.domain.routes import CANDIDATE, CONTROL, RouteRule
from bursar.domain.tags import Attribution


def arm_of(rule: RouteRule, attribution: Attribution, call_id: str) -> str:
    """Candidate or control; "" where no experiment is on. A higher percent keeps those who were in it."""
    trial = rule.experiment
    if trial is None or trial.stopped:
        return ""
    whose = attribution.session or attribution.user or call_id
    mark = blake2b(f"{rule.name}\0{trial.name}\0{whose}".encode(), digest_size=8).digest()
    return CANDIDATE if int.from_bytes(mark, "big") < trial.percent / 100 * 2**64 else CONTROL
