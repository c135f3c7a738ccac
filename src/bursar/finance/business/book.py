"""The book of business data: brought in by whoever may, read by pages and by economics."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.clock import Clock
from bursar.domain.errors import BadBusiness
from bursar.finance.business.cells import TEXT_CHARS_MAX
from bursar.finance.business.keeping import Kept, Records, keep
from bursar.finance.business.model import BusinessEvent, Customer, PlanPrice, PlanSpan, PricePlan, RevenueLine
from bursar.finance.business.tables import AMOUNT_MAX, CUSTOMERS, EVENTS, PLANS, REVENUE, SPANS, make_tables
from bursar.governance.audit import record_change
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger, Rows, Session

IMPORTS_SHOWN = 50


class Import(msgspec.Struct, frozen=True):
    """One that was brought in. source: the file's name, or who sent it."""

    number: int
    at_us: int
    actor: str
    source: str
    added: int
    replaced: int
    same: int


class DryRun(Exception):  # it is no error: it takes a transaction back
    """Ends a transaction that was only to be looked at."""


class BusinessBook:
    """Plans, customers, revenue and events of a site, in its ledger; imports are audited in the control store."""

    def __init__(self, ledger: Ledger, store: ControlStore, secret: bytes, clock: Clock) -> None:
        self._ledger = ledger
        self._store = store
        self._secret = secret
        self._clock = clock
        make_tables(ledger)

    def bring_in(self, records: Records, source: str, *, actor: str) -> list[Kept]:
        """Keep all of it, or none: one transaction. Events of one batch after the other make no audit entries."""
        with self._ledger.writing() as session:
            kept = self._write(session, records, source, actor)
        told = {one.kind: [one.added, one.replaced, one.same] for one in kept}
        if set(told) != {EVENTS.name}:
            with self._store.writing() as connection:
                record_change(
                    connection, self._secret, at_us=self._clock.now_us(), actor=actor, action="business.import",
                    subject=source[:200], detail=told,
                )  # fmt: skip
        return kept

    def put_plan(self, name: str, price: PlanPrice, *, actor: str) -> None:
        """A plan's price from its day on. Raises BadBusiness that names the field."""
        if not name.strip() or len(name) > TEXT_CHARS_MAX:
            raise BadBusiness(f"name: 1 to {TEXT_CHARS_MAX} characters", field="name")
        for field in ("price", "other_cost_of_goods"):
            value = getattr(price, field)
            if value is not None and not (value.is_finite() and 0 <= value < AMOUNT_MAX):
                raise BadBusiness(f"{field}: from 0 to {AMOUNT_MAX:,}", field=field)
        if not (price.currency.isascii() and price.currency.isalpha() and len(price.currency) == 3):
            raise BadBusiness("currency: its three letters, as USD", field="currency")
        price = msgspec.structs.replace(price, currency=price.currency.upper())
        self.bring_in(Records(plans=[PricePlan(name=name.strip(), prices=(price,))]), "plan", actor=actor)

    def try_out(self, records: Records) -> list[Kept]:
        """What `bring_in` would do; nothing is kept."""
        kept: list[Kept] = []
        try:
            with self._ledger.writing() as session:
                kept = keep(session, records, 0)
                raise DryRun
        except DryRun:
            return kept

    def _write(self, session: Session, records: Records, source: str, actor: str) -> list[Kept]:
        number = int(session.query("SELECT coalesce(max(number), 0) + 1 FROM business_imports").only())
        kept = keep(session, records, number)
        changed = [sum(getattr(one, name) for one in kept) for name in ("added", "replaced", "same")]
        if any(changed[:2]):
            row = dict(zip(("added", "replaced", "same"), changed, strict=True))
            session.run(
                "INSERT INTO business_imports VALUES ($number, $at, $actor, $source, $added, $replaced, $same)",
                {"number": number, "at": self._clock.now_us(), "actor": actor, "source": source[:200], **row},
            )
        return kept

    def imports(self) -> list[Import]:
        """The last ones, newest first."""
        text = f"SELECT * FROM business_imports ORDER BY number DESC LIMIT {IMPORTS_SHOWN}"
        return [Import(*row) for row in self._ask(text).rows]

    def plans(self) -> list[PricePlan]:
        """By name."""
        found: dict[str, list[PlanPrice]] = {}
        for row in self._ask(f"SELECT * FROM {PLANS.current} ORDER BY plan, since").dicts():
            found.setdefault(row["plan"], []).append(_plan_price(row))
        return [PricePlan(name=name, prices=tuple(prices)) for name, prices in found.items()]

    def customers(self, customer_ids: Sequence[str] | None = None) -> list[Customer]:
        """All of them, or those named, by their id. Who is on a plan without a record of their own is there too."""
        which, params = "", {}
        if customer_ids is not None:
            which, params = "WHERE list_contains($wanted, customer)", {"wanted": list(customer_ids)}
        rows = self._ask(f"SELECT * FROM {CUSTOMERS.current} {which} ORDER BY customer", params).dicts()
        spans: dict[str, list[PlanSpan]] = {}
        for row in self._ask(f"SELECT * FROM {SPANS.current} {which} ORDER BY customer, since", params).dicts():
            spans.setdefault(row["customer"], []).append(PlanSpan(row["plan"], row["since"], row["until"]))
        known = {row["customer"]: row for row in rows}
        return [
            _customer(name, known.get(name, {}), spans.get(name, [])) for name in sorted(known.keys() | spans.keys())
        ]

    def customer(self, customer_id: str) -> Customer | None:
        """One of them; None: there is no record."""
        found = self.customers([customer_id])
        return found[0] if found else None

    def revenue(self, customer_id: str, since: date) -> list[RevenueLine]:
        """Lines of one customer from a month on, newest first."""
        text = (
            f"SELECT * FROM {REVENUE.current} WHERE customer = $customer AND month >= $since ORDER BY month DESC, 1, 2"
        )
        return [_revenue_line(row) for row in self._ask(text, {"customer": customer_id, "since": since}).dicts()]

    def lines_of(self, source: str, documents: Iterable[str]) -> list[RevenueLine]:
        """Lines of some invoices: whose id begins with that of one of them, up to the first blank."""
        wanted = sorted(documents)
        if not wanted:
            return []
        text = (
            f"SELECT * FROM {REVENUE.current} WHERE source = $source "
            "AND split_part(line_id, ' ', 1) IN (SELECT unnest($documents)) ORDER BY line_id"
        )
        return [_revenue_line(row) for row in self._ask(text, {"source": source, "documents": wanted}).dicts()]

    def events(self, customer_id: str, limit: int) -> list[BusinessEvent]:
        """The last ones of a customer, newest first."""
        order = 'ORDER BY "at" DESC, source, event_id LIMIT $limit'
        text = f"SELECT * FROM {EVENTS.current} WHERE customer = $customer {order}"
        return [
            BusinessEvent(
                source=row["source"], event_id=row["event_id"], kind=row["kind"], customer_id=row["customer"],
                at=row["at"].replace(tzinfo=UTC), quantity=row["quantity"], feature=row["feature"],
            )
            for row in self._ask(text, {"customer": customer_id, "limit": limit}).dicts()
        ]  # fmt: skip

    def known_as(self, tag: str) -> dict[str, str]:
        """What customers are called elsewhere: the value of one of their tags → their id."""
        path = f'$."{tag}"'
        other = "json_extract_string(tags, $path)"
        text = f"SELECT {other}, customer FROM {CUSTOMERS.current} WHERE {other} IS NOT NULL"
        return dict(self._ask(text, {"path": path}).rows)

    def signed_up(self, since: date, until: date) -> dict[date, int]:
        """How many customers signed up in each month from a day on, until another (excluded), by its first day."""
        text = (
            f"SELECT date_trunc('month', signed_up)::DATE, count(*)::BIGINT FROM {CUSTOMERS.current} "
            "WHERE signed_up >= $since AND signed_up < $until GROUP BY 1"
        )
        return dict(self._ask(text, {"since": since, "until": until}).rows)

    def has_any(self) -> bool:
        """Whether anything was brought in."""
        return bool(self._ask("SELECT count(*) FROM business_imports").only())

    def _ask(self, text: str, params: dict[str, Any] | None = None) -> Rows:
        with self._ledger.reading() as session:
            return session.query(text, params)


def _plan_price(row: dict[str, Any]) -> PlanPrice:
    included = msgspec.json.decode(row["included"] or "{}", type=dict[str, str])
    return PlanPrice(
        since=row["since"],
        price=row["price"],
        currency=row["currency"],
        is_per_seat=bool(row["is_per_seat"]),
        included={name: Decimal(units) for name, units in included.items()},
        other_cost_of_goods=row["other_cost"],
    )


def _revenue_line(row: dict[str, Any]) -> RevenueLine:
    return RevenueLine(
        source=row["source"], line_id=row["line_id"], customer_id=row["customer"], month=row["month"],
        amount=row["amount"], currency=row["currency"], plan=row["plan"], feature=row["feature"],
    )  # fmt: skip


def _customer(name: str, row: dict[str, Any], spans: Iterable[PlanSpan]) -> Customer:
    return Customer(
        customer_id=name,
        name=row.get("name") or "",
        segment=row.get("segment") or "",
        tags=msgspec.json.decode(row.get("tags") or "{}", type=dict[str, str]),
        signed_up=row.get("signed_up"),
        converted_on=row.get("converted_on"),
        cancelled_on=row.get("cancelled_on"),
        is_free=row.get("is_free"),
        spans=closed(spans),
    )


def closed(spans: Iterable[PlanSpan]) -> tuple[PlanSpan, ...]:
    """Spans without overlaps: one that says no end, or too late a one, ends where the next begins."""
    ordered = sorted(spans, key=lambda span: span.since)
    found = []
    for at, span in enumerate(ordered):
        after = ordered[at + 1].since if at + 1 < len(ordered) else None
        until = span.until if after is None else after if span.until is None else min(span.until, after)
        found.append(PlanSpan(span.plan, span.since, until))
    return tuple(found)
