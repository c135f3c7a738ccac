"""Stripe's shapes as business data: list objects of its API, and the CSV files that its Dashboard exports.

Source: docs.stripe.com/api (the customer, subscription, invoice, price and product objects; a line's price is in
`pricing.price_details` since API version 2025-03-31.basil, before that in `price` or `plan`) and
docs.stripe.com/currencies (smallest units, zero-decimal currencies, special cases), as of 2026-11. The heads of exports
are those that the Dashboard gives by default; they can be changed there, and then a mapping reads the file.

Amounts of the API are whole numbers of the smallest unit: cents, of JPY yen, of KWD fils. Exports have plain decimals.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from bursar.domain.calendar import month_on
from bursar.domain.errors import BadBusiness
from bursar.finance.business.keeping import Records
from bursar.finance.business.mapping import Reading
from bursar.finance.business.model import Customer, Fault, PlanPrice, PlanSpan, PricePlan, RevenueLine, month_of
from bursar.finance.business.tables import AMOUNT_PLACES

SOURCE = "stripe"
STRIPE_TAG = "stripe"
"""The tag of a customer that keeps Stripe's own id, so that later files find them by it."""

ZERO_DECIMAL = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
"""ISK and UGX have no smaller unit either, but the API writes them with two decimals, as it once did."""

PLACE = Decimal(1).scaleb(-AMOUNT_PLACES)
BILLED = ("paid", "open", "uncollectible")
MONTHS_OF = {"month": Decimal(1), "year": Decimal(12)}
DAYS_OF = {"day": Decimal(1), "week": Decimal(7)}
DAYS_A_MONTH = Decimal("30.4375")  # of a year of 365.25 days


def major(minor: int | Decimal, currency: str) -> Decimal:
    """An amount of the API in whole units of its currency, exactly.

    >>> str(major(1999, "usd")), str(major(1999, "jpy")), str(major(1999, "kwd"))
    ('19.99', '1999', '1.999')
    """
    code = currency.upper()
    places = 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2
    return Decimal(minor).scaleb(-places)


def read_stripe(content: bytes, known: Mapping[str, str], customer_key: str = "id") -> tuple[Records, list[Fault]]:
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
    objects = list(_objects(found))
    if not objects or not all(isinstance(one, dict) and "object" in one for one in objects):
        raise BadBusiness(
            'no list of Stripe objects: each has an `object`, as in {"object": "customer", …}', field="file"
        )
    reader = _Reader(dict(known), customer_key)
    order = {"product": 0, "price": 1, "plan": 1, "customer": 2}
    numbered = sorted(enumerate(objects, 1), key=lambda pair: order.get(pair[1]["object"], 3))
    for line, one in numbered:
        reader.add(line, one)
    return reader.records(), reader.faults


def spread(amount: Decimal, start: date, until: date) -> dict[date, Decimal]:
    """An amount over the months from `start` to `until` (excluded), by days; parts add up to it exactly."""
    if until <= start:
        return {month_of(start): amount}
    days: dict[date, int] = {}
    day = start
    while day < until:
        after = min(month_on(month_of(day), 1), until)
        days[month_of(day)] = (after - day).days
        day = after
    whole, found, given, so_far = (until - start).days, {}, Decimal(0), 0
    for month, count in days.items():  # cut where the running sum is, so that the last one ends on the amount
        so_far += count
        reached = amount if so_far == whole else (amount * so_far / whole).quantize(PLACE)
        found[month] = reached - given
        given = reached
    return found


class _Reader:
    def __init__(self, known: dict[str, str], customer_key: str) -> None:
        self.known = known
        self.customer_key = customer_key
        self.products: dict[str, str] = {}
        self.plans: dict[str, list[PlanPrice]] = {}
        self.customers: dict[str, Customer] = {}
        self.revenue: list[RevenueLine] = []
        self.faults: list[Fault] = []

    def records(self) -> Records:
        plans = [
            PricePlan(name=name, prices=tuple(sorted(prices, key=lambda one: one.since)))
            for name, prices in self.plans.items()
        ]
        return Records(plans=plans, customers=list(self.customers.values()), revenue=self.revenue)

    def add(self, line: int, one: dict[str, Any]) -> None:
        kind = str(one["object"])
        read = {
            "product": self._product, "price": self._price, "plan": self._price, "customer": self._customer,
            "subscription": self._subscription, "invoice": self._invoice,
        }.get(kind)  # fmt: skip
        if read is None:
            self.faults.append(Fault(line, "object", f"{kind[:40]!r} isn't read; there are customer, subscription, "
                                                     "invoice, price and product"))  # fmt: skip
            return
        try:
            read(one)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else str(error)
            self.faults.append(Fault(line, kind, f"{one.get('id', '?')}: {what}"))

    def _product(self, one: dict[str, Any]) -> None:
        self.products[one["id"]] = str(one["name"])

    def _price(self, one: dict[str, Any]) -> None:
        """A recurring price is a plan; what is bought once is none."""
        name, since = self._plan_name(one), _day(one.get("created") or 0)
        recurring = one.get("recurring") or one
        if not recurring.get("interval"):
            return
        minor = one.get("unit_amount_decimal") or one.get("unit_amount") or one.get("amount")
        if minor is None:
            raise ValueError("has no unit_amount (tiered prices aren't read)")
        interval, count = recurring["interval"], int(recurring.get("interval_count") or 1)
        months = MONTHS_OF.get(interval) or DAYS_OF[interval] / DAYS_A_MONTH
        monthly = (major(Decimal(str(minor)), one["currency"]) / (months * count)).quantize(PLACE)
        price = PlanPrice(since=since, price=monthly, currency=one["currency"].upper(), is_per_seat=True)
        prices = self.plans.setdefault(name, [])
        if all(other.since != since for other in prices):
            prices.append(price)

    def _plan_name(self, price: dict[str, Any]) -> str:
        product = price.get("product")
        if isinstance(product, dict):
            self._product(product)
            product = product["id"]
        return price.get("nickname") or self.products.get(product or "", "") or product or price["id"]

    def _customer(self, one: dict[str, Any]) -> None:
        customer_id = self._key_of(one)
        self.known[one["id"]] = customer_id
        tags = {STRIPE_TAG: one["id"]} | {str(k): str(v) for k, v in (one.get("metadata") or {}).items()}
        self._join(
            Customer(
                customer_id=customer_id, name=one.get("name") or one.get("description") or "", tags=tags,
                signed_up=_day(one["created"]),
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
        customer_id = self._customer_of(one)
        since = _day(one.get("start_date") or one["created"])
        ended = one.get("ended_at")
        until = _day(ended) if ended else None
        items = one["items"]["data"] if isinstance(one.get("items"), dict) else [one]
        price = items[0].get("price") or items[0]["plan"]
        self._price(price)
        if one.get("status") == "incomplete_expired":
            return  # it never began
        paid = bool(price.get("unit_amount") or price.get("amount") or price.get("unit_amount_decimal"))
        trial_end = one.get("trial_end")
        converted = _day(trial_end) if trial_end else since
        is_over = one.get("status") in ("canceled", "unpaid")
        self._join(
            Customer(
                customer_id=customer_id,
                converted_on=converted if paid and not (trial_end and until and until <= converted) else None,
                cancelled_on=until if is_over else None,
                is_free=None,
                spans=(PlanSpan(self._plan_name(price), since, until),),
            )
        )

    def _invoice(self, one: dict[str, Any]) -> None:
        """A line's amount is without tax where that is added on top; discounts are amounts of their own."""
        if one.get("status") not in BILLED:
            return  # drafts and voids aren't revenue
        customer_id, currency = self._customer_of(one), one["currency"].upper()
        lines = one["lines"]["data"]
        if one["lines"].get("has_more"):
            raise ValueError("has more lines than are in the file; export it with all of them")
        for line in lines:
            minor = int(line["amount"]) - sum(int(d["amount"]) for d in line.get("discount_amounts") or ())
            minor -= sum(int(tax["amount"]) for tax in _taxes(line) if tax.get("inclusive") or
                         tax.get("tax_behavior") == "inclusive")  # fmt: skip
            period = line["period"]
            plan = self._plan_of_line(line)
            start, until = _day(period["start"]), _day(period["end"])
            for month, part in spread(major(minor, currency), start, until).items():
                self.revenue.append(
                    RevenueLine(
                        source=SOURCE, line_id=f"{one['id']} {line['id']} {month:%Y-%m}", customer_id=customer_id,
                        month=month, amount=part, currency=currency, plan=plan,
                    )
                )  # fmt: skip

    def _plan_of_line(self, line: Mapping[str, Any]) -> str:
        price = line.get("price") or line.get("plan")
        if isinstance(price, dict):
            return self._plan_name(price)
        details = (line.get("pricing") or {}).get("price_details") or {}
        product = str(details.get("product") or "")
        return self.products.get(product, product)

    def _join(self, one: Customer) -> None:
        """What several objects say of one customer."""
        before = self.customers.get(one.customer_id)
        if before is None:
            self.customers[one.customer_id] = one
            return
        self.customers[one.customer_id] = msgspec.structs.replace(
            before,
            name=one.name or before.name,
            tags=before.tags | one.tags,
            signed_up=one.signed_up or before.signed_up,
            converted_on=_earlier(before.converted_on, one.converted_on),
            cancelled_on=one.cancelled_on or before.cancelled_on,
            is_free=one.is_free if one.is_free is not None else before.is_free,
            spans=(*before.spans, *(span for span in one.spans if span not in before.spans)),
        )


def _objects(found: Any) -> Iterable[Any]:
    if isinstance(found, list):
        for one in found:
            yield from _objects(one)
    elif isinstance(found, dict) and found.get("object") == "list":
        yield from _objects(found.get("data", []))
    else:
        yield found


def _taxes(line: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return line.get("taxes") or line.get("tax_amounts") or ()


def _earlier(one: date | None, other: date | None) -> date | None:
    return min(one, other) if one and other else one or other


def _day(seconds: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds))).date()


def export_reading(heads: Iterable[str]) -> Reading | None:
    """How an export of the Dashboard is read, by its heads; None: it is none that is known."""
    plain = {re.sub(r"\s*\(UTC\)", "", head).strip() for head in heads}
    if {"id", "Customer ID", "Plan", "Interval", "Status"} <= plain:
        return Reading(kind="customers", columns=_columns(heads, customer_id="Customer ID", plan="Plan",
                       plan_since="Start", cancelled_on="Ended At", name="Customer Description"))  # fmt: skip
    if {"id", "Customer", "Number", "Total", "Currency"} <= plain:
        return Reading(kind="revenue", columns=_columns(heads, customer_id="Customer", month="Date", amount="Subtotal",
                       currency="Currency", line_id="id"), constants={"source": SOURCE})  # fmt: skip
    if {"id", "Email", "Created"} <= plain and "Delinquent" in plain:
        return Reading(kind="customers", columns=_columns(heads, customer_id="id", name="Name", signed_up="Created"))
    if {"Price ID", "Product Name", "Amount", "Currency"} <= plain:
        return Reading(kind="plans", columns=_columns(heads, name="Product Name", price="Amount", currency="Currency",
                       since="Created"))  # fmt: skip
    return None


def _columns(heads: Iterable[str], **wanted: str) -> dict[str, str]:
    by_plain = {re.sub(r"\s*\(UTC\)", "", head).strip(): head for head in heads}
    return {field: by_plain[name] for field, name in wanted.items() if name in by_plain}
