"""Facts of a company on the last step, to be spoilt one by one."""

from datetime import UTC, date, datetime
from decimal import Decimal

from bursar.domain.clock import us_from_datetime
from bursar.governance.maturity import Evidence
from bursar.maturity.evidence import BY_PERSON, DAY_US
from bursar.maturity.facts import AlertFacts, AuditFacts, BillFacts, Books, Facts, InitiativeFacts, Part, Settings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW_US = us_from_datetime(NOW)
PARTS = ("feature", "team", "environment", "whom", "customer", "owned_keys", "answers", "budgeted", "limited", "chosen",
         "required")  # fmt: skip


def said(check_id: str, *, days_ago: int = 1, days: int = 40, number: int = 1) -> Evidence:
    at_us = NOW_US - days_ago * DAY_US
    return Evidence(number, check_id, "Ada", "in the minutes", at_us, at_us + days * DAY_US, "cli:ada")


BOOKS = Books(
    whole=Part(Decimal(100), 1_000), days=30, newest=NOW, unpriced=0, doubtful=10, caches=Decimal(10),
    levers=Decimal(20), counterfactual=Decimal(120), retries=Decimal(1),
    parts={name: Part(Decimal(100), 1_000) for name in PARTS} | {"doubtful": Part(Decimal(1), 10)},
)  # fmt: skip
SETTINGS = Settings(
    budgets=2, owned=2, alerts=AlertFacts(spend=2, forecast=1, tags=1, raised=5, answered=5),
    audit=AuditFacts(30), weekly_us=NOW_US - 3 * DAY_US, monthly_us=NOW_US - 20 * DAY_US,
)  # fmt: skip
BILLS = BillFacts(
    month=date(2026, 10, 1), ends=date(2026, 11, 1), bills=2, compared=2, used=Decimal(100), covered=Decimal(97),
    open=Decimal(0), compared_us=NOW_US - 9 * DAY_US, spent=Decimal(100), billed_spent=Decimal(95),
)  # fmt: skip
DISCIPLINED = Facts(
    at_us=NOW_US, books=BOOKS, settings=SETTINGS, initiatives=InitiativeFacts(2, 1, 3, 0), bills=BILLS,
    evidence=tuple(said(check.id) for check in BY_PERSON),
)  # fmt: skip
