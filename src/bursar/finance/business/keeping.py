"""Writing business data into its tables: new rows in, rows that say otherwise replaced, repeats left out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import numpy as np

from bursar.finance.business.model import BusinessEvent, Customer, PricePlan, RevenueLine, SeatMonth
from bursar.finance.business.tables import CUSTOMERS, EVENTS, KINDS, PLANS, REVENUE, SEATS, SPANS, Kind
from bursar.ledger.store import Session

Row = dict[str, str | None]
STAGED = "business_staged"


class Records(msgspec.Struct):
    """What one import brings."""

    plans: list[PricePlan] = []
    customers: list[Customer] = []
    seats: list[SeatMonth] = []
    revenue: list[RevenueLine] = []
    events: list[BusinessEvent] = []

    @property
    def count(self) -> int:
        return len(self.plans) + len(self.customers) + len(self.seats) + len(self.revenue) + len(self.events)


class Kept(msgspec.Struct, frozen=True):
    """How many rows of a kind were new, took the place of another one, or were there already."""

    kind: str
    added: int = 0
    replaced: int = 0
    same: int = 0


def keep(session: Session, records: Records, number: int) -> list[Kept]:
    """Write all of it under one import's number, in the session's transaction; a kind without rows isn't told."""
    rows = _rows(records)
    return [_keep_kind(session, kind, rows[kind.name], number) for kind in KINDS if rows[kind.name]]


def _keep_kind(session: Session, kind: Kind, rows: Sequence[Row], number: int) -> Kept:
    """Of rows with one key the last counts; of events the first."""
    by_key: dict[tuple[str | None, ...], Row] = {}
    repeats = 0
    for row in rows:
        key = tuple(row[field.name] for field in kind.keys)
        repeats += key in by_key
        if kind.is_final:
            by_key.setdefault(key, row)
        else:
            by_key[key] = row
    names = [field.name for field in kind.fields]
    columns = {name: np.array([row[name] for row in by_key.values()], dtype=object) for name in names}
    with session.stage(STAGED, columns):
        added, replaced = _merge(session, kind, number)
    return Kept(kind.name, added, replaced, len(by_key) - added - replaced + repeats)


def _merge(session: Session, kind: Kind, number: int) -> tuple[int, int]:
    """Staged text against the rows in force; how many keys are new, and how many have other values now."""
    same_key = " AND ".join(f'n."{field.name}" = o."{field.name}"' for field in kind.keys)
    cast = ", ".join(f'CAST("{field.name}" AS {field.type}) AS "{field.name}"' for field in kind.fields)
    wanted = {field.name: f'n."{field.name}"' for field in kind.values}
    if kind.merges:
        wanted = {name: f'coalesce({value}, o."{name}")' for name, value in wanted.items()}
    differs = " OR ".join(f'{value} IS DISTINCT FROM o."{name}"' for name, value in wanted.items())
    was_there = f'o."{kind.keys[0].name}" IS NOT NULL'
    told = "false" if kind.is_final else f"({was_there}) AND ({differs})"
    columns = ", ".join(
        [*(f'n."{field.name}"' for field in kind.keys), *(f'{value} AS "{name}"' for name, value in wanted.items())]
    )
    session.run(
        f"CREATE OR REPLACE TEMP TABLE business_news AS SELECT {columns}, {told} AS replaces "
        f"FROM (SELECT {cast} FROM {STAGED}) n LEFT JOIN {kind.current} o ON {same_key} "
        f"WHERE NOT ({was_there}) OR ({told})"
    )
    if not kind.is_final:
        session.run(
            f"UPDATE {kind.table} o SET replaced_by = $number FROM business_news n "
            f"WHERE o.replaced_by = 0 AND n.replaces AND {same_key}",
            {"number": number},
        )
    listed = ", ".join(f'"{field.name}"' for field in kind.fields)
    session.run(
        f"INSERT INTO {kind.table} ({listed}, import_no, replaced_by) SELECT {listed}, $number, 0 FROM business_news",
        {"number": number},
    )
    counts = "SELECT count(*) FILTER (WHERE NOT replaces), count(*) FILTER (WHERE replaces) FROM business_news"
    ((added, replaced),) = session.query(counts).rows
    session.run("DROP TABLE business_news")
    return int(added), int(replaced)


def _rows(records: Records) -> dict[str, list[Row]]:
    return {
        PLANS.name: [row for plan in records.plans for row in _plan_rows(plan)],
        CUSTOMERS.name: [_customer_row(one) for one in records.customers],
        SPANS.name: [row for one in records.customers for row in _span_rows(one)],
        SEATS.name: [
            {"customer": one.customer_id, "month": str(one.month), "seats": _whole(one.seats),
             "active_users": _whole(one.active_users)}
            for one in records.seats
        ],
        REVENUE.name: [
            {"source": one.source, "line_id": one.line_id, "customer": one.customer_id, "month": str(one.month),
             "amount": f"{one.amount:f}", "currency": one.currency, "plan": one.plan, "feature": one.feature}
            for one in records.revenue
        ],
        EVENTS.name: [
            {"source": one.source, "event_id": one.event_id, "kind": one.kind, "customer": one.customer_id,
             "at": _naive(one.at), "quantity": f"{one.quantity:f}", "feature": one.feature}
            for one in records.events
        ],
    }  # fmt: skip


def _plan_rows(plan: PricePlan) -> Iterable[Row]:
    for price in plan.prices:
        yield {
            "plan": plan.name,
            "since": str(price.since),
            "price": f"{price.price:f}",
            "currency": price.currency,
            "is_per_seat": _flag(price.is_per_seat),
            "other_cost": _amount(price.other_cost_of_goods),
            "included": _json({name: f"{units:f}" for name, units in price.included.items()}),
        }


def _customer_row(one: Customer) -> Row:
    return {
        "customer": one.customer_id,
        "name": one.name or None,
        "segment": one.segment or None,
        "tags": _json(one.tags) if one.tags else None,
        "signed_up": _day(one.signed_up),
        "converted_on": _day(one.converted_on),
        "cancelled_on": _day(one.cancelled_on),
        "is_free": None if one.is_free is None else _flag(one.is_free),
    }


def _span_rows(one: Customer) -> Iterable[Row]:
    for span in one.spans:
        yield {
            "customer": one.customer_id,
            "since": str(span.since),
            "plan": span.plan,
            "until": _day(span.until),
        }


def _json(values: Mapping[str, str]) -> str:
    return msgspec.json.encode(dict(sorted(values.items()))).decode()


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _naive(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _whole(value: int | None) -> str | None:
    return None if value is None else str(value)


def _flag(value: bool) -> str:
    return "true" if value else "false"
