"""What looks by the rules and delivers, put together for the process that has the ledger."""

from collections.abc import Callable

from bursar.alerts.desk import AlertDesk
from bursar.alerts.ledger_facts import LedgerFacts
from bursar.alerts.run import AlertThreads, Parts
from bursar.alerts.watch import Watch
from bursar.console.budgeting import budget_facts
from bursar.console.context import ConsoleContext
from bursar.console.contracts import promises
from bursar.console.maturity_lost import steps_lost
from bursar.console.refused import approvals_asked, retries_capped
from bursar.console.reporting import files_sent, report_told
from bursar.console.reviewing import review_told
from bursar.console.stating import statements_told
from bursar.console.watching import anomalies_to_tell
from bursar.ledger.store import Ledger
from bursar.reports.kept import report_kind
from bursar.site import Site


def alert_threads(
    site: Site, desk: Callable[[], AlertDesk], ledger: Ledger, context: Callable[[], ConsoleContext]
) -> AlertThreads:
    """Not begun yet. desk: opens the control store.

    context: what knows of budgets, retries, approvals, reviews, reports, statements, anomalies, contracts and maturity;
    asked when it is needed, since it is made after these threads.
    """
    facts = LedgerFacts(
        ledger,
        site.clock,
        site.config.console.timezone,
        lambda: budget_facts(context()),
        site.loop_cuts,
        lambda: retries_capped(context()),
        lambda: approvals_asked(context()),
        lambda period: review_told(context(), period),
        lambda: anomalies_to_tell(context().anomalies(), site.clock.now_us()),
        lambda kind, month: report_told(context(), report_kind(kind), month),
        lambda: promises(context()),
        lambda by, of, month, *, closed_only: statements_told(context(), by, of, month, closed_only=closed_only),
        lambda: steps_lost(context()),
    )

    def open_parts() -> Parts:
        opened = desk()
        watch = Watch(opened.outbox, opened.book, opened.settings, facts, site.clock)
        return Parts(watch, site.deliverer(opened, lambda address: files_sent(context(), address)), opened.outbox)

    return AlertThreads(open_parts, site.clock, look_every_s=site.config.alerts.look_every_s)
