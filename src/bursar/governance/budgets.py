"""Budgets of a site: made, changed and removed, each change in the audit log.

What was spent of a budget stays when it is removed; its name is free again then.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from bursar.budgets.approvals import new_approval
from bursar.budgets.authority import Authority
from bursar.budgets.balances import lock_value
from bursar.budgets.budget import Budget, Rate, check_fits
from bursar.budgets.lease import Account, BalanceKey, Standing
from bursar.budgets.limits import LimitChange, LimitPlan
from bursar.budgets.reachable import KnowsModel, check_reachable
from bursar.budgets.schedule import scheduled_window
from bursar.budgets.standings import standings_of
from bursar.budgets.tables import BUDGET_BALANCES, BUDGETS
from bursar.budgets.thresholds import APPROVALS_MAX, Threshold
from bursar.budgets.windows import Window
from bursar.domain.clock import Clock
from bursar.domain.errors import BadBudget, NameTaken, UnknownBudget
from bursar.domain.ids import random_id
from bursar.governance.audit import record_change
from bursar.governance.register import with_key_ids
from bursar.governance.store import ControlStore

BUDGETS_MAX = 100_000
_DECODER = msgspec.json.Decoder(Budget)


class Spent(NamedTuple):
    """What was spent before a budget was made. value: of its `each` dimension; at_us: when, at the latest."""

    value: str
    at_us: int
    pico: int


class Budgets:
    """The budgets of a site.

    secret: the site's, for the audit log's chain. knows_model: for thresholds that name one; None: not known here.
    """

    def __init__(self, store: ControlStore, secret: bytes, clock: Clock, knows_model: KnowsModel | None = None) -> None:
        self.store = store
        self._secret = secret
        self._clock = clock
        self._knows_model = knows_model

    def create(self, budget: Budget, *, actor: str, opening: Iterable[Spent] = ()) -> Budget:
        """Make a budget; its id and birth are set here, and a key in its match becomes the key's id.

        Raises NameTaken, UnknownKey, or BadBudget past BUDGETS_MAX, for a limit that can't be counted and for a
        threshold that can never act.

        opening: what counts as spent in its running window already, posted in the same transaction.
        """
        now_us = self._clock.now_us()
        budget_id = random_id("bg_")
        check_fits(budget)
        check_reachable(budget.thresholds, (), self._knows_model)
        with self.store.writing() as connection:
            match = with_key_ids(connection, budget.match)
            made = msgspec.structs.replace(budget, budget_id=budget_id, created_us=now_us, match=match)
            if connection.execute(select(BUDGETS.c.name).where(BUDGETS.c.name == made.name)).first():
                raise NameTaken(f"there is a budget named {made.name!r} already (`bursar budgets list`)", field="name")
            in_force = select(func.count()).select_from(BUDGETS).where(BUDGETS.c.removed_us.is_(None))
            if connection.execute(in_force).scalar_one() >= BUDGETS_MAX:
                raise BadBudget(f"a site has at most {BUDGETS_MAX} budgets; remove one first", field="name")
            connection.execute(
                insert(BUDGETS).values(
                    budget_id=budget_id, name=made.name, revision=1, definition=_json(made), removed_us=None
                )
            )
            _open_balances(connection, made, opening)
            self._record(connection, now_us, actor, "budget.create", made)
        return made

    def raise_limit(self, name_or_id: str, limit_pico: int, *, until_us: int | None, reason: str, actor: str) -> Budget:
        """Another limit from now on, for good or until an instant; down as well as up.

        Raises UnknownBudget, or BadWindow for a temporary one without a reason.
        """
        now_us = self._clock.now_us()
        with self.store.writing() as connection:
            budget = _find(connection, name_or_id)
            change = LimitChange(now_us, limit_pico, until_us, reason, actor)
            plan = LimitPlan(budget.limit.limit_pico, (*budget.limit.changes, change))
            raised = msgspec.structs.replace(budget, limit=plan)
            check_fits(raised)
            return self._replace(connection, raised, "budget.limit", actor)

    def replace(self, budget: Budget, *, actor: str) -> Budget:
        """The same budget (by id) with another definition. Raises UnknownBudget, or BadBudget for a new threshold that
        can never act."""
        with self.store.writing() as connection:
            before = _find(connection, budget.budget_id)
            check_reachable(budget.thresholds, before.thresholds, self._knows_model)
            return self._replace(connection, budget, "budget.change", actor)

    def set_rate(self, name_or_id: str, rate: Rate, *, actor: str) -> Budget:
        """Another rate of exchange from now on, the running window included. Raises UnknownBudget or BadBudget."""
        with self.store.writing() as connection:
            changed = msgspec.structs.replace(_find(connection, name_or_id), rate=rate)
            check_fits(changed)
            return self._replace(connection, changed, "budget.rate", actor)

    def set_thresholds(self, name_or_id: str, thresholds: tuple[Threshold, ...], *, actor: str) -> Budget:
        """What happens near the limit, from now on. Raises UnknownBudget or BadBudget."""
        with self.store.writing() as connection:
            budget = _find(connection, name_or_id)
            check_reachable(thresholds, budget.thresholds, self._knows_model)
            changed = msgspec.structs.replace(budget, thresholds=thresholds)
            return self._replace(connection, changed, "budget.thresholds", actor)

    def approve(
        self,
        name_or_id: str,
        *,
        percent: int | None = None,
        value: str = "",
        until_us: int | None = None,
        reason: str = "",
        actor: str,
    ) -> Budget:
        """Let calls past the `approve` thresholds up to a percent (None: all), at most to the running window's end.

        Raises UnknownBudget, or BadBudget for one that asks for no approval, or until when its window is over.
        """
        now_us = self._clock.now_us()
        with self.store.writing() as connection:
            budget = _find(connection, name_or_id)
            given = new_approval(budget, percent, value, until_us, reason, actor, now_us)
            kept = (*budget.approvals, given)[-APPROVALS_MAX:]
            return self._replace(connection, msgspec.structs.replace(budget, approvals=kept), "budget.approve", actor)

    def remove(self, name_or_id: str, *, actor: str) -> Budget:
        """Limit nothing any more. Raises UnknownBudget."""
        now_us = self._clock.now_us()
        with self.store.writing() as connection:
            budget = _find(connection, name_or_id)
            connection.execute(
                update(BUDGETS)
                .where(BUDGETS.c.budget_id == budget.budget_id)
                .values(
                    removed_us=now_us, revision=BUDGETS.c.revision + 1, name=f"{budget.budget_id} {budget.name}"[:200]
                )
            )
            self._record(connection, now_us, actor, "budget.remove", budget)
        return budget

    def with_key_id(self, budget: Budget) -> Budget:
        """The budget with the key of its match by its id, as calls have it. Raises UnknownKey."""
        with self.store.reading() as connection:
            return msgspec.structs.replace(budget, match=with_key_ids(connection, budget.match))

    def all(self) -> list[Budget]:
        """Every budget in force, by name."""
        with self.store.reading() as connection:
            rows = connection.execute(
                select(BUDGETS.c.definition).where(BUDGETS.c.removed_us.is_(None)).order_by(BUDGETS.c.name)
            ).scalars()
            return [_DECODER.decode(row) for row in rows]

    def find(self, name_or_id: str) -> Budget:
        """Raises UnknownBudget."""
        with self.store.reading() as connection:
            return _find(connection, name_or_id)

    def standings(self, budgets: Sequence[Budget]) -> list[list[Standing]]:
        """How each of some budgets stands now, all at one instant: a row each, or one for each value that spent."""
        authority = Authority(self.store.deciding, self.store.reading)
        now_us = self._clock.now_us()
        with self.store.reading() as connection:
            return standings_of(authority, connection, budgets, now_us)

    def _replace(self, connection: Connection, budget: Budget, action: str, actor: str) -> Budget:
        connection.execute(
            update(BUDGETS)
            .where(BUDGETS.c.budget_id == budget.budget_id)
            .values(definition=_json(budget), revision=BUDGETS.c.revision + 1, name=budget.name)
        )
        self._record(connection, self._clock.now_us(), actor, action, budget)
        return budget

    def _record(self, connection: Connection, now_us: int, actor: str, action: str, budget: Budget) -> None:
        record_change(
            connection,
            self._secret,
            at_us=now_us,
            actor=actor,
            action=action,
            subject=budget.budget_id,
            detail=msgspec.to_builtins(budget),
        )


def _find(connection: Connection, name_or_id: str) -> Budget:
    text = connection.execute(
        select(BUDGETS.c.definition).where(
            BUDGETS.c.removed_us.is_(None), (BUDGETS.c.name == name_or_id) | (BUDGETS.c.budget_id == name_or_id)
        )
    ).scalar_one_or_none()
    if text is None:
        raise UnknownBudget(f"no budget is named {name_or_id!r} (`bursar budgets list`)", field="name")
    return _DECODER.decode(text)


def _open_balances(connection: Connection, budget: Budget, opening: Iterable[Spent]) -> None:
    sums: defaultdict[tuple[str, Window], int] = defaultdict(int)
    for spent in opening:
        sums[spent.value, scheduled_window(budget.window, spent.at_us)] += spent.pico
    accounts = (Account.LIKELY, Account.BOUND) if budget.mode == "expected" else (Account.LIKELY,)
    for (value, window), pico in sums.items():
        for account in accounts:
            key = BalanceKey(budget.budget_id, value, account)
            lock_value(connection, key)
            row = key._asdict() | {"window_key": window.key, "start_us": window.start_us, "end_us": window.end_us}
            amounts = {"posted": pico, "leased": 0, "assumed": 0, "overrun": 0, "recall": False}
            connection.execute(insert(BUDGET_BALANCES).values(row | amounts))


def _json(budget: Budget) -> str:
    return msgspec.json.encode(budget).decode()
