"""List objects of Stripe's API as business data: who is on which plan since when, and revenue by month.

Source: docs.stripe.com/api (the customer, subscription, invoice, credit note, price and product objects; a line's price
is in `pricing.price_details` since API version 2025-03-31.basil, before that in `price` or `plan`) and the examples of
docs.stripe.com/revenue-recognition, read 2026-11.

What is said of an invoice or a credit note takes the place of all that was brought in of it before (`documents`): it
may have been voided, or read from an export in other parts.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.errors import BadBusiness
from bursar.finance.business.keeping import Records
from bursar.finance.business.model import Customer, Fault, PlanPrice, PricePlan, RevenueLine, month_of
from bursar.finance.business.stripe_amounts import (
    PLACE,
    day_of,
    major,
    months_of,
    net_of_line,
    objects_of,
    shared,
    spread,
)
from bursar.finance.business.stripe_customers import TRIAL, Standing, Standings

SOURCE = "stripe"
STRIPE_TAG = "stripe"
"""The tag of a customer that keeps Stripe's own id, so that later files find them by it."""

BILLED = ("paid", "open")
"""States of an invoice that is revenue: a draft isn't yet, what is void or uncollectible isn't any more."""
UNBEGUN = ("incomplete", "incomplete_expired")
READ = ("product", "price", "plan", "customer", "subscription", "invoice", "credit_note")
MONEY_MOVED = ("charge", "refund", "payment_intent", "balance_transaction", "payout", "dispute")

Earlier = Callable[[Iterable[str]], list[RevenueLine]]
"""Lines that were brought in before of some invoices and credit notes, by their ids."""


class Told(msgspec.Struct):
    """What a file of Stripe's says. documents: invoices and credit notes that it is all of."""

    records: Records
    faults: list[Fault]
    documents: set[str]
    notes: list[str]


def read_stripe(
    content: bytes, known: Mapping[str, str], customer_key: str = "id", earlier: Earlier = lambda _ids: []
) -> Told:
    """One or more of the API's list objects (or arrays of objects) as JSON, objects told apart by their `object`.

    known: Stripe's customer id → the `customer` tag of calls, from what was brought in before.
    customer_key: where Stripe's customers have that tag: "id", "email", "name", or "metadata.NAME".
    A fault's line is the place of its object in the file, from 1.
    Raises BadBusiness for what is no JSON of Stripe's.
    """
    try:
        found = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise BadBusiness(f"not JSON: {error}", field="file") from error
    objects = list(objects_of(found))
    if not objects or not all(isinstance(one, dict) and "object" in one for one in objects):
        raise BadBusiness(
            'no list of Stripe objects: each has an `object`, as in {"object": "customer", …}', field="file"
        )
    credited = [one["invoice"] for one in objects if one["object"] == "credit_note" and one.get("invoice")]
    reader = _Reader(dict(known), customer_key, earlier([_id(one) for one in credited]) if credited else [])
    for line, one in sorted(enumerate(objects, 1), key=lambda pair: _turn(str(pair[1]["object"]))):
        reader.add(line, one)
    return reader.told()


class _Reader:
    """earlier: lines of invoices that credit notes in the file are about."""

    def __init__(self, known: dict[str, str], customer_key: str, earlier: Iterable[RevenueLine]) -> None:
        self.known = known
        self.customer_key = customer_key
        self.products: dict[str, str] = {}
        self.plans: dict[str, list[PlanPrice]] = {}
        self.standings = Standings()
        self.by_line: dict[str, dict[date, Decimal]] = {}
        self.revenue: list[RevenueLine] = []
        self.faults: list[Fault] = []
        self.documents: set[str] = set()
        self.unpriced: set[str] = set()
        for one in earlier:
            self._remember(one)

    def told(self) -> Told:
        plans = [
            PricePlan(name=name, prices=tuple(sorted(prices, key=lambda one: one.since)))
            for name, prices in self.plans.items()
        ]
        notes = []
        if self.unpriced:
            named = ", ".join(sorted(self.unpriced)[:5])
            notes.append(
                f"{len(self.unpriced)} metered or tiered prices are no price a month ({named}): what their customers "
                "pay is known from invoices alone"
            )
        records = Records(
            plans=plans, customers=self.standings.customers(), seats=self.standings.seats(), revenue=self.revenue
        )
        return Told(records, self.faults, self.documents, notes)

    def add(self, line: int, one: dict[str, Any]) -> None:
        kind = str(one["object"])
        read = {
            "product": self._product, "price": self._price, "plan": self._price, "customer": self._customer,
            "subscription": self._subscription, "invoice": self._invoice, "credit_note": self._credit_note,
        }.get(kind)  # fmt: skip
        if read is None:
            self.faults.append(Fault(line, "object", _unread(kind)))
            return
        try:
            read(one)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else str(error)
            self.faults.append(Fault(line, kind, f"{one.get('id', '?')}: {what}"))

    def _product(self, one: dict[str, Any]) -> None:
        self.products[one["id"]] = str(one.get("name") or one["id"])

    def _price(self, one: dict[str, Any]) -> None:
        """A recurring price is a plan; what is bought once is none; what is metered or tiered has no price a month."""
        name, since = self._plan_name(one), day_of(one.get("created") or 0)
        recurring = one.get("recurring") or one
        if not recurring.get("interval"):
            return
        minor = one.get("unit_amount_decimal") or one.get("unit_amount")
        minor = one.get("amount") if minor is None else minor
        if minor is None or recurring.get("usage_type") == "metered":
            self.unpriced.add(name)
            return
        months = months_of(recurring["interval"], int(recurring.get("interval_count") or 1))
        monthly = (major(Decimal(str(minor)), one["currency"]) / months).quantize(PLACE)
        self._keep_price(
            name, PlanPrice(since=since, price=monthly, currency=one["currency"].upper(), is_per_seat=True)
        )

    def _keep_price(self, name: str, price: PlanPrice) -> None:
        prices = self.plans.setdefault(name, [])
        if all(other.since != price.since for other in prices):
            prices.append(price)

    def _plan_name(self, price: dict[str, Any]) -> str:
        product = price.get("product")
        if isinstance(product, dict):
            self._product(product)
            product = product["id"]
        return price.get("nickname") or self.products.get(product or "", "") or product or price["id"]

    def _customer(self, one: dict[str, Any]) -> None:
        if one.get("deleted"):
            return  # nothing else is said of them any more; what was brought in before stays
        customer_id = self._key_of(one)
        self.known[one["id"]] = customer_id
        tags = {STRIPE_TAG: one["id"]} | {str(k): str(v) for k, v in (one.get("metadata") or {}).items()}
        self.standings.put(
            Customer(
                customer_id=customer_id, name=one.get("name") or one.get("description") or "", tags=tags,
                signed_up=day_of(one["created"]),
            )
        )  # fmt: skip

    def _key_of(self, one: dict[str, Any]) -> str:
        key = self.customer_key
        held = (one.get("metadata") or {}) if key.startswith("metadata.") else one
        found = held.get(key.removeprefix("metadata."))
        if not found:
            raise ValueError(f"has no {key}, by which its calls are tagged")
        return str(found)

    def _customer_of(self, one: dict[str, Any]) -> str:
        customer = one["customer"]
        if isinstance(customer, dict):
            self._customer(customer)
            customer = customer["id"]
        found = self.known.get(customer) or (customer if self.customer_key == "id" else "")
        if not found:
            raise ValueError(f"customer {customer} isn't known; bring in customers first")
        return found

    def _subscription(self, one: dict[str, Any]) -> None:
        """While they try it they are on a plan of their own that costs nothing: `Pro (trial)`."""
        customer_id = self._customer_of(one)
        items = one["items"]["data"] if isinstance(one.get("items"), dict) else [one]
        first = items[0]
        price = first.get("price") or first["plan"]
        self._price(price)
        if one.get("status") in UNBEGUN:
            return  # nothing was ever paid
        name, currency = self._plan_name(price), str(price.get("currency") or one.get("currency") or "usd").upper()
        trial = one.get("trial_start"), one.get("trial_end")
        if all(trial):
            self._keep_price(TRIAL.format(name), PlanPrice(since=day_of(0), price=Decimal(0), currency=currency))
        period = [one.get(end) or first.get(end) for end in ("current_period_start", "current_period_end")]
        self.standings.subscribe(
            Standing(
                customer_id=customer_id, plan=name, status=str(one.get("status") or "active"),
                since=day_of(one.get("start_date") or one["created"]),
                until=day_of(one["ended_at"]) if one.get("ended_at") else None,
                trial=(day_of(trial[0]), day_of(trial[1])) if trial[0] and trial[1] else None,
                is_paid=bool(price.get("unit_amount") or price.get("amount") or price.get("unit_amount_decimal")),
                seats=first.get("quantity"),
                period=(day_of(period[0]), day_of(period[1])) if period[0] and period[1] else None,
            )
        )  # fmt: skip

    def _invoice(self, one: dict[str, Any]) -> None:
        """Each line over the days of its own period: a proration has one, and so has a year paid at once."""
        self.documents.add(one["id"])
        if one.get("status") not in BILLED:
            return
        customer_id, currency = self._customer_of(one), one["currency"].upper()
        for line in _lines(one):
            period = line["period"]
            parts = spread(
                major(net_of_line(line), currency), day_of(period["start"]), day_of(period["end"])
            )  # fmt: skip
            self._book(one["id"], line["id"], customer_id, currency, self._plan_of_line(line), parts)

    def _credit_note(self, one: dict[str, Any]) -> None:
        """Less revenue in the months of the line that it credits, in proportion; else in the month it is of."""
        self.documents.add(one["id"])
        if one.get("status") == "void":
            return
        customer_id, currency = self._customer_of(one), one["currency"].upper()
        own = month_of(day_of(one.get("effective_at") or one["created"]))
        for line in _lines(one):
            amount = -major(net_of_line(line), currency)
            of = {month: part for month, part in self._parts_of(one, line).items() if part > 0}
            parts = dict(zip(of, shared(amount, list(of.values())), strict=True)) if of else {own: amount}
            self._book(one["id"], line["id"], customer_id, currency, "", parts)

    def _parts_of(self, note: Mapping[str, Any], line: Mapping[str, Any]) -> dict[date, Decimal]:
        """Month → amount of the line of an invoice that a note's line credits, as far as it is known."""
        return self.by_line.get(f"{_id(note.get('invoice') or '')} {line.get('invoice_line_item')}", {})

    def _book(
        self, document: str, line: str, customer_id: str, currency: str, plan: str, parts: Mapping[date, Decimal]
    ) -> None:
        for month, part in parts.items():
            one = RevenueLine(
                source=SOURCE, line_id=f"{document} {line} {month:%Y-%m}", customer_id=customer_id, month=month,
                amount=part, currency=currency, plan=plan,
            )  # fmt: skip
            self.revenue.append(one)
            self._remember(one)

    def _remember(self, line: RevenueLine) -> None:
        document, _, rest = line.line_id.partition(" ")
        self.by_line.setdefault(f"{document} {rest.partition(' ')[0]}", {})[line.month] = line.amount

    def _plan_of_line(self, line: Mapping[str, Any]) -> str:
        price = line.get("price") or line.get("plan")
        if isinstance(price, dict):
            return self._plan_name(price)
        details = (line.get("pricing") or {}).get("price_details") or {}
        product = details.get("product") or ""
        if isinstance(product, dict):
            self._product(product)
            product = product["id"]
        return self.products.get(product, product)


def _turn(kind: str) -> int:
    """Products are read before what names them, invoices before what credits them."""
    return READ.index(kind) if kind in READ else len(READ)


def _lines(one: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    if one["lines"].get("has_more"):
        raise ValueError("has more lines than are in the file; export it with all of them")
    found: list[Mapping[str, Any]] = one["lines"]["data"]
    return found


def _id(one: Any) -> str:
    return str(one["id"] if isinstance(one, dict) else one)


def _unread(kind: str) -> str:
    if kind in MONEY_MOVED:
        return (
            f"{kind!r} isn't read: it has tax in it, and no months. Revenue is read from invoices; a refund "
            "counts once it has a credit note, or as a revenue line of less than 0"
        )
    return f"{kind[:40]!r} isn't read; there are {', '.join(READ)}"
