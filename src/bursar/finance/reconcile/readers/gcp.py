"""Google Cloud's billing export (standard or detailed, as JSON rows): Vertex AI and the Gemini API.

`cost` is before credits; credits are separate negative amounts. `currency_conversion_rate` is units of the currency
for one USD. Source: the schema of Cloud Billing's BigQuery export, 2026.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bursar.finance.reconcile.bill import BATCH, STANDARD, BillLine, Fault, LineKind, Read, day_after
from bursar.finance.reconcile.readers.figures import Unreadable, day, decimal, maybe, objects, places, read_json, text
from bursar.finance.reconcile.readers.words import unit_of

PROVIDER = "google"
_SERVICES = re.compile(r"vertex|gemini|generative language|aiplatform", re.IGNORECASE)
_MODEL = re.compile(
    r"^(?P<model>.*?)\s+(?:GA|Preview|Text|Audio|Image|Video|Input|Output|Cached|Caching|Thinking|Batch|Flex|Priority"
    r"|Global|Long)\b",
    re.IGNORECASE,
)
_PER = re.compile(
    r"^(?:(\d+)\s*)?(?:(thousand|million|k|m)\b)?\s*(count|tokens?|characters?|requests?)$", re.IGNORECASE
)
_SCALE = {"": 1, "k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000}


def looks_like(value: Any) -> bool:
    rows = _rows(value)
    return bool(rows) and "sku" in rows[0] and "usage_start_time" in rows[0]


def read(data: bytes) -> Read:
    """A row, a list of rows, or a row a line; those of other services are left out, and how many is told."""
    try:
        value = read_json(data)
    except Unreadable:
        value = [read_json(line) for line in data.splitlines() if line.strip()]
    rows = _rows(value)
    if not rows:
        raise Unreadable("no rows of a billing export")
    lines: list[BillLine] = []
    faults: list[Fault] = []
    others = 0
    for number, row in enumerate(rows, 1):
        if not _is_of_models(row):
            others += 1
            continue
        try:
            lines += _lines(row)
        except Unreadable as error:
            faults.append(Fault(number, str(error)))
    if others:
        faults.append(Fault(0, f"{others} lines of other services are left out"))
    return Read(lines, faults)


def read_sku(description: str) -> tuple[str, str, str]:
    """(model, unit, tier) of a SKU's description.

    >>> read_sku("Gemini 2.5 Flash GA Text Input - Predictions")
    ('Gemini 2.5 Flash', 'input', 'standard')
    """
    found = _MODEL.match(description)
    model = found["model"] if found else ""
    rest = description[len(model) :]
    low = rest.lower()
    tier = BATCH if "batch" in low else next((word for word in ("flex", "priority") if word in low), STANDARD)
    unit = unit_of("cached input" if "cach" in low and "input" in low and "storage" not in low else rest)
    return model, unit, tier


def _rows(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return objects(value.get("rows")) or [value]
    return objects(value)


def _is_of_models(row: dict[str, Any]) -> bool:
    service = text((row.get("service") or {}).get("description"))
    return _SERVICES.search(service) is not None or text(row.get("cost_type")) in ("tax", "rounding_error")


def _lines(row: dict[str, Any]) -> Iterator[BillLine]:
    start = day(row.get("usage_start_time"), "usage_start_time")
    cost = decimal(row.get("cost"), "cost")
    kind_of = text(row.get("cost_type")) or "regular"
    said = text((row.get("sku") or {}).get("description"))
    currency = text(row.get("currency")).upper() or "USD"
    own: dict[str, Any] = {
        "start": start,
        "end": day_after(start),
        "provider": PROVIDER,
        "account": text(row.get("billing_account_id")),
        "issuer": text(row.get("seller_name")),
        "project": text((row.get("project") or {}).get("id")),
        "currency": currency,
        "rate": None if currency == "USD" else maybe(row.get("currency_conversion_rate"), "currency_conversion_rate"),
    }
    hour = f"{text((row.get('sku') or {}).get('id'))} {text(row.get('usage_start_time'))}".strip()
    where = f"{text((row.get('location') or {}).get('region'))} {hour}".strip()
    if kind_of == "regular":
        model, unit, tier = read_sku(said)
        yield BillLine(
            **own, kind="usage" if unit else "fee", model=model, unit=unit, tier=tier if unit else "", amount=cost,
            places=places(cost), text=said, where=where, quantity=_quantity(row.get("usage") or {}) if unit else None,
        )  # fmt: skip
    else:
        kind: LineKind = "tax" if kind_of == "tax" else "credit" if cost < 0 else "fee"
        yield BillLine(**own, kind=kind, amount=cost, places=places(cost), text=said or kind_of, where=hour)
    for credit in objects(row.get("credits")):
        amount = decimal(credit.get("amount"), "credits.amount")
        yield BillLine(
            **own, kind="credit", amount=amount, places=places(amount), where=f"{hour} {text(credit.get('id'))}",
            text=text(credit.get("name")) or text(credit.get("type")) or "credit",
        )  # fmt: skip


def _quantity(usage: dict[str, Any]) -> Decimal | None:
    """In single units. `amount` is in `unit`; some rows say only what they are priced in."""
    for amount, unit in (("amount", "unit"), ("amount_in_pricing_units", "pricing_unit")):
        value, per = maybe(usage.get(amount), amount), _PER.match(text(usage.get(unit)))
        if value is not None and per is not None:
            return value * int(per[1] or 1) * _SCALE[(per[2] or "").lower()]
    return None
