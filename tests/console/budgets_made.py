"""Budgets over the simulated history, one of each kind that a page must draw, with money spent, held and overrun."""

from datetime import date
from pathlib import Path

from bursar.budgets.authority import Authority
from bursar.budgets.budget import Budget, Rate
from bursar.budgets.lease import Account, Ask, BalanceKey, Report
from bursar.budgets.limits import LimitPlan
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.domain.clock import FixedClock
from bursar.governance.budgets import Budgets, Spent
from bursar.governance.store import ControlStore

DOLLAR = 10**12
LONG_NAME = "قسم التطوير 🚀 " + "everything that anybody asks of it " * 2


def empty_budgets(directory: Path, now_us: int) -> Budgets:
    return Budgets(ControlStore(directory / "control.sqlite"), b"secret" * 8, FixedClock(now_us))


def make_budgets(directory: Path, now_us: int) -> Budgets:
    budgets = empty_budgets(directory, now_us)

    def make(name: str, window: str, limit: int, spent: dict[str, int], **more: object) -> Budget:
        plan, schedule = LimitPlan(limit), Schedule(parse_spec(window))
        budget = Budget(budget_id="", name=name, limit=plan, window=schedule, **more)  # type: ignore[arg-type]  # kinds
        return budgets.create(
            budget, actor="test", opening=[Spent(value, now_us, pico) for value, pico in spent.items()]
        )

    support = make("Support bot", "month", 20 * DOLLAR, {"": 14 * DOLLAR}, match={"feature": "support-bot"})
    make("fair use", "day", DOLLAR // 2, {"acme": DOLLAR // 10, "<b>bold</b>": DOLLAR // 2}, each="customer")
    rate = Rate(1_080_000_000_000, "ECB", date(2026, 11, 1))
    europe = make(
        "Europe", "fy:04@Europe/Berlin", 900 * DOLLAR, {"": 212_345_678_901_234}, currency="EUR", rate=rate,
        mode="expected", contact="finance@acme.test",
    )  # fmt: skip
    make(LONG_NAME, "rolling:7d", 40 * DOLLAR, {"": 3 * DOLLAR}, mode="warn", match={"team": "core"})
    make("nothing yet", "lifetime", DOLLAR, {})
    make("next year", "2027-01-01..2027-03-31", 100 * DOLLAR, {}, mode="clamp")
    budgets.raise_limit(
        "Europe", 1_000 * DOLLAR, until_us=now_us + 10 * 86_400 * 10**6, reason="launch", actor="cli:ada"
    )
    hold(budgets, support, now_us, held=2 * DOLLAR, overrun=DOLLAR // 4)
    hold(budgets, europe, now_us, held=DOLLAR, overrun=0)
    return budgets


def hold(budgets: Budgets, budget: Budget, now_us: int, *, held: int, overrun: int) -> None:
    """As a worker does: a lease, calls under way in it, and one whose bill was above its hold."""
    authority = Authority(budgets.store.deciding, budgets.store.reading)
    key = BalanceKey(budget.budget_id, "", Account.LIKELY)
    lease = f"lease-{budget.budget_id}"
    authority.refill("worker", [Ask(key, lease, "", held, held + overrun, held + overrun)], now_us)
    authority.report([Report(lease, overrun, held, overrun=overrun)])
