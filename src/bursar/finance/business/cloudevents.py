"""CloudEvents as business events: structured, batched, and with the attributes in HTTP headers.

Source: CloudEvents 1.0.2, its JSON event format and its HTTP protocol binding (github.com/cloudevents/spec), read
2026-11. `subject` is the customer; `quantity` and `feature` are read from `data`, or as extension attributes.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import msgspec

from bursar.domain.errors import BadBusiness
from bursar.finance.business import cells
from bursar.finance.business.model import BusinessEvent

BATCHED = "application/cloudevents-batch+json"
EVENTS_MAX = 10_000
VERSION = "1.0"
PREFIX = "ce-"


def read_events(body: bytes, content_type: str, headers: Mapping[str, str], now: datetime) -> list[BusinessEvent]:
    """The events of one request. headers: with small letters. now: of events that say no time.

    Raises BadBusiness that names the event's place, the attribute and what it takes; then none of them is kept.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if f"{PREFIX}id" in headers or f"{PREFIX}specversion" in headers:
        attributes: dict[str, Any] = {
            name.removeprefix(PREFIX): unquote(value) for name, value in headers.items() if name.startswith(PREFIX)
        }
        return [_event(attributes | {"data": _json(body) if body.strip() else None}, "", now)]
    found = _json(body)
    if kind == BATCHED or isinstance(found, list):
        if not isinstance(found, list):
            raise BadBusiness("a batch is an array of events", field="events")
        if len(found) > EVENTS_MAX:
            raise BadBusiness(f"{len(found):,} events; at most {EVENTS_MAX:,} in one batch", field="events")
        return [_event(one, f"event {at}: ", now) for at, one in enumerate(found, 1)]
    return [_event(found, "", now)]


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise BadBusiness(f"not JSON: {error}", field="events") from error


def _event(found: Any, where: str, now: datetime) -> BusinessEvent:
    if not isinstance(found, dict):
        raise BadBusiness(f"{where}no event: an object with specversion, id, source, type and subject", field="events")

    def text(name: str, *, needed: bool = True) -> str:
        value = found.get(name)
        if value is None or value == "":
            if needed:
                raise BadBusiness(f"{where}{name} is missing", field=name)
            return ""
        if not isinstance(value, str):
            raise BadBusiness(f"{where}{name} is text", field=name)
        try:
            return cells.text(value)
        except cells.Unreadable as error:
            raise BadBusiness(f"{where}{name}: {error}", field=name) from error

    if text("specversion") != VERSION:
        raise BadBusiness(f"{where}specversion is {found['specversion'][:20]!r}; 1.0 is read", field="specversion")
    data = found.get("data") if isinstance(found.get("data"), dict) else {}
    held = {name: data.get(name, found.get(name)) for name in ("quantity", "feature")} if data is not None else {}
    feature = held.get("feature") or ""
    if not isinstance(feature, str) or len(feature) > cells.TEXT_CHARS_MAX:
        raise BadBusiness(f"{where}feature is text of at most {cells.TEXT_CHARS_MAX} characters", field="feature")
    return BusinessEvent(
        source=text("source"), event_id=text("id"), kind=text("type"), customer_id=text("subject"),
        at=_time(text("time", needed=False), where) or now, quantity=_quantity(held.get("quantity"), where),
        feature=feature,
    )  # fmt: skip


def _time(value: str, where: str) -> datetime | None:
    if not value:
        return None
    try:
        return cells.moment(value)
    except cells.Unreadable as error:
        raise BadBusiness(f"{where}time: {error}", field="time") from error


def _quantity(value: Any, where: str) -> Decimal:
    if value is None:
        return Decimal(1)
    try:
        found = cells.amount(str(value))
    except cells.Unreadable as error:
        raise BadBusiness(f"{where}quantity: {error}", field="quantity") from error
    if isinstance(value, bool) or found <= 0:
        raise BadBusiness(f"{where}quantity: {value!r} isn't more than 0", field="quantity")
    return found
