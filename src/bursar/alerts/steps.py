"""A step of maturity that was lost: told once per loss, with what turned."""

from collections.abc import Iterator, Sequence

from bursar.alerts.facts import StepLost
from bursar.alerts.rules import Rule
from bursar.domain.alerts import Finding, Severity

ADDRESS = "/maturity"


def judge_steps(rule: Rule, found: Sequence[StepLost]) -> Iterator[Finding]:
    for one in found:
        because = ", ".join(one.because) or "its checks"
        yield Finding(
            rule.name, f"{one.before} to {one.after}", str(one.at_us), Severity.WARNING,
            f"Maturity fell from {one.before} to {one.after}",
            f"What passed and doesn't any more: {because}. The page says what each is, and the acts that mend it.",
            ADDRESS,
        )  # fmt: skip
