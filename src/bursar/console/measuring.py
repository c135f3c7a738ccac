"""Keeps what the shadows of semantic caches have shown in their rules, where whoever switches one on is measured by it.

The ledger has the calls; the control store gets the sums, so that the command line, the forms and the control file
judge by the same figures, on every node.
"""

import threading
from collections.abc import Callable
from datetime import timedelta

import msgspec
import structlog

from bursar.domain.caching import LOCAL, CacheRule, SemanticCaching, measured_as
from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.resemblance import why_off
from bursar.explore.resemblances import measured_so_far
from bursar.governance.controls import Controls
from bursar.ledger.store import Ledger

LOOK_EVERY_S = 10.0
DAYS = 30  # of calls that count
ACTOR = "semantic cache"

log = structlog.get_logger("bursar.console")


class Measuring:
    """Looks at the ledger, and writes what changed. A cache that answers, and wrongly, is put back into shadow."""

    def __init__(self, ledger: Ledger, controls: Callable[[], Controls], clock: Clock) -> None:
        self._ledger = ledger
        self._controls = controls
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception as error:  # the background supervisor: the next look comes
                log.error("semantic caches can't be measured", error=f"{type(error).__name__}: {error}")

    def look(self) -> list[str]:
        """The names of the rules whose figures changed."""
        with self._ledger.reading() as session:
            if not session.query("SELECT count(*) FROM (SELECT 1 FROM resemblances LIMIT 1)").only():
                return []  # nothing was ever compared: no store is opened
        caches, changed = self._controls().caches, []
        since = (datetime_from_us(self._clock.now_us()) - timedelta(days=DAYS)).replace(tzinfo=None)
        for rule in caches.all():
            semantic = rule.terms.semantic
            if semantic is None:
                continue
            with self._ledger.reading() as session:
                seen = measured_so_far(
                    session, rule.rule_id, measured_as(rule.terms), semantic.agreement_min, since,
                    is_embedded=semantic.embedder != LOCAL,
                )  # fmt: skip
            told = msgspec.json.encode(seen).decode() if seen.calls or seen.compared else ""
            if told != rule.measured:
                caches.measured(rule.rule_id, told)
                changed.append(rule.name)
            if semantic.mode == "on" and rule.is_on and (why := why_off(rule.terms, seen)):
                self._back_to_shadow(rule, semantic, why)
        return changed

    def _back_to_shadow(self, rule: CacheRule, semantic: SemanticCaching, why: str) -> None:
        """It answers no longer, from the next second on; the audit log says that the system did it."""
        shadow = msgspec.structs.replace(semantic, mode="shadow")
        controls = self._controls()
        if controls.caches.one(rule.rule_id).terms != rule.terms:
            return  # somebody changed it while the ledger was asked: the next look judges what they made of it
        controls.caches.change(rule.rule_id, msgspec.structs.replace(rule.terms, semantic=shadow), actor=ACTOR)
        controls.publish()
        log.warning("a semantic cache is back in shadow: its answers were wrong", rule=rule.name, why=why)
