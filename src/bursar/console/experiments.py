"""Experiments of routes: what they show, and the thread that stops one whose candidate is worse."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.routes import CANDIDATE, CONTROL, Experiment, RouteRule, StoppedTrial, with_stops
from bursar.domain.sequential import METRICS, Finding, judge
from bursar.explore.trials import trial_so_far
from bursar.governance.controls import Controls
from bursar.ledger.store import Ledger

LOOK_EVERY_S = 15.0
DAYS = 30  # of calls that count
ACTOR = "experiment"

log = structlog.get_logger(__name__)


class FindingAnswer(msgspec.Struct, frozen=True):
    """One metric. control, candidate: means; of latency and cost, of the logarithm. verdict: worse, better or ""."""

    metric: str
    control_calls: int
    candidate_calls: int
    control: float
    candidate: float
    difference: float
    evidence: float
    verdict: str


class ExperimentAnswer(msgspec.Struct, frozen=True):
    """An experiment so far. stopped: why it goes on no longer; "": it does."""

    route: str
    experiment: str
    candidate: str
    percent: float
    alpha: float
    stopped: str
    control_calls: int
    candidate_calls: int
    findings: list[FindingAnswer]


def experiment_so_far(ledger: Ledger, rule: RouteRule, trial: Experiment, now: datetime) -> ExperimentAnswer:
    """Judged by every metric at an equal share of its alpha."""
    since = (now - timedelta(days=DAYS)).replace(tzinfo=None)
    with ledger.reading() as session:
        seen = trial_so_far(session, rule.name, trial.name, since)
    findings = []
    for metric in METRICS:
        control, candidate = seen.arms[metric.name]
        found: Finding = judge(metric, control, candidate, trial.alpha / len(METRICS))
        findings.append(
            FindingAnswer(
                metric.name, control.calls, candidate.calls, control.mean, candidate.mean, found.difference,
                found.evidence, found.verdict,
            )
        )  # fmt: skip
    place = trial.candidate
    return ExperimentAnswer(
        rule.name, trial.name, "/".join(part for part in (place.upstream, place.model) if part), trial.percent,
        trial.alpha, trial.stopped, seen.calls[CONTROL], seen.calls[CANDIDATE], findings,
    )  # fmt: skip


class Stopping:
    """Looks at experiments, and stops those whose candidate is worse: of the control store's routes in the route
    itself, of the settings file's by a note in the control store, since the file is its operator's.

    filed: the settings file's routes.
    """

    def __init__(
        self, ledger: Ledger, controls: Callable[[], Controls], clock: Clock, filed: Sequence[RouteRule] = ()
    ) -> None:
        self._ledger = ledger
        self._controls = controls
        self._clock = clock
        self._filed = filed

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception as error:  # the background supervisor: the next look comes
                log.error("experiments can't be looked at", error=f"{type(error).__name__}: {error}")

    def look(self) -> list[str]:
        """The names of the routes whose experiment was stopped now."""
        controls, stopped = self._controls(), []
        for kept in controls.routes.all():
            trial = kept.rule.experiment
            if trial is not None and kept.is_on and (why := self._why_stop(kept.rule, trial)):
                ended = msgspec.structs.replace(trial, stopped=why)
                controls.routes.set(msgspec.structs.replace(kept.rule, experiment=ended), actor=ACTOR)
                stopped.append(kept.rule.name)
        if any(rule.experiment is not None for rule in self._filed):
            for rule in with_stops(self._filed, controls.routes.stopped_in_file()):
                trial = rule.experiment
                if trial is not None and (why := self._why_stop(rule, trial)):
                    controls.routes.stop_in_file(StoppedTrial(rule.name, trial.name, why), actor=ACTOR)
                    stopped.append(rule.name)
        if stopped:
            controls.publish()
        return stopped

    def _why_stop(self, rule: RouteRule, trial: Experiment) -> str:
        """ "": it goes on, or was stopped before."""
        if trial.stopped:
            return ""
        told = experiment_so_far(self._ledger, rule, trial, datetime_from_us(self._clock.now_us()))
        worse = [one for one in told.findings if one.verdict == "worse"]
        if not worse:
            return ""
        why = ", ".join(f"{one.metric} {one.control:.4g} → {one.candidate:.4g}" for one in worse)
        log.warning("experiment_stopped", route=rule.name, experiment=trial.name, why=why)
        return f"the candidate is worse: {why}"
