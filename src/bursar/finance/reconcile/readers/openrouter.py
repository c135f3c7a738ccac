"""OpenRouter's activity: a row for each day, model and endpoint, with money and tokens of both directions together.

Completion tokens include reasoning. Source: the `/api/v1/activity` reference and its SDKs' ActivityItem, 2026; the CSV
that the site exports has the same columns.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from bursar.domain.usage import Unit
from bursar.finance.reconcile.bill import BillLine, Fault, Read, day_after
from bursar.finance.reconcile.readers.figures import Unreadable, csv_rows, day, decimal, maybe, objects, places, text
from bursar.finance.reconcile.readers.figures import read_json as parse

PROVIDER = "openrouter"
_NEEDED = {"date", "model", "usage", "prompt_tokens", "completion_tokens"}


def looks_like(value: Any) -> bool:
    rows = objects(value.get("data")) if isinstance(value, dict) else []
    return bool(rows) and set(rows[0]) >= _NEEDED


def looks_like_head(names: Iterable[str]) -> bool:
    return set(names) >= _NEEDED


def read(data: bytes) -> Read:
    """The answer of the API, or the CSV of the same columns."""
    if data.lstrip()[:1] == b"{":
        value = parse(data)
        if not looks_like(value):
            raise Unreadable("not OpenRouter's activity")
        rows: list[tuple[int, Mapping[str, Any]]] = list(enumerate(objects(value["data"]), 1))
    else:
        rows = list(csv_rows(data))
    lines: list[BillLine] = []
    faults: list[Fault] = []
    for number, row in rows:
        try:
            lines += _lines(row)
        except Unreadable as error:
            faults.append(Fault(number, str(error)))
    return Read(lines, faults)


def _lines(row: Mapping[str, Any]) -> list[BillLine]:
    """One line with the money, which is of all classes together, and usage of each class beside it."""
    start = day(row.get("date"), "date")
    own: dict[str, Any] = {
        "start": start,
        "end": day_after(start),
        "provider": PROVIDER,
        "model": text(row.get("model_permaslug")) or text(row.get("model")),
        "project": text(row.get("workspace_id")),
        "key": text(row.get("api_key_id")),
        "where": text(row.get("endpoint_id")),
    }
    money = decimal(row.get("usage"), "usage")
    lines = [BillLine(**own, amount=money, places=places(money), text=text(row.get("provider_name")))]
    for unit, field in ((Unit.INPUT, "prompt_tokens"), (Unit.OUTPUT, "completion_tokens")):
        quantity = maybe(row.get(field), field)
        if quantity:
            lines.append(BillLine(**own, unit=unit.value, quantity=quantity))
    return lines
