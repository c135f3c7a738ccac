"""The authority's SQL, put together once: for SQLAlchemy that takes longer than it takes SQLite to run it.

What a statement is about is bound by names with an underscore in front (`_lease_id`; a whole key by `about`), what it
sets by the columns' own names.
"""

from functools import cache

from sqlalchemy import ColumnElement, Insert, Table, Update, and_, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bursar.budgets.lease import BalanceKey
from bursar.budgets.tables import BUDGET_BALANCES, BUDGET_HOLDERS, BUDGET_LEASES, BUDGET_VALUES, BUDGETS

OPEN, LEAN, ASSUMED = "open", "lean", "assumed"


def about(key: BalanceKey) -> dict[str, str]:
    """A balance as the statements' parameters."""
    return {"_budget_id": key.budget_id, "_value": key.value, "_account": key.account}


def _of_balance(table: Table) -> ColumnElement[bool]:
    columns = table.c
    return and_(
        columns.budget_id == bindparam("_budget_id"),
        columns.value == bindparam("_value"),
        columns.account == bindparam("_account"),
    )


_BALANCES, _LEASES = BUDGET_BALANCES.c, BUDGET_LEASES.c
_THIS_WINDOW = and_(_of_balance(BUDGET_BALANCES), _BALANCES.window_key == bindparam("_window_key"))
_THIS_LEASE = _LEASES.lease_id == bindparam("_lease_id")

LOCK_VALUE = select(BUDGET_VALUES.c.value).where(_of_balance(BUDGET_VALUES)).with_for_update()

BALANCES_SINCE = select(BUDGET_BALANCES).where(_of_balance(BUDGET_BALANCES), _BALANCES.end_us > bindparam("_from_us"))
BALANCE = select(BUDGET_BALANCES).where(_THIS_WINDOW)
MAKE_BALANCE = insert(BUDGET_BALANCES)

LEASE = select(BUDGET_LEASES).where(_THIS_LEASE)
LEASE_AMOUNT = select(_LEASES.amount).where(_THIS_LEASE)
LEASE_STATE = select(_LEASES.state).where(_THIS_LEASE)
LEASES_OF_OTHERS = (
    select(_LEASES.lease_id)
    .where(
        _of_balance(BUDGET_LEASES),
        _LEASES.holder_id != bindparam("_holder_id"),
        _LEASES.state != ASSUMED,
    )
    .limit(1)
)
MAKE_LEASE = insert(BUDGET_LEASES)
END_LEASE = delete(BUDGET_LEASES).where(_THIS_LEASE)

FORGET_BALANCES = delete(BUDGET_BALANCES).where(
    _BALANCES.budget_id == bindparam("_budget_id"),
    _BALANCES.end_us < bindparam("_before_us"),
    _BALANCES.window_key.not_in(select(_LEASES.window_key).where(_LEASES.budget_id == bindparam("_budget_id"))),
)

RECALLED = (
    select(_LEASES.lease_id)
    .join(
        BUDGET_BALANCES,
        and_(
            _BALANCES.budget_id == _LEASES.budget_id,
            _BALANCES.value == _LEASES.value,
            _BALANCES.account == _LEASES.account,
            _BALANCES.window_key == _LEASES.window_key,
        ),
    )
    .where(_LEASES.holder_id == bindparam("_holder_id"), _LEASES.state == OPEN, _BALANCES.recall)
)

VANISHED = (
    select(BUDGET_HOLDERS.c.holder_id)
    .where(BUDGET_HOLDERS.c.seen_us < bindparam("_seen_us"))
    .order_by(BUDGET_HOLDERS.c.holder_id)
    .with_for_update()
)

DEFINITION_REVISION = select(BUDGETS.c.revision, BUDGETS.c.removed_us).where(
    BUDGETS.c.budget_id == bindparam("_budget_id")
)
DEFINITION = select(BUDGETS.c.definition).where(BUDGETS.c.budget_id == bindparam("_budget_id"))


@cache
def set_balance(*names: str) -> Update:
    """Sets these columns of a balance in one window."""
    return update(BUDGET_BALANCES).where(_THIS_WINDOW).values({name: bindparam(name) for name in names})


@cache
def set_lease(*names: str) -> Update:
    """Sets these columns of a lease."""
    return update(BUDGET_LEASES).where(_THIS_LEASE).values({name: bindparam(name) for name in names})


@cache
def put(table: Table, dialect: str, *otherwise: str) -> Insert:
    """Inserts a row of all its columns; where its key is there already, it sets `otherwise`, or leaves it."""
    make = postgresql_insert if dialect == "postgresql" else sqlite_insert
    statement = make(table).values({column.name: bindparam(column.name) for column in table.columns})
    keys = [column.name for column in table.primary_key]
    if not otherwise:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in otherwise}
    )
